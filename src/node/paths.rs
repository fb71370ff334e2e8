//! The node's transports: started, stopped, used as the delivery machine says, and watched.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{sync::mpsc, task::AbortHandle};

use super::{
    Event, NodeError, NodeErrorKind, NoticeLevel, Reply, TransportHealth, core::Core, handle::Answer,
    identity::TransportKeys,
};
use crate::{
    delivery::{Action, AttemptId, Capabilities, Input, PathHealth, Reason, ReasonKind, Retry, TransportId},
    store::CrashPoint,
    transport::{
        Accepted, Context, Inbound, Route, Secret, SendError, Transport, TransportEvent, TransportState,
        registry::{self, TransportConfig},
        send_over,
    },
    wire::{EnvelopeId, SafeText},
};

/// How long a probe may take.
const PROBE_DEADLINE: Duration = Duration::from_secs(10);
/// How long a transport may take to stop.
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// The configured transports.
pub(super) struct Paths {
    running: BTreeMap<TransportId, Path>,
    attempts: HashMap<AttemptId, AbortHandle>,
    sink: mpsc::Sender<TransportEvent>,
}

struct Path {
    transport: Arc<dyn Transport>,
    switch: Arc<Switch>,
    config: TransportConfig,
    state: TransportState,
    received: u64,
    bytes_in: u64,
}

impl Path {
    /// What the transport can do, with what the user knows better.
    fn capabilities(&self) -> Capabilities {
        let capabilities = self.transport.capabilities().clone();
        Capabilities { cost: self.config.cost.unwrap_or(capabilities.cost), ..capabilities }
    }
}

/// Starts and stops a transport one at a time: whoever has the turn brings about what is wanted by then, so that
/// quick changes of mind end as the last one said.
#[derive(Default)]
struct Switch {
    wanted: AtomicBool,
    running: tokio::sync::Mutex<bool>,
}

/// A transport that is up.
pub(super) struct Live {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) capabilities: Capabilities,
}

/// One attempt, as the delivery machine wants it.
struct Sending {
    attempt: AttemptId,
    envelope_id: EnvelopeId,
    via: TransportId,
    route: Route,
    deadline: Duration,
    number: u32,
}

impl Paths {
    pub(super) fn new(sink: mpsc::Sender<TransportEvent>) -> Self {
        Self { running: BTreeMap::new(), attempts: HashMap::new(), sink }
    }

    /// The kind of a transport: file, tcp, websocket.
    pub(super) fn kind(&self, id: &TransportId) -> Option<&str> {
        self.running.get(id).map(|path| path.config.kind.as_str())
    }

    /// A transport if it is up.
    pub(super) fn live(&self, id: &TransportId) -> Option<Live> {
        let path = self.running.get(id)?;
        let up = path.config.enabled && matches!(path.state, TransportState::Up | TransportState::Degraded { .. });
        up.then(|| Live { transport: path.transport.clone(), capabilities: path.capabilities() })
    }

    /// The largest frame a transport carries and the user lets it carry, in bytes; none when it is not configured.
    pub(super) fn max_frame(&self, id: &TransportId) -> Option<usize> {
        let path = self.running.get(id)?;
        let most = path.config.rules.max_bytes.unwrap_or(usize::MAX);
        Some(most.min(path.transport.capabilities().max_frame))
    }

    /// The first transport of that kind.
    pub(super) fn of_kind(&self, kind: &str) -> Option<&TransportId> {
        self.running.iter().find(|(_, path)| path.config.kind == kind).map(|(id, _)| id)
    }

    /// All transports of that kind.
    pub(super) fn all_of_kind(&self, kind: &str) -> Vec<TransportId> {
        self.running.iter().filter(|(_, path)| path.config.kind == kind).map(|(id, _)| id.clone()).collect()
    }

    /// Checks a peer's address.
    pub(super) fn check_address(&self, id: &TransportId, address: &str) -> Result<(), NodeError> {
        let path = self.get(id)?;
        path.transport
            .check_address(address)
            .map_err(|e| NodeError::new(NodeErrorKind::Invalid, format!("the {id} address {address}: {e}")))
    }

