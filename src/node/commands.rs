//! What each command does: one line here for those that change something (in the room that owns it), a query on
//! another thread for those that only read.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::{
    Command, NodeError, NodeErrorKind, Reply, RouteQuestion, Status,
    core::Core,
    handle::Answer,
    outbound::Facts,
    queries::{Queries, Wanted},
};
use crate::{
    delivery::{Input, Outgoing, PlanRequest, RoutePlan},
    identity::RoutingDefaults,
    store::OutboxEntry,
    wire::{Conversation, EnvelopeId, Fingerprint, Mode, SafeText},
};

impl Core {
    /// Does what a face asks; the answer may come later.
    pub(super) fn command(&mut self, command: Command, answer: Answer) {
        match command {
            Command::Send(request) => self.send(request, answer),
            Command::Peers => {
                let peers = self.people.book.iter().map(|peer| self.peer_view(peer)).collect();
                answer.give(Ok(Reply::Peers(peers)));
            }
            Command::Peer { peer } => {
                let found = self.find_peer(&peer).map(|profile| Reply::Peer(Box::new(self.peer_view(&profile))));
                answer.give(found);
            }
            Command::PeerAdd(add) => self.peer_add(add, answer),
            Command::PeerDefaults(ask) => self.peer_defaults(ask, answer),
            Command::PeerRemove { peer } => self.peer_remove(&peer, answer),
            Command::TrustSet { peer, level } => self.trust_set(&peer, level, answer),
            Command::ConflictResolve { peer, accept_new } => self.conflict_resolve(&peer, accept_new, answer),
            Command::RequestAccept { peer } => self.request_accept(&peer, answer),
            Command::Block { peer, blocked } => self.block(&peer, blocked, answer),
            Command::Mute { peer, muted } => self.change_peer(&peer, answer, |profile, _| {
                profile.muted = muted;
                Ok(())
            }),
            Command::MarkRead { conversation, up_to } => self.mark_read(conversation, up_to, answer),
            Command::SaveDraft { conversation, text } => self.save_draft(conversation, text, answer),
            Command::QueueRetry { envelope_id } => answer.give(Ok(Reply::Count(self.queue_retry(envelope_id)))),
            Command::QueueRelease { envelope_id, peer } => {
                answer.give(self.queue_release(envelope_id, peer.as_deref()).map(Reply::Count));
            }
            Command::QueuePurge { envelope_id, peer } => self.queue_purge(envelope_id, peer, answer),
            Command::Transports => answer.give(Ok(Reply::Transports(self.health()))),
            Command::TransportEnable { transport, enabled } => self.transport_enable(&transport, enabled, answer),
            Command::TransportPriority { transport, priority } => {
                self.transport_priority(&transport, priority, answer);
            }
            Command::TransportReload { transport } => self.transport_reload(transport, answer),
            Command::TransportProbe { transport } => self.transport_probe(&transport, answer),
            Command::RouteExplain(question) => answer.give(self.explain(question)),
            Command::KeyExport { peer } => answer.give(self.key_export(peer)),
            Command::Status => self.status(answer),
            Command::QueueList { peer, attempts } => self.queue_list(peer, attempts, answer),
            Command::Search { search_id, text, conversation, limit, attempts } => {
                let cancel = Arc::new(AtomicBool::new(false));
                self.search(Wanted { search_id, text, conversation, limit, attempts, cancel }, answer);
            }
            Command::History(query) => self.history(query, answer),
            Command::Trace { envelope_id } => self.trace(envelope_id, answer),
            Command::Conversations => self.query(answer, |q| q.conversations()),
            Command::Drafts => self.query(answer, |q| q.drafts()),
            Command::FileSend(request) => self.file_send(request, answer),
            Command::Files { peer } => self.files(peer, answer),
            Command::FileAccept { transfer } => self.file_accept(&transfer, answer),
            Command::FilePause { transfer } => self.file_pause(&transfer, answer),
            Command::FileResume { transfer } => self.file_resume(&transfer, answer),
            Command::FileCancel { transfer } => self.file_cancel(&transfer, answer),
            Command::Shutdown => self.stopping = Some(answer),
        }
    }

