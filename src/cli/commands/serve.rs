//! `serve`: the WebSocket relay.

use std::{collections::BTreeSet, path::Path, time::Duration};

use serde_json::json;

use crate::{
    cli::{
        args::ServeArgs,
        input,
        out::Out,
        outcome::{CliError, Outcome},
        session::Place,
        stop::asked_to_stop,
    },
    serve::{Access, Relay, RelayConfig, TlsFiles},
};

/// Longest token, in bytes.
const TOKEN_BYTES: usize = 4096;
const MIB: u64 = 1024 * 1024;
const DAY: u64 = 24 * 3600;

pub(super) async fn run(place: &Place, args: ServeArgs, out: &mut Out) -> Result<Outcome, CliError> {
    let config = config(place, args)?;
    let scheme = if config.tls.is_some() { "wss" } else { "ws" };
    let stop = asked_to_stop();
    let relay = Relay::bind(config).await?;
    let address = relay.address();
    if out.json() {
        out.object(
            &json!({ "event": "listening", "url": format!("{scheme}://{address}"), "pid": std::process::id() }),
        )?;
    } else {
        out.line(format!("the relay listens on {scheme}://{address}"))?;
    }
    out.flush()?;
    relay
        .run(async {
            if let Err(error) = stop.await {
                tracing::error!("signals cannot be waited for: {error}");
            }
        })
        .await?;
    Ok(Outcome::Done)
}

fn config(place: &Place, args: ServeArgs) -> Result<RelayConfig, CliError> {
    let data = args.data.unwrap_or_else(|| place.home.root().join("relay"));
    let mut config = RelayConfig::new(args.listen, data);
    config.store = args.store;
    config.name = args.name;
    config.hosts = args.host;
    let members: BTreeSet<_> = args.member.into_iter().collect();
    let token = args.token_file.as_deref().map(token).transpose()?;
    config.access = Access { members: (!members.is_empty()).then_some(members), guests: args.guests, token };
    config.tls = args.tls_cert.zip(args.tls_key).map(|(certificate, key)| TlsFiles { certificate, key });
    let limits = &mut config.limits;
    let storage = &mut limits.storage;
    set(&mut limits.connections, args.max_connections);
    set(&mut storage.mailbox_messages, args.mailbox_messages);
    set(&mut storage.mailbox_bytes, args.mailbox_mib.map(|mib| mib * MIB));
    set(&mut storage.total_bytes, args.total_mib.map(|mib| mib * MIB));
    set(&mut storage.keep, args.keep_days.map(|days| Duration::from_secs(days * DAY)));
    Ok(config)
}

fn set<T>(limit: &mut T, wanted: Option<T>) {
    if let Some(wanted) = wanted {
        *limit = wanted;
    }
}

fn token(path: &Path) -> Result<String, CliError> {
    let file = std::fs::File::open(path).map_err(CliError::file(path))?;
    let line = input::first_line(file, TOKEN_BYTES, &path.display().to_string())?;
    match std::str::from_utf8(&line) {
        Ok(token) if !token.trim().is_empty() => Ok(token.trim().to_owned()),
        _ => Err(CliError::Input(format!("the first line of {} is no token", path.display()))),
    }
}