    /// Where others can reach us: kind and address of each transport that says so.
    pub(super) fn own_addresses(&self) -> Vec<(String, String)> {
        let on = self.running.values().filter(|path| path.config.enabled);
        // A listener that is not up yet will be where it is configured, unless the system is to choose the port.
        let planned = |path: &Path| Some(path.config.settings.get("listen")?.as_str()?.to_owned());
        let address = |path: &Path| path.transport.address().or_else(|| planned(path));
        let told = on.filter_map(|path| Some((path.config.kind.clone(), address(path)?)));
        // "Any address" is true here and useless elsewhere.
        let useful = |a: &str| !a.starts_with("0.0.0.0:") && !a.starts_with("[::]:") && !a.ends_with(":0");
        told.filter(|(_, address)| useful(address)).collect()
    }

    fn get(&self, id: &TransportId) -> Result<&Path, NodeError> {
        self.running.get(id).ok_or_else(|| {
            let known: Vec<&str> = self.running.keys().map(TransportId::as_str).collect();
            let text = format!("no transport is called {id}; there are: {}", known.join(", "));
            NodeError::new(NodeErrorKind::NotFound, text)
        })
    }

    /// Stops all, each within a bound.
    pub(super) async fn stop_all(&mut self) {
        for (_, attempt) in self.attempts.drain() {
            attempt.abort();
        }
        let stops = self.running.values().map(|path| tokio::time::timeout(STOP_DEADLINE, path.transport.stop()));
        for (stopped, id) in futures_util::future::join_all(stops).await.iter().zip(self.running.keys()) {
            if stopped.is_err() {
                tracing::warn!(transport = %id, "did not stop in time");
            }
        }
    }
}

impl Core {
    /// Builds a configured transport and starts it if it is enabled.
    pub(super) fn add_transport(&mut self, id: TransportId, config: TransportConfig) -> Result<(), NodeError> {
        let transport = registry::build(&config, self.context(&id))
            .map_err(|e| NodeError::new(NodeErrorKind::Invalid, format!("transports/{id}.yml: {e}")))?;
        let state = TransportState::Disabled { reason: Reason::new(ReasonKind::Disabled, "switched off in its file") };
        let enabled = config.enabled;
        let path = Path { transport, switch: Arc::default(), config, state, received: 0, bytes_in: 0 };
        self.paths.running.insert(id.clone(), path);
        self.configure(&id);
        if enabled {
            self.start_transport(&id);
        }
        Ok(())
    }

    fn context(&self, id: &TransportId) -> Context {
        let authenticator = Arc::new(TransportKeys { me: self.me.clone(), peers: self.keys.live() });
        let data_dir = self.home.transport_data_dir(id);
        let secret = Secret::new(self.store_key.derive(&format!("transport {id}")));
        Context { id: id.clone(), authenticator, data_dir, secret }
    }

    /// Tells the delivery machine of a transport's configuration.
    fn configure(&mut self, id: &TransportId) {
        let Some(path) = self.paths.running.get(id) else { return };
        let (capabilities, config) = (path.capabilities(), &path.config);
        let (priority, enabled) = (config.priority, config.enabled);
        let schedule = config.rules.schedule();
        self.drive(Input::Schedule { id: id.clone(), schedule });
        self.drive(Input::Transport { id: id.clone(), capabilities, priority, enabled });
    }

    fn start_transport(&mut self, id: &TransportId) {
        self.transport_state(id.clone(), TransportState::Starting);
        self.switch_transport(id, true);
    }

    fn switch_transport(&self, id: &TransportId, on: bool) {
        let Some(path) = self.paths.running.get(id) else { return };
        path.switch.wanted.store(on, Ordering::Relaxed);
        let (transport, switch, sink) = (path.transport.clone(), path.switch.clone(), self.paths.sink.clone());
        let id = id.clone();
        let work = async move {
            let mut running = switch.running.lock().await;
            // Also when it was switched off and on again before anything was done: it must report anew that it is up.
            if *running {
                transport.stop().await;
                *running = false;
            }
            if switch.wanted.load(Ordering::Relaxed) {
                transport.start(sink).await?;
                *running = true;
            }
            Ok(())
        };
        self.later(work, move |core, switched: Result<(), Reason>| {
            if let Err(reason) = switched {
                core.transport_state(id, TransportState::Down { reason, retry_in_ms: None });
            }
        });
    }

