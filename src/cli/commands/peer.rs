//! `peer`: whom we write to.

use crate::{
    cli::{
        args::{DefaultsChange, PeerAddArgs, PeerCommand, RouteArg, ThreadCommand},
        complain, input,
        out::Out,
        outcome::{CliError, Outcome},
        session::{Session, unexpected},
        show,
        table::{self, Table},
    },
    identity::RoutingDefaults,
    node::{Command, Peer, PeerAdd, PeerDefaults, Presence, Reply},
    pgp::fingerprint_words,
    transport::registry::TransportConfig,
    wire::{ThreadId, limits},
};

pub(super) async fn run(session: &Session, command: PeerCommand, out: &mut Out) -> Result<Outcome, CliError> {
    let command = match command {
        PeerCommand::Add(args) => return add(session, args, out).await,
        PeerCommand::List => return list(session, out).await,
        PeerCommand::Show { peer } => return show_one(session, peer, out).await,
        PeerCommand::Set { peer, change } => return set(session, peer, None, change, out).await,
        PeerCommand::Remove { peer } => {
            session.call(Command::PeerRemove { peer: peer.clone() }).await?;
            if !out.json() {
                out.line(format!("removed {peer}; its messages stay"))?;
            }
            return Ok(Outcome::Done);
        }
        PeerCommand::Block { peer } => Command::Block { peer, blocked: true },
        PeerCommand::Unblock { peer } => Command::Block { peer, blocked: false },
        PeerCommand::Mute { peer } => Command::Mute { peer, muted: true },
        PeerCommand::Unmute { peer } => Command::Mute { peer, muted: false },
        PeerCommand::Accept { peer } => Command::RequestAccept { peer },
    };
    change(session, command, out).await
}

/// Runs a command that answers with a peer, and prints the peer.
pub(super) async fn change(session: &Session, command: Command, out: &mut Out) -> Result<Outcome, CliError> {
    match session.call(command).await? {
        Reply::Peer(peer) => details(out, &peer)?,
        other => return Err(unexpected(&other)),
    }
    Ok(Outcome::Done)
}

async fn add(session: &Session, args: PeerAddArgs, out: &mut Out) -> Result<Outcome, CliError> {
    let certificate = match args.pubkey {
        Some(path) => {
            let reading = move || input::read_text(&path, limits::CERTIFICATE_BYTES);
            Some(tokio::task::spawn_blocking(reading).await??)
        }
        None => None,
    };
    for route in &args.routes {
        prepare_transport(session, route).await?;
    }
    let add = PeerAdd {
        name: args.name,
        certificate,
        fqid: args.fqid,
        routes: args.routes.into_iter().map(|route| (route.transport, route.address)).collect(),
        defaults: args.defaults.defaults(),
    };
    change(session, Command::PeerAdd(add), out).await
}

/// `thread`: what the messages of a thread get.
pub(super) async fn thread(session: &Session, command: ThreadCommand, out: &mut Out) -> Result<Outcome, CliError> {
    let ThreadCommand::Set { peer, thread, change } = command;
    set(session, peer, Some(thread), change, out).await
}

async fn set(
    session: &Session,
    peer: String,
    thread: Option<ThreadId>,
    args: DefaultsChange,
    out: &mut Out,
) -> Result<Outcome, CliError> {
    let (set, clear) = (args.set.defaults(), args.clear);
    if set.is_empty() && clear.is_empty() {
        let text = "nothing to set: give --mode, --policy, --urgency, --ttl or --clear NAME";
        return Err(CliError::Input(text.to_owned()));
    }
    change(session, Command::PeerDefaults(PeerDefaults { peer, thread, set, clear }), out).await
}

