//! Calls to identity platforms. TLS trusts the operating system's certificates, proxies are
//! the system's and the environment's, no redirect is followed, everything has a limit.

use std::error::Error as StdError;
use std::fmt;
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::redirect::Policy;
use rustls::CertificateError;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use atthene_core::address::is_loopback;
use atthene_core::port::{Http, Keep, Later, NetworkError};

/// A proxy that calls go through.
#[derive(Clone)]
pub struct Proxy {
    /// Scheme, host and port.
    pub address: Uri,
    /// What an HTTP proxy is told of who asks.
    pub authorization: Option<HeaderValue>,
    /// The same for a SOCKS proxy.
    login: Option<(String, SecretString)>,
}

impl Proxy {
    /// The one that calls to this address go through: of the environment (`HTTPS_PROXY` and its like), else of the
    /// system, and none for an exception (`NO_PROXY`) or this machine. One rule for sign-ins, the agent runtime and
    /// Graph.
    pub fn between(target: &Uri) -> Option<Self> {
        static KNOWN: LazyLock<Matcher> = LazyLock::new(Matcher::from_system);
        Self::of(&KNOWN, target)
    }

    fn of(known: &Matcher, target: &Uri) -> Option<Self> {
        if Url::parse(&target.to_string()).is_ok_and(|url| is_loopback(&url)) {
            return None;
        }
        let found = known.intercept(target)?;
        Some(Self {
            address: found.uri().clone(),
            authorization: found.basic_auth().cloned(),
            login: found.raw_auth().map(|(user, password)| (user.to_owned(), password.to_owned().into())),
        })
    }

    /// User and password for a SOCKS proxy.
    pub fn login(&self) -> Option<(String, String)> {
        self.login.as_ref().map(|(user, password)| (user.clone(), password.expose_secret().to_owned()))
    }
}

/// Without what only the proxy is to know.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.address.scheme_str().unwrap_or("http");
        write!(f, "{scheme}://{}", self.address.host().unwrap_or_default())?;
        self.address.port_u16().map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// How long a call may take.
struct Timeouts {
    /// To connect, TLS included.
    connect: Duration,
    /// Between two parts of an answer.
    read: Duration,
    /// From the call to the end of its answer.
    whole: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), read: Duration::from_secs(10), whole: Duration::from_secs(15) }
    }
}

/// The HTTP client of this process.
#[derive(Default)]
pub struct Network {
    timeouts: Timeouts,
    /// Made by the first call: reading the system's certificates takes time and memory.
    outside: OnceLock<reqwest::Client>,
    /// This machine is never asked through a proxy.
    here: OnceLock<reqwest::Client>,
}

/// How long an answer that waits for an agent or a person may take.
const PATIENCE: Duration = Duration::from_mins(15);

impl Network {
    /// One that waits for an agent or a person.
    pub fn patient() -> Self {
        let timeouts = Timeouts { read: PATIENCE, whole: PATIENCE, ..Timeouts::default() };
        Self { timeouts, ..Self::default() }
    }

    async fn call(
        &self,
        request: http::Request<Vec<u8>>,
        limit: usize,
        mut keep: Keep<'_>,
    ) -> Result<http::Response<Vec<u8>>, NetworkError> {
        let url = Url::parse(&request.uri().to_string());
        let host = request.uri().host().unwrap_or_default().to_owned();
        let failed = |error: &reqwest::Error| why(&host, error);
        let client = self.client(url.is_ok_and(|url| is_loopback(&url))).map_err(|error| failed(&error))?;
        let request = reqwest::Request::try_from(request).map_err(|error| failed(&error))?;
        let mut answer = client.execute(request).await.map_err(|error| failed(&error))?;
        if answer.status().is_redirection() {
            return Err(NetworkError::Redirect(host));
        }
        let mut parts = http::Response::builder().status(answer.status());
        if let Some(headers) = parts.headers_mut() {
            *headers = std::mem::take(answer.headers_mut());
        }
        let (mut body, mut read) = (Vec::new(), 0);
        while let Some(part) = answer.chunk().await.map_err(|error| failed(&error))? {
            read += part.len();
            if read > limit || !keep(&part, &mut body) {
                return Err(NetworkError::TooLarge { host, limit });
            }
        }
        parts.body(body).map_err(|error| NetworkError::Unreachable { host, reason: error.to_string() })
    }

    fn client(&self, here: bool) -> Result<&reqwest::Client, reqwest::Error> {
        let slot = if here { &self.here } else { &self.outside };
        if let Some(client) = slot.get() {
            return Ok(client);
        }
        // Another part of the process may have chosen it before; then it is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .redirect(Policy::none())
            .connect_timeout(self.timeouts.connect)
            .read_timeout(self.timeouts.read)
            .timeout(self.timeouts.whole)
            .user_agent(concat!("atthene-settings/", env!("CARGO_PKG_VERSION")));
        if here {
            builder = builder.no_proxy();
        }
        let made = builder.build()?;
        Ok(slot.get_or_init(|| made))
    }
}

impl Http for Network {
    fn send_and_keep<'a>(
        &'a self,
        request: http::Request<Vec<u8>>,
        limit: usize,
        keep: Keep<'a>,
    ) -> Later<'a, Result<http::Response<Vec<u8>>, NetworkError>> {
        Box::pin(self.call(request, limit, keep))
    }

    fn proxy_to(&self, url: &str) -> Option<String> {
        Proxy::between(&url.parse().ok()?).map(|proxy| proxy.to_string())
    }
}

