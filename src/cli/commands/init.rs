//! `init`: from nothing to an identity.

use std::sync::Arc;

use crate::{
    cli::{
        args::InitArgs,
        out::Out,
        outcome::{CliError, Outcome},
        passphrase,
        session::Place,
    },
    delivery::{Reason, ReasonKind, TransportId},
    node::{NewIdentity, SetupError, create_identity},
    transport::{
        Authenticator, Context, Secret,
        registry::{self, TransportConfig},
    },
    wire::Fingerprint,
};

pub(super) async fn run(place: &Place, args: InitArgs, out: &mut Out) -> Result<Outcome, CliError> {
    if place.home.has_identity() {
        return Err(SetupError::Exists(place.home.root().display().to_string()).into());
    }
    let transports = transports(&args)?;
    check(place, &transports)?;
    let place_to_make = place.clone();
    let made = tokio::task::spawn_blocking(move || {
        let passphrase = match (args.no_passphrase, place_to_make.passphrase.read()?) {
            (true, _) => None,
            (false, None) => passphrase::ask_new()?,
            (false, given) => given,
        };
        let identity = NewIdentity { name: args.name, email: args.email, fqid: args.fqid };
        create_identity(&place_to_make.home, &identity, passphrase.as_ref(), &transports)?;
        Ok::<bool, CliError>(passphrase.is_some())
    });
    let protected = made.await??;
    super::identity::show(&place.home, out)?;
    if !out.json() {
        next_steps(place, protected, out)?;
    }
    Ok(Outcome::Done)
}

/// Refuses a setting that its transport would refuse, before anything is made.
fn check(place: &Place, transports: &[(TransportId, TransportConfig)]) -> Result<(), CliError> {
    for (id, config) in transports {
        let context = Context {
            id: id.clone(),
            authenticator: Arc::new(Nobody),
            data_dir: place.home.transport_data_dir(id),
            // Settings are checked without using it.
            secret: Secret::new(zeroize::Zeroizing::new([0; 32])),
        };
        registry::build(config, context).map_err(|e| CliError::Input(format!("the transport {id}: {e}")))?;
    }
    Ok(())
}

/// Who we are before there is a key. Settings are checked without asking.
struct Nobody;

impl Authenticator for Nobody {
    fn fingerprint(&self) -> Fingerprint {
        // Twenty bytes always make one.
        Fingerprint::from_bytes(&[0; 20]).unwrap_or_else(|_| unreachable!("20 bytes make a fingerprint"))
    }

    fn certificate(&self) -> String {
        String::new()
    }

    fn sign(&self, _: &[u8]) -> Result<String, Reason> {
        Err(Reason::new(ReasonKind::NoKey, "there is no key yet"))
    }
}

fn next_steps(place: &Place, protected: bool, out: &mut Out) -> Result<(), CliError> {
    let home = place.home.root().display();
    if !protected {
        out.line(format!("\nThe private key has no passphrase: whoever can read {home} has it."))?;
    }
    out.line("\nNext:")?;
    out.line("  skcomm keys export -o me.pub.asc      give this file to your peers")?;
    out.line("  skcomm peer add --name NAME --pubkey their.pub.asc --route tcp=HOST:PORT")?;
    out.line("  skcomm send --to NAME 'hello'         or start skcomm-tui")?;
    out.line(format!("\nKeep a copy of {home}/identity/revocation.asc in a safe place."))
}

/// The first transports. One that is not asked for is made where it costs nothing, so that routes can name it.
fn transports(args: &InitArgs) -> Result<Vec<(TransportId, TransportConfig)>, CliError> {
    let id = |name: &str| name.parse::<TransportId>().map_err(|e| CliError::Input(e.to_string()));
    let mut file = TransportConfig::new("file");
    if !args.folder.is_empty() {
        let mut folders = Vec::new();
        for folder in &args.folder {
            // Where it is now, so that the command's own folder may change.
            let folder = std::path::absolute(folder)?;
            let text = folder.to_str().ok_or_else(|| {
                CliError::Input(format!("{} is not UTF-8; use a folder with a plain name", folder.display()))
            })?;
            folders.push(text.to_owned());
        }
        file = file.with("folders", folders);
    }
    let mut tcp = TransportConfig::new("tcp");
    if let Some(listen) = args.listen {
        tcp = tcp.with("listen", listen.to_string());
    }
    let mut all = vec![(id("file")?, file), (id("tcp")?, tcp)];
    if !args.relay.is_empty() {
        all.push((id("relay")?, TransportConfig::new("websocket").with("relays", args.relay.clone())));
    }
    Ok(all)
}
