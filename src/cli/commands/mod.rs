//! What each subcommand does.

mod daemon;
mod file;
mod generate;
mod history;
mod identity;
mod init;
mod keys;
mod lines;
mod peer;
mod queue;
mod receive;
mod route;
mod search;
mod send;
mod serve;
mod status;
mod transport;

pub use generate::{completions, man};

use super::{
    args::{Cli, Command},
    out::Out,
    outcome::{CliError, Outcome},
    session::{Place, Session},
    stop::asked_to_stop,
};

/// Does what the command line says.
pub(super) async fn run(cli: Cli, out: &mut Out) -> Result<Outcome, CliError> {
    let place = Place::of(&cli.global)?;
    match cli.command {
        Command::Init(args) => init::run(&place, args, out).await,
        Command::Identity => identity::run(&place, out),
        Command::Daemon => daemon::run(place, out).await,
        Command::Serve(args) => serve::run(&place, args, out).await,
        Command::Keys(args) if keys::is_offline(&args) => keys::revoke(&place, args, out).await,
        command => {
            let mut session = Session::open(place).await?;
            let result = tokio::select! {
                result = with_node(&mut session, command, out) => result,
                stop = asked_to_stop() => stop.and(Err(CliError::Interrupted)),
            };
            session.close(result).await
        }
    }
}

async fn with_node(session: &mut Session, command: Command, out: &mut Out) -> Result<Outcome, CliError> {
    match command {
        Command::Peer(args) => peer::run(session, args, out).await,
        Command::Thread(args) => peer::thread(session, args, out).await,
        Command::Keys(args) => keys::run(session, args, out).await,
        Command::Send(args) if args.lines => lines::run(session, args, out).await,
        Command::Send(args) => send::run(session, args, out).await,
        Command::File(args) => file::run(session, args, out).await,
        Command::Receive(args) => receive::run(session, args, out).await,
        Command::History(args) => history::run(session, args, out).await,
        Command::Search(args) => search::run(session, args, out).await,
        Command::Status => status::run(session, out).await,
        Command::Queue(args) => queue::run(session, args, out).await,
        Command::Transport(args) => transport::run(session, args, out).await,
        Command::Route(args) => route::run(session, args, out).await,
        Command::Trace { id } => route::trace(session, id, out).await,
        // Handled before a node was opened.
        Command::Init(_)
        | Command::Identity
        | Command::Daemon
        | Command::Serve(_)
        | Command::Completions { .. }
        | Command::Man => Ok(Outcome::Done),
    }
}
