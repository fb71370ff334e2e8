//! The settings of a `nats` transport.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;

use super::{address::ServerAddress, names::Addressing};
use crate::{
    transport::{
        ConfigError, TransportConfig,
        settings::{Settings, problem},
    },
    wire::limits,
};

const KNOWN: &[&str] = &[
    "servers",
    "realm",
    "addressing",
    "token",
    "user",
    "password",
    "nkey",
    "creds_file",
    "ca_file",
    "client_cert",
    "client_key",
    "keep_days",
    "stream_mib",
    "replicas",
    "max_frame_bytes",
    "ack_wait_seconds",
    "keepalive_seconds",
    "connect_seconds",
];
/// Most servers of one cluster.
const SERVERS: usize = 16;
/// Longest word of a realm, in bytes.
const REALM_BYTES: usize = 128;
/// The realm of those who name none.
const REALM: &str = "skcomm";
/// What a server takes that says nothing else (1 MiB with headers), less room for the headers.
const FRAME_BYTES: u64 = 1024 * 1024 - super::session::HEADER_BYTES as u64;
/// Days of the longest time to live of a message.
const DAYS: u64 = limits::TTL_SECONDS_MAX / (24 * 3600);

/// What the file says.
#[derive(Clone, Debug)]
pub(crate) struct NatsSettings {
    /// Servers of one cluster, in the order in which they are tried.
    pub(crate) servers: Vec<ServerAddress>,
    /// The word that the names of streams and subjects are made from.
    pub(crate) realm: String,
    pub(super) addressing: Addressing,
    pub(super) credentials: Credentials,
    /// Certificates (PEM) that are trusted besides the public ones.
    pub(super) ca_file: Option<PathBuf>,
    /// Our own certificate and its key (PEM), for servers that want one.
    pub(super) client: Option<(PathBuf, PathBuf)>,
    pub(crate) stream: StreamSettings,
    /// Largest frame in bytes, both ways.
    pub(super) max_frame: usize,
    /// How long the server waits for our ack of a frame before it brings it again.
    pub(super) ack_wait: Duration,
    /// How often a ping goes out; a connection on which two stay unanswered is dead.
    pub(super) keepalive: Duration,
    /// Time for connecting and logging in.
    pub(crate) connect: Duration,
}

/// How a stream is made when there is none yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamSettings {
    /// How long a frame waits for its recipient.
    pub(super) keep: Duration,
    /// Most bytes of all that wait.
    pub(super) bytes: i64,
    /// Servers of a cluster that each keep a copy.
    pub(crate) replicas: usize,
}

/// What the server is shown.
#[derive(Clone)]
pub(super) enum Credentials {
    /// Nothing.
    None,
    /// A secret that all share.
    Token(String),
    /// A name and its password.
    User(String, String),
    /// The seed of a key; only its signature travels.
    Nkey(String),
    /// A file with a signed permit and the seed of its key.
    File(PathBuf),
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Token(_) => "token",
            Self::User(..) => "user and password",
            Self::Nkey(_) => "nkey",
            Self::File(_) => "creds_file",
        })
    }
}

/// One or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl NatsSettings {
    /// Reads and checks the settings of `config`.
    pub(crate) fn read(config: &TransportConfig) -> Result<Self, ConfigError> {
        let settings = Settings::new(config, KNOWN)?;
        let seconds = |name, default, low, high| settings.number(name, default, low, high).map(Duration::from_secs);
        let mebibytes = settings.number("stream_mib", 1024, 1, 1 << 20)?;
        Ok(Self {
            servers: servers(&settings)?,
            realm: realm(&settings)?,
            addressing: addressing(&settings)?,
            credentials: credentials(&settings)?,
            ca_file: settings.get("ca_file")?,
            client: client(&settings)?,
            stream: StreamSettings {
                keep: Duration::from_secs(settings.number("keep_days", DAYS, 1, DAYS)? * 24 * 3600),
                bytes: i64::try_from(mebibytes << 20).unwrap_or(i64::MAX),
                replicas: usize::try_from(settings.number("replicas", 1, 1, 5)?).unwrap_or(1),
            },
            max_frame: usize::try_from(settings.number(
                "max_frame_bytes",
                FRAME_BYTES,
                1024,
                limits::ENVELOPE_BYTES as u64,
            )?)
            .unwrap_or(limits::ENVELOPE_BYTES),
            ack_wait: seconds("ack_wait_seconds", 30, 1, 3600)?,
            keepalive: seconds("keepalive_seconds", 20, 1, 600)?,
            connect: seconds("connect_seconds", 10, 1, 120)?,
        })
    }
}

fn servers(settings: &Settings<'_>) -> Result<Vec<ServerAddress>, ConfigError> {
    let wanted = || problem("servers", "wants an address such as tls://nats.example, or a list of them");
    let written = match settings.get::<OneOrMany>("servers").map_err(|_| wanted())?.ok_or_else(wanted)? {
        OneOrMany::One(server) => vec![server],
        OneOrMany::Many(servers) => servers,
    };
    if written.is_empty() || written.len() > SERVERS {
        return Err(problem("servers", format!("wants 1 to {SERVERS} servers of one cluster")));
    }
    written.iter().map(|server| ServerAddress::parse("servers", server)).collect()
}

