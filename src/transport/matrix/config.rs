//! The settings of a `matrix` transport.

use std::path::PathBuf;

use matrix_sdk::{reqwest::Url, ruma::OwnedUserId};
use zeroize::Zeroizing;

use super::address;
use crate::transport::{
    ConfigError, TransportConfig,
    settings::{Settings, problem},
};

const KNOWN: &[&str] =
    &["user", "homeserver", "password", "password_file", "token", "token_file", "ca_file", "strangers"];
/// Longest address of a homeserver, in bytes.
const URL_BYTES: usize = 1024;

/// What the file says.
#[derive(Clone, Debug)]
pub(super) struct MatrixSettings {
    /// Who we are there.
    pub(super) user: OwnedUserId,
    /// Where the homeserver is; else the user's server is asked (`/.well-known/matrix/client`).
    pub(super) homeserver: Option<Url>,
    /// How we log in.
    pub(super) login: LoginWay,
    /// Certificates (PEM) that are trusted besides the public ones.
    pub(super) ca_file: Option<PathBuf>,
    /// Rooms with users we never wrote to that are joined at most.
    pub(super) strangers: usize,
}

/// How we log in.
#[derive(Clone, Debug)]
pub(super) enum LoginWay {
    /// With a password: makes a device of its own, and another one when the server has forgotten it.
    Password(Source),
    /// With an access token that was made for this node alone.
    Token(Source),
}

/// Where a secret is.
#[derive(Clone)]
pub(super) enum Source {
    /// In the settings.
    Here(Zeroizing<String>),
    /// In the first line of a file.
    File(PathBuf),
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Here(_) => f.write_str("Here(..)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

impl MatrixSettings {
    /// Reads and checks the settings of `config`.
    pub(super) fn read(config: &TransportConfig) -> Result<Self, ConfigError> {
        let settings = Settings::new(config, KNOWN)?;
        let user = settings.get::<String>("user")?;
        let user = user.ok_or_else(|| problem("user", "is missing; who you are, such as @lumina:matrix.example"))?;
        let user = address::user("user", &user)?;
        let homeserver = settings.get::<String>("homeserver")?.map(|text| homeserver(&text)).transpose()?;
        let strangers = settings.number("strangers", 16, 0, 1000)?;
        Ok(Self {
            user,
            homeserver,
            login: login(&settings)?,
            ca_file: settings.get::<PathBuf>("ca_file")?,
            strangers: usize::try_from(strangers).unwrap_or(usize::MAX),
        })
    }

    /// Whether all that is said to the homeserver can be read on the way.
    pub(super) fn is_open_to_the_network(&self) -> bool {
        self.homeserver.as_ref().is_some_and(is_readable_on_the_way)
    }
}

/// Whether what is said to that homeserver can be read on the way.
pub(super) fn is_readable_on_the_way(homeserver: &Url) -> bool {
    homeserver.scheme() == "http" && !is_loopback(homeserver)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn login(settings: &Settings<'_>) -> Result<LoginWay, ConfigError> {
    let mut ways = Vec::new();
    for (name, file) in [("password", "password_file"), ("token", "token_file")] {
        let here = settings.get::<String>(name)?.filter(|text| !text.is_empty());
        let there = settings.get::<PathBuf>(file)?;
        let sources = here.map(|text| Source::Here(text.into())).into_iter().chain(there.map(Source::File));
        ways.extend(
            sources.map(|source| if name == "password" { LoginWay::Password(source) } else { LoginWay::Token(source) }),
        );
    }
    let asked = "one of password, password_file, token and token_file says how to log in";
    match ways.len() {
        0 => Err(problem("password", format!("is missing; {asked}"))),
        1 => Ok(ways.remove(0)),
        _ => Err(problem("password", format!("there is more than one way to log in; {asked}"))),
    }
}

/// Reads the address of a homeserver.
///
/// # Errors
/// Why it is none.
pub(super) fn homeserver(text: &str) -> Result<Url, ConfigError> {
    let wrong = |why: &str| problem("homeserver", format!("{why}; a homeserver looks like https://matrix.example"));
    if text.len() > URL_BYTES {
        return Err(wrong("it is too long"));
    }
    let url = Url::parse(text).map_err(|_| wrong("this is not an address"))?;
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("it begins with neither https:// nor http://"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("a name, a password or a query has no place in it"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<MatrixSettings, ConfigError> {
        MatrixSettings::read(&serde_saphyr::from_str(&format!("type: matrix\n{yaml}")).unwrap())
    }

    #[test]
    fn a_user_and_one_way_to_log_in_are_wanted() {
        let settings = read("user: '@a:x.example'\npassword: secret").unwrap();
        assert!(matches!(&settings.login, LoginWay::Password(Source::Here(text)) if text.as_str() == "secret"));
        assert!(!format!("{settings:?}").contains("secret"), "it is not for the log");
        assert!(!settings.is_open_to_the_network());
        let settings = read("user: '@a:x.example'\ntoken_file: /t\nhomeserver: http://192.0.2.1:8008").unwrap();
        assert!(matches!(settings.login, LoginWay::Token(Source::File(_))));
        assert!(settings.is_open_to_the_network());
        assert!(!read("user: '@a:x'\ntoken: t\nhomeserver: http://[::1]:1").unwrap().is_open_to_the_network());
    }

    #[test]
    fn what_does_not_fit_names_its_setting() {
        for (yaml, start) in [
            ("password: p", "user: is missing"),
            ("user: lumina\npassword: p", "user: this is not a user"),
            ("user: '@a:x'", "password: is missing"),
            ("user: '@a:x'\npassword: p\ntoken: t", "password: there is more than one way"),
            ("user: '@a:x'\npassword: p\nhomeserver: matrix.example", "homeserver: "),
            ("user: '@a:x'\npassword: p\nhomeserver: ftp://x", "homeserver: "),
            ("user: '@a:x'\npassword: p\nhomeserver: https://me@x", "homeserver: "),
            ("user: '@a:x'\npassword: p\nstrangers: -1", "strangers: "),
            ("user: '@a:x'\npasword: p", "pasword: not a setting of matrix transports, did you mean \"password\"?"),
        ] {
            let line = read(yaml).unwrap_err().to_string();
            assert!(line.starts_with(start), "{yaml} -> {line}");
        }
    }
}
