//! The address of a relay.

use std::net::{IpAddr, Ipv6Addr};

use tokio_tungstenite::tungstenite::http::Uri;

use crate::transport::{ConfigError, settings::problem};

/// Longest address, in bytes.
const ADDRESS_BYTES: usize = 1024;
const WANTED: &str = "an address of a relay looks like wss://relay.example or ws://127.0.0.1:9080";

/// Where a relay is dialled: `wss://HOST[:PORT][/PATH]`, or `ws://` without TLS.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RelayAddress {
    tls: bool,
    /// Lower case; an IPv6 address without brackets, in its canonical form.
    host: String,
    port: u16,
    path: String,
}

impl RelayAddress {
    /// Reads an address out of `setting`.
    pub(crate) fn parse(setting: &str, text: &str) -> Result<Self, ConfigError> {
        let wrong = |why: &str| problem(setting, format!("{why}; {WANTED}"));
        if text.len() > ADDRESS_BYTES {
            return Err(wrong("it is too long"));
        }
        let uri: Uri = text.parse().map_err(|_| wrong("this is not an address"))?;
        let tls = match uri.scheme_str() {
            Some("wss") => true,
            Some("ws") => false,
            _ => return Err(wrong("it begins with neither wss:// nor ws://")),
        };
        if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) || uri.query().is_some() {
            return Err(wrong("a name, a password or a query has no place in it"));
        }
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(v6) => v6.parse::<Ipv6Addr>().map_err(|_| wrong("its IPv6 address is not valid"))?.to_string(),
            None => host,
        };
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || host.len() > 240 || !host.chars().all(fine) {
            return Err(wrong("it has no valid host"));
        }
        // A port that is no number is passed over by the parser.
        let written = uri.authority().map_or("", |authority| authority.as_str());
        let written = written.get(uri.host().unwrap_or_default().len()..).unwrap_or_default();
        if !written.is_empty() && uri.port().is_none() {
            return Err(wrong("the port is not valid"));
        }
        let port = match uri.port() {
            Some(port) => {
                port.as_str().parse().ok().filter(|port| *port != 0).ok_or_else(|| wrong("the port is not valid"))?
            }
            None if tls => 443,
            None => 80,
        };
        Ok(Self { tls, host, port, path: uri.path().to_owned() })
    }

    /// Whether the connection is protected by TLS.
    pub(crate) fn tls(&self) -> bool {
        self.tls
    }

    /// The host's name or address, without brackets.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What the login is bound to: `host:port`, IPv6 addresses in brackets.
    pub(crate) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Whether it is on this machine, as far as the address tells.
    pub(crate) fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl std::fmt::Display for RelayAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls { "wss" } else { "ws" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_one_canonical_form() {
        let check = |text: &str, expected: &str| {
            assert_eq!(RelayAddress::parse("relay", text).unwrap().to_string(), expected);
        };
        check("wss://Relay.Example", "wss://relay.example:443/");
        check("ws://127.0.0.1:9080", "ws://127.0.0.1:9080/");
        check("wss://relay.example:8443/skcomm", "wss://relay.example:8443/skcomm");
        check("ws://[0:0::1]:9080/", "ws://[::1]:9080/");
        assert_eq!(
            RelayAddress::parse("relay", "wss://a").unwrap(),
            RelayAddress::parse("relay", "wss://A:443/").unwrap()
        );
        assert!(RelayAddress::parse("relay", "ws://[::1]").unwrap().is_loopback());
        assert!(!RelayAddress::parse("relay", "ws://192.0.2.1").unwrap().is_loopback());
    }

    #[test]
    fn what_is_no_address_says_what_would_be_one() {
        for text in [
            "",
            "relay.example",
            "https://relay.example",
            "wss://",
            "wss://user:pw@relay.example",
            "ws://host:0",
            "ws://host:99999",
            "ws://ho st",
            "ws://[::zz]/",
            "wss://relay.example/?x=1",
            "ws://h\u{202e}ost",
            "ws://a\nb",
        ] {
            let error = RelayAddress::parse("relays", text).unwrap_err();
            assert_eq!(error.setting, "relays", "{text}");
            assert!(error.problem.contains("wss://relay.example"), "{text}: {error}");
        }
        assert!(RelayAddress::parse("relays", &format!("ws://{}", "a".repeat(2000))).is_err());
    }
}
