//! One connection that is logged in, and its end.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_nats::{
    Client, ConnectOptions, Event, ServerError,
    jetstream::{self, Context},
};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::{address::ServerAddress, config::NatsSettings, faults, login::Login};
use crate::{
    delivery::{Reason, ReasonKind},
    transport::link::Life,
    wire::SafeText,
};

/// Commands that wait to be written; those who come later wait themselves.
const COMMANDS: usize = 64;
/// How long the library itself waits before it dials again. We dial ourselves, with a back-off and a reason; what it
/// does before it notices that nobody holds the connection any more is not used.
const REDIAL: Duration = Duration::from_millis(500);

/// How often something is asked that nobody answers, in the time for connecting.
const TRIES: u32 = 4;
/// How much later than by a failed request we may hear that the library's tasks have ended.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// What a connection is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Purpose {
    /// Messages of one subscription that may wait for us.
    pub(crate) subscription: usize,
    /// Largest message the server may send, in bytes with its headers.
    pub(crate) message: usize,
    /// Whether a message that was dropped because too many waited ends the connection: nobody brings it again.
    pub(crate) complete: bool,
}

/// A connection in use.
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) jetstream: Context,
    /// The server, for people.
    pub(crate) server: SafeText,
    /// Tells the end.
    pub(crate) hearing: Arc<Hearing>,
    /// Time for connecting.
    pub(crate) connect: Duration,
}

impl Connection {
    /// Connects, logs in, and makes of the connection what `settle` does, all within the time for that.
    ///
    /// # Errors
    /// Says what the server, or the way there, had against it.
    pub(crate) async fn dial<T, F: Future<Output = Result<T, Reason>>>(
        (settings, login): (&NatsSettings, &Login),
        address: &ServerAddress,
        purpose: Purpose,
        settle: impl FnOnce(Self) -> F,
    ) -> Result<T, Reason> {
        let hearing = Arc::new(Hearing::default());
        let limit = settings.connect;
        let opening = async {
            let opening = async { settle(Self::open((settings, login), address, purpose, &hearing).await?).await };
            tokio::select! {
                opened = opening => opened,
                // The watch may have seen enough of this server before it answered.
                reason = hearing.ended() => Err(reason),
            }
        };
        let dialled = timeout(limit, opening).await.unwrap_or_else(|_| {
            let (server, seconds) = (address.authority(), limit.as_secs());
            Err(Reason::new(ReasonKind::Timeout, format!("{server}: no answer within {seconds} s")))
        });
        match dialled {
            Ok(settled) => Ok(settled),
            Err(reason) => Err(hearing.cause(&address.authority(), reason).await),
        }
    }

    async fn open(
        (settings, login): (&NatsSettings, &Login),
        address: &ServerAddress,
        purpose: Purpose,
        hearing: &Arc<Hearing>,
    ) -> Result<Self, Reason> {
        let server = address.authority();
        let options = options((settings, login), address, purpose, hearing)?;
        // In a task of its own: where the library fails on what the server says, it takes only that down.
        let dialling = AbortOnDropHandle::new(tokio::spawn(options.connect(address.dialled())));
        let client = dialling.await.map_err(|_| failed_library(&server))?;
        let client = client.map_err(|error| faults::connecting(&server, &error))?;
        hearing.connected(&server);
        super::watch::watch(&client, hearing.clone(), server.clone(), purpose.message);
        let jetstream = jetstream::ContextBuilder::new()
            .timeout(settings.connect)
            .ack_timeout(settings.connect)
            .build(client.clone());
        let (server, connect) = (SafeText::line(&server), settings.connect);
        Ok(Self { client, jetstream, server, hearing: hearing.clone(), connect })
    }

    /// Asks again when nobody answers. While a cluster elects a leader, or gives a task to a member that it does not know yet to be
    /// dead, a question is lost and the next one is not. What is asked for must do no harm twice.
    ///
    /// # Errors
    /// What was answered, or that nothing was.
    pub(crate) async fn patiently<T, F: Future<Output = Result<T, Reason>>>(
        &self,
        mut ask: impl FnMut() -> F,
    ) -> Result<T, Reason> {
        for _ in 0..TRIES {
            if let Ok(answer) = timeout(self.connect / TRIES, ask()).await {
                return answer;
            }
        }
        let detail = format!("{}: JetStream does not answer; do more than half of the servers run?", self.server);
        Err(self.explain(Reason::new(ReasonKind::Timeout, detail)))
    }