    /// A transport reported something.
    pub(super) fn transport_event(&mut self, event: TransportEvent) {
        match event {
            TransportEvent::Inbound(frame) => self.frame_arrived(frame),
            TransportEvent::State(id, state) => self.transport_state(id, state),
            TransportEvent::Refused(id, reason) => self.refused_below(id, &reason),
        }
    }

    fn frame_arrived(&mut self, frame: Inbound) {
        CrashPoint::ReceiveFrame.pass();
        if let Some(path) = self.paths.running.get_mut(&frame.via) {
            path.received += 1;
            path.bytes_in += frame.frame.len() as u64;
        }
        self.receive(frame);
    }

    fn transport_state(&mut self, id: TransportId, state: TransportState) {
        let Some(path) = self.paths.running.get_mut(&id) else { return };
        if path.state == state || (!path.config.enabled && !matches!(state, TransportState::Disabled { .. })) {
            return;
        }
        path.state = state.clone();
        match state {
            TransportState::Up | TransportState::Degraded { .. } => self.drive(Input::TransportUp { id: id.clone() }),
            TransportState::Starting => {}
            TransportState::Down { reason, retry_in_ms } => {
                tracing::warn!(transport = %id, "down: {reason}");
                let retry_in = retry_in_ms.map(Duration::from_millis);
                self.drive(Input::TransportDown { id: id.clone(), reason, retry_in });
            }
            TransportState::Disabled { reason } => {
                self.drive(Input::TransportDown { id: id.clone(), reason, retry_in: None });
            }
        }
        self.show_transport(&id);
    }

    /// Does what the delivery machine says.
    pub(super) fn perform(&mut self, action: Action) {
        match action {
            Action::Send { attempt, envelope_id, peer, via, address, deadline, number } => {
                let route = Route { recipient: peer, address };
                self.send_frame(Sending { attempt, envelope_id, via, route, deadline, number });
            }
            Action::Abort { attempt } => {
                if let Some(task) = self.paths.attempts.remove(&attempt) {
                    task.abort();
                }
            }
            Action::Probe { via } => self.probe(&via, |_, _| {}),
            Action::State { envelope_id, state, retries, .. } => self.state_changed(envelope_id, state, retries),
            Action::Attempt { envelope_id, record } => self.attempt_changed(envelope_id, record),
            Action::Failover { envelope_id, from, to, reason } => {
                if self.ledger.conversation(&envelope_id).is_some() {
                    self.emit(Event::Failover { envelope_id, from, to, reason });
                }
            }
            Action::Health { via } => self.show_transport(&via),
            Action::Forget { envelope_id } => self.forget(envelope_id),
            Action::ClockJump { by_ms } => self.notice(
                NoticeLevel::Warning,
                format!("The clock was set {} s {}", by_ms.abs() / 1000, if by_ms > 0 { "forward" } else { "back" }),
            ),
        }
    }

    fn send_frame(&mut self, sending: Sending) {
        let Sending { attempt, envelope_id: id, via, route, deadline, number } = sending;
        let Some(path) = self.paths.running.get(&via) else {
            let reason = Reason::new(ReasonKind::NotConfigured, format!("{via} is not configured any more"));
            return self.drive(Input::AttemptFailed { attempt, reason, retry: Retry::Never });
        };
        let transport = path.transport.clone();
        let (cached, store) = (self.ledger.frame(&id), self.store.clone());
        let work = async move {
            let frame = match cached {
                Some(frame) => frame,
                None => load_frame(store, id).await?,
            };
            let frame = if number > 1 { with_retry_count(&frame, number - 1) } else { frame };
            CrashPoint::Sending.pass();
            let sent = send_over(transport.as_ref(), frame, &route, deadline).await;
            CrashPoint::Sent.pass();
            sent
        };
        let task = self.later(work, move |core, result| {
            // An attempt that was aborted has ended already.
            if core.paths.attempts.remove(&attempt).is_some() {
                core.drive(match result {
                    Ok(Accepted { stored_by, bytes }) => {
                        Input::AttemptAccepted { attempt, accepted_by: stored_by, bytes }
                    }
                    Err(SendError { reason, retry }) => Input::AttemptFailed { attempt, reason, retry },
                });
            }
        });
        self.paths.attempts.insert(attempt, task);
    }

