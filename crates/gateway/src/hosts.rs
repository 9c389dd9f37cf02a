//! The names that the gateway answers to beyond those of loopback.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A name that whoever started the gateway has given it: a DNS name in ASCII, or an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName(Named);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Named {
    Address(IpAddr),
    /// In lower case.
    Name(Box<str>),
}

/// Why a text is no [`HostName`]; each with the text.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HostError {
    #[error("{0:?} is a pattern: every name would be answered to, also those of web pages. Name each host")]
    Pattern(String),
    #[error("{0:?} holds a port: any port is answered to. Give the name alone")]
    Port(String),
    #[error("{0:?} is no host name: letters, digits and hyphens with dots between, in ASCII (xn--… for others)")]
    NoName(String),
}

/// What a DNS name may be long, and each of its parts (RFC 1035, 2.3.4).
const LONGEST_NAME: usize = 253;
const LONGEST_PART: usize = 63;

impl FromStr for HostName {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(Self(Named::Address(address.to_canonical())));
        }
        if text.contains('*') {
            return Err(HostError::Pattern(text.into()));
        }
        if text.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
            return Err(HostError::Port(text.into()));
        }
        let is_part = |part: &str| {
            let of_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            (1..=LONGEST_PART).contains(&part.len())
                && part.bytes().all(of_word)
                && !part.starts_with('-')
                && !part.ends_with('-')
        };
        // A last part of digits makes an address of it, and one that was mistyped (WHATWG URL, 3.5).
        let ends_in_number = text.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        if text.len() > LONGEST_NAME || ends_in_number || !text.split('.').all(is_part) {
            return Err(HostError::NoName(text.into()));
        }
        Ok(Self(Named::Name(text.to_ascii_lowercase().into())))
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Named::Address(address) => address.fmt(out),
            Named::Name(name) => out.write_str(name),
        }
    }
}

/// All of them; usually none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hosts(Vec<HostName>);

impl Hosts {
    pub(crate) fn new(names: Vec<HostName>) -> Self {
        Self(names)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &HostName> {
        self.0.iter()
    }

    /// Whether a host, as a `Host` header names it without its port, is one of them.
    pub(crate) fn contains(&self, host: &str) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let address = bracketed.unwrap_or(host).parse::<IpAddr>().ok().filter(|address| {
            // An address of version 6 stands in brackets there (RFC 3986, 3.2.2), and no other does.
            address.is_ipv6() == bracketed.is_some()
        });
        self.0.iter().any(|name| match &name.0 {
            Named::Address(own) => address.is_some_and(|address| address.to_canonical() == *own),
            Named::Name(own) => host.eq_ignore_ascii_case(own),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_hosts_and_nothing_else_is() {
        for host in ["agents.contoso.example", "gateway", "my_service", "10.0.0.5", "fd00::5", "[fd00::5]", "XN--P1AI"]
        {
            assert!(host.parse::<HostName>().is_ok(), "{host}");
        }
        let why = |host: &str| host.parse::<HostName>().expect_err(host);
        assert!(matches!(why("*.contoso.example"), HostError::Pattern(_)));
        assert!(matches!(why("*"), HostError::Pattern(_)));
        for port in ["contoso.example:8765", "10.0.0.5:80", "[fd00::5]:80"] {
            assert!(matches!(why(port), HostError::Port(_)), "{port}");
        }
        let long = "a".repeat(64);
        for none in [
            "",
            ".",
            "a..b",
            "a.",
            "-a",
            "a-",
            "10.0.0",
            "300.0.0.1",
            "müller.example",
            "a b",
            "u@a",
            "a/b",
            "http://a",
            &long,
        ] {
            assert!(matches!(why(none), HostError::NoName(_)), "{none}");
        }
    }

    #[test]
    fn a_host_is_compared_in_any_case_and_an_address_by_what_it_is() {
        let given = ["Agents.Contoso.example", "10.0.0.5", "fd00::5"].map(|host| host.parse().expect("a host"));
        let hosts = Hosts::new(given.into());
        for host in ["agents.contoso.example", "AGENTS.contoso.EXAMPLE", "10.0.0.5", "[fd00::5]", "[FD00:0:0::5]"] {
            assert!(hosts.contains(host), "{host}");
        }
        for host in [
            "contoso.example",
            "x.agents.contoso.example",
            "agents.contoso.example.",
            "10.0.0.6",
            "fd00::5",
            "[10.0.0.5]",
            "",
        ] {
            assert!(!hosts.contains(host), "{host}");
        }
        assert!(!Hosts::default().contains("localhost"), "those of loopback are the guard's");
    }
}
