//! `file`: files on their way.

use std::{path::Path, time::Duration};

use tokio::time::Instant;

use crate::{
    cli::{
        args::{FileCommand, FileSendArgs},
        out::{Out, Paint},
        outcome::{CliError, Outcome},
        session::{Session, unexpected},
        table::Table,
    },
    node::{Command, Event, EventStream, FileSend, Reply, Transfer, TransferState, size_text},
    wire::EnvelopeId,
};

/// So many percent more make a new line for a person.
const STEP_PERCENT: u64 = 10;

pub(super) async fn run(session: &Session, command: FileCommand, out: &mut Out) -> Result<Outcome, CliError> {
    match command {
        FileCommand::Send(args) => send(session, args, out).await,
        FileCommand::List { peer } => list(session, peer, out).await,
        FileCommand::Accept(args) => {
            follow(session, Command::FileAccept { transfer: args.transfer }, args.wait, out).await
        }
        FileCommand::Resume(args) => {
            follow(session, Command::FileResume { transfer: args.transfer }, args.wait, out).await
        }
        FileCommand::Pause { transfer } => once(session, Command::FilePause { transfer }, out).await,
        FileCommand::Cancel { transfer } => once(session, Command::FileCancel { transfer }, out).await,
    }
}

async fn send(session: &Session, args: FileSendArgs, out: &mut Out) -> Result<Outcome, CliError> {
    let request = FileSend {
        to: args.to,
        path: absolute(&args.path)?,
        thread_id: args.thread,
        mode: args.mode,
        policy: args.policy,
    };
    let mut events = session.subscribe();
    let id = match session.call(Command::FileSend(request)).await? {
        Reply::Sent(message) => message.envelope_id,
        other => return Err(unexpected(&other)),
    };
    let transfer = find(session, id).await?;
    watch(session, &mut events, transfer, args.wait, out).await
}

/// The node may run elsewhere: it needs the whole path.
fn absolute(path: &Path) -> Result<String, CliError> {
    let whole = std::path::absolute(path).map_err(|e| CliError::Input(format!("{}: {e}", path.display())))?;
    let text = whole.to_str().ok_or_else(|| {
        CliError::Input(format!("the path {} is not UTF-8; copy or link the file to another name", whole.display()))
    })?;
    Ok(text.to_owned())
}

async fn once(session: &Session, command: Command, out: &mut Out) -> Result<Outcome, CliError> {
    let transfer = asked(session, command).await?;
    report(out, &transfer)?;
    Ok(Outcome::Done)
}

async fn follow(session: &Session, command: Command, wait: u64, out: &mut Out) -> Result<Outcome, CliError> {
    let mut events = session.subscribe();
    let transfer = asked(session, command).await?;
    watch(session, &mut events, transfer, wait, out).await
}

async fn asked(session: &Session, command: Command) -> Result<Transfer, CliError> {
    match session.call(command).await? {
        Reply::Transfer(transfer) => Ok(*transfer),
        other => Err(unexpected(&other)),
    }
}

async fn find(session: &Session, id: EnvelopeId) -> Result<Transfer, CliError> {
    match session.call(Command::Files { peer: None }).await? {
        Reply::Transfers(all) => all
            .into_iter()
            .find(|transfer| transfer.transfer == id && !transfer.incoming)
            .ok_or_else(|| CliError::Input(format!("the node does not know the transfer {id} any more"))),
        other => Err(unexpected(&other)),
    }
}

/// Reports a transfer until it rests or ends, or the time is up.
async fn watch(
    session: &Session,
    events: &mut EventStream,
    mut transfer: Transfer,
    wait: u64,
    out: &mut Out,
) -> Result<Outcome, CliError> {
    let deadline = Instant::now() + Duration::from_secs(wait);
    let mut shown = Shown::default();
    shown.report(out, &transfer)?;
    while !rests(&transfer.state) {
        let event = match tokio::time::timeout_at(deadline, events.next()).await {
            Ok(Some(event)) => event,
            // The time is up, or the node is going down: what is durable is safe.
            Ok(None) | Err(_) => break,
        };
        match event {
            Event::Transfer(now) if (now.peer, now.transfer) == (transfer.peer, transfer.transfer) => transfer = *now,
            Event::Lagged(_) => {
                let Reply::Transfers(all) = session.call(Command::Files { peer: None }).await? else { continue };
                let same = |t: &Transfer| (t.peer, t.transfer) == (transfer.peer, transfer.transfer);
                transfer = all.into_iter().find(same).unwrap_or(transfer);
            }
            Event::Stopping => break,
            _ => continue,
        }
        shown.report(out, &transfer)?;
    }
    Ok(match &transfer.state {
        TransferState::Done { .. } => Outcome::Done,
        TransferState::Failed { .. } | TransferState::Cancelled { .. } | TransferState::Damaged { .. } => {
            Outcome::Failed
        }
        _ => Outcome::NotDelivered,
    })
}