    /// Checks a transport, tells the machine, and then runs `then`.
    pub(super) fn probe(
        &self,
        id: &TransportId,
        then: impl FnOnce(&mut Self, Result<Duration, Reason>) + Send + 'static,
    ) {
        let Some(path) = self.paths.running.get(id) else { return };
        let transport = path.transport.clone();
        let enabled = path.config.enabled;
        let id = id.clone();
        let work = async move {
            if !enabled {
                return Err(Reason::new(ReasonKind::Disabled, "it is switched off"));
            }
            let late = Reason::new(ReasonKind::Timeout, format!("no answer within {} s", PROBE_DEADLINE.as_secs()));
            tokio::time::timeout(PROBE_DEADLINE, transport.probe(PROBE_DEADLINE)).await.unwrap_or(Err(late))
        };
        self.later(work, move |core, result| {
            core.drive(Input::Probed { id, result: result.clone() });
            then(core, result);
        });
    }

    /// [`super::Command::TransportProbe`].
    pub(super) fn transport_probe(&self, id: &TransportId, answer: Answer) {
        if let Err(error) = self.paths.get(id) {
            return answer.give(Err(error));
        }
        let shown = id.clone();
        self.probe(id, move |core, result| match result {
            Ok(_) => answer.give(Ok(Reply::Transports(core.health_of(&shown).into_iter().collect()))),
            Err(reason) => {
                let text = format!("{shown}: {reason}");
                answer.give(Err(NodeError::new(NodeErrorKind::Internal, text)));
            }
        });
    }

    /// [`super::Command::TransportEnable`].
    pub(super) fn transport_enable(&mut self, id: &TransportId, enabled: bool, answer: Answer) {
        if let Err(error) = self.paths.get(id) {
            return answer.give(Err(error));
        }
        let Some(path) = self.paths.running.get_mut(id) else { return };
        let changed = path.config.enabled != enabled;
        path.config.enabled = enabled;
        if changed {
            self.configure(id);
            if enabled {
                self.start_transport(id);
            } else {
                let reason = Reason::new(ReasonKind::Disabled, "disabled by you");
                self.transport_state(id.clone(), TransportState::Disabled { reason });
                self.switch_transport(id, false);
            }
        }
        self.save_transport(id, answer);
    }

    /// [`super::Command::TransportPriority`].
    pub(super) fn transport_priority(&mut self, id: &TransportId, priority: u16, answer: Answer) {
        if priority > 1000 {
            return answer.give(Err(NodeError::new(NodeErrorKind::Invalid, "a priority lies between 0 and 1000")));
        }
        if let Err(error) = self.paths.get(id) {
            return answer.give(Err(error));
        }
        if let Some(path) = self.paths.running.get_mut(id) {
            path.config.priority = priority;
        }
        self.configure(id);
        self.show_transport(id);
        self.save_transport(id, answer);
    }

    /// [`super::Command::TransportReload`].
    pub(super) fn transport_reload(&self, id: TransportId, answer: Answer) {
        let (home, wanted) = (self.home.clone(), id.clone());
        let reading = tokio::task::spawn_blocking(move || home.transport(&wanted).map_err(|e| e.to_string()));
        self.later(reading, move |core, read| match read.map_err(|e| e.to_string()).and_then(|read| read) {
            Ok(config) => core.replace_transport(id, config, answer),
            Err(text) => answer.give(Err(NodeError::new(NodeErrorKind::Invalid, text))),
        });
    }

