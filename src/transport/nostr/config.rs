//! The settings of a `nostr` transport.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;

use super::{address::RELAYS, gift::piece_bytes};
use crate::transport::{
    ConfigError, TransportConfig,
    settings::{Settings, problem},
    websocket::address::RelayAddress,
};

const KNOWN: &[&str] = &[
    "relays",
    "key_file",
    "login",
    "max_event_bytes",
    "ca_file",
    "idle_seconds",
    "keepalive_seconds",
    "connect_seconds",
    "answer_seconds",
];

/// What the file says.
#[derive(Clone, Debug)]
pub(super) struct NostrSettings {
    /// The relays where we read our mail.
    pub(super) relays: Vec<RelayAddress>,
    /// The file with our Nostr key; derived from the identity when there is none.
    pub(super) key_file: Option<PathBuf>,
    /// Who we are to a relay that asks when we leave something there.
    pub(super) login: LoginAs,
    /// Bytes of a frame that fit into one event; the message that publishes it is no larger than `max_event_bytes`.
    pub(super) piece_bytes: usize,
    /// Certificates (PEM) that are trusted besides the public ones.
    pub(super) ca_file: Option<PathBuf>,
    /// How long a connection to a peer's relay is kept without use.
    pub(super) idle: Duration,
    /// How often a ping goes out; silence of two and a half times this is the end of a connection.
    pub(super) keepalive: Duration,
    /// Time for connecting.
    pub(super) connect: Duration,
    /// Time for a relay to answer an event, a login or a question.
    pub(super) answer: Duration,
}

/// Whose key answers a relay's challenge (NIP-42) when something is sent. Mail is always fetched with our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum LoginAs {
    /// A key made for one connection: the relay does not learn who sends.
    OneTime,
    /// Our own, for relays that let in only those whom they know.
    Own,
}

/// One or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl NostrSettings {
    /// Reads and checks the settings of `config`.
    pub(super) fn read(config: &TransportConfig) -> Result<Self, ConfigError> {
        let settings = Settings::new(config, KNOWN)?;
        let wanted = |_| problem("relays", "wants an address such as wss://relay.example, or a list of them");
        let named = match settings.get::<OneOrMany>("relays").map_err(wanted)? {
            None => Vec::new(),
            Some(OneOrMany::One(relay)) => vec![relay],
            Some(OneOrMany::Many(relays)) => relays,
        };
        if named.len() > RELAYS {
            return Err(problem("relays", format!("at most {RELAYS} relays of your own")));
        }
        let mut relays: Vec<RelayAddress> = Vec::with_capacity(named.len());
        for relay in &named {
            let address = RelayAddress::parse("relays", relay)?;
            if !relays.contains(&address) {
                relays.push(address);
            }
        }
        let login = settings.get::<LoginAs>("login").map_err(|_| problem("login", "wants one_time or own"))?;
        let event_bytes = settings.number("max_event_bytes", 65_536, 8_192, 87_000)?;
        let max_event_bytes = usize::try_from(event_bytes).unwrap_or(65_536);
        let none_fits = || problem("max_event_bytes", "nothing fits into so small an event");
        let seconds = |name, default, low, high| settings.number(name, default, low, high).map(Duration::from_secs);
        Ok(Self {
            relays,
            key_file: settings.get::<PathBuf>("key_file")?,
            login: login.unwrap_or(LoginAs::OneTime),
            piece_bytes: piece_bytes(max_event_bytes).ok_or_else(none_fits)?,
            ca_file: settings.get::<PathBuf>("ca_file")?,
            idle: seconds("idle_seconds", 60, 1, 86_400)?,
            keepalive: seconds("keepalive_seconds", 20, 1, 600)?,
            connect: seconds("connect_seconds", 10, 1, 120)?,
            answer: seconds("answer_seconds", 10, 1, 120)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<NostrSettings, ConfigError> {
        NostrSettings::read(&serde_saphyr::from_str(yaml).unwrap())
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let none = read("type: nostr").unwrap();
        assert!(none.relays.is_empty());
        assert_eq!((none.login, none.piece_bytes), (LoginAs::OneTime, 21_216));
        let some = read("type: nostr\nrelays: [wss://a.example, wss://A.example:443/]\nlogin: own").unwrap();
        assert_eq!((some.relays.len(), some.login), (1, LoginAs::Own));
    }

    #[test]
    fn what_does_not_fit_names_its_setting() {
        for (yaml, start) in [
            ("relays: 5", "relays: "),
            ("relays: [https://x]", "relays: "),
            ("relays: [ws://a,ws://b,ws://c,ws://d,ws://e,ws://f,ws://g,ws://h,ws://i]", "relays: at most 8"),
            ("login: me", "login: wants one_time or own"),
            ("max_event_bytes: 100", "max_event_bytes: "),
            ("key_file: 5", "key_file: "),
            ("answer_seconds: 0", "answer_seconds: "),
            ("relay: ws://x", "relay: not a setting of nostr transports, did you mean \"relays\"?"),
        ] {
            let line = read(&format!("type: nostr\n{yaml}")).unwrap_err().to_string();
            assert!(line.starts_with(start), "{yaml} -> {line}");
        }
    }
}
