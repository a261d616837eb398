//! The `ipBlock` of a NetworkPolicy, and the address of a DNS server.

use crate::object::{array, text};
use serde_json::Value;
use std::net::{IpAddr, SocketAddrV4};

/// A block as one writes it: `10.0.0.0/8 except 10.96.0.0/12`.
pub(super) fn words(block: &Value) -> String {
    let except: Vec<&str> = array(&block["except"]).map(text).collect();
    let cidr = text(&block["cidr"]);
    if except.is_empty() { cidr.to_owned() } else { format!("{cidr} except {}", except.join(", ")) }
}

/// Whether an address is in a block.
pub(super) fn covers(block: &Value, address: IpAddr) -> bool {
    is_in(text(&block["cidr"]), address)
        && !array(&block["except"]).any(|hole| is_in(text(hole), address))
}

fn is_in(cidr: &str, address: IpAddr) -> bool {
    let (network, length) = cidr.split_once('/').unwrap_or_default();
    let (Ok(network), Ok(length)) = (network.parse(), length.parse::<u32>()) else { return false };
    let (network, address, bits) = match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            (network.to_bits().into(), address.to_bits().into(), 32)
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => (network.to_bits(), address.to_bits(), 128),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
    };
    let shift = u32::saturating_sub(bits, length);
    // a shift by all bits leaves nothing of either
    u128::checked_shr(network, shift) == u128::checked_shr(address, shift)
}

/// The DNS server that a program names where it gets no answer: `lookup pay on 10.96.0.10:53: …`,
/// `communications error to 10.96.0.10#53: timed out`.
pub(super) fn asked(said: &str) -> Option<IpAddr> {
    let said = said.replace('#', ":");
    let mut parts = said.split(|one: char| !(one.is_ascii_digit() || matches!(one, '.' | ':')));
    let server = parts.find_map(|part| {
        let socket: SocketAddrV4 = part.trim_end_matches(':').parse().ok()?;
        (socket.port() == 53).then_some(*socket.ip())
    });
    server.map(IpAddr::V4)
}

#[cfg(test)]
mod tests {
    use super::{asked, covers};
    use serde_json::json;

    #[test]
    fn addresses_in_blocks() {
        for (cidr, except, address, wanted) in [
            ("10.96.0.0/12", "10.97.0.0/16", "10.96.0.10", true),
            ("10.96.0.0/12", "10.96.0.0/16", "10.96.0.10", false),
            ("10.96.0.10/32", "10.97.0.0/16", "10.96.0.10", true),
            ("10.96.0.11/32", "10.97.0.0/16", "10.96.0.10", false),
            ("0.0.0.0/0", "192.168.0.0/16", "10.96.0.10", true),
            ("0.0.0.0/0", "10.0.0.0/8", "10.96.0.10", false),
            ("::/0", "fd00::/8", "10.96.0.10", false),
            ("::/0", "fd01::/16", "fd00::a", true),
            ("fd00::/8", "fd00::a/128", "fd00::a", false),
            ("no block", "10.97.0.0/16", "10.96.0.10", false),
        ] {
            let block = json!({"cidr": cidr, "except": [except]});
            assert_eq!(covers(&block, address.parse().unwrap()), wanted, "{block} {address}");
        }
    }

    #[test]
    fn servers_in_lines() {
        for (said, wanted) in [
            ("lookup pay on 10.96.0.10:53: no answer", Some("10.96.0.10")),
            ("read udp 10.244.0.9:4352->10.96.0.10:53: i/o timeout", Some("10.96.0.10")),
            (";; communications error to 10.96.0.10#53: timed out", Some("10.96.0.10")),
            ("dial tcp 10.96.1.1:5353: i/o timeout", None),
            ("Temporary failure in name resolution", None),
        ] {
            assert_eq!(asked(said), wanted.map(|one| one.parse().unwrap()), "{said}");
        }
    }
}
