//! The links of a transport that has servers of its own and uses those of its peers.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use super::{Link, LinkState, Live, overall};
use crate::{
    delivery::{Reason, ReasonKind},
    transport::{SendError, TransportState, lock},
};

/// Servers of peers that are remembered at once.
const LINKS: usize = 1024;

/// Links by the address of their other end.
#[derive(Debug)]
pub(in crate::transport) struct Links<A, S> {
    /// Where this node's own mail is; always kept.
    homes: BTreeMap<A, Arc<Link<S>>>,
    /// Those of peers, made on demand.
    others: Mutex<BTreeMap<A, Arc<Link<S>>>>,
    /// The one of those that was used last.
    last: Mutex<Option<A>>,
}

impl<A: Ord + Clone, S: Live> Links<A, S> {
    /// The node's own links, and none to others yet.
    pub(in crate::transport) fn new(homes: BTreeMap<A, Arc<Link<S>>>) -> Self {
        Self { homes, others: Mutex::default(), last: Mutex::default() }
    }

    /// The link to a server of our own.
    pub(in crate::transport) fn home(&self, address: &A) -> Option<Arc<Link<S>>> {
        self.homes.get(address).cloned()
    }

    /// The link to a server of a peer; `make` makes a new one.
    ///
    /// # Errors
    /// When too many are in use.
    pub(in crate::transport) fn other(
        &self,
        address: &A,
        make: impl FnOnce() -> Arc<Link<S>>,
    ) -> Result<Arc<Link<S>>, SendError> {
        *lock(&self.last) = Some(address.clone());
        let mut others = lock(&self.others);
        if let Some(link) = others.get(address) {
            return Ok(link.clone());
        }
        if others.len() >= LINKS {
            others.retain(|_, link| Arc::strong_count(link) > 1 || !matches!(link.state(), LinkState::Idle));
        }
        if others.len() >= LINKS {
            let detail = format!("more than {LINKS} relays of peers are in use");
            return Err(SendError::later(Reason::new(ReasonKind::QueueFull, detail)));
        }
        let link = make();
        others.insert(address.clone(), link.clone());
        Ok(link)
    }

    /// How our own links are.
    pub(in crate::transport) fn state(&self) -> TransportState {
        overall(self.homes.values().map(|link| link.state()))
    }

    /// The link to probe: one of our own that is up, else any of our own, else the one that was used last.
    pub(in crate::transport) fn to_probe(&self) -> Option<Arc<Link<S>>> {
        let up = |link: &&Arc<Link<S>>| matches!(link.state(), LinkState::Up(_));
        if let Some(home) = self.homes.values().find(up).or_else(|| self.homes.values().next()) {
            return Some(home.clone());
        }
        let last = lock(&self.last).clone()?;
        lock(&self.others).get(&last).cloned()
    }
}
