//! `status`: the node at a glance.

use crate::{
    cli::{
        out::{Out, Paint},
        outcome::{CliError, Outcome},
        session::{Session, unexpected},
        table,
    },
    node::{Command, Reply, Status},
};

pub(super) async fn run(session: &Session, out: &mut Out) -> Result<Outcome, CliError> {
    session.wait_for_transports().await?;
    let status = match session.call(Command::Status).await? {
        Reply::Status(status) => status,
        other => return Err(unexpected(&other)),
    };
    if out.json() {
        out.object(&*status)?;
    } else {
        print(session, &status, out)?;
    }
    Ok(Outcome::Done)
}

fn print(session: &Session, status: &Status, out: &mut Out) -> Result<(), CliError> {
    let node = if session.is_own() {
        "not running; started for this command".to_owned()
    } else {
        format!("process {}, up {}", status.pid, span(status.uptime_ms))
    };
    let refused: Vec<String> = status.refused.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    table::pairs(
        out,
        &[
            ("name", Some(status.name.to_string())),
            ("fqid", status.fqid.as_ref().map(ToString::to_string)),
            ("fingerprint", Some(status.fingerprint.grouped())),
            ("node", Some(node)),
            ("unread", Some(status.unread.to_string())),
            ("not yet delivered", Some(format!("{}, of them {} held", status.queued, status.held))),
            ("duplicates dropped", (status.duplicates > 0).then(|| status.duplicates.to_string())),
            ("refused", (!refused.is_empty()).then(|| refused.join(", "))),
        ],
    )?;
    out.line("")?;
    super::transport::print(&status.transports, out)?;
    for warning in &status.warnings {
        out.line(out.paint(Paint::Bad, &format!("warning: {warning}")))?;
    }
    Ok(())
}

fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}
