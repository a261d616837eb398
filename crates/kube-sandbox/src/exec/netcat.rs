//! nc of OpenBSD: whether a port accepts connections.

use super::arguments::{Arguments, Specification};
use super::target::{Dialled, dial};
use super::{Outcome, Session};
use netpol_evaluator::Protocol;

const OPTIONS: Specification = Specification {
    flags: &[('z', "zero"), ('v', "verbose"), ('n', "numeric"), ('u', "udp"), ('4', "ipv4")],
    valued: &[('w', "wait")],
};

pub(crate) fn run(session: &Session, words: &[&str]) -> Outcome {
    let Ok(arguments) = Arguments::parse(&OPTIONS, words) else {
        return super::not_simulated("nc", words);
    };
    let [host, port] = arguments.operands.as_slice() else {
        return super::not_simulated("nc", words);
    };
    let Ok(number) = port.parse::<u16>() else {
        return super::not_simulated("nc", words);
    };
    // what would be said over the connection is not simulated, and UDP does not tell whether
    // anybody listens
    if !arguments.has("zero") || arguments.has("udp") {
        return super::not_simulated("nc", words);
    }
    let says = |text: String| {
        if arguments.has("verbose") { text } else { String::new() }
    };
    let named = |address: std::net::IpAddr| {
        if address.to_string() == *host { host.clone() } else { format!("{host} ({address})") }
    };
    let waited = arguments.seconds("wait");
    match dial(session, host, number, Protocol::Tcp) {
        Dialled::Pod { address, .. } | Dialled::ApiServer { address } => Outcome {
            code: 0,
            ..Outcome::failed(
                0,
                says(format!("Connection to {} {port} port [tcp/*] succeeded!\n", named(address))),
            )
        },
        Dialled::Refused { address } => Outcome::failed(
            1,
            says(format!(
                "nc: connect to {} port {port} (tcp) failed: Connection refused\n",
                named(address)
            )),
        ),
        Dialled::TimedOut { address } => {
            let how = if waited.is_some() {
                "timed out: Operation now in \
                progress"
            } else {
                "failed: Connection timed out"
            };
            Outcome::failed(
                1,
                says(format!("nc: connect to {} port {port} (tcp) {how}\n", named(address))),
            )
            .timed_out(waited)
        }
        Dialled::NoSuchHost => Outcome::failed(
            1,
            format!(
                "nc: getaddrinfo for host \"{host}\" port {port}: Name or service not \
                known\n"
            ),
        ),
        Dialled::NoAnswer => Outcome::failed(
            1,
            format!(
                "nc: getaddrinfo for host \"{host}\" port {port}: Temporary \
                failure in name resolution\n"
            ),
        )
        .timed_out(waited),
    }
}
