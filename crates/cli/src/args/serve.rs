//! What `atthene serve` is told.

use std::net::SocketAddr;
use std::path::PathBuf;

use atthene_gateway::{HostName, MOST_WORKERS};
use clap::Args;

#[derive(Args)]
pub(crate) struct ServeArguments {
    /// This port, instead of the configured one.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1024..))]
    pub(crate) port: Option<u16>,
    /// Listen at this address, too. Beyond loopback it takes `--host`. May be given several times.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Vec<SocketAddr>,
    /// Answer to this name or address beside those of loopback. May be given several times.
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Vec<HostName>,
    /// Encrypt what comes from beyond loopback with this chain of certificates (PEM). Read again at SIGHUP.
    #[arg(long, value_name = "FILE", requires = "tls_key", requires = "listen")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The key of the certificate (PEM), which only this account may read.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// How many threads serve calls (Linux).
    #[arg(long, value_name = "NUMBER", default_value_t = 1,
        value_parser = clap::value_parser!(u8).range(1..=i64::from(MOST_WORKERS)))]
    pub(crate) workers: u8,
    /// Serve figures for Prometheus on this loopback port.
    #[arg(long, value_name = "PORT")]
    pub(crate) metrics_port: Option<u16>,
    /// How many seconds open calls may go on once it is told to end. A second signal ends it at once.
    #[arg(long, value_name = "SECONDS", default_value_t = 75)]
    pub(crate) drain: u64,
    /// As the window starts it: go on while the gateway is turned off or can't listen, and write the log to files in
    /// the data folder.
    #[arg(long)]
    pub(crate) background: bool,
}
