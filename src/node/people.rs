//! The node's peers: the book, their certificates and files, and the commands that change them.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Event, KeyEvent, KeyInfo, NodeError, NodeErrorKind, NoticeLevel, Peer, PeerAdd, PeerDefaults, Presence, Reply,
    core::Core, handle::Answer, strangers::Strangers,
};
use crate::{
    delivery::{Input, Reason, ReasonKind},
    home::StoredPeer,
    identity::{LookupError, PeerBook, PeerName, PeerProfile, RouteEntry, RoutingDefaults, THREADS_MAX, TrustLevel},
    pgp::Certificate,
    wire::{Fingerprint, SafeText, Timestamp, limits},
};

/// How long a peer may have been silent before its next sign of life is shown, in milliseconds.
const SEEN_STEP_MS: i64 = 30_000;

/// Names by key, as messages are labelled with. Shared with the threads that read the store.
pub(super) type Names = Arc<BTreeMap<Fingerprint, SafeText>>;

/// Peers and what is known of them only while running.
#[derive(Default)]
pub(super) struct People {
    pub(super) book: PeerBook,
    names: Names,
    last_seen: BTreeMap<Fingerprint, Timestamp>,
    /// Shared with the threads that open frames.
    strangers: Arc<Strangers>,
    /// Certificates that want to take a pinned one's place.
    pub(super) conflicting: BTreeMap<Fingerprint, Certificate>,
}

impl People {
    pub(super) fn new(book: PeerBook, strangers: Strangers, conflicting: BTreeMap<Fingerprint, Certificate>) -> Self {
        let mut people = Self { book, strangers: Arc::new(strangers), conflicting, ..Self::default() };
        people.rename();
        people
    }

    /// Names by key, for work elsewhere.
    pub(super) fn names(&self) -> Names {
        self.names.clone()
    }

    fn rename(&mut self) {
        let named = self.book.iter().filter_map(|p| Some((p.fingerprint?, SafeText::line(p.name.as_str()))));
        self.names = Arc::new(named.collect());
    }

    /// Who waits to be accepted.
    pub(super) fn strangers(&self) -> Arc<Strangers> {
        self.strangers.clone()
    }

    /// A message of `key` is about to be kept.
    pub(super) fn count_stranger(&mut self, key: &Fingerprint) {
        Arc::make_mut(&mut self.strangers).count(key);
    }

    fn put(&mut self, profile: PeerProfile) {
        if let Some(key) = profile.fingerprint {
            let strangers = Arc::make_mut(&mut self.strangers);
            if profile.request && !profile.blocked {
                strangers.enter(key);
            } else {
                strangers.leave(&key);
            }
        }
        self.book.put(profile);
        self.rename();
    }

    fn remove(&mut self, profile: &PeerProfile) {
        if let Some(key) = &profile.fingerprint {
            Arc::make_mut(&mut self.strangers).leave(key);
            self.last_seen.remove(key);
        }
        if let Some(key) = &profile.conflict {
            self.conflicting.remove(key);
        }
        self.book.remove(&profile.name);
        self.rename();
    }

    /// The latest sign of life of `key`.
    pub(super) fn last_seen(&self, key: &Fingerprint) -> Option<Timestamp> {
        self.last_seen.get(key).copied()
    }

    /// Notes a sign of life; says whether it is worth showing.
    fn seen(&mut self, key: Fingerprint, at: Timestamp) -> bool {
        let before = self.last_seen.get(&key).copied();
        self.last_seen.insert(key, before.map_or(at, |before| before.max(at)));
        before.is_none_or(|before| at.ms_since(before) > SEEN_STEP_MS)
    }

    /// A warning when `profile`'s name looks like another peer's, or like `mine`.
    fn look_alike(&self, profile: &PeerProfile, mine: &str) -> Option<SafeText> {
        let own = SafeText::line(profile.name.as_str());
        if own.looks_like(&SafeText::line(mine)) {
            return Some(SafeText::line("looks like your own name"));
        }
        let other = self.book.iter().find(|other| {
            other.name != profile.name
                && SafeText::line(other.name.as_str()).looks_like(&own)
                && other.trust >= profile.trust
        })?;
        let key = other.fingerprint.map(|key| key.grouped()).unwrap_or_default();
        Some(SafeText::line(&format!("looks like {} ({key})", other.name)))
    }
}

impl Core {
    /// The peer that a face means.
    pub(super) fn find_peer(&self, reference: &str) -> Result<PeerProfile, NodeError> {
        self.people.book.find(reference).cloned().map_err(|error| {
            let kind = match error {
                LookupError::Unknown(_) => NodeErrorKind::NotFound,
                LookupError::Ambiguous(..) => NodeErrorKind::Ambiguous,
            };
            NodeError::new(kind, error.to_string())
        })
    }