/// Whether nothing more happens by itself.
fn rests(state: &TransferState) -> bool {
    state.is_final() || matches!(state, TransferState::Damaged { .. } | TransferState::Paused { by_peer: false, .. })
}

/// What was reported last, so that a person is not told every chunk.
#[derive(Default)]
struct Shown {
    state: String,
    percent: u64,
}

impl Shown {
    fn report(&mut self, out: &mut Out, transfer: &Transfer) -> Result<(), CliError> {
        let (state, percent) = (transfer.state.name().to_owned(), percent(transfer));
        let further = percent >= self.percent + STEP_PERCENT;
        if out.json() || self.state != state || further {
            (self.state, self.percent) = (state, percent);
            report(out, transfer)?;
        }
        Ok(())
    }
}

fn report(out: &mut Out, transfer: &Transfer) -> Result<(), CliError> {
    if out.json() {
        out.object(transfer)?;
    } else {
        let paint = match transfer.state {
            TransferState::Done { .. } => Paint::Good,
            TransferState::Failed { .. } | TransferState::Damaged { .. } | TransferState::Cancelled { .. } => {
                Paint::Bad
            }
            _ => Paint::Dim,
        };
        let state = out.paint(paint, &state(transfer));
        out.line(format!("{}  {}  {state}", transfer.transfer, transfer.name))?;
    }
    out.flush()
}

async fn list(session: &Session, peer: Option<String>, out: &mut Out) -> Result<Outcome, CliError> {
    let all = match session.call(Command::Files { peer }).await? {
        Reply::Transfers(all) => all,
        other => return Err(unexpected(&other)),
    };
    if out.json() {
        all.iter().try_for_each(|transfer| out.object(transfer))?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&["ID", "PEER", "WAY", "FILE", "SIZE", "STATE"]);
    for transfer in &all {
        let way = if transfer.incoming { "from" } else { "to" };
        table.row([
            transfer.transfer.to_string(),
            transfer.peer_name.to_string(),
            way.to_owned(),
            transfer.name.to_string(),
            size_text(transfer.size),
            state(transfer),
        ]);
    }
    table.print(out, "no files: `skcomm file send --to NAME FILE` sends one")?;
    Ok(Outcome::Done)
}

fn percent(transfer: &Transfer) -> u64 {
    transfer.bytes.saturating_mul(100).checked_div(transfer.size).unwrap_or(100)
}

/// How a transfer stands, in words.
fn state(transfer: &Transfer) -> String {
    let so_far = format!("{} % of {}", percent(transfer), size_text(transfer.size));
    match &transfer.state {
        TransferState::Offered if transfer.incoming => "offered: `skcomm file accept ID` takes it".to_owned(),
        TransferState::Offered => "offered: waits for the recipient to take it".to_owned(),
        TransferState::Running => {
            let rate = transfer.rate.map(|rate| format!(", {}/s", size_text(rate))).unwrap_or_default();
            let via = transfer.via.as_ref().map(|via| format!(" over {via}")).unwrap_or_default();
            format!("{so_far}{rate}{via}")
        }
        TransferState::Paused { by_peer: true, .. } => format!("paused by the other end at {so_far}"),
        TransferState::Paused { reason: Some(reason), .. } => format!("paused at {so_far}: {reason}"),
        TransferState::Paused { .. } => format!("paused at {so_far}"),
        TransferState::Verifying => "all there; the hash is being compared".to_owned(),
        TransferState::Done { path: Some(path) } => format!("done: {path}"),
        TransferState::Done { path: None } => "done: the recipient has it, and the hash is right".to_owned(),
        TransferState::Damaged { path: Some(path), reason } => format!("damaged: {reason}; put aside as {path}"),
        TransferState::Damaged { reason, .. } => format!("came damaged: {reason}"),
        TransferState::Cancelled { by_peer: false, .. } => "given up".to_owned(),
        TransferState::Cancelled { reason: Some(reason), .. } => format!("given up by the other end: {reason}"),
        TransferState::Cancelled { .. } => "given up by the other end".to_owned(),
        TransferState::Failed { reason } => format!("failed: {reason}"),
    }
}