    fn block(&mut self, peer: &str, blocked: bool, answer: Answer) {
        self.change_peer(peer, answer, |profile, now| {
            profile.blocked = blocked;
            profile.note(now, if blocked { "you blocked it" } else { "you unblocked it" });
            Ok(())
        });
    }

    fn mark_read(&self, conversation: Conversation, up_to: EnvelopeId, answer: Answer) {
        let (names, peer) = (self.people.names(), conversation.peer);
        self.write(
            move |store| {
                let Some((position, _)) = store.message_with(&peer, &up_to)? else { return Ok(None) };
                let mut read = Vec::new();
                for id in store.mark_read(&conversation, position)? {
                    let mode = store.message_with(&peer, &id)?.map_or_else(Mode::default, |(_, record)| record.mode);
                    read.push((id, mode));
                }
                Ok(Some((read, store.conversation(&conversation)?)))
            },
            move |core, marked| match marked {
                Ok(Some((read, record))) => {
                    let at = core.clock.now().wall;
                    core.send_receipts(peer, read, at);
                    if let Some(record) = record {
                        let summary = super::views::conversation(record, &names);
                        core.emit(super::Event::Conversation(Box::new(summary)));
                    }
                    answer.give(Ok(Reply::Done));
                }
                Ok(None) => answer.give(Err(no_message(&up_to))),
                Err(error) => answer.give(Err(NodeError::new(NodeErrorKind::Storage, error.to_string()))),
            },
        );
    }

    fn save_draft(&self, conversation: Conversation, text: String, answer: Answer) {
        self.write(
            move |store| store.save_draft(&conversation, &text),
            move |_, saved| {
                let storage =
                    |error: Arc<crate::store::StoreError>| NodeError::new(NodeErrorKind::Storage, error.to_string());
                answer.give(saved.map(|()| Reply::Done).map_err(storage));
            },
        );
    }

    /// Says how many messages were waiting.
    fn queue_retry(&mut self, envelope_id: Option<EnvelopeId>) -> usize {
        let waiting = match envelope_id {
            Some(id) => usize::from(self.machine.state(&id).is_some_and(|state| !state.is_final())),
            None => self.machine.queued().pending(),
        };
        self.drive(Input::RetryNow { envelope_id, peer: None });
        waiting
    }

    fn queue_purge(&mut self, envelope_id: Option<EnvelopeId>, peer: Option<String>, answer: Answer) {
        let peer = match peer.map(|peer| self.find_peer(&peer)).transpose() {
            Ok(peer) => peer,
            Err(error) => return answer.give(Err(error)),
        };
        let held = self.purge_held(envelope_id, peer.as_ref().map(|peer| &peer.name));
        let key = peer.and_then(|peer| peer.fingerprint);
        let (store, store_error) = (self.store.clone(), |e: String| NodeError::new(NodeErrorKind::Storage, e));
        let waiting = tokio::task::spawn_blocking(move || store.outbox());
        self.later(waiting, move |core, waiting| {
            let entries = match waiting.map_err(|e| e.to_string()).and_then(|w| w.map_err(|e| e.to_string())) {
                Ok(entries) => entries,
                Err(error) => return answer.give(Err(store_error(error))),
            };
            let fits = entries.into_iter().filter(|entry| {
                envelope_id.is_none_or(|id| entry.envelope_id == id) && key.is_none_or(|key| entry.to == key)
            });
            let ids: Vec<EnvelopeId> = fits.map(|entry| entry.envelope_id).collect();
            for id in &ids {
                core.drive(Input::Cancel { envelope_id: *id });
            }
            answer.give(Ok(Reply::Count(ids.len() + held)));
        });
    }

