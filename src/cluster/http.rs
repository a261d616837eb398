//! HTTP responses, and requests that are sent directly, without a cluster.

use crate::encoding::percent_encode;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::time::Instant;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;

use super::error::{Error, ErrorKind, deepest, find};

/// The answer of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The HTTP status code.
    pub status: u16,
    /// The headers by lower-case name; several of one name are joined with `, `.
    pub headers: BTreeMap<String, String>,
    /// The body, up to the limit.
    pub body: Bytes,
    /// Whether the limit cut the body.
    pub truncated: bool,
    /// From sending the request to the last byte read, without the time to set up a port-forward.
    pub elapsed: Duration,
}

/// Sends a request straight to its host, from this machine. Redirects are not followed, and no
/// proxy is used.
///
/// # Errors
/// [`ErrorKind::ConnectionRefused`], [`ErrorKind::Unreachable`], [`ErrorKind::Tls`],
/// [`ErrorKind::Timeout`], [`ErrorKind::Protocol`]. An HTTP status is an answer, not an error.
pub async fn direct_http(
    request: Request<Bytes>,
    timeout: Duration,
    limit: usize,
) -> Result<HttpAnswer, Error> {
    let place = request.uri().clone();
    let shown =
        format!("{}://{}", place.scheme_str().unwrap_or("http"), place.host().unwrap_or_default());
    let shown = match place.port_u16() {
        Some(port) => format!("{shown}:{port}"),
        None => shown,
    };
    if place.host().is_none() {
        return Err(Error::new(ErrorKind::Invalid, format!("{place} is not an absolute URL")));
    }
    if let Some(address) =
        literal(place.host().unwrap_or_default()).filter(|address| is_link_local(*address))
    {
        return Err(link_local(&shown, address));
    }
    let mut connector = HttpConnector::new_with_resolver(tower::service_fn(resolve));
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(timeout));
    let https = hyper_rustls::HttpsConnectorBuilder::new()
        .with_provider_and_platform_verifier(rustls::crypto::ring::default_provider())
        .map_err(|error| {
            Error::new(
                ErrorKind::Tls,
                format!("the certificates of this machine cannot be used: {}", deepest(&error)),
            )
        })?
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector);
    let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        .build::<_, Full<Bytes>>(https);
    let started = Instant::now();
    let exchange = async {
        let response = client
            .request(request.map(Full::new))
            .await
            .map_err(|error| direct_error(&shown, &error))?;
        read_answer(response, limit, started).await.map_err(|error| broken(&shown, &error))
    };
    match tokio::time::timeout(timeout, exchange).await {
        Ok(result) => result,
        Err(_) => Err(no_answer(&shown, timeout)),
    }
}

/// The address that a host is written as, if it is one.
fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Addresses of the link: there stand the metadata services of clouds, which give credentials away.
pub(super) fn is_link_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => match address.to_ipv4() {
            // `::169.254.169.254`, the old way to write an IPv4 address as one of IPv6
            Some(address) => address.is_link_local(),
            None => address.is_unicast_link_local(),
        },
    }
}

fn link_local(shown: &str, address: IpAddr) -> Error {
    Error::new(ErrorKind::Invalid, format!("{shown} is refused: {address} is a link-local address"))
}

/// The addresses of a name; an error if one of them is of the link.
async fn resolve(name: Name) -> std::io::Result<std::vec::IntoIter<SocketAddr>> {
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
    match addresses.iter().find(|address| is_link_local(address.ip())) {
        Some(address) => {
            Err(std::io::Error::other(format!("{name} is the link-local address {}", address.ip())))
        }
        None => Ok(addresses.into_iter()),
    }
}

fn direct_error(shown: &str, error: &hyper_util::client::legacy::Error) -> Error {
    let cause = deepest(error);
    if find::<rustls::Error>(error).is_some() {
        return Error::new(ErrorKind::Tls, format!("no trusted connection to {shown}: {cause}"));
    }
    if !error.is_connect() {
        return broken(shown, error);
    }
    let refused = find::<std::io::Error>(error).is_some() && cause.contains("refused");
    if refused {
        Error::new(ErrorKind::ConnectionRefused, format!("nothing listens at {shown}: {cause}"))
    } else {
        Error::new(ErrorKind::Unreachable, format!("could not reach {shown}: {cause}"))
    }
}

