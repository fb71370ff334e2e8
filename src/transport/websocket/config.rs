//! The settings of a `websocket` transport.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;

use super::address::RelayAddress;
use crate::transport::{
    ConfigError, TransportConfig,
    settings::{Settings, problem},
};

const KNOWN: &[&str] = &["relays", "token", "ca_file", "idle_seconds", "keepalive_seconds", "connect_seconds"];
/// Most relays of one's own.
const RELAYS: usize = 16;

/// What the file says.
#[derive(Clone, Debug)]
pub(super) struct WebsocketSettings {
    /// The relays where our own mailbox is.
    pub(super) relays: Vec<RelayAddress>,
    /// The secret that these relays want proved.
    pub(super) token: Option<String>,
    /// Certificates (PEM) that are trusted besides the public ones.
    pub(super) ca_file: Option<PathBuf>,
    /// How long a connection to a peer's relay is kept without use.
    pub(super) idle: Duration,
    /// How often a ping goes out; silence of two and a half times this is the end of a connection.
    pub(super) keepalive: Duration,
    /// Time for connecting and logging in.
    pub(super) connect: Duration,
}

/// One or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl WebsocketSettings {
    /// Reads and checks the settings of `config`.
    pub(super) fn read(config: &TransportConfig) -> Result<Self, ConfigError> {
        let settings = Settings::new(config, KNOWN)?;
        let wanted = |_| problem("relays", "wants an address such as wss://relay.example, or a list of them");
        let relays = match settings.get::<OneOrMany>("relays").map_err(wanted)? {
            None => Vec::new(),
            Some(OneOrMany::One(relay)) => vec![relay],
            Some(OneOrMany::Many(relays)) => relays,
        };
        if relays.len() > RELAYS {
            return Err(problem("relays", format!("at most {RELAYS} relays of your own")));
        }
        let mut addresses = Vec::with_capacity(relays.len());
        for relay in &relays {
            let address = RelayAddress::parse("relays", relay)?;
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        let seconds = |name, default, low, high| settings.number(name, default, low, high).map(Duration::from_secs);
        Ok(Self {
            relays: addresses,
            token: settings.get::<String>("token")?.filter(|token| !token.is_empty()),
            ca_file: settings.get::<PathBuf>("ca_file")?,
            idle: seconds("idle_seconds", 60, 1, 86_400)?,
            keepalive: seconds("keepalive_seconds", 20, 1, 600)?,
            connect: seconds("connect_seconds", 10, 1, 120)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<WebsocketSettings, ConfigError> {
        WebsocketSettings::read(&serde_saphyr::from_str(yaml).unwrap())
    }

    #[test]
    fn one_relay_or_several_or_none() {
        assert!(read("type: websocket").unwrap().relays.is_empty());
        assert_eq!(read("type: websocket\nrelays: wss://a.example").unwrap().relays.len(), 1);
        let several =
            read("type: websocket\nrelays: [wss://a.example, ws://b.example:1, wss://A.example:443/]").unwrap();
        assert_eq!(several.relays.len(), 2, "the same relay counts once");
        assert_eq!(several.idle, Duration::from_secs(60));
    }

    #[test]
    fn what_does_not_fit_names_its_setting() {
        for (yaml, start) in [
            ("type: websocket\nrelays: 5", "relays: "),
            ("type: websocket\nrelays: [https://x]", "relays: "),
            ("type: websocket\nidle_seconds: 0", "idle_seconds: "),
            (
                "type: websocket\nrelay: ws://x",
                "relay: not a setting of websocket transports, did you mean \"relays\"?",
            ),
            ("type: websocket\ninsecure: true", "insecure: "),
        ] {
            let line = read(yaml).unwrap_err().to_string();
            assert!(line.starts_with(start), "{yaml} -> {line}");
        }
    }
}
