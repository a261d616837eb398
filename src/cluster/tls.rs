//! TLS handshakes that trust nobody: what a server presents, and whether it would be trusted.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::client::Cluster;
use super::error::{Error, ErrorKind, deepest, find};
use super::http::{is_link_local, no_answer};

/// What a server presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsAnswer {
    /// Why there was no handshake; the rest is what was seen until then.
    pub failed: Option<String>,
    /// `TLS 1.3`.
    pub version: Option<String>,
    /// The certificates, the server's own first, in DER.
    pub chain: Vec<Vec<u8>>,
    /// Whether the chain leads to a trusted root and stands for the name, or why not; none if there
    /// was no chain.
    pub verified: Option<Result<(), String>>,
}

/// Whom a client would trust.
#[derive(Clone)]
pub struct Trust(Arc<dyn ServerCertVerifier>);

impl Trust {
    /// The authorities that this machine trusts, or those of a PEM bundle.
    ///
    /// # Errors
    /// When there are none.
    pub fn new(bundle: Option<&str>) -> Result<Self, String> {
        let provider = provider();
        let Some(bundle) = bundle else {
            let verifier = rustls_platform_verifier::Verifier::new(provider).map_err(|error| {
                format!("the certificates of this machine cannot be used: {error}")
            })?;
            return Ok(Self(Arc::new(verifier)));
        };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
            let certificate = certificate.map_err(|_| "the `ca` is not PEM".to_owned())?;
            roots
                .add(certificate)
                .map_err(|error| format!("a certificate of the `ca` cannot be used: {error}"))?;
        }
        let verifier =
            rustls::client::WebPkiServerVerifier::builder_with_provider(roots.into(), provider)
                .build()
                .map_err(|_| "the `ca` contains no certificate in PEM".to_owned())?;
        Ok(Self(verifier))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Takes every chain, and notes it with the judgement of somebody who is more careful.
#[derive(Debug)]
struct Recorder {
    trust: Arc<dyn ServerCertVerifier>,
    seen: Mutex<Option<Seen>>,
}

#[derive(Debug, Clone)]
struct Seen {
    chain: Vec<Vec<u8>>,
    verified: Result<(), String>,
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self
            .trust
            .verify_server_cert(own, intermediates, name, ocsp, now)
            .map(drop)
            .map_err(|error| error.to_string());
        let chain = std::iter::once(own).chain(intermediates).map(|one| one.to_vec()).collect();
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(Seen { chain, verified });
        Ok(ServerCertVerified::assertion())
    }