    fn explain(&self, question: RouteQuestion) -> Result<Reply, NodeError> {
        let profile = self.find_peer(&question.peer)?;
        let key = profile.fingerprint.ok_or_else(|| {
            NodeError::new(
                NodeErrorKind::Refused,
                format!("no certificate of {}; messages to it are held", profile.name),
            )
        })?;
        let asked = RoutingDefaults {
            mode: question.mode,
            policy: question.policy,
            urgency: question.urgency,
            ttl_seconds: None,
        };
        let wishes = self.wishes(asked, &profile, question.thread_id.as_ref());
        let ask = PlanRequest {
            peer: key,
            mode: wishes.mode.value,
            policy: wishes.policy.value,
            urgency: wishes.urgency.value,
            size: question.size.unwrap_or(4096),
            prefer: Vec::new(),
            fallback: Vec::new(),
            without: question.without,
        };
        let mut plan = self.machine.plan(self.clock.now(), &ask);
        wishes.explain(&mut plan);
        Ok(Reply::Plan(plan))
    }

    fn key_export(&self, peer: Option<String>) -> Result<Reply, NodeError> {
        let Some(peer) = peer else {
            return Ok(Reply::Certificate(self.me.armored_certificate().to_owned()));
        };
        let profile = self.find_peer(&peer)?;
        let certificate = profile.fingerprint.and_then(|key| self.keys.get(&key));
        certificate.map(|certificate| Reply::Certificate(certificate.armored())).ok_or_else(|| {
            NodeError::new(NodeErrorKind::NotFound, format!("no certificate of {} is known", profile.name))
        })
    }

    fn status(&self, answer: Answer) {
        let now = self.clock.now();
        let counts = self.machine.queued();
        let status = Status {
            name: SafeText::line(self.me.name()),
            fqid: self.me.fqid().map(|id| SafeText::line(id.as_str())),
            fingerprint: self.me.fingerprint(),
            uptime_ms: u64::try_from(now.mono.as_millis()).unwrap_or(u64::MAX),
            pid: std::process::id(),
            // Parts of files are no messages.
            queued: counts.pending().saturating_sub(self.files.parts()) + self.held.len(),
            held: counts.held + self.held.len(),
            unread: 0,
            transports: self.health(),
            refused: self.counters.refused.clone(),
            duplicates: self.counters.duplicates,
            defaults: self.config.defaults.routing(),
            warnings: self.warnings.iter().cloned().chain(self.store_trouble()).collect(),
        };
        self.query(answer, move |q| Ok(Reply::Status(Box::new(Status { unread: q.unread()?, ..status }))));
    }

    /// What is wrong with the store at the moment.
    fn store_trouble(&self) -> Option<SafeText> {
        self.store.trouble().map(|why| SafeText::line(&format!("The store: {why}")))
    }

    fn queue_list(&self, peer: Option<String>, attempts: bool, answer: Answer) {
        let peer = match peer.map(|peer| self.find_peer(&peer)).transpose() {
            Ok(peer) => peer,
            Err(error) => return answer.give(Err(error)),
        };
        let mut held = self.held.messages(self.me.name(), peer.as_ref().map(|peer| &peer.name));
        if attempts {
            // Nobody tried to send what is not sealed.
            held.iter_mut().for_each(|message| message.attempts = Some(Vec::new()));
        }
        let key = peer.as_ref().and_then(|peer| peer.fingerprint);
        if peer.is_some() && key.is_none() {
            return answer.give(Ok(Reply::Messages(held)));
        }
        let queries = self.queries();
        let reading = tokio::task::spawn_blocking(move || queries.queue(key, attempts));
        self.later(reading, move |core, read| {
            let mut messages = match flat(read) {
                Ok(messages) => messages,
                Err(error) => return answer.give(Err(error)),
            };
            messages.iter_mut().for_each(|message| core.bring_up_to_date(message));
            messages.retain(|message| !message.state.is_final());
            messages.extend(held);
            messages.sort_by_key(|message| message.timestamp);
            answer.give(Ok(Reply::Messages(messages)));
        });
    }