    /// Puts a transport with another configuration in the place of the running one, which stops first.
    fn replace_transport(&mut self, id: TransportId, config: TransportConfig, answer: Answer) {
        let old = self.paths.running.get(&id).map(|path| path.transport.clone());
        if let Err(error) = registry::build(&config, self.context(&id)) {
            let text = format!("transports/{id}.yml: {error}");
            return answer.give(Err(NodeError::new(NodeErrorKind::Invalid, text)));
        }
        let stopping = async move {
            if let Some(old) = old
                && tokio::time::timeout(STOP_DEADLINE, old.stop()).await.is_err()
            {
                tracing::warn!("a transport did not stop in time");
            }
        };
        self.later(stopping, move |core, ()| answer.give(core.add_transport(id, config).map(|()| Reply::Done)));
    }

    /// Writes a transport's file anew, then answers.
    fn save_transport(&self, id: &TransportId, answer: Answer) {
        let Some(path) = self.paths.running.get(id) else { return };
        let (home, id, config) = (self.home.clone(), id.clone(), path.config.clone());
        self.write(
            move |_| Ok(home.save_transport(&id, &config)),
            move |_, saved| {
                let failed = |error: String| NodeError::new(NodeErrorKind::Storage, error);
                answer.give(match saved {
                    Ok(Ok(())) => Ok(Reply::Done),
                    Ok(Err(error)) => Err(failed(error.to_string())),
                    Err(error) => Err(failed(error.to_string())),
                });
            },
        );
    }

    fn show_transport(&self, id: &TransportId) {
        if let Some(health) = self.health_of(id) {
            self.emit(Event::Transport(Box::new(health)));
        }
    }

    fn health_of(&self, id: &TransportId) -> Option<TransportHealth> {
        self.health().into_iter().find(|health| health.transport == *id)
    }

    /// All transports, as faces see them.
    pub(super) fn health(&self) -> Vec<TransportHealth> {
        let mut measured: BTreeMap<TransportId, PathHealth> =
            self.machine.health(self.clock.now()).into_iter().map(|h| (h.transport.clone(), h)).collect();
        self.paths
            .running
            .iter()
            .filter_map(|(id, path)| measured.remove(id).map(|measured| view(path, measured)))
            .collect()
    }
}

fn view(path: &Path, measured: PathHealth) -> TransportHealth {
    TransportHealth {
        transport: measured.transport,
        kind: SafeText::line(&path.config.kind),
        state: path.state.clone(),
        address: path.transport.address().map(|address| SafeText::line(&address)),
        priority: path.config.priority,
        capabilities: path.capabilities(),
        opens: measured.opens,
        bulk_opens: measured.bulk_opens,
        max_bytes: measured.max_bytes,
        latency_ms: measured.latency_ms,
        recent_ms: measured.recent_ms,
        success: measured.success,
        sent: measured.sent,
        failed: measured.failed,
        received: path.received,
        bytes_out: measured.bytes_out,
        bytes_in: path.bytes_in,
        in_flight: measured.in_flight,
        breaker: measured.breaker,
        errors: measured.errors,
    }
}

async fn load_frame(store: Arc<crate::store::Store>, id: EnvelopeId) -> Result<Bytes, SendError> {
    let failed = |text: String| SendError { reason: Reason::new(ReasonKind::Io, text), retry: Retry::Later };
    let read = tokio::task::spawn_blocking(move || store.outbox_envelope(&id)).await;
    match read {
        Ok(Ok(Some(bytes))) => Ok(bytes.into()),
        Ok(Ok(None)) => Err(failed("the outbox has lost the message".to_owned())),
        Ok(Err(error)) => Err(failed(format!("the outbox: {error}"))),
        Err(error) => Err(failed(format!("the outbox: {error}"))),
    }
}

/// The frame with its one unsigned header brought up to date. A frame that is not ours to read stays as it is.
fn with_retry_count(frame: &Bytes, retries: u32) -> Bytes {
    match crate::wire::Envelope::decode(frame) {
        Ok(received) => {
            let mut envelope = received.envelope;
            envelope.routing.retry_count = retries;
            envelope.encode().into()
        }
        Err(_) => frame.clone(),
    }
}
