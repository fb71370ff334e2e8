//! `transport`: the ways messages can take.

use crate::{
    cli::{
        args::TransportCommand,
        out::Out,
        outcome::{CliError, Outcome},
        session::{Session, unexpected},
        show,
        table::Table,
    },
    node::{Command, Reply, TransportHealth},
};

pub(super) async fn run(session: &Session, command: TransportCommand, out: &mut Out) -> Result<Outcome, CliError> {
    let transport = match command {
        TransportCommand::List => None,
        TransportCommand::Enable { transport } => {
            session.call(Command::TransportEnable { transport: transport.clone(), enabled: true }).await?;
            Some(transport)
        }
        TransportCommand::Disable { transport } => {
            session.call(Command::TransportEnable { transport: transport.clone(), enabled: false }).await?;
            Some(transport)
        }
        TransportCommand::Priority { transport, priority } => {
            session.call(Command::TransportPriority { transport: transport.clone(), priority }).await?;
            Some(transport)
        }
        TransportCommand::Probe { transport } => {
            session.call(Command::TransportProbe { transport: transport.clone() }).await?;
            Some(transport)
        }
    };
    let mut all = match session.call(Command::Transports).await? {
        Reply::Transports(all) => all,
        other => return Err(unexpected(&other)),
    };
    all.retain(|health| transport.as_ref().is_none_or(|wanted| health.transport == *wanted));
    if out.json() {
        all.iter().try_for_each(|health| out.object(health))?;
    } else {
        print(&all, out)?;
    }
    Ok(Outcome::Done)
}

/// Prints transports as a table, with the last error of each.
pub(super) fn print(all: &[TransportHealth], out: &mut Out) -> Result<(), CliError> {
    let mut table = Table::new(&["TRANSPORT", "KIND", "PRIO", "LATENCY", "OK", "OUT", "IN", "ADDRESS", "STATE"]);
    for health in all {
        let none = || "-".to_owned();
        table.row([
            health.transport.to_string(),
            health.kind.to_string(),
            health.priority.to_string(),
            health.latency_ms.map_or_else(none, |ms| format!("{ms:.0} ms")),
            if health.sent + health.failed == 0 { none() } else { format!("{:.0} %", health.success * 100.0) },
            health.sent.to_string(),
            health.received.to_string(),
            health.address.as_ref().map_or_else(none, ToString::to_string),
            show::transport_state(health),
        ]);
    }
    table.print(out, "no transports; add a file to transports/ in the home folder (docs/transports)")?;
    for health in all {
        if let Some((at, reason)) = health.errors.last() {
            out.line(format!("  {}: last error {}: {reason}", health.transport, show::time(*at)))?;
        }
    }
    Ok(())
}
