# Listens on every port given, over TCP and UDP; a datagram is sent back.
# On the address of the pod alone: in the network of a node an answer could leave with another address than was asked.
import os, selectors, signal, socket, sys

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # the first process of a container has no default
ready = selectors.DefaultSelector()
for port in map(int, sys.argv[1:]):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        listener = socket.socket(socket.AF_INET, kind)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((os.environ["POD_IP"], port))
        if kind == socket.SOCK_STREAM:
            listener.listen(256)
        ready.register(listener, selectors.EVENT_READ, kind)
while True:
    for key, _ in ready.select():
        if key.data == socket.SOCK_STREAM:
            key.fileobj.accept()[0].close()
        else:
            data, sender = key.fileobj.recvfrom(64)
            key.fileobj.sendto(data, sender)
