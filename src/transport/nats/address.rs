//! The address of a NATS server.

use std::net::IpAddr;

use async_nats::ServerAddr;

use crate::transport::{ConfigError, settings::problem};

/// Longest address, in bytes.
const ADDRESS_BYTES: usize = 1024;
const WANTED: &str = "an address of a server looks like tls://nats.example or nats://127.0.0.1:4222";

/// Where a server is dialled: `tls://HOST[:PORT]`, or `nats://` without TLS (unless the server asks for it).
#[derive(Clone, Debug)]
pub(crate) struct ServerAddress(ServerAddr);

impl ServerAddress {
    /// Reads an address out of `setting`.
    pub(super) fn parse(setting: &str, text: &str) -> Result<Self, ConfigError> {
        let wrong = |why: &str| problem(setting, format!("{why}; {WANTED}"));
        if text.len() > ADDRESS_BYTES || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(wrong("it is too long or holds spaces"));
        }
        if !text.starts_with("nats://") && !text.starts_with("tls://") {
            return Err(wrong("it begins with neither tls:// nor nats://"));
        }
        let address: ServerAddr = text.parse().map_err(|_| wrong("this is not an address"))?;
        if address.has_user_pass() {
            return Err(wrong("a name or a password has no place in it: use the settings user, password or token"));
        }
        let tail = text.split_once("://").map_or("", |(_, rest)| rest);
        if address.host().is_empty() || address.port() == 0 || tail.trim_end_matches('/').contains(['/', '?', '#']) {
            return Err(wrong("it has no valid host and port, or more than that"));
        }
        Ok(Self(address))
    }

    /// What the client library dials.
    pub(super) fn dialled(&self) -> ServerAddr {
        self.0.clone()
    }

    /// Whether TLS is insisted on.
    pub(super) fn tls(&self) -> bool {
        self.0.tls_required()
    }

    /// `HOST:PORT`, for people.
    pub(super) fn authority(&self) -> String {
        let host = self.0.host();
        if host.contains(':') { format!("[{host}]:{}", self.0.port()) } else { format!("{host}:{}", self.0.port()) }
    }

    /// Whether it is on this machine, as far as the address tells.
    pub(super) fn is_loopback(&self) -> bool {
        let host = self.0.host();
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl std::fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", if self.tls() { "tls" } else { "nats" }, self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for (text, shown, tls, loopback) in [
            ("nats://127.0.0.1:4333", "nats://127.0.0.1:4333", false, true),
            ("tls://nats.example", "tls://nats.example:4222", true, false),
            ("nats://[::1]:1/", "nats://[::1]:1", false, true),
        ] {
            let address = ServerAddress::parse("servers", text).unwrap();
            assert_eq!(
                (address.to_string().as_str(), address.tls(), address.is_loopback()),
                (shown, tls, loopback),
                "{text}"
            );
        }
        for text in ["", "x", "ws://x", "nats://", "nats://a b", "nats://x/y", "nats://x?y", "nats://u:p@x"] {
            assert!(ServerAddress::parse("servers", text).is_err(), "{text}");
        }
    }
}
