//! `send --lines`: a message for each line, many under way at once.
//!
//! Every message has its id before it is given to the node. If the node goes away, another is found (or started) and
//! asked for what it knows of each id; what it does not know is given to it again. So no line is lost or doubled.

use std::{
    collections::VecDeque,
    io::{BufRead, Read as _},
    time::Duration,
};

use futures_util::{
    StreamExt as _,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};

use super::send::{begun, current, is_settled, report, request, traced};
use crate::{
    cli::{
        args::SendArgs,
        out::Out,
        outcome::{CliError, Outcome},
        session::{Session, unexpected},
        show,
    },
    node::{Command, Event, EventStream, Message, NodeError, NodeErrorKind, Reply, SendRequest},
    wire::limits,
};

/// Most messages that are not yet reported.
const WINDOW: usize = 256;

/// Lines read ahead of their sending.
const AHEAD: usize = 16;

/// How often another node is looked for after one went away, and how long it takes between.
const RECOVERIES: u32 = 20;
const RECOVERY_STEP: Duration = Duration::from_millis(50);

/// A numbered line, or why it cannot be read.
type Line = (u64, Result<String, String>);

/// A message that is not yet reported.
struct Pending {
    line: u64,
    request: SendRequest,
    /// The node's answer to come, until it came.
    answer: Option<BoxFuture<'static, Result<Reply, NodeError>>>,
    message: Option<Message>,
    deadline: Instant,
}

/// What a pipeline waits for.
enum Moved {
    /// The oldest unanswered message is answered.
    Answer(Result<Reply, NodeError>),
    /// The node tells something, or is gone.
    Event(Option<Event>),
    /// The oldest message's time is up.
    Time,
}

struct Pipeline<'a> {
    session: &'a mut Session,
    events: EventStream,
    pending: VecDeque<Pending>,
    wait: Duration,
    /// Whether a message's time went by since the last delivery: then nobody waits while lines are left.
    stalled: bool,
    worst: Outcome,
}

pub(super) async fn run(session: &mut Session, args: SendArgs, out: &mut Out) -> Result<Outcome, CliError> {
    let events = session.subscribe();
    let wait = Duration::from_secs(args.wait);
    let mut pipeline =
        Pipeline { session, events, pending: VecDeque::new(), wait, stalled: false, worst: Outcome::Done };
    let mut lines = lines(&args);
    let mut open = true;
    while open || !pipeline.pending.is_empty() {
        let full = pipeline.pending.len() >= WINDOW;
        if open && !full {
            tokio::select! {
                biased;
                line = lines.next() => match line {
                    Some((_, Ok(text))) if text.is_empty() => {}
                    Some((number, Ok(text))) => pipeline.push(number, request(&args, text)).await,
                    Some((line, Err(problem))) => {
                        // Those before it are reported first.
                        pipeline.drain(out).await?;
                        return Err(CliError::Line { line, problem });
                    }
                    None => open = false,
                },
                moved = pipeline.wait() => pipeline.apply(moved).await?,
            }
        } else if !pipeline.pending.front().is_some_and(|first| pipeline.is_ready(first, open)) {
            let moved = pipeline.wait().await;
            pipeline.apply(moved).await?;
        }
        pipeline.report_ready(out, open && full)?;
    }
    Ok(pipeline.worst)
}

