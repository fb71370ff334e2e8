//! `daemon`: the node without a screen.

use serde_json::json;

use crate::{
    cli::{
        logging,
        out::Out,
        outcome::{CliError, Outcome},
        session::Place,
        stop::asked_to_stop,
    },
    node::{Command, Node, Reply},
    wire::SafeText,
};

pub(super) async fn run(place: Place, out: &mut Out) -> Result<Outcome, CliError> {
    place.check_identity()?;
    place.home.create()?;
    logging::to_stderr_and(&place.home.logs_dir(), "warn,skcomm_tui=info")?;
    if place.is_held()? {
        // Says who holds it, before anybody types a passphrase.
        place.home.lock()?;
    }
    let secret = place.unlock().await?;
    let mut stop = Box::pin(asked_to_stop());
    let node = Node::start(place.home.clone(), secret)?;
    let handle = node.handle();
    let ready = tokio::select! {
        ready = handle.call(Command::Status) => ready,
        stopped = &mut stop => {
            stopped?;
            node.stop().await?;
            return Ok(Outcome::Done);
        }
    };
    match ready {
        Ok(Reply::Status(status)) => announce(&place, &status.name, out)?,
        Ok(_) => {}
        Err(error) => {
            node.wait().await?;
            return Err(error.into());
        }
    }
    // The node may also be asked to stop by another face.
    let mut events = handle.subscribe();
    let gone = async { while events.next().await.is_some_and(|event| event != crate::node::Event::Stopping) {} };
    let asked = tokio::select! {
        stopped = &mut stop => stopped,
        () = gone => Ok(()),
    };
    tracing::info!("stopping");
    node.stop().await?;
    asked?;
    tracing::info!("stopped");
    Ok(Outcome::Done)
}

/// Says that commands are answered from now on.
fn announce(place: &Place, name: &SafeText, out: &mut Out) -> Result<(), CliError> {
    let home = SafeText::line(&place.home.root().display().to_string());
    tracing::info!(%home, "the node of {name} is ready");
    if out.json() {
        out.object(&json!({ "event": "ready", "name": name, "home": home, "pid": std::process::id() }))?;
    } else {
        out.line(format!("{name} is ready; `skcomm` talks to this process now ({home})"))?;
    }
    out.flush()
}
