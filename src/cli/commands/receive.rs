//! `receive`: what is unread, and with --follow what comes.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use futures_util::FutureExt as _;
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
    wire::{Conversation, EnvelopeId, Fingerprint},
};

/// How long a node of our own listens when nothing else is said.
const OWN_WAIT: u64 = 2;
/// How long a node of our own waits for further messages after one came, and for its acks to leave.
const QUIET: Duration = Duration::from_millis(300);
/// Messages that are remembered as printed.
const REMEMBERED: usize = 4096;
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
    /// What was printed, the latest last: a message that overtook another is printed once, and so is the other.
    printed: VecDeque<EnvelopeId>,
    /// The conversations of which this run printed something.
    touched: BTreeSet<Conversation>,
}

pub(super) async fn run(session: &Session, args: ReceiveArgs, out: &mut Out) -> Result<Outcome, CliError> {
    let events = session.subscribe();
    let peer = match args.peer {
        Some(name) => Some(key_of(session, name).await?),
        None => None,
    };
    let limit = args.limit.map_or(usize::MAX, |limit| limit as usize);
    let mut receiver = Receiver {
        session,
        events,
        peer,
        peek: args.peek,
        limit,
        seen: BTreeMap::new(),
        printed: VecDeque::new(),
        touched: BTreeSet::new(),
    };
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
    receiver.print_overtaken(out).await?;
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
                Some(event) if !self.concerns(&event) => {}
                Some(Event::Message(message)) => self.print(out, vec![*message]).await?,
                Some(_) => self.print_new(out).await?,
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

    async fn print_new(&mut self, out: &mut Out) -> Result<(), CliError> {
        let fresh = self.fresh().await?;
        self.print(out, fresh).await
    }

    /// Messages that came while others were printed, with a place before those: they are marked read with them, so
    /// they must be printed now or never are.
    async fn print_overtaken(&mut self, out: &mut Out) -> Result<(), CliError> {
        while let Some(Some(event)) = self.events.next().now_or_never() {
            match event {
                Event::Message(message) if self.concerns_early(&message) => self.print(out, vec![*message]).await?,
                _ => {}
            }
        }
        Ok(())
    }

    fn concerns_early(&self, message: &Message) -> bool {
        let until = self.seen.get(&message.conversation()).copied().unwrap_or(0);
        message.incoming() && self.printed_in(message) && message.position <= until
    }

    /// Whether this run has printed something of the message's conversation.
    fn printed_in(&self, message: &Message) -> bool {
        self.touched.contains(&message.conversation())
    }

    /// Prints what was not printed, and only then marks it read.
    async fn print(&mut self, out: &mut Out, mut messages: Vec<Message>) -> Result<(), CliError> {
        messages.retain(|message| !self.printed.contains(&message.envelope_id));
        let mut last = BTreeMap::new();
        for message in &mut messages {
            // They are the sender's; a reader need not tell the two cases apart.
            message.attempts.get_or_insert_default();
            show::message(out, message)?;
            last.insert(message.conversation(), (message.position, message.envelope_id));
        }
        out.flush()?;
        self.printed.extend(messages.iter().map(|message| message.envelope_id));
        let surplus = self.printed.len().saturating_sub(REMEMBERED);
        self.printed.drain(..surplus);
        for (conversation, (position, up_to)) in last {
            let seen = self.seen.entry(conversation.clone()).or_insert(0);
            *seen = position.max(*seen);
            self.touched.insert(conversation.clone());
            if !self.peek {
                self.session.call(Command::MarkRead { conversation, up_to }).await?;
            }
        }
        Ok(())
    }
}
