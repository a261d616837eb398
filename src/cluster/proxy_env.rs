//! The proxy that the environment configures for a server. Pure.

use std::net::IpAddr;

/// The proxy that the environment asks for, by the rules of Go's `ProxyFromEnvironment`, which
/// kubectl follows: never for this machine itself, `HTTPS_PROXY` for https and `HTTP_PROXY` for
/// http, unless `NO_PROXY` names the host.
pub(super) fn env_proxy(
    server: &http::Uri,
    env: impl Fn(&str) -> Option<String>,
) -> Option<http::Uri> {
    let get = |upper: &str, lower: &str| {
        env(upper).or_else(|| env(lower)).filter(|value| !value.is_empty())
    };
    let host = server.host()?.trim_matches(['[', ']']).to_ascii_lowercase();
    let address = host.parse::<IpAddr>().ok();
    if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
        return None;
    }
    let proxy = if server.scheme_str() == Some("http") {
        get("HTTP_PROXY", "http_proxy")
    } else {
        get("HTTPS_PROXY", "https_proxy")
    }?;
    let excluded = get("NO_PROXY", "no_proxy").unwrap_or_default();
    if excluded.split(',').any(|entry| excludes(entry.trim(), &host, address, server.port_u16())) {
        return None;
    }
    let proxy = if proxy.contains("://") { proxy } else { format!("http://{proxy}") };
    proxy.parse().ok()
}

fn excludes(entry: &str, host: &str, address: Option<IpAddr>, port: Option<u16>) -> bool {
    if entry == "*" {
        return true;
    }
    if let (Some((network, bits)), Some(address)) = (entry.split_once('/'), address) {
        return match (network.parse::<IpAddr>(), bits.parse::<u32>()) {
            (Ok(network), Ok(bits)) => in_network(address, network, bits),
            _ => false,
        };
    }
    let (entry, wanted) = match entry.rsplit_once(':') {
        Some((name, digits)) if !name.contains(':') && digits.parse::<u16>().is_ok() => {
            (name, digits.parse::<u16>().ok())
        }
        _ => (entry, None),
    };
    if wanted.is_some() && wanted != port {
        return false;
    }
    let entry = entry.trim_start_matches("*.").trim_start_matches('.').to_ascii_lowercase();
    !entry.is_empty()
        && (host == entry || (address.is_none() && host.ends_with(&format!(".{entry}"))))
}

fn in_network(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) if bits <= 32 => {
            let shift = 32 - bits;
            u64::from(address.to_bits()) >> shift == u64::from(network.to_bits()) >> shift
        }
        (IpAddr::V6(address), IpAddr::V6(network)) if bits <= 128 => {
            bits == 0 || address.to_bits() >> (128 - bits) == network.to_bits() >> (128 - bits)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn obeys_the_proxy_environment() {
        let env = |no_proxy: &'static str| {
            move |name: &str| match name {
                "HTTPS_PROXY" => Some("http://proxy:3128".to_owned()),
                "NO_PROXY" => Some(no_proxy.to_owned()),
                _ => None,
            }
        };
        let cases = [
            ("https://api.example.com:6443", "", true),
            ("https://api.example.com:6443", "example.com", false),
            ("https://api.example.com:6443", ".example.com", false),
            ("https://api.example.com:6443", "ample.com", true),
            ("https://api.example.com:6443", "example.com:443", true),
            ("https://10.1.2.3:6443", "10.1.0.0/16", false),
            ("https://10.1.2.3:6443", "10.2.0.0/16, *", false),
            ("https://10.1.2.3:6443", "10.2.0.0/16", true),
            ("https://[fd00::1]:6443", "fd00::/8", false),
            ("https://127.0.0.1:6443", "", false),
            ("https://localhost:6443", "", false),
            ("http://api.example.com", "", false),
        ];
        for (server, no_proxy, expected) in cases {
            let server: http::Uri = server.parse().unwrap();
            assert_eq!(
                env_proxy(&server, env(no_proxy)).is_some(),
                expected,
                "{server} {no_proxy}"
            );
        }
    }
}