    /// A peer as faces see it.
    pub(super) fn peer_view(&self, profile: &PeerProfile) -> Peer {
        let key = profile.fingerprint.and_then(|key| self.keys.get(&key)).map(|certificate| {
            let facts = certificate.facts();
            KeyInfo {
                algorithms: SafeText::line(&facts.algorithms.join(" + ")),
                version: facts.version,
                created: facts.created,
                expires: facts.expires,
                user_ids: certificate.user_ids().iter().map(|id| SafeText::line(id)).collect(),
            }
        });
        let history =
            profile.key_history.iter().map(|e| KeyEvent { at: e.at, what: SafeText::line(&e.what) }).collect();
        let last_seen = profile.fingerprint.and_then(|key| self.people.last_seen(&key));
        Peer {
            name: SafeText::line(profile.name.as_str()),
            fingerprint: profile.fingerprint,
            fqid: profile.fqid.as_ref().map(|id| SafeText::line(id.as_str())),
            trust: profile.trust,
            routes: profile.routes.iter().map(|r| (r.transport.clone(), SafeText::line(&r.address))).collect(),
            defaults: profile.defaults(),
            threads: profile.threads.clone(),
            presence: Presence::of(last_seen, self.clock.now().wall),
            last_seen,
            conflict: profile.conflict,
            blocked: profile.blocked,
            muted: profile.muted,
            request: profile.request,
            warning: self.people.look_alike(profile, self.me.name()),
            key,
            history,
        }
    }

    /// Notes that an authentic frame of this peer came in.
    pub(super) fn heard_from(&mut self, key: Fingerprint, at: Timestamp) {
        let now = self.clock.now().wall;
        if Presence::of(self.people.last_seen(&key), now) != Presence::Online
            && Presence::of(Some(at), now) == Presence::Online
        {
            self.came_back(&key);
        }
        let news = self.people.seen(key, at);
        let Some(profile) = self.people.book.by_key(&key).cloned() else { return };
        if !profile.heard {
            self.put_peer(PeerProfile { heard: true, ..profile });
        } else if news {
            self.emit(Event::Peer(Box::new(self.peer_view(&profile))));
        }
    }

    /// Takes a changed peer into the book, the delivery machine and its file, and shows it.
    pub(super) fn put_peer(&mut self, profile: PeerProfile) {
        self.put_peer_then(profile, |core, saved| {
            if let Err(error) = saved {
                core.notice(NoticeLevel::Error, error.message.as_str());
            }
        });
    }

    fn put_peer_then(
        &mut self,
        profile: PeerProfile,
        then: impl FnOnce(&mut Self, Result<(), NodeError>) + Send + 'static,
    ) {
        self.people.put(profile.clone());
        self.tell_machine(&profile);
        self.emit(Event::Peer(Box::new(self.peer_view(&profile))));
        let armored = |certificate: Option<&Certificate>| certificate.map(Certificate::armored);
        let stored = StoredPeer {
            certificate: armored(profile.fingerprint.and_then(|key| self.keys.get(&key))),
            conflicting: armored(profile.conflict.and_then(|key| self.people.conflicting.get(&key))),
            profile,
        };
        let home = self.home.clone();
        self.write(
            move |_| Ok(home.save_peer(&stored)),
            move |core, written| {
                let saved = match written {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(error) => Err(error.to_string()),
                };
                then(core, saved.map_err(|error| NodeError::new(NodeErrorKind::Storage, error)));
            },
        );
    }

    /// Tells the delivery machine where a peer is and whether it may be written to.
    pub(super) fn tell_machine(&mut self, profile: &PeerProfile) {
        self.begin_heartbeats(profile);
        let Some(peer) = profile.fingerprint else { return };
        let routes = profile.routes.iter().map(|r| (r.transport.clone(), r.address.clone())).collect();
        self.drive(Input::Peer { peer, routes });
        self.drive(Input::Wary { peer, wary: profile.trust == TrustLevel::Untrusted });
        let hold = if profile.conflict.is_some() {
            Some(Reason::new(ReasonKind::KeyConflict, format!("{}'s key changed; compare and decide", profile.name)))
        } else if profile.blocked {
            Some(Reason::new(ReasonKind::Blocked, format!("you blocked {}", profile.name)))
        } else {
            None
        };
        self.drive(match hold {
            Some(reason) => Input::HoldPeer { peer, reason },
            None => Input::ReleasePeer { peer },
        });
    }

    /// Answers once the peer is on disk.
    fn answer_saved(&mut self, profile: PeerProfile, answer: Answer) {
        self.put_peer_then(profile.clone(), move |core, saved| {
            answer.give(saved.map(|()| Reply::Peer(Box::new(core.peer_view(&profile)))));
        });
    }