fn realm(settings: &Settings<'_>) -> Result<String, ConfigError> {
    let realm = settings.get::<String>("realm")?.unwrap_or_else(|| REALM.to_owned());
    check_realm("realm", &realm)?;
    Ok(realm)
}

/// Whether `word` can name a realm; `setting` is blamed otherwise.
pub(super) fn check_realm(setting: &str, word: &str) -> Result<(), ConfigError> {
    let fine = |c: char| !c.is_control() && !c.is_whitespace();
    if word.is_empty() || word.len() > REALM_BYTES || !word.chars().all(fine) {
        return Err(problem(setting, format!("a realm is one word of 1 to {REALM_BYTES} bytes, without spaces")));
    }
    Ok(())
}

fn addressing(settings: &Settings<'_>) -> Result<Addressing, ConfigError> {
    match settings.get::<String>("addressing")?.as_deref() {
        None | Some("mailbox") => Ok(Addressing::Mailbox),
        Some("realm") => Ok(Addressing::Realm),
        Some(_) => Err(problem("addressing", "wants mailbox or realm")),
    }
}

fn credentials(settings: &Settings<'_>) -> Result<Credentials, ConfigError> {
    let text = |name| settings.get::<String>(name).map(|text| text.filter(|text| !text.is_empty()));
    let file = settings.get::<PathBuf>("creds_file")?;
    match (text("token")?, text("user")?, text("password")?, text("nkey")?, file) {
        (None, None, None, None, None) => Ok(Credentials::None),
        (Some(token), None, None, None, None) => Ok(Credentials::Token(token)),
        (None, Some(user), Some(password), None, None) => Ok(Credentials::User(user, password)),
        (None, Some(_), None, None, None) => Err(problem("password", "user wants a password beside it")),
        (None, None, Some(_), None, None) => Err(problem("user", "password wants a user beside it")),
        (None, None, None, Some(seed), None) if seed.starts_with("SU") => Ok(Credentials::Nkey(seed)),
        (None, None, None, Some(_), None) => {
            Err(problem("nkey", "wants the seed of a user's key, which begins with SU"))
        }
        (None, None, None, None, Some(file)) => Ok(Credentials::File(file)),
        _ => Err(problem("token", "choose one of token, user with password, nkey and creds_file")),
    }
}

fn client(settings: &Settings<'_>) -> Result<Option<(PathBuf, PathBuf)>, ConfigError> {
    match (settings.get("client_cert")?, settings.get("client_key")?) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
        (Some(_), None) => Err(problem("client_key", "client_cert wants its key beside it")),
        (None, Some(_)) => Err(problem("client_cert", "client_key wants its certificate beside it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<NatsSettings, ConfigError> {
        NatsSettings::read(&serde_saphyr::from_str(&format!("type: nats\n{yaml}")).unwrap())
    }

    #[test]
    fn an_address_is_enough() {
        let settings = read("servers: nats://127.0.0.1").unwrap();
        assert_eq!(settings.servers[0].to_string(), "nats://127.0.0.1:4222");
        assert_eq!((settings.realm.as_str(), settings.addressing), ("skcomm", Addressing::Mailbox));
        assert_eq!(settings.stream.keep.as_secs(), limits::TTL_SECONDS_MAX);
        assert!(matches!(settings.credentials, Credentials::None));
        assert_eq!(read("servers: [nats://a.example, 'tls://b.example:1']").unwrap().servers.len(), 2);
    }

    #[test]
    fn secrets_are_not_shown() {
        let settings = read("servers: nats://a\nuser: me\npassword: hunter2").unwrap();
        assert!(matches!(&settings.credentials, Credentials::User(user, _) if user == "me"));
        assert!(!format!("{settings:?}").contains("hunter2"));
    }

    #[test]
    fn what_does_not_fit_names_its_setting() {
        for (yaml, start) in [
            ("", "servers: "),
            ("servers: []", "servers: "),
            ("servers: https://x", "servers: "),
            ("servers: nats://me:secret@x", "servers: "),
            ("servers: nats://x\nrealm: ''", "realm: "),
            ("servers: nats://x\nrealm: two words", "realm: "),
            ("servers: nats://x\naddressing: all", "addressing: "),
            ("servers: nats://x\nuser: a", "password: "),
            ("servers: nats://x\npassword: a", "user: "),
            ("servers: nats://x\ntoken: a\nnkey: SUA", "token: choose one"),
            ("servers: nats://x\nnkey: UA", "nkey: "),
            ("servers: nats://x\nclient_cert: /a", "client_key: "),
            ("servers: nats://x\nclient_key: /a", "client_cert: "),
            ("servers: nats://x\nkeep_days: 29", "keep_days: "),
            ("servers: nats://x\nmax_frame_bytes: 17000000", "max_frame_bytes: "),
            ("server: nats://x", "server: not a setting of nats transports, did you mean \"servers\"?"),
        ] {
            let line = read(yaml).unwrap_err().to_string();
            assert!(line.starts_with(start), "{yaml} -> {line}");
            assert!(!line.contains("secret"), "{line}");
        }
    }
}
