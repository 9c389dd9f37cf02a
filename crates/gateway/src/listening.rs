//! Where a gateway listens, and under which names: what whoever starts it says, and no setting.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::hosts::{HostName, Hosts};
use crate::transport::tls::Certificate;

/// Where a gateway listens beyond the port of the settings on loopback. Nowhere, usually.
#[derive(Clone, Default)]
pub struct Listening {
    port: Option<u16>,
    addresses: Vec<SocketAddr>,
    pub(crate) hosts: Hosts,
    pub(crate) certificate: Option<Arc<Certificate>>,
    pub(crate) workers: Workers,
}

/// How many threads serve calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workers(NonZeroUsize);

/// Past these, threads wait for each other.
pub const MOST_WORKERS: u8 = 64;

impl Default for Workers {
    fn default() -> Self {
        Self(NonZeroUsize::MIN)
    }
}

impl Workers {
    /// So many: 1 to [`MOST_WORKERS`].
    pub fn new(number: u8) -> Result<Self, ListeningError> {
        let count = NonZeroUsize::new(number.into()).filter(|_| number <= MOST_WORKERS);
        let count = count.ok_or(ListeningError::NoSuchNumber(number))?;
        // Only there does the system spread connections over sockets of one port.
        if count.get() > 1 && !cfg!(target_os = "linux") {
            return Err(ListeningError::OneWorkerOnly(number));
        }
        Ok(Self(count))
    }

    pub(crate) fn get(self) -> usize {
        self.0.get()
    }
}

/// Why a gateway is not started like that.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ListeningError {
    #[error(
        "Nobody could call {0}: beyond loopback the gateway answers only to names that it is given, since a web page \
         can make any other name lead here. Name what callers use with --host NAME"
    )]
    NoHost(SocketAddr),
    #[error("{0} names no port. Add one, as in {ip}:8765", ip = shown(*.0))]
    NoPort(SocketAddr),
    #[error(
        "The certificate would serve nobody: loopback is not encrypted, and no other address is listened on. Add \
         --listen ADDRESS:PORT, or leave the certificate out"
    )]
    NothingToEncrypt,
    #[error("{0} workers can't be: name 1 to {MOST_WORKERS}")]
    NoSuchNumber(u8),
    #[error("{0} workers can't share a port on this system, only on Linux. Leave --workers out")]
    OneWorkerOnly(u8),
}

