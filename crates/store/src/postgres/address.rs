//! Where the database is, and how a connection to it is made. The URL holds a password: neither it nor what it was read
//! into is ever printed.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use atthene_core::StoreError;
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use super::tls::Encryption;

/// What the database sees this app as.
const APPLICATION: &str = "atthene";
/// How long one address may take to answer at all.
const CONNECT: Duration = Duration::from_secs(2);
/// How long a network may swallow what was sent before the connection counts as broken.
const SWALLOWED: Duration = Duration::from_secs(5);
/// After this long without a word, the other end is asked whether it is there.
const QUIET: Duration = Duration::from_secs(5);
const QUIET_AGAIN: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub(super) struct Address {
    pub(super) config: Config,
    pub(super) encryption: Encryption,
}

impl Address {
    /// Reads a URL (`postgres://USER:PASSWORD@HOST:PORT/DATABASE`), or libpq's `key=value` words.
    pub(super) fn read(url: &SecretString) -> Result<Self, StoreError> {
        // These ask for what is done anyway, or for more than the system's certificates can say.
        let text = url.expose_secret();
        let known =
            text.replace("sslmode=verify-full", "sslmode=require").replace("sslmode=verify-ca", "sslmode=require");
        // What the parser says may hold a part of the URL, and that may be the password.
        let mut config = Config::from_str(&known).map_err(|_| unreadable())?;
        if config.get_hosts().is_empty() || config.get_dbname().is_none() {
            return Err(unreadable());
        }
        let is_here = config.get_hosts().iter().all(is_here) && config.get_hostaddrs().iter().all(IpAddr::is_loopback);
        if !is_here && config.get_ssl_mode() != SslMode::Disable {
            // To prefer encryption is to let anybody on the way take it off.
            config.ssl_mode(SslMode::Require);
        }
        config
            .application_name(APPLICATION)
            .connect_timeout(CONNECT)
            .tcp_user_timeout(SWALLOWED)
            .keepalives(true)
            .keepalives_idle(QUIET)
            .keepalives_interval(QUIET_AGAIN)
            .keepalives_retries(2)
            // A standby lags behind: what was revoked would live on there.
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        let encryption = Encryption::new().map_err(|error| StoreError::Failed(error.into()))?;
        Ok(Self { config, encryption })
    }
}

fn unreadable() -> StoreError {
    let reason = "its address can't be read; it is written postgres://USER:PASSWORD@HOST:PORT/DATABASE, with special \
                  characters as %XX";
    StoreError::Unreachable { reason: reason.to_owned() }
}

/// Whether it is on this machine, where nobody listens in between.
fn is_here(host: &Host) -> bool {
    match host {
        #[cfg(unix)]
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Address, StoreError> {
        Address::read(&SecretString::from(url))
    }

    #[test]
    fn nobody_on_the_way_takes_the_encryption_off() {
        let mode = |url: &str| read(url).expect("reads").config.get_ssl_mode();
        assert_eq!(mode("postgres://a:b@db.example/atthene"), SslMode::Require);
        assert_eq!(mode("postgres://a:b@db.example/atthene?sslmode=prefer"), SslMode::Require);
        assert_eq!(mode("postgres://a:b@db.example/atthene?sslmode=verify-full"), SslMode::Require);
        assert_eq!(mode("postgres://a:b@127.0.0.1,db.example/atthene"), SslMode::Require);
        assert_eq!(mode("postgres://a:b@db.example/atthene?sslmode=disable"), SslMode::Disable);
        assert_eq!(mode("postgres://a:b@127.0.0.1/atthene"), SslMode::Prefer);
        assert_eq!(mode("postgres://a:b@%2Frun%2Fpostgresql/atthene"), SslMode::Prefer);
    }

    #[test]
    fn what_can_not_be_read_is_said_without_the_password() {
        for url in
            ["postgres://a:hunter2@db.example:port/x", "postgres://a:hunter2@db.example/x?hunter2=1", "hunter2", ""]
        {
            let said = read(url).map(drop).expect_err("can't be read");
            assert!(!format!("{said} {said:?}").contains("hunter2"), "{said}");
        }
    }
}
