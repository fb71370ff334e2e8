//! One connection that is logged in, and its end.

use std::{
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_nats::{
    Client, ConnectOptions, Event, ServerError,
    jetstream::{self, Context},
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{address::ServerAddress, config::NatsSettings, faults, login::Login};
use crate::{
    delivery::{Reason, ReasonKind},
    wire::SafeText,
};

/// Commands that wait to be written; those who come later wait themselves.
const COMMANDS: usize = 64;
/// How long the library itself waits before it dials again. We dial ourselves, with a back-off and a reason; what it
/// does before it notices that nobody holds the connection any more is not used.
const REDIAL: Duration = Duration::from_millis(500);

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
    pub(crate) life: Arc<Life>,
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
        let life = Arc::new(Life::default());
        let limit = settings.connect;
        let opening = async {
            let opening = async { settle(Self::open((settings, login), address, purpose, &life).await?).await };
            tokio::select! {
                opened = opening => opened,
                // The watch may have seen enough of this server before it answered.
                reason = life.ended() => Err(reason),
            }
        };
        let dialled = timeout(limit, opening).await.unwrap_or_else(|_| {
            let (server, seconds) = (address.authority(), limit.as_secs());
            Err(Reason::new(ReasonKind::Timeout, format!("{server}: no answer within {seconds} s")))
        });
        dialled.map_err(|reason| life.explain(&address.authority(), reason))
    }

    async fn open(
        (settings, login): (&NatsSettings, &Login),
        address: &ServerAddress,
        purpose: Purpose,
        life: &Arc<Life>,
    ) -> Result<Self, Reason> {
        let server = address.authority();
        let options = options((settings, login), address, purpose, life)?;
        let client = options.connect(address.dialled()).await.map_err(|error| faults::connecting(&server, &error))?;
        super::watch::watch(&client, life.clone(), server.clone(), purpose.message);
        let jetstream = jetstream::ContextBuilder::new()
            .timeout(settings.connect)
            .ack_timeout(settings.connect)
            .build(client.clone());
        Ok(Self { client, jetstream, server: SafeText::line(&server), life: life.clone() })
    }

    /// What the server said when something stays without an answer.
    pub(crate) fn explain(&self, reason: Reason) -> Reason {
        self.life.explain(self.server.as_str(), reason)
    }
}

fn options(
    (settings, login): (&NatsSettings, &Login),
    address: &ServerAddress,
    purpose: Purpose,
    life: &Arc<Life>,
) -> Result<ConnectOptions, Reason> {
    let guard = LastBreath(life.clone(), address.authority());
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
pub(crate) struct Life {
    cause: OnceLock<Reason>,
    ended: CancellationToken,
    refused: Mutex<Option<String>>,
}

impl Life {
    /// Ends it; the first cause stays.
    pub(crate) fn end(&self, reason: Reason) {
        let _ = self.cause.set(reason);
        self.ended.cancel();
    }

    /// Waits for the end and says why.
    pub(crate) async fn ended(&self) -> Reason {
        self.ended.cancelled().await;
        self.cause()
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ended.is_cancelled()
    }

    pub(super) fn cause(&self) -> Reason {
        self.cause.get().cloned().unwrap_or_else(|| Reason::new(ReasonKind::Disconnected, "the connection ended"))
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

    /// A request that nobody answered because we may not ask is told apart from a slow server.
    pub(super) fn explain(&self, server: &str, reason: Reason) -> Reason {
        match self.refused().take() {
            Some(line) if matches!(reason.kind, ReasonKind::Timeout | ReasonKind::NoRoute) => {
                Reason::new(ReasonKind::AuthRefused, format!("{server}: {line}"))
            }
            _ => reason,
        }
    }
}

/// Ends the life when the library drops its callback: its task is gone, also by a panic on what a hostile server sent.
struct LastBreath(Arc<Life>, String);

impl Drop for LastBreath {
    fn drop(&mut self) {
        self.0.end(Reason::new(ReasonKind::Disconnected, format!("{}: the connection is gone", self.1)));
    }
}