/// Defaults in words; none where there are none.
fn defaults(said: &RoutingDefaults) -> Option<String> {
    let parts = [
        said.mode.map(|mode| format!("mode {}", mode.as_str())),
        said.policy.map(|policy| format!("policy {policy}")),
        said.urgency.map(|urgency| format!("urgency {}", urgency.as_str())),
        said.ttl_seconds.map(|ttl| format!("ttl {ttl} s")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Makes our own end of a route ready: a transport that every home may have, a watched folder. Says what it did.
async fn prepare_transport(session: &Session, route: &RouteArg) -> Result<(), CliError> {
    let id = &route.transport;
    let known = session.home().transports()?.into_iter().any(|read| read.is_ok_and(|(name, _)| name == *id));
    let (config, did) = if known {
        let config = session.home().transport(id)?;
        match watching(config, &route.address) {
            Some(config) => (config, format!("{id} now receives in {} too (transports/{id}.yml)", route.address)),
            None => return Ok(()),
        }
    } else {
        let kind = match id.as_str() {
            "relay" => "websocket",
            kind @ ("file" | "tcp") => kind,
            // The node says which transports there are.
            _ => return Ok(()),
        };
        let config = TransportConfig::new(kind);
        let config = watching(config.clone(), &route.address).unwrap_or(config);
        (config, format!("made the transport {id} (transports/{id}.yml)"))
    };
    session.home().save_transport(id, &config)?;
    session.call(Command::TransportReload { transport: id.clone() }).await?;
    complain(&did);
    Ok(())
}

/// The configuration of a file transport with `folder` among those it receives in; none if it is there already, or
/// is no folder.
fn watching(config: TransportConfig, folder: &str) -> Option<TransportConfig> {
    if config.kind != "file" || !std::path::Path::new(folder).is_absolute() {
        return None;
    }
    let mut folders: Vec<String> =
        config.settings.get("folders").and_then(|list| serde_json::from_value(list.clone()).ok()).unwrap_or_default();
    if folders.iter().any(|known| std::path::Path::new(known) == std::path::Path::new(folder)) {
        return None;
    }
    folders.push(folder.to_owned());
    Some(config.with("folders", folders))
}

async fn peers(session: &Session) -> Result<Vec<Peer>, CliError> {
    match session.call(Command::Peers).await? {
        Reply::Peers(peers) => Ok(peers),
        other => Err(unexpected(&other)),
    }
}

async fn list(session: &Session, out: &mut Out) -> Result<Outcome, CliError> {
    let peers = peers(session).await?;
    if out.json() {
        peers.iter().try_for_each(|peer| out.object(peer))?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&["NAME", "TRUST", "PRESENCE", "FINGERPRINT", "ROUTES", "NOTES"]);
    for peer in &peers {
        let routes: Vec<String> = peer.routes.iter().map(|(transport, _)| transport.to_string()).collect();
        table.row([
            peer.name.to_string(),
            peer.trust.name().to_owned(),
            presence(peer).to_owned(),
            peer.fingerprint.map_or_else(|| "-".to_owned(), |key| key.short()),
            if routes.is_empty() { "-".to_owned() } else { routes.join(",") },
            show::peer_notes(peer),
        ]);
    }
    table.print(out, "no peers yet; add one with `skcomm peer add --name NAME --pubkey FILE --route tcp=HOST:PORT`")?;
    Ok(Outcome::Done)
}

fn presence(peer: &Peer) -> &'static str {
    match peer.presence {
        Presence::Online => "online",
        Presence::Away => "away",
        Presence::Unknown => "-",
    }
}

async fn show_one(session: &Session, peer: String, out: &mut Out) -> Result<Outcome, CliError> {
    change(session, Command::Peer { peer }, out).await
}

fn details(out: &mut Out, peer: &Peer) -> Result<(), CliError> {
    if out.json() {
        return out.object(peer);
    }
    let notes = show::peer_notes(peer);
    let words = peer.fingerprint.map(|key| fingerprint_words(&key).join(" "));
    table::pairs(
        out,
        &[
            ("name", Some(peer.name.to_string())),
            ("fqid", peer.fqid.as_ref().map(ToString::to_string)),
            ("trust", Some(peer.trust.name().to_owned())),
            ("fingerprint", Some(peer.fingerprint.map_or_else(|| "none; messages are held".into(), |k| k.grouped()))),
            ("words", words),
            ("key", peer.key.as_ref().map(|key| key.algorithms.to_string())),
            ("expires", peer.key.as_ref().and_then(|key| key.expires).map(show::time)),
            ("new key", peer.conflict.map(|key| key.grouped())),
            ("defaults", defaults(&peer.defaults)),
            ("presence", Some(presence(peer).to_owned())),
            ("last seen", peer.last_seen.map(show::time)),
            ("notes", (!notes.is_empty()).then_some(notes)),
        ],
    )?;
    for (transport, address) in &peer.routes {
        out.line(format!("  route  {transport} = {address}"))?;
    }
    for (thread, said) in &peer.threads {
        out.line(format!("  thread {thread}: {}", defaults(said).unwrap_or_default()))?;
    }
    for event in &peer.history {
        out.line(format!("  {}  {}", show::time(event.at), event.what))?;
    }
    if peer.conflict.is_some() {
        out.line("Compare the fingerprints over another way, then: skcomm keys conflict PEER --accept-new|--keep-old")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_watched_once() {
        let once = watching(TransportConfig::new("file"), "/srv/shared").unwrap();
        assert_eq!(once.settings["folders"], serde_json::json!(["/srv/shared"]));
        assert!(watching(once.clone(), "/srv/shared/").is_none());
        let twice = watching(once, "/srv/other").unwrap();
        assert_eq!(twice.settings["folders"], serde_json::json!(["/srv/shared", "/srv/other"]));
        assert!(watching(TransportConfig::new("tcp"), "/srv/shared").is_none());
    }
}