impl Pipeline<'_> {
    async fn push(&mut self, line: u64, request: SendRequest) {
        let deadline = Instant::now() + self.wait;
        let answer = Some(self.session.handle().ask(Command::Send(request.clone())).await);
        self.pending.push_back(Pending { line, request, answer, message: None, deadline });
    }

    /// Waits for something to move. Safe to cancel.
    async fn wait(&mut self) -> Moved {
        let deadline = self.pending.front().filter(|first| first.message.is_some()).map(|first| first.deadline);
        let unanswered = self.pending.iter_mut().find_map(|pending| pending.answer.as_mut());
        tokio::select! {
            biased;
            answer = async { match unanswered { Some(answer) => answer.await, None => std::future::pending().await } } => {
                Moved::Answer(answer)
            }
            event = self.events.next() => Moved::Event(event),
            () = async { match deadline { Some(at) => sleep_until(at).await, None => std::future::pending().await } } => {
                Moved::Time
            }
        }
    }

    /// Takes in what moved. Must run to its end.
    async fn apply(&mut self, moved: Moved) -> Result<(), CliError> {
        match moved {
            Moved::Answer(answer) => self.answered(answer).await,
            Moved::Event(event) => self.event(event).await,
            Moved::Time => Ok(()),
        }
    }

    async fn answered(&mut self, answer: Result<Reply, NodeError>) -> Result<(), CliError> {
        match answer {
            Ok(Reply::Sent(message)) => {
                if let Some(pending) = self.pending.iter_mut().find(|pending| pending.answer.is_some()) {
                    pending.answer = None;
                    pending.message = Some(begun(*message));
                }
                Ok(())
            }
            Ok(other) => Err(unexpected(&other)),
            Err(error) if error.kind == NodeErrorKind::Gone && !self.session.is_own() => self.recover().await,
            Err(error) => {
                let line = self.pending.iter().find(|pending| pending.answer.is_some()).map_or(0, |p| p.line);
                Err(match error.kind {
                    NodeErrorKind::Refused => error.into(),
                    _ => CliError::Line { line, problem: error.to_string() },
                })
            }
        }
    }

    async fn event(&mut self, event: Option<Event>) -> Result<(), CliError> {
        match event {
            Some(Event::State { envelope_id, state, .. }) => {
                let known = self.pending.iter_mut().find(|pending| pending.request.envelope_id == Some(envelope_id));
                if let Some(message) = known.and_then(|pending| pending.message.as_mut()) {
                    message.state = state;
                    self.stalled &= !message.state.is_final();
                }
            }
            Some(Event::Attempt { envelope_id, attempt }) => {
                let known = self.pending.iter_mut().find(|pending| pending.request.envelope_id == Some(envelope_id));
                if let Some(message) = known.and_then(|pending| pending.message.as_mut()) {
                    message.attempted(attempt);
                }
            }
            Some(Event::Lagged(_)) => {
                for message in self.pending.iter_mut().filter_map(|pending| pending.message.as_mut()) {
                    current(self.session, message).await?;
                }
            }
            None if !self.session.is_own() => self.recover().await?,
            Some(Event::Stopping) | None if self.session.is_own() => return Err(gone().into()),
            _ => {}
        }
        Ok(())
    }

    /// Finds another node and asks it for what it knows of each message. A node that is just dying may still take a
    /// connection, so this is tried more than once.
    async fn recover(&mut self) -> Result<(), CliError> {
        tracing::warn!("the node went away; looking for another");
        let mut tries = RECOVERIES;
        loop {
            self.session.reopen().await?;
            self.events = self.session.subscribe();
            tries -= 1;
            match self.ask_again().await {
                Err(error) if error.is_gone() && tries > 0 && !self.session.is_own() => sleep(RECOVERY_STEP).await,
                result => return result,
            }
        }
    }

    async fn ask_again(&mut self) -> Result<(), CliError> {
        for pending in &mut self.pending {
            let Some(id) = pending.request.envelope_id else { continue };
            pending.deadline = Instant::now() + self.wait;
            match self.session.call(Command::Trace { envelope_id: id }).await {
                Ok(Reply::Trace(trace)) => {
                    pending.answer = None;
                    pending.message = Some(traced(*trace));
                }
                Ok(other) => return Err(unexpected(&other)),
                Err(CliError::Node(error)) if error.kind == NodeErrorKind::NotFound => {
                    pending.message = None;
                    pending.answer = Some(self.session.handle().ask(Command::Send(pending.request.clone())).await);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn is_ready(&self, pending: &Pending, full: bool) -> bool {
        let Some(message) = &pending.message else { return false };
        is_settled(&message.state) || Instant::now() >= pending.deadline || (full && self.stalled)
    }

    /// Reports the oldest ones that are settled or whose time is up, in order.
    fn report_ready(&mut self, out: &mut Out, full: bool) -> Result<(), CliError> {
        while let Some(first) = self.pending.front() {
            if !self.is_ready(first, full) {
                return Ok(());
            }
            let Some(message) = self.pending.pop_front().and_then(|pending| pending.message) else { return Ok(()) };
            self.stalled |= !is_settled(&message.state);
            self.worst = worse(self.worst, show::outcome(&message.state));
            report(out, &message)?;
        }
        Ok(())
    }

    /// Waits for and reports everything that is under way.
    async fn drain(&mut self, out: &mut Out) -> Result<(), CliError> {
        while !self.pending.is_empty() {
            if !self.pending.front().is_some_and(|first| self.is_ready(first, false)) {
                let moved = self.wait().await;
                self.apply(moved).await?;
            }
            self.report_ready(out, false)?;
        }
        Ok(())
    }
}

fn gone() -> NodeError {
    NodeError::new(NodeErrorKind::Gone, "the node has stopped; start it again")
}

/// A failure outweighs what is late, and that what is done.
fn worse(a: Outcome, b: Outcome) -> Outcome {
    a.max(b)
}

/// The lines of the text, or of standard input, numbered from 1.
fn lines(args: &SendArgs) -> BoxStream<'static, Line> {
    let numbered = |(at, line): (usize, Result<String, String>)| (at as u64 + 1, line);
    if args.text == "-" {
        let (to, from) = mpsc::channel(AHEAD);
        // Reading standard input blocks; the thread is left behind if the command ends first.
        tokio::task::spawn_blocking(move || read_lines(&mut std::io::stdin().lock(), &to));
        let lines = stream::unfold(from, |mut from| async { from.recv().await.map(|line| (line, from)) });
        return lines.enumerate().map(numbered).boxed();
    }
    let given: Vec<_> = args.text.lines().map(|line| Ok(line.to_owned())).collect();
    stream::iter(given).enumerate().map(numbered).boxed()
}

/// Reads lines until the end, an error, or one that is longer than a message may be.
fn read_lines(from: &mut impl BufRead, to: &mpsc::Sender<Result<String, String>>) {
    loop {
        let line = read_line(from, limits::TEXT_BYTES);
        let last = !matches!(line, Ok(Some(_)));
        if let Some(line) = line.transpose()
            && to.blocking_send(line).is_err()
        {
            return;
        }
        if last {
            return;
        }
    }
}

/// One line without its end, at most `most` bytes; none at the end of the input.
fn read_line(from: &mut impl BufRead, most: usize) -> Result<Option<String>, String> {
    let mut bytes = Vec::new();
    // Room for the end of the line, and one more byte to see that it is too long.
    let room = most as u64 + 2;
    from.by_ref().take(room).read_until(b'\n', &mut bytes).map_err(|error| error.to_string())?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    if bytes.len() > most {
        return Err(format!("longer than {most} bytes, the most that fits in a message"));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| "not UTF-8 text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_within_bounds() {
        let read = |text: &str| read_line(&mut text.as_bytes(), 4);
        assert_eq!(read(""), Ok(None));
        assert_eq!(read("\n"), Ok(Some(String::new())));
        assert_eq!(read("abcd\r\nx"), Ok(Some("abcd".to_owned())));
        assert_eq!(read("abcd"), Ok(Some("abcd".to_owned())));
        assert!(read("abcde\n").is_err());
        // An endless line is not read to its end.
        assert!(read_line(&mut std::io::BufReader::new(std::io::repeat(b'x')), 4).is_err());
        assert!(read_line(&mut &b"\xff\n"[..], 4).is_err());
    }
}