/// Finds the cause that a person can act on.
fn why(host: &str, error: &reqwest::Error) -> NetworkError {
    let host = host.to_owned();
    if error.is_timeout() {
        return NetworkError::Timeout(host);
    }
    let mut deepest = String::new();
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(reason)) = tls_error(error) {
            return NetworkError::Certificate { host, reason: distrust(reason) };
        }
        deepest = match error.downcast_ref::<std::io::Error>() {
            Some(error) => in_words(error),
            None => error.to_string(),
        };
        next = error.source();
    }
    NetworkError::Unreachable { host, reason: deepest }
}

/// What the system says, without its number: that helps nobody who reads it.
fn in_words(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error").map_or(text.clone(), |(words, _)| words.to_owned())
}

/// Why a certificate is not trusted, without the names of types.
fn distrust(reason: &CertificateError) -> String {
    match reason {
        CertificateError::UnknownIssuer => "nobody whom this machine trusts has issued it",
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired; compare the clock, too",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet; compare the clock, too"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another host name"
        }
        CertificateError::Revoked => "it was revoked",
        CertificateError::BadSignature => "its signature is wrong",
        _ => "it is not one that a server may show",
    }
    .to_owned()
}

/// An I/O error hides the error that it carries from the chain of sources, also when that is
/// an I/O error again.
fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let carried = || error.downcast_ref::<std::io::Error>()?.get_ref().and_then(|inner| tls_error(inner));
    error.downcast_ref().or_else(carried)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn impatient() -> Network {
        let soon = Duration::from_millis(300);
        Network { timeouts: Timeouts { connect: soon, read: soon, whole: soon * 3 }, ..Network::default() }
    }

    /// Answers every call with these bytes; `None` never answers.
    async fn server(answer: Option<Vec<u8>>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let answer = answer.clone();
                tokio::spawn(async move {
                    let _ = stream.read(&mut [0; 4096]).await;
                    if let Some(answer) = answer {
                        let _ = stream.write_all(&answer).await;
                    } else {
                        std::future::pending::<()>().await;
                    }
                });
            }
        });
        url
    }

    fn with_body(body: &[u8]) -> Vec<u8> {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    }

    #[test]
    fn k6_a_proxy_is_told_without_its_password_and_never_asked_for_this_machine() {
        let known =
            Matcher::builder().all("http://ada:not-a-real-word@proxy.example:3128").no("inside.example").build();
        let between = |target: &'static str| Proxy::of(&known, &Uri::from_static(target));
        let proxy = between("https://graph.example/v1.0").expect("a proxy");
        assert_eq!((proxy.to_string().as_str(), proxy.authorization.is_some()), ("http://proxy.example:3128", true));
        assert!(!format!("{proxy:?}").contains("not-a-real-word"));
        for straight in ["http://127.0.0.1:9/", "http://localhost:9/", "http://[::1]:9/", "https://a.inside.example/"] {
            assert!(between(straight).is_none(), "{straight}");
        }
        let socks = Matcher::builder().all("socks5h://ada:not-a-real-word@proxy.example:1080").build();
        let socks = Proxy::of(&socks, &Uri::from_static("http://agents.example/")).expect("a proxy");
        assert_eq!(socks.to_string(), "socks5h://proxy.example:1080");
        assert_eq!(socks.login(), Some(("ada".into(), "not-a-real-word".into())));
    }

    #[tokio::test]
    async fn an_answer_is_read_whole_and_not_beyond_its_limit() {
        let answer = impatient().get(&server(Some(with_body(b"{}"))).await).await.expect("an answer");
        assert_eq!(answer.body(), b"{}");
        let large = impatient().get(&server(Some(with_body(&vec![b' '; 5 * 1024 * 1024]))).await).await;
        assert!(matches!(large, Err(NetworkError::TooLarge { .. })), "{large:?}");
        // Without a length that would tell before.
        let endless = [&b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"[..], &vec![b' '; 5 * 1024 * 1024]].concat();
        let endless = impatient().get(&server(Some(endless)).await).await;
        assert!(matches!(endless, Err(NetworkError::TooLarge { .. })), "{endless:?}");
    }

    #[tokio::test]
    async fn no_redirect_is_followed() {
        for status in ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
            let elsewhere = server(Some(with_body(b"followed"))).await;
            let answer = format!("HTTP/1.1 {status}\r\nlocation: {elsewhere}\r\ncontent-length: 0\r\n\r\n");
            let got = impatient().get(&server(Some(answer.into_bytes())).await).await;
            assert!(matches!(got, Err(NetworkError::Redirect(_))), "{got:?}");
        }
    }

    #[tokio::test]
    async fn silence_and_a_closed_port_are_told_apart() {
        let silent = impatient().get(&server(None).await).await;
        assert!(matches!(silent, Err(NetworkError::Timeout(_))), "{silent:?}");
        let port = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
        let closed = impatient().get(&format!("http://{port}")).await;
        assert!(matches!(closed, Err(NetworkError::Unreachable { .. })), "{closed:?}");
    }

    #[tokio::test]
    async fn a_certificate_that_the_system_does_not_trust_is_named() {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let key = rustls::pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der()).expect("a key");
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![own.cert.der().clone()], key))
            .expect("a TLS server");
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = acceptor.accept(stream).await;
            }
        });
        let got = Network::default().get(&format!("https://localhost:{port}/")).await;
        assert!(matches!(got, Err(NetworkError::Certificate { .. })), "{got:?}");
    }
}