    // that the server has the key of its certificate is still checked
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.trust.verify_tls12_signature(message, own, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.trust.verify_tls13_signature(message, own, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.supported_verify_schemes()
    }
}

impl Cluster {
    /// A handshake with a port of a pod, through a port-forward.
    ///
    /// # Errors
    /// When the pod cannot be asked, or nothing listens. What a server presents is an answer.
    pub async fn forward_tls(
        &self,
        (namespace, pod, port): (&str, &str, u16),
        name: &ServerName<'static>,
        trust: &Trust,
        timeout: Duration,
    ) -> Result<TlsAnswer, Error> {
        let shown = format!("pod {namespace}/{pod}:{port}");
        let exchange = async {
            let stream = self.forward_stream(namespace, pod, port).await?;
            match shake(stream.io, name, trust).await {
                // the forward breaks where nothing listens, and then says so
                answer if answer.failed.is_some() && answer.chain.is_empty() => {
                    stream.why.await.filter(|why| !is_reset(why)).map_or(Ok(answer), Err)
                }
                answer => Ok(answer),
            }
        };
        match tokio::time::timeout(timeout, exchange).await {
            Ok(result) => result,
            Err(_) => Err(no_answer(&shown, timeout)),
        }
    }
}

/// Whether a forward broke because the server itself ended the connection.
fn is_reset(why: &Error) -> bool {
    why.kind == ErrorKind::Server
        && ["connection reset by peer", "broken pipe"].iter().any(|own| why.message.contains(own))
}

/// A handshake with a host, from this machine.
///
/// # Errors
/// When there is no connection. What a server presents is an answer.
pub async fn direct_tls(
    (host, port): (&str, u16),
    name: &ServerName<'static>,
    trust: &Trust,
    timeout: Duration,
) -> Result<TlsAnswer, Error> {
    let shown = format!("{host}:{port}");
    let unreachable = |error: &std::io::Error| {
        let kind = if error.kind() == std::io::ErrorKind::ConnectionRefused {
            ErrorKind::ConnectionRefused
        } else {
            ErrorKind::Unreachable
        };
        Error::new(kind, format!("no connection to {shown}: {}", deepest(error)))
    };
    let exchange = async {
        let addresses: Vec<_> = tokio::net::lookup_host((host, port))
            .await
            .map_err(|error| unreachable(&error))?
            .collect();
        if let Some(address) = addresses.iter().find(|address| is_link_local(address.ip())) {
            let why = format!("{shown} is refused: {} is a link-local address", address.ip());
            return Err(Error::new(ErrorKind::Invalid, why));
        }
        let stream =
            TcpStream::connect(&addresses[..]).await.map_err(|error| unreachable(&error))?;
        Ok(shake(stream, name, trust).await)
    };
    match tokio::time::timeout(timeout, exchange).await {
        Ok(result) => result,
        Err(_) => Err(no_answer(&shown, timeout)),
    }
}

/// A handshake over a connection.
async fn shake<S>(stream: S, name: &ServerName<'static>, trust: &Trust) -> TlsAnswer
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let recorder = Arc::new(Recorder { trust: Arc::clone(&trust.0), seen: Mutex::new(None) });
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map(|builder| {
            let verifier = Arc::clone(&recorder) as Arc<dyn ServerCertVerifier>;
            builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
        });
    let shaken = match config {
        Ok(config) => {
            let connector = TlsConnector::from(Arc::new(config));
            connector.connect(name.clone(), stream).await.map_err(|error| reason(&error))
        }
        Err(error) => Err(error.to_string()),
    };
    let seen = recorder.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let version = shaken.as_ref().ok().and_then(|stream| stream.get_ref().1.protocol_version());
    TlsAnswer {
        version: version.and_then(|version| version.as_str()).map(shown_version),
        failed: shaken.err(),
        verified: seen.as_ref().map(|seen| seen.verified.clone()),
        chain: seen.map(|seen| seen.chain).unwrap_or_default(),
    }
}

/// `TLSv1_3` as people write it.
fn shown_version(version: &str) -> String {
    version.replace("TLSv", "TLS ").replace('_', ".")
}

/// Why a handshake failed.
fn reason(error: &std::io::Error) -> String {
    match find::<rustls::Error>(error) {
        Some(rustls::Error::InvalidMessage(_)) => {
            "the server does not speak TLS on this port".to_owned()
        }
        Some(error) => error.to_string(),
        None if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "the server closed the connection during the handshake".to_owned()
        }
        None => deepest(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::PrivatePkcs8KeyDer;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    const AUTHORITY: &str = include_str!("../../tests/cli/fixtures/authority.pem");
    const SECOND: Duration = Duration::from_secs(5);

    /// A server with a certificate for 127.0.0.1 that was valid in 2020 only.
    fn server() -> tokio_rustls::TlsAcceptor {
        let chain = include_bytes!("../../tests/cli/fixtures/expired.der").to_vec();
        let key = include_bytes!("../../tests/cli/fixtures/expired.key.der").to_vec();
        let config = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![chain.into()], PrivatePkcs8KeyDer::from(key).into())
            .unwrap();
        tokio_rustls::TlsAcceptor::from(Arc::new(config))
    }

    async fn ask(name: &str, bundle: Option<&str>, speaks_tls: bool) -> TlsAnswer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            if speaks_tls {
                let _ = server().accept(stream).await;
            } else {
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            }
        });
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let trust = Trust::new(bundle).unwrap();
        let answer = direct_tls(("127.0.0.1", port), &name, &trust, SECOND).await.unwrap();
        served.await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_chain_that_is_not_trusted_is_seen_all_the_same() {
        let answer = ask("127.0.0.1", Some(AUTHORITY), true).await;
        assert_eq!((answer.failed, answer.version.as_deref()), (None, Some("TLS 1.3")));
        assert_eq!(answer.chain.len(), 1);
        let why = answer.verified.unwrap().unwrap_err();
        assert!(why.contains("expired"), "{why}");
        let answer = ask("shop.example", None, true).await;
        assert!(answer.failed.is_none() && answer.verified.unwrap().is_err());
    }

    #[tokio::test]
    async fn a_port_without_tls_is_an_answer_and_no_connection_is_none() {
        let answer = ask("127.0.0.1", Some(AUTHORITY), false).await;
        assert_eq!(answer.failed.as_deref(), Some("the server does not speak TLS on this port"));
        assert_eq!((answer.chain.len(), answer.verified), (0, None));
        let name = ServerName::try_from("localhost").unwrap();
        let trust = Trust::new(Some(AUTHORITY)).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let error = direct_tls(("127.0.0.1", free), &name, &trust, SECOND).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::ConnectionRefused);
        assert!(Trust::new(Some("nothing")).is_err());
    }
}