fn shown(address: SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// Whether only this machine reaches it. An address of version 4 may be written as one of version 6.
pub(crate) fn is_loopback(address: &SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// Whether one socket for every address takes this one of them, too.
pub(crate) fn takes(own: SocketAddr, address: SocketAddr) -> bool {
    let of_both = || own.is_ipv6() && takes_both_versions();
    own.port() == address.port() && own.ip().is_unspecified() && (own.is_ipv4() == address.is_ipv4() || of_both())
}

/// Whether a socket for every address of IPv6 takes those of IPv4, as the system is set. Were it assumed where it is not
/// so, another program could have the port of 127.0.0.1 unnoticed.
fn takes_both_versions() -> bool {
    let is_apart = std::fs::read_to_string("/proc/sys/net/ipv6/bindv6only").is_ok_and(|set| set.trim() == "1");
    !cfg!(windows) && !is_apart
}

impl Listening {
    /// On loopback alone, on this port where one is given, whatever the settings say of it.
    pub fn on_port(port: Option<u16>) -> Self {
        Self { port, ..Self::default() }
    }

    /// Also at these addresses, and answering to these names beside those of loopback; encrypted with the
    /// certificate beyond loopback where there is one.
    pub fn beyond(
        self,
        addresses: Vec<SocketAddr>,
        hosts: Vec<HostName>,
        certificate: Option<Arc<Certificate>>,
    ) -> Result<Self, ListeningError> {
        let mut listening = Self { hosts: Hosts::new(hosts), certificate, addresses: Vec::new(), ..self };
        for address in addresses {
            if address.port() == 0 {
                return Err(ListeningError::NoPort(address));
            }
            if !is_loopback(&address) && listening.hosts.iter().next().is_none() {
                return Err(ListeningError::NoHost(address));
            }
            if !listening.addresses.contains(&address) {
                listening.addresses.push(address);
            }
        }
        // Those for every address first: they take what the others would.
        listening.addresses.sort_by_key(|address| (!address.ip().is_unspecified(), address.is_ipv4()));
        if listening.certificate.is_some() && listening.beyond_loopback().next().is_none() {
            return Err(ListeningError::NothingToEncrypt);
        }
        Ok(listening)
    }

    /// With so many threads for calls.
    #[must_use]
    pub fn with_workers(self, workers: Workers) -> Self {
        Self { workers, ..self }
    }

    /// The loopback port that is used whatever the settings say.
    pub(crate) fn port(&self) -> Option<u16> {
        self.port
    }

    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What other machines reach.
    pub fn beyond_loopback(&self) -> impl Iterator<Item = SocketAddr> {
        self.addresses.iter().copied().filter(|address| !is_loopback(address))
    }

    /// Whether what is listened on anyway takes this address, too.
    pub(crate) fn covers(&self, address: SocketAddr) -> bool {
        self.addresses.iter().any(|own| *own == address || takes(*own, address))
    }

    /// Whether keys that come from other machines are read by whoever listens between: nothing here encrypts them.
    pub fn is_in_clear(&self) -> bool {
        self.certificate.is_none() && self.beyond_loopback().next().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening(addresses: &[&str], hosts: &[&str]) -> Result<Listening, ListeningError> {
        let addresses = addresses.iter().map(|address| address.parse().expect("an address")).collect();
        let hosts = hosts.iter().map(|host| host.parse().expect("a host")).collect();
        Listening::default().beyond(addresses, hosts, None)
    }

    #[test]
    fn beyond_loopback_a_name_is_needed() {
        for address in ["10.0.0.5:8765", "0.0.0.0:8765", "[::]:8765", "[fd00::5]:1"] {
            let refused = listening(&[address], &[]).err();
            assert_eq!(refused, Some(ListeningError::NoHost(address.parse().expect("an address"))));
            assert!(listening(&[address], &["gateway"]).is_ok_and(|listening| listening.is_in_clear()));
        }
        for address in ["127.0.0.1:9000", "127.0.0.2:9000", "[::1]:9000", "[::ffff:127.0.0.1]:9000"] {
            assert!(listening(&[address], &[]).is_ok_and(|listening| !listening.is_in_clear()), "{address}");
        }
        assert!(matches!(listening(&["10.0.0.5:0"], &["gateway"]), Err(ListeningError::NoPort(_))));
    }

    #[test]
    fn an_address_for_all_takes_those_of_loopback_on_its_port() {
        let covers = |own: &str, address: &str| {
            let listening = listening(&[own], &["gateway"]).expect("a place");
            listening.covers(address.parse().expect("an address"))
        };
        assert!(
            covers("[::]:80", "127.0.0.1:80") && covers("[::]:80", "[::1]:80") && covers("0.0.0.0:80", "127.0.0.1:80")
        );
        assert!(covers("127.0.0.1:80", "127.0.0.1:80"));
        assert!(
            !covers("0.0.0.0:80", "[::1]:80")
                && !covers("[::]:81", "127.0.0.1:80")
                && !covers("10.0.0.5:80", "127.0.0.1:80")
        );
    }

    #[test]
    fn there_are_one_to_64_workers_and_one_where_no_port_is_shared() {
        assert_eq!(Workers::new(1), Ok(Workers::default()));
        assert!(Workers::new(0).is_err() && Workers::new(65).is_err());
        assert_eq!(Workers::new(64).is_ok(), cfg!(target_os = "linux"));
    }
}
