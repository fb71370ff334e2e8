//! `receive`: what is unread, and with --follow what comes.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::{Instant, timeout_at};

use crate::{
    cli::{
        args::ReceiveArgs,
        out::Out,
        outcome::{CliError, Outcome},
        session::{Session, unexpected},
        show,
        stop::asked_to_stop,
    },
    node::{Command, ConversationSummary, Event, EventStream, HistoryQuery, Message, NodeError, NodeErrorKind, Reply},
    wire::{Conversation, Fingerprint},
};

/// How long a node of our own listens when nothing else is said.
const OWN_WAIT: u64 = 2;
/// How long a node of our own waits for further messages after one came, and for its acks to leave.
const QUIET: Duration = Duration::from_millis(300);
/// Messages asked for at once.
const PAGE: usize = 500;

struct Receiver<'a> {
    session: &'a Session,
    events: EventStream,
    peer: Option<Fingerprint>,
    peek: bool,
    limit: usize,
    /// How far each conversation was printed.
    seen: BTreeMap<Conversation, u64>,
}

pub(super) async fn run(session: &Session, args: ReceiveArgs, out: &mut Out) -> Result<Outcome, CliError> {
    let events = session.subscribe();
    let peer = match args.peer {
        Some(name) => Some(key_of(session, name).await?),
        None => None,
    };
    let limit = args.limit.map_or(usize::MAX, |limit| limit as usize);
    let mut receiver = Receiver { session, events, peer, peek: args.peek, limit, seen: BTreeMap::new() };
    for summary in receiver.conversations().await? {
        receiver.seen.insert(summary.conversation, summary.read_up_to.unwrap_or(0));
    }
    if args.follow {
        return tokio::select! {
            followed = receiver.follow(out) => followed,
            stop = asked_to_stop() => stop.map(|()| Outcome::Done),
        };
    }
    let wait = args.wait.unwrap_or(if session.is_own() { OWN_WAIT } else { 0 });
    receiver.wait(Duration::from_secs(wait)).await?;
    receiver.print_new(out).await?;
    Ok(Outcome::Done)
}

/// The key of a peer, whose messages are found by it.
pub(super) async fn key_of(session: &Session, peer: String) -> Result<Fingerprint, CliError> {
    match session.call(Command::Peer { peer }).await? {
        Reply::Peer(peer) => peer.fingerprint.ok_or_else(|| {
            let text = format!("there are no messages with {}: its certificate is not known yet", peer.name);
            NodeError::new(NodeErrorKind::NotFound, text).into()
        }),
        other => Err(unexpected(&other)),
    }
}

impl Receiver<'_> {
    async fn conversations(&self) -> Result<Vec<ConversationSummary>, CliError> {
        match self.session.call(Command::Conversations).await? {
            Reply::Conversations(mut all) => {
                all.retain(|summary| self.peer.is_none_or(|peer| summary.conversation.peer == peer));
                Ok(all)
            }
            other => Err(unexpected(&other)),
        }
    }

    /// Waits until there is something to print, at most so long. A node of our own has just begun to listen: it
    /// takes what comes until it is quiet.
    async fn wait(&mut self, longest: Duration) -> Result<(), CliError> {
        let deadline = Instant::now() + longest;
        if !self.session.is_own() && !self.fresh().await?.is_empty() {
            return Ok(());
        }
        let mut until = deadline;
        while let Ok(Some(event)) = timeout_at(until, self.events.next()).await {
            if self.concerns(&event) {
                if !self.session.is_own() {
                    return Ok(());
                }
                until = deadline.min(Instant::now() + QUIET);
            }
        }
        Ok(())
    }

    fn concerns(&self, event: &Event) -> bool {
        match event {
            Event::Message(message) => message.incoming() && self.peer.is_none_or(|peer| message.peer == peer),
            Event::Lagged(_) | Event::Stopping => true,
            _ => false,
        }
    }

    async fn follow(&mut self, out: &mut Out) -> Result<Outcome, CliError> {
        self.print_new(out).await?;
        loop {
            match self.events.next().await {
                None | Some(Event::Stopping) => {
                    return Err(NodeError::new(NodeErrorKind::Gone, "the node has stopped; start it again").into());
                }
                Some(event) if self.concerns(&event) => self.print_new(out).await?,
                Some(_) => {}
            }
        }
    }

    /// Incoming messages that were not printed, in the order in which they came.
    async fn fresh(&self) -> Result<Vec<Message>, CliError> {
        let mut fresh = Vec::new();
        for summary in self.conversations().await? {
            let mut after = self.seen.get(&summary.conversation).copied().unwrap_or(0);
            while after < summary.last_position {
                let page = self.page(&summary.conversation, after).await?;
                let Some(last) = page.last() else { break };
                after = last.position;
                fresh.extend(page);
            }
        }
        fresh.sort_by_key(|message| message.position);
        fresh.truncate(self.limit);
        Ok(fresh)
    }

    async fn page(&self, conversation: &Conversation, after: u64) -> Result<Vec<Message>, CliError> {
        let query = HistoryQuery {
            peer: Some(conversation.peer.to_string()),
            thread_id: Some(conversation.thread_id.clone()),
            incoming: Some(true),
            after: Some(after),
            limit: PAGE.min(self.limit),
            ..HistoryQuery::default()
        };
        match self.session.call(Command::History(query)).await? {
            Reply::Messages(messages) => Ok(messages),
            other => Err(unexpected(&other)),
        }
    }

    /// Prints what is new, and only then marks it read.
    async fn print_new(&mut self, out: &mut Out) -> Result<(), CliError> {
        let fresh = self.fresh().await?;
        let mut last = BTreeMap::new();
        for message in &fresh {
            show::message(out, message)?;
            last.insert(message.conversation(), (message.position, message.envelope_id));
        }
        out.flush()?;
        for (conversation, (position, up_to)) in last {
            if !self.peek {
                self.session.call(Command::MarkRead { conversation: conversation.clone(), up_to }).await?;
            }
            self.seen.insert(conversation, position);
        }
        Ok(())
    }
}
