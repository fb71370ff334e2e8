//! `keys`: exchange, trust, revoke.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{identity::own_certificate, peer};
use crate::{
    cli::{
        args::KeysCommand,
        complain, input,
        out::Out,
        outcome::{CliError, Outcome},
        session::{Place, Session, unexpected},
        show,
        table::Table,
    },
    home::write_private,
    node::{Command, PeerAdd, Reply},
    wire::limits,
};

/// Whether the command works on the home's files alone.
pub(super) fn is_offline(command: &KeysCommand) -> bool {
    matches!(command, KeysCommand::Revoke { .. })
}

pub(super) async fn run(session: &Session, command: KeysCommand, out: &mut Out) -> Result<Outcome, CliError> {
    match command {
        KeysCommand::List => list(session, out).await,
        KeysCommand::Export { peer, output } => export(session, peer, output, out).await,
        KeysCommand::Import { file, name } => {
            let reading = move || input::read_text(&file, limits::CERTIFICATE_BYTES);
            let certificate = Some(tokio::task::spawn_blocking(reading).await??);
            peer::change(session, Command::PeerAdd(PeerAdd { name, certificate, ..PeerAdd::default() }), out).await
        }
        KeysCommand::Trust { peer, level } => peer::change(session, Command::TrustSet { peer, level }, out).await,
        KeysCommand::Conflict { peer, choice } => {
            peer::change(session, Command::ConflictResolve { peer, accept_new: choice.accept_new }, out).await
        }
        KeysCommand::Revoke { .. } => Ok(Outcome::Done),
    }
}

async fn list(session: &Session, out: &mut Out) -> Result<Outcome, CliError> {
    let own = own_certificate(session.home())?;
    let facts = own.facts();
    let Reply::Status(status) = session.call(Command::Status).await? else {
        return Err(CliError::Input("the node did not say who it is; restart it".to_owned()));
    };
    let peers = match session.call(Command::Peers).await? {
        Reply::Peers(peers) => peers,
        other => return Err(unexpected(&other)),
    };
    if out.json() {
        out.object(&json!({
            "own": true, "name": status.name, "fingerprint": own.fingerprint(), "trust": null,
            "algorithms": facts.algorithms.join(" + "), "created": facts.created, "expires": facts.expires,
            "revoked": facts.revoked, "conflict": null,
        }))?;
        for peer in peers.iter().filter(|peer| peer.fingerprint.is_some()) {
            let key = peer.key.as_ref();
            out.object(&json!({
                "own": false, "name": peer.name, "fingerprint": peer.fingerprint, "trust": peer.trust,
                "algorithms": key.map(|key| &key.algorithms), "created": key.map(|key| key.created),
                "expires": key.and_then(|key| key.expires), "conflict": peer.conflict,
            }))?;
        }
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&["NAME", "TRUST", "FINGERPRINT", "EXPIRES", "ALGORITHMS"]);
    let expires = |at: Option<crate::wire::Timestamp>| at.map_or_else(|| "never".to_owned(), show::time);
    let level = if facts.revoked { "REVOKED" } else { "(you)" };
    table.row([
        status.name.to_string(),
        level.to_owned(),
        own.fingerprint().grouped(),
        expires(facts.expires),
        facts.algorithms.join(" + "),
    ]);
    for peer in &peers {
        let key = peer.key.as_ref();
        table.row([
            peer.name.to_string(),
            peer.trust.name().to_owned(),
            peer.fingerprint.map_or_else(|| "none".to_owned(), |key| key.grouped()),
            key.map_or_else(|| "-".to_owned(), |key| expires(key.expires)),
            key.map(|key| key.algorithms.to_string()).unwrap_or_default(),
        ]);
    }
    table.print(out, "")?;
    Ok(Outcome::Done)
}

async fn export(
    session: &Session,
    peer: Option<String>,
    output: Option<PathBuf>,
    out: &mut Out,
) -> Result<Outcome, CliError> {
    match session.call(Command::KeyExport { peer }).await? {
        Reply::Certificate(armored) => deliver(&armored, output.as_deref(), out)?,
        other => return Err(unexpected(&other)),
    }
    Ok(Outcome::Done)
}

/// A certificate goes to a file or to the output.
fn deliver(armored: &str, output: Option<&Path>, out: &mut Out) -> Result<(), CliError> {
    match output {
        Some(path) => {
            std::fs::write(path, armored).map_err(CliError::file(path))?;
            if out.json() { out.object(&json!({ "file": path.display().to_string() })) } else { Ok(()) }
        }
        None if out.json() => out.object(&json!({ "certificate": armored })),
        None => out.raw(armored.as_bytes()),
    }
}

/// Applies the revocation that was made with the key.
pub(super) async fn revoke(place: &Place, command: KeysCommand, out: &mut Out) -> Result<Outcome, CliError> {
    let KeysCommand::Revoke { output, yes } = command else { return Ok(Outcome::Done) };
    place.check_identity()?;
    let own = own_certificate(&place.home)?;
    let path = place.home.root().join("identity/revocation.asc");
    let revocation = std::fs::read(&path).map_err(CliError::file(&path))?;
    let revoked = own
        .with_revocation(&revocation)
        .map_err(|source| CliError::Key { what: path.display().to_string(), source })?;
    if !yes {
        let question = format!(
            "This revokes your key {} for good: whoever gets the revoked certificate will not write to it any more.",
            own.fingerprint().grouped()
        );
        let asking = tokio::task::spawn_blocking(move || input::confirm(&question, "revoke"));
        if !asking.await?? {
            return Err(CliError::Input("nothing was changed".to_owned()));
        }
    }
    let armored = revoked.armored();
    write_private(&place.home.public_key_path(), armored.as_bytes())?;
    deliver(&armored, output.as_deref(), out)?;
    complain(
        "identity/public.asc is revoked now. Nobody is told by itself: give the certificate to your peers \
         (`skcomm keys import`). For a new key move the home folder away and run `skcomm init`.",
    );
    Ok(Outcome::Done)
}
