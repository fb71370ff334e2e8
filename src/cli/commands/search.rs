//! `search`: results as they are found, newest first.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::receive::key_of;
use crate::{
    cli::{
        args::SearchArgs,
        complain,
        out::Out,
        outcome::{CliError, Outcome},
        session::{Session, unexpected},
        show,
    },
    node::{Command, Event, EventStream, Message, Reply},
    wire::{Conversation, Fingerprint, ThreadId},
};

/// How long hits may lag behind the end of the search.
const LATE: Duration = Duration::from_secs(5);

/// Which hits are wanted, where the node searches more than that.
struct Wanted {
    search_id: u64,
    peer: Option<Fingerprint>,
    thread: Option<ThreadId>,
    limit: usize,
}

pub(super) async fn run(session: &Session, args: SearchArgs, out: &mut Out) -> Result<Outcome, CliError> {
    let peer = match args.peer {
        Some(name) => Some(key_of(session, name).await?),
        None => None,
    };
    // The upper half names the face, so that faces do not end each other's searches.
    let search_id = u64::from(rand::random::<u32>()) << 32 | 1;
    let conversation = match (peer, &args.thread) {
        (Some(peer), Some(thread_id)) => Some(Conversation { peer, thread_id: thread_id.clone() }),
        _ => None,
    };
    let limit = args.limit as usize;
    // What the node cannot filter is filtered here, so more is asked for.
    let narrowed = conversation.is_none() && (peer.is_some() || args.thread.is_some());
    let most = if narrowed { 10_000 } else { limit };
    let wanted = Wanted { search_id, peer, thread: args.thread, limit };
    let mut events = session.subscribe();
    let text = args.text.join(" ");
    let search = Command::Search { search_id, text, conversation, limit: most, attempts: out.json() };
    let answer = session.handle().ask(search).await;
    let more = stream(&wanted, &mut events, answer, out).await?;
    out.flush()?;
    if more {
        complain("there are more; narrow the search or raise --limit");
    }
    Ok(Outcome::Done)
}

/// Prints hits until all are there; says whether there are more.
async fn stream(
    wanted: &Wanted,
    events: &mut EventStream,
    mut answer: futures_util::future::BoxFuture<'static, Result<Reply, crate::node::NodeError>>,
    out: &mut Out,
) -> Result<bool, CliError> {
    let (mut seen, mut printed) = (0, 0);
    let mut take = |event: Option<Event>, out: &mut Out| match event {
        Some(Event::SearchHit { search_id, message }) if search_id == wanted.search_id => {
            seen += 1;
            if wanted.fits(&message) && printed < wanted.limit {
                printed += 1;
                show::message(out, &message)?;
                out.flush()?;
            }
            Ok((seen, printed))
        }
        Some(Event::Lagged(_)) => {
            Err(CliError::Input("too many results at once; narrow the search or lower --limit".to_owned()))
        }
        _ => Ok((seen, printed)),
    };
    let (hits, more) = loop {
        tokio::select! {
            answer = &mut answer => match answer? {
                Reply::SearchDone { hits, more, .. } => break (hits, more),
                other => return Err(unexpected(&other)),
            },
            event = events.next() => { take(event, out)?; }
        }
    };
    // Hits travel beside the answer and may come after it.
    let deadline = Instant::now() + LATE;
    let mut state = take(None, out)?;
    while state.0 < hits {
        let Ok(event) = timeout_at(deadline, events.next()).await else {
            return Err(CliError::Input("some results were lost on their way; search again".to_owned()));
        };
        state = take(event, out)?;
    }
    Ok(more || (wanted.limit == state.1 && hits > state.1))
}

impl Wanted {
    fn fits(&self, message: &Message) -> bool {
        self.peer.is_none_or(|peer| message.peer == peer)
            && self.thread.as_ref().is_none_or(|thread| message.thread_id == *thread)
    }
}