pub(super) fn broken(shown: &str, error: &(dyn std::error::Error + 'static)) -> Error {
    Error::new(
        ErrorKind::Protocol,
        format!(
            "the connection to {shown} broke before its response was complete: {}",
            deepest(error)
        ),
    )
}

pub(super) fn no_answer(shown: &str, timeout: Duration) -> Error {
    Error::new(
        ErrorKind::Timeout,
        format!("{shown} did not respond within {} s", timeout.as_secs_f32()),
    )
}

/// Reads an answer up to the limit.
pub(super) async fn read_answer<B>(
    response: Response<B>,
    limit: usize,
    started: Instant,
) -> Result<HttpAnswer, B::Error>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
{
    let (parts, mut body) = response.into_parts();
    let mut read = BytesMut::new();
    let mut truncated = false;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        let room = limit - read.len();
        read.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            truncated = true;
            break;
        }
    }
    Ok(HttpAnswer {
        status: parts.status.as_u16(),
        headers: headers(&parts.headers),
        body: read.freeze(),
        truncated,
        elapsed: started.elapsed(),
    })
}

fn headers(map: &http::HeaderMap) -> BTreeMap<String, String> {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in map {
        let value = String::from_utf8_lossy(value.as_bytes());
        headers
            .entry(name.as_str().to_owned())
            .and_modify(|all| {
                all.push_str(", ");
                all.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    headers
}

/// Asks for a JSON document.
pub(super) fn get(path: &str) -> http::Result<Request<kube::client::Body>> {
    get_as(path, "application/json")
}

pub(super) fn get_as(path: &str, accept: &str) -> http::Result<Request<kube::client::Body>> {
    Request::get(path).header(http::header::ACCEPT, accept).body(kube::client::Body::empty())
}

/// `?a=b&c=d`, percent-encoded; empty without parameters.
pub(super) fn query(parameters: &[(&str, String)]) -> String {
    let pairs: Vec<String> =
        parameters.iter().map(|(key, value)| format!("{key}={}", percent_encode(value))).collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_would_change_a_request() {
        assert_eq!(query(&[]), "");
        assert_eq!(
            query(&[("a", "x=y,z in (1)".to_owned()), ("b", "ä&".to_owned())]),
            "?a=x%3Dy%2Cz%20in%20%281%29&b=%C3%A4%26"
        );
    }

    #[tokio::test]
    async fn link_local_addresses_are_never_asked() {
        for (address, wanted) in [
            ("169.254.169.254", true),
            ("::ffff:169.254.169.254", true),
            ("::169.254.169.254", true),
            ("fe80::1", true),
            ("febf::1", true),
            ("127.0.0.1", false),
            ("::1", false),
            ("10.0.0.1", false),
            ("fec0::1", false),
        ] {
            assert_eq!(is_link_local(address.parse().unwrap()), wanted, "{address}");
        }
        // also as a number, which only the resolver reads as an address
        for host in ["169.254.169.254", "[::ffff:a9fe:a9fe]", "2852039166", "0xa9fea9fe"] {
            let request = Request::get(format!("http://{host}/latest")).body(Bytes::new()).unwrap();
            let error = direct_http(request, Duration::from_secs(5), 1000).await.unwrap_err();
            assert!(error.message.contains("link-local"), "{host}: {error}");
        }
    }

    #[tokio::test]
    async fn says_that_nothing_listens() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let request = Request::get(format!("http://{address}/health")).body(Bytes::new()).unwrap();
        let error = direct_http(request, Duration::from_secs(5), 1000).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::ConnectionRefused);
        assert_eq!(
            error.message,
            format!("nothing listens at http://{address}: connection refused")
        );
        let request = Request::get("/health").body(Bytes::new()).unwrap();
        assert_eq!(
            direct_http(request, Duration::from_secs(5), 1000).await.unwrap_err().kind,
            ErrorKind::Invalid
        );
    }
}