    /// What the server said when something stays without an answer.
    pub(crate) fn explain(&self, reason: Reason) -> Reason {
        self.hearing.explain(self.server.as_str(), reason)
    }
}

fn options(
    (settings, login): (&NatsSettings, &Login),
    address: &ServerAddress,
    purpose: Purpose,
    hearing: &Arc<Hearing>,
) -> Result<ConnectOptions, Reason> {
    let guard = LastBreath(hearing.clone(), address.authority());
    let dialled = AtomicBool::new(false);
    Ok(login
        .options()?
        .require_tls(address.tls())
        .connection_timeout(settings.connect)
        .ping_interval(settings.keepalive)
        .subscription_capacity(purpose.subscription)
        .client_capacity(COMMANDS)
        // A server may not send us elsewhere: the user names the servers.
        .ignore_discovered_servers()
        .max_reconnects(1)
        .reconnect_delay_callback(move |_| if dialled.swap(true, Ordering::Relaxed) { REDIAL } else { Duration::ZERO })
        .event_callback(move |event| {
            guard.0.hear(&guard.1, event, purpose.complete);
            async {}
        }))
}

/// Whether a connection lives, and what the server said meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Hearing {
    life: Life,
    refused: Mutex<Option<String>>,
    /// There was a connection; before that, the end of the library's tasks says nothing.
    connected: AtomicBool,
    /// The library's tasks have ended.
    gone: AtomicBool,
}

impl Hearing {
    /// Ends the connection; the first cause stays.
    pub(crate) fn end(&self, reason: Reason) {
        self.life.end(reason);
        self.life.finish();
    }

    /// Waits for the end and says why.
    pub(crate) async fn ended(&self) -> Reason {
        self.life.ended().await.reason
    }

    pub(super) fn life(&self) -> &Life {
        &self.life
    }

    fn connected(&self, server: &str) {
        self.connected.store(true, Ordering::SeqCst);
        self.notice_loss(server);
    }

    /// Ends a connection whose task has ended without a word.
    fn notice_loss(&self, server: &str) {
        if self.connected.load(Ordering::SeqCst) && self.gone.load(Ordering::SeqCst) {
            self.end(failed_library(server));
        }
    }

    fn hear(&self, server: &str, event: Event, complete: bool) {
        match event {
            Event::Disconnected | Event::Closed => {
                self.end(Reason::new(ReasonKind::Disconnected, format!("{server}: the connection broke")));
            }
            Event::SlowConsumer(_) if complete => {
                self.end(Reason::new(ReasonKind::Other, format!("{server}: messages came faster than they were read")));
            }
            Event::ServerError(ServerError::AuthorizationViolation) => {
                self.end(Reason::new(ReasonKind::AuthRefused, format!("{server}: authorization violation")));
            }
            Event::ServerError(error) => {
                let line = error.to_string();
                if faults::speaks_of_rights(&line) {
                    *self.refused() = Some(line);
                }
            }
            _ => {}
        }
    }

    fn refused(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.refused.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Why a dial failed: `reason`, unless the library failed on what the server sent. Of that we may hear a moment later than of
    /// the requests that it took along.
    async fn cause(&self, server: &str, reason: Reason) -> Reason {
        match timeout(LAST_WORDS, self.ended()).await {
            Ok(known) if known.kind == ReasonKind::Protocol => known,
            _ => self.explain(server, reason),
        }
    }

    /// A request that nobody answered because we may not ask is told apart from a slow server.
    pub(super) fn explain(&self, server: &str, reason: Reason) -> Reason {
        match self.refused().take() {
            Some(line) if matches!(reason.kind, ReasonKind::Timeout | ReasonKind::Unreachable) => {
                Reason::new(ReasonKind::AuthRefused, format!("{server}: {line}"))
            }
            _ => reason,
        }
    }
}

/// Ends the connection when the library drops its callback. A connection that ends in peace says so before; without a word its
/// task has failed, for instance on a length that the library adds to without a look (`MSG a 1 18446744073709551615`).
struct LastBreath(Arc<Hearing>, String);

impl Drop for LastBreath {
    fn drop(&mut self) {
        self.0.gone.store(true, Ordering::SeqCst);
        self.0.notice_loss(&self.1);
    }
}

fn failed_library(server: &str) -> Reason {
    let detail = format!("{server}: sent something on which the client library failed; is it a NATS server?");
    Reason::new(ReasonKind::Protocol, detail)
}
