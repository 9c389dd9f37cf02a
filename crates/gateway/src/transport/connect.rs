//! How a connection to the agent runtime or to Graph comes about: straight, or through the company's proxy, which
//! is the same one that sign-ins go through.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use atthene_identity::Proxy;
use http::Uri;
use http::uri::Scheme;
use hyper::rt::{Read, Write};
use hyper_rustls::{ConfigBuilderExt, FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::{SocksV4, SocksV5, Tunnel};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tower::{BoxError, ServiceExt};

/// A connection that nobody answers on is found to be dead after a while: a firewall may have forgotten it.
const KEEPALIVE: Duration = Duration::from_mins(1);

/// Any connection.
pub(super) trait Stream: Read + Write + Send + Unpin {}

impl<S: Read + Write + Send + Unpin> Stream for S {}

/// Makes connections.
pub(super) struct Connector {
    tcp: HttpConnector,
    tls: Arc<ClientConfig>,
    straight: HttpsConnector<HttpConnector>,
    /// For all of it: name, TCP, proxy and TLS.
    time: Duration,
}

impl Connector {
    pub(super) fn new(time: Duration) -> std::io::Result<Self> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(std::io::Error::other)?
            .try_with_platform_verifier()
            .map_err(std::io::Error::other)?
            .with_no_client_auth();
        let tls = Arc::new(tls);
        let straight = over_tls(&tls, None, tcp.clone());
        Ok(Self { tcp, tls, straight, time })
    }

    /// A connection to this address, through this proxy where there is one.
    pub(super) async fn connect(&self, to: &Uri, through: Option<&Proxy>) -> Result<Box<dyn Stream>, BoxError> {
        let connected = async {
            match through {
                None => Ok(Box::new(self.straight.clone().oneshot(to.clone()).await?) as Box<dyn Stream>),
                Some(proxy) => self.through(proxy, to).await,
            }
        };
        match tokio::time::timeout(self.time, connected).await {
            Ok(connected) => connected,
            Err(_) => Err(format!("no connection came about within {} seconds", self.time.as_secs()).into()),
        }
    }

    async fn through(&self, proxy: &Proxy, to: &Uri) -> Result<Box<dyn Stream>, BoxError> {
        let at = proxy.address.clone();
        match proxy.address.scheme_str() {
            Some("socks5" | "socks5h") => {
                let mut socks = SocksV5::new(at, self.tcp.clone());
                if let Some((user, password)) = proxy.login() {
                    socks = socks.with_auth(user, password);
                }
                let (target, name) = self.resolved(proxy, to).await?;
                Ok(Box::new(over_tls(&self.tls, name, socks).oneshot(target).await?))
            }
            Some("socks4" | "socks4a") => {
                let (target, name) = self.resolved(proxy, to).await?;
                Ok(Box::new(over_tls(&self.tls, name, SocksV4::new(at, self.tcp.clone())).oneshot(target).await?))
            }
            _ if to.scheme() == Some(&Scheme::HTTPS) => {
                let mut tunnel = Tunnel::new(at, self.straight.clone());
                if let Some(authorization) = &proxy.authorization {
                    tunnel = tunnel.with_auth(authorization.clone());
                }
                Ok(Box::new(over_tls(&self.tls, None, tunnel).oneshot(to.clone()).await?))
            }
            // Without TLS the proxy is told whole addresses instead (RFC 9112, 3.2.2).
            _ => Ok(Box::new(self.straight.clone().oneshot(at).await?)),
        }
    }

    /// With `socks5` and `socks4` this machine looks the name up, with `socks5h` and `socks4a` the proxy does. Then
    /// also the name that a certificate has to hold.
    async fn resolved(&self, proxy: &Proxy, to: &Uri) -> Result<(Uri, Option<ServerName<'static>>), BoxError> {
        let (Some(host), Some("socks5" | "socks4")) = (to.host(), proxy.address.scheme_str()) else {
            return Ok((to.clone(), None));
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let port = to.port_u16().unwrap_or(if to.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 });
        let mut found = tokio::net::lookup_host((bare, port)).await?;
        let wants_v4 = proxy.address.scheme_str() == Some("socks4");
        let address: SocketAddr = found
            .find(|address| !wants_v4 || address.is_ipv4())
            .ok_or("the host has no address that the proxy takes")?;
        let target = Uri::builder()
            .scheme(to.scheme().cloned().unwrap_or(Scheme::HTTP))
            .authority(address.to_string())
            .path_and_query("/")
            .build()?;
        Ok((target, Some(ServerName::try_from(bare.to_owned())?)))
    }
}

/// TLS where the address says so. `name`: what the certificate has to hold, where the address is no name.
fn over_tls<C>(tls: &Arc<ClientConfig>, name: Option<ServerName<'static>>, connector: C) -> HttpsConnector<C> {
    let builder = HttpsConnectorBuilder::new().with_tls_config(ClientConfig::clone(tls)).https_or_http();
    match name {
        Some(name) => builder
            .with_server_name_resolver(FixedServerNameResolver::new(name))
            .enable_http1()
            .wrap_connector(connector),
        None => builder.enable_http1().wrap_connector(connector),
    }
}
