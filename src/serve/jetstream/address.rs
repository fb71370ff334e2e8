//! Where the store is: `nats://HOST[:PORT][,HOST[:PORT]...][?SETTING=VALUE[&...]]`, or `tls://`.

use std::path::Path;

use crate::transport::{
    TransportConfig,
    nats::{Login, NatsSettings, private_line},
};

/// Settings that may stand behind the `?`; they mean what they mean in a `nats` transport's file.
const SETTINGS: &[&str] = &["realm", "user", "creds_file", "ca_file", "client_cert", "client_key"];
/// The same, with numbers as values.
const NUMBERS: &[&str] = &["replicas", "keepalive_seconds", "connect_seconds"];
/// Secrets, each in the first line of a file: a command line can be read by everybody on the machine.
const SECRETS: &[(&str, &str)] = &[("token_file", "token"), ("password_file", "password"), ("nkey_file", "nkey")];

/// The servers and settings that `address` names, and what to show the servers. Reads files, so it blocks.
///
/// # Errors
/// Says what is wrong with the address, or with a file that it names.
pub(super) fn read(address: &str) -> Result<(NatsSettings, Login), String> {
    let (servers, settings) = address.split_once('?').unwrap_or((address, ""));
    let config = TransportConfig::new("nats").with("servers", split_servers(servers)?);
    let config = settings.split('&').filter(|setting| !setting.is_empty()).try_fold(config, add)?;
    let settings = NatsSettings::read(&config).map_err(|error| error.to_string())?;
    let login = Login::read(&settings).map_err(|reason| reason.to_string())?;
    Ok((settings, login))
}

/// The address without what stands behind the `?`, for people.
pub(super) fn shown(address: &str) -> &str {
    address.split_once('?').map_or(address, |(servers, _)| servers)
}

fn split_servers(servers: &str) -> Result<Vec<String>, String> {
    let wanted = "a store's address looks like nats://HOST or tls://HOST:PORT,OTHER:PORT?realm=WORD&replicas=3";
    let (scheme, hosts) = servers.split_once("://").ok_or(wanted)?;
    Ok(hosts.split(',').map(|host| format!("{scheme}://{host}")).collect())
}

fn add(config: TransportConfig, setting: &str) -> Result<TransportConfig, String> {
    let (name, value) = setting.split_once('=').ok_or_else(|| format!("{setting}: a setting is NAME=VALUE"))?;
    if config.settings.contains_key(name) {
        return Err(format!("{name}: is there twice"));
    }
    if SETTINGS.contains(&name) {
        return Ok(config.with(name, value));
    }
    if NUMBERS.contains(&name) {
        let number: u64 = value.parse().map_err(|_| format!("{name}: wants a whole number"))?;
        return Ok(config.with(name, number));
    }
    if let Some((_, secret)) = SECRETS.iter().find(|(file, _)| *file == name) {
        let line = private_line(name, Path::new(value)).map_err(|reason| reason.to_string())?;
        return Ok(config.with(secret, line.as_str()));
    }
    if let Some((file, _)) = SECRETS.iter().find(|(_, secret)| *secret == name) {
        return Err(format!("{name}: others could read it in the command line; name a file that holds it with {file}"));
    }
    let files = SECRETS.iter().map(|(file, _)| *file);
    let known: Vec<_> = SETTINGS.iter().chain(NUMBERS).copied().chain(files).collect();
    Err(format!("{name}: not a setting of a store; known are {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn addresses_name_servers_and_settings() {
        let (settings, _) = read("nats://127.0.0.1").unwrap();
        assert_eq!((settings.servers.len(), settings.realm.as_str()), (1, "skcomm"));
        let (settings, _) = read("tls://a:1,b?realm=ours&replicas=3").unwrap();
        let servers: Vec<_> = settings.servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["tls://a:1", "tls://b:4222"]);
        assert_eq!((settings.realm.as_str(), settings.stream.replicas), ("ours", 3));
    }

    #[test]
    fn secrets_come_from_private_files_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, "s3cret\n").unwrap();
        let address = format!("nats://127.0.0.1?token_file={}", path.display());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read(&address).err().unwrap().contains("chmod 600"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let (settings, _) = read(&address).unwrap();
        assert!(!format!("{settings:?}").contains("s3cret"));
        std::fs::write(&path, "\n").unwrap();
        assert!(read(&address).err().unwrap().contains("empty"));
        assert_eq!(shown(&address), "nats://127.0.0.1");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (address, says) in [
            ("127.0.0.1", "looks like nats://"),
            ("http://x", "servers: "),
            ("nats://me:secret@x", "servers: "),
            ("nats://x?token=secret", "token_file"),
            ("nats://x?nkey=secret", "nkey_file"),
            ("nats://x?stream_mib=1", "stream_mib: not a setting of a store"),
            ("nats://x?replicas=many", "replicas: wants a whole number"),
            ("nats://x?replicas=9", "replicas: "),
            ("nats://x?realm", "NAME=VALUE"),
            ("nats://x?realm=a&realm=b", "twice"),
            ("nats://x?realm=two words", "realm: "),
        ] {
            let line = read(address).err().unwrap();
            assert!(line.contains(says) && !line.contains("secret"), "{address} -> {line}");
        }
    }
}