    /// [`super::Command::PeerAdd`].
    pub(super) fn peer_add(&mut self, add: PeerAdd, answer: Answer) {
        match self.peer_from(add) {
            Ok((profile, certificate)) => {
                if let Some(certificate) = certificate {
                    self.keys.insert(certificate);
                }
                let key = profile.fingerprint;
                self.answer_saved(profile, answer);
                if let Some(key) = key {
                    self.release_held(key);
                }
            }
            Err(error) => answer.give(Err(error)),
        }
    }

    fn peer_from(&self, add: PeerAdd) -> Result<(PeerProfile, Option<Certificate>), NodeError> {
        let invalid = |text: String| NodeError::new(NodeErrorKind::Invalid, text);
        let now = self.clock.now().wall;
        let name: PeerName = add.name.parse().map_err(|e| invalid(format!("{e}")))?;
        let known = self.people.book.get(&name).cloned();
        let mut profile = known.unwrap_or_else(|| PeerProfile::new(name.clone()));
        let mut certificate = None;
        if let Some(armor) = add.certificate {
            let bad = |e: crate::pgp::PgpError| invalid(format!("the certificate: {e}"));
            let given = Certificate::parse(armor.as_bytes()).map_err(bad)?;
            // A newer copy of the pinned key adds to it, also its end: a revoked key is taken, so that nothing is
            // sealed to it any more.
            let pinned = profile.fingerprint.filter(|key| *key == given.fingerprint());
            let given = match pinned.and_then(|key| self.keys.get(&key)) {
                Some(known) => known.merge(&given).map_err(bad)?,
                None => given,
            };
            if given.is_revoked() && pinned.is_some() {
                profile.note(now, "revoked by its owner");
            } else {
                given.check_usable(now).map_err(bad)?;
            }
            self.check_key(&mut profile, &given, now)?;
            certificate = Some(given);
        }
        if let Some(fqid) = add.fqid {
            profile.fqid = Some(fqid.parse().map_err(|e| invalid(format!("{e}")))?);
        }
        for (transport, address) in add.routes {
            self.paths.check_address(&transport, &address)?;
            profile.add_route(RouteEntry { transport, address });
        }
        if profile.routes.len() > limits::PATHS_PER_PEER {
            return Err(NodeError::new(
                NodeErrorKind::Full,
                format!("a peer has at most {} routes", limits::PATHS_PER_PEER),
            ));
        }
        profile.set_defaults(None, add.defaults.or(profile.defaults()));
        profile.request = false;
        Ok((profile, certificate))
    }

    /// Pins the key to a peer that has none; another key than the pinned one is refused, never taken silently.
    fn check_key(&self, profile: &mut PeerProfile, given: &Certificate, now: Timestamp) -> Result<(), NodeError> {
        let key = given.fingerprint();
        let refused = |text: String| Err(NodeError::new(NodeErrorKind::Refused, text));
        if key == self.me.fingerprint() {
            return refused("that is your own certificate; ask the peer for theirs".to_owned());
        }
        if let Some(owner) = self.people.book.by_key(&key).filter(|owner| owner.name != profile.name) {
            return refused(format!("this key is already pinned to {}", owner.name));
        }
        match profile.fingerprint {
            Some(pinned) if pinned != key => refused(format!(
                "{} is pinned to {pinned}; to change it, remove the peer first and compare the new fingerprint {key}",
                profile.name
            )),
            Some(_) => Ok(()),
            None => {
                profile.fingerprint = Some(key);
                profile.note(now, "pinned: you added the certificate");
                Ok(())
            }
        }
    }

    /// [`super::Command::PeerRemove`].
    pub(super) fn peer_remove(&mut self, reference: &str, answer: Answer) {
        let profile = match self.find_peer(reference) {
            Ok(profile) => profile,
            Err(error) => return answer.give(Err(error)),
        };
        self.people.remove(&profile);
        if let Some(peer) = profile.fingerprint {
            self.keys.remove(&peer);
            self.drive(Input::PeerGone { peer });
        }
        self.emit(Event::PeerRemoved { name: SafeText::line(profile.name.as_str()) });
        let home = self.home.clone();
        self.write(
            move |_| Ok(home.remove_peer(&profile.name)),
            move |_, removed| {
                let failed = |error: String| NodeError::new(NodeErrorKind::Storage, error);
                answer.give(match removed {
                    Ok(Ok(())) => Ok(Reply::Done),
                    Ok(Err(error)) => Err(failed(error.to_string())),
                    Err(error) => Err(failed(error.to_string())),
                });
            },
        );
    }