    fn history(&self, query: super::HistoryQuery, answer: Answer) {
        let key = match &query.peer {
            None => None,
            Some(reference) => match self.find_peer(reference) {
                Ok(peer) if peer.fingerprint.is_none() => return answer.give(Ok(Reply::Messages(Vec::new()))),
                Ok(peer) => peer.fingerprint,
                // What a peer wrote stays readable under its fingerprint after it was removed.
                Err(error) => match reference.parse::<Fingerprint>() {
                    Ok(key) => Some(key),
                    Err(_) => return answer.give(Err(error)),
                },
            },
        };
        if !query.attempts {
            return self.query(answer, move |q| q.history(key, &query).map(Reply::Messages));
        }
        let queries = self.queries();
        let reading = tokio::task::spawn_blocking(move || queries.history(key, &query));
        self.later(reading, move |core, read| {
            answer.give(flat(read).map(|mut messages| {
                messages.iter_mut().for_each(|message| core.bring_up_to_date(message));
                Reply::Messages(messages)
            }));
        });
    }

    fn trace(&self, envelope_id: EnvelopeId, answer: Answer) {
        let queries = self.queries();
        let reading = tokio::task::spawn_blocking(move || queries.trace(envelope_id));
        self.later(reading, move |core, read| {
            answer.give(flat(read).map(|(mut trace, waiting)| {
                trace.message.attempts = Some(trace.attempts);
                core.bring_up_to_date(&mut trace.message);
                trace.attempts = trace.message.attempts.take().unwrap_or_default();
                trace.plan = match waiting.filter(|_| !trace.message.state.is_final()) {
                    Some(entry) => Some(core.plan_of(&entry)),
                    None => core.ledger.plan(&envelope_id).cloned(),
                };
                Reply::Trace(Box::new(trace))
            }));
        });
    }

    /// What would happen to a message of the outbox if it were sent now.
    fn plan_of(&self, entry: &OutboxEntry) -> RoutePlan {
        let facts = Facts::of(entry);
        let ask = PlanRequest {
            peer: entry.to,
            mode: entry.mode,
            policy: facts.policy,
            urgency: entry.urgency,
            size: usize::try_from(entry.size).unwrap_or(usize::MAX),
            prefer: facts.prefer,
            fallback: Vec::new(),
            without: Vec::new(),
        };
        self.machine.plan(self.clock.now(), &ask)
    }

    /// What is about to happen to a message.
    pub(super) fn plan_for(&self, out: &Outgoing) -> RoutePlan {
        let ask = PlanRequest {
            peer: out.peer,
            mode: out.mode,
            policy: out.policy,
            urgency: out.urgency,
            size: out.size,
            prefer: out.prefer.clone(),
            fallback: out.fallback.clone(),
            without: Vec::new(),
        };
        self.machine.plan(self.clock.now(), &ask)
    }

    /// Reads the store on another thread and answers with what `read` makes of it.
    fn query(&self, answer: Answer, read: impl FnOnce(&Queries) -> Result<Reply, NodeError> + Send + 'static) {
        let queries = self.queries();
        tokio::task::spawn_blocking(move || answer.give(read(&queries)));
    }

    fn search(&mut self, wanted: Wanted, answer: Answer) {
        let search_id = wanted.search_id;
        // A face numbers its searches upwards within a range of its own; a newer one ends its older ones.
        for (_, older) in self.searches.range(search_id & !0xFFFF_FFFF..search_id) {
            older.store(true, Ordering::Relaxed);
        }
        self.searches.insert(search_id, wanted.cancel.clone());
        let (queries, events) = (self.queries(), self.events.clone());
        let work = tokio::task::spawn_blocking(move || answer.give(queries.search(&wanted, &events)));
        self.later(work, move |core, _| {
            core.searches.remove(&search_id);
        });
    }

    fn queries(&self) -> Queries {
        Queries { store: self.store.clone(), names: self.people.names(), own_name: self.me.name().to_owned() }
    }
}

/// What was read on another thread.
fn flat<T>(read: Result<Result<T, NodeError>, tokio::task::JoinError>) -> Result<T, NodeError> {
    read.unwrap_or_else(|error| Err(NodeError::new(NodeErrorKind::Internal, format!("reading failed: {error}"))))
}

fn no_message(id: &EnvelopeId) -> NodeError {
    NodeError::new(NodeErrorKind::NotFound, format!("no message {id} is stored"))
}
