//! The notation of addresses: `host:port`, `192.0.2.1:9999`, `[2001:db8::1]:9999`.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::transport::{ConfigError, settings};

const WANTED: &str = "wants host:port, 192.0.2.1:port or [2001:db8::1]:port";

/// A checked address of a peer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Address {
    /// A host name, or an IP address without brackets.
    pub(super) host: String,
    /// 1 to 65535.
    pub(super) port: u16,
}

impl Address {
    /// Reads `text`; `setting` names what it was written for in the error.
    pub(super) fn parse(setting: &str, text: &str) -> Result<Self, ConfigError> {
        let wrong = |why: &str| settings::problem(setting, format!("{why}; {WANTED}"));
        let (host, port) = split(text).map_err(wrong)?;
        // Written as a plain number: no sign, no leading zero.
        let port = port.parse::<u16>().ok().filter(|number| *number > 0 && number.to_string() == port);
        let port = port.ok_or_else(|| wrong("the port is a number from 1 to 65535"))?;
        Ok(Self { host: host.to_owned(), port })
    }
}

fn split(text: &str) -> Result<(&str, &str), &'static str> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once("]:").ok_or("no \"]:\" after the IPv6 address")?;
        let plain = host.split_once('%').map_or(host, |(plain, _zone)| plain);
        plain.parse::<Ipv6Addr>().map_err(|_| "not an IPv6 address between the brackets")?;
        if host.len() > 64 || !host.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("not an IPv6 address between the brackets");
        }
        return Ok((host, port));
    }
    let (host, port) = text.rsplit_once(':').ok_or("the port is missing")?;
    if host.contains(':') {
        return Err("an IPv6 address stands in brackets");
    }
    check_name(host)?;
    Ok((host, port))
}

fn check_name(host: &str) -> Result<(), &'static str> {
    if host.is_empty() {
        return Err("the host is missing");
    }
    if !host.is_ascii() {
        return Err("a host name outside of ASCII is written in its xn-- form");
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let all_numeric = name.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if all_numeric && name.parse::<Ipv4Addr>().is_err() {
        return Err("not an IPv4 address");
    }
    let fine = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if name.len() > 253 || !name.split('.').all(fine) { Err("not a host name") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_when_they_are_configured() {
        let parse = |text: &str| Address::parse("address", text);
        for (text, host, port) in [
            ("127.0.0.1:9999", "127.0.0.1", 9999),
            ("lumina.example.org:1", "lumina.example.org", 1),
            ("box_1:65535", "box_1", 65535),
            ("example.org.:80", "example.org.", 80),
            ("[::1]:9999", "::1", 9999),
            ("[fe80::1%eth0]:9999", "fe80::1%eth0", 9999),
        ] {
            assert_eq!(parse(text), Ok(Address { host: host.to_owned(), port }), "{text}");
        }
        for text in [
            "",
            ":",
            ":9999",
            "host",
            "host:",
            "host:0",
            "host:65536",
            "host:+5",
            "host:080",
            "host:http",
            "::1:9999",
            "[::1]",
            "[::1]9999",
            "[zz]:1",
            "[127.0.0.1]:1",
            "256.1.1.1:1",
            "1.2.3:1",
            "-a:1",
            "a-:1",
            "a..b:1",
            "a b:1",
            "a/b:1",
            "tcp://a:1",
            "user@host:1",
            "bücher.example:1",
            "host\n:1",
            "host:1\n",
            "[::1%\u{1b}]:1",
        ] {
            assert!(parse(text).is_err(), "{text:?} was accepted");
        }
        assert!(parse(&format!("{}:1", "a".repeat(64))).is_err());
        assert!(parse(&format!("{}:1", "a.".repeat(150))).is_err());
    }
}