    /// Changes a peer by `change` and answers with it.
    pub(super) fn change_peer(
        &mut self,
        reference: &str,
        answer: Answer,
        change: impl FnOnce(&mut PeerProfile, Timestamp) -> Result<(), NodeError>,
    ) {
        let now = self.clock.now().wall;
        let changed = self.find_peer(reference).and_then(|mut profile| change(&mut profile, now).map(|()| profile));
        match changed {
            Ok(profile) => self.answer_saved(profile, answer),
            Err(error) => answer.give(Err(error)),
        }
    }

    /// [`super::Command::PeerDefaults`].
    pub(super) fn peer_defaults(&mut self, ask: PeerDefaults, answer: Answer) {
        let PeerDefaults { peer, thread, set, clear } = ask;
        self.change_peer(&peer, answer, |profile, _| {
            let before = thread.as_ref().map_or(profile.defaults(), |thread| profile.thread_defaults(thread));
            let kept = clear.into_iter().fold(before, RoutingDefaults::without);
            if set.ttl_seconds.is_some_and(|n| n == 0 || n > limits::TTL_SECONDS_MAX) {
                let text = format!("the time to live is 1 to {} seconds", limits::TTL_SECONDS_MAX);
                return Err(NodeError::new(NodeErrorKind::Invalid, text));
            }
            if profile.set_defaults(thread, set.or(kept)) {
                return Ok(());
            }
            let text = format!("{THREADS_MAX} threads with {} have defaults; clear some first", profile.name);
            Err(NodeError::new(NodeErrorKind::Full, text))
        });
    }

    /// [`super::Command::TrustSet`].
    pub(super) fn trust_set(&mut self, reference: &str, level: TrustLevel, answer: Answer) {
        self.change_peer(reference, answer, |profile, now| {
            if level > TrustLevel::Untrusted && (profile.fingerprint.is_none() || profile.conflict.is_some()) {
                let text = "there is no undisputed key to trust; add the certificate or decide the conflict first";
                return Err(NodeError::new(NodeErrorKind::Refused, text));
            }
            if level == TrustLevel::Sovereign {
                let text =
                    "sovereign needs a CapAuth profile and the Cloud 9 checks, which this version does not make yet";
                return Err(NodeError::new(NodeErrorKind::Refused, text));
            }
            profile.trust = level;
            profile.request = false;
            profile.note(now, format!("you set the trust to {}", level.name()));
            Ok(())
        });
    }

    /// [`super::Command::ConflictResolve`].
    pub(super) fn conflict_resolve(&mut self, reference: &str, accept_new: bool, answer: Answer) {
        let now = self.clock.now().wall;
        let profile = match self.find_peer(reference) {
            Ok(profile) => profile,
            Err(error) => return answer.give(Err(error)),
        };
        let Some(new_key) = profile.conflict else {
            let text = format!("{} has no key conflict", profile.name);
            return answer.give(Err(NodeError::new(NodeErrorKind::Invalid, text)));
        };
        if let Some(owner) = self.people.book.by_key(&new_key).filter(|_| accept_new) {
            let text = format!("that key is pinned to {} by now; remove that peer first", owner.name);
            return answer.give(Err(NodeError::new(NodeErrorKind::Refused, text)));
        }
        let Some(decided) = self.people.book.resolve_conflict(&profile.name, accept_new, now).cloned() else {
            return answer.give(Err(NodeError::new(NodeErrorKind::Internal, "the peer is gone")));
        };
        let certificate = self.people.conflicting.remove(&new_key);
        if accept_new {
            if let Some(old) = profile.fingerprint {
                // What waits was sealed to the old key, which its owner may not have any more.
                self.drive(Input::PeerGone { peer: old });
                self.keys.remove(&old);
            }
            if let Some(certificate) = certificate {
                self.keys.insert(certificate);
            }
        }
        let text = if accept_new { "accepted the new key of" } else { "kept the pinned key of" };
        self.notice(NoticeLevel::Security, format!("You {text} {}", decided.name));
        self.answer_saved(decided, answer);
    }

    /// A known peer's identity is claimed with another key: pins nothing, tells the user, blocks sending.
    pub(super) fn raise_conflict(&mut self, name: &PeerName, certificate: Certificate) {
        let key = certificate.fingerprint();
        let now = self.clock.now().wall;
        if !self.people.book.raise_conflict(name, key, now) {
            return;
        }
        self.people.conflicting.insert(key, certificate);
        self.notice(
            NoticeLevel::Security,
            format!("{name}'s key changed to {key}: compare the fingerprints and decide"),
        );
        if let Some(profile) = self.people.book.get(name).cloned() {
            self.put_peer(profile);
        }
    }
}
