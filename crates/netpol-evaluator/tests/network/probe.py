# Connects to every PROTOCOL/ADDRESS/PORT given, all at once; one line each in the same order: yes, no (nothing came back), or the error.
# An address that is a name is asked for first.
import os, select, socket, sys, time

PATIENCE, AGAIN = 1.2, 0.3  # seconds until silence is a no; until a datagram, which may be lost, is sent again
poll, waiting, answers, known = select.poll(), {}, [], {}


def resolve(name):
    if name not in known:
        try:
            known[name] = socket.gethostbyname(name)
        except OSError as error:
            known[name] = error
    return known[name]


for place, target in enumerate(sys.argv[1:]):
    protocol, address, port = target.split("/")
    address = resolve(address)
    if isinstance(address, OSError):
        answers.append(address.strerror)
        continue
    probe = socket.socket(socket.AF_INET, socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM)
    probe.setblocking(False)
    answers.append("no")
    probe.connect_ex((address, int(port)))
    waiting[probe.fileno()] = (place, probe, protocol == "TCP")
    poll.register(probe, select.POLLOUT if protocol == "TCP" else select.POLLIN)
end, send = time.monotonic() + PATIENCE, 0
while waiting and time.monotonic() < end:
    if time.monotonic() >= send:
        send = time.monotonic() + AGAIN
        for place, probe, tcp in waiting.values():
            if not tcp:
                try:
                    probe.send(b"x")
                except OSError as error:
                    answers[place] = error.strerror
    for number, _ in poll.poll(50):
        place, probe, _ = waiting.pop(number)
        error = probe.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        answers[place] = "yes" if error == 0 else os.strerror(error)
        poll.unregister(number)
print("\n".join(answers))
