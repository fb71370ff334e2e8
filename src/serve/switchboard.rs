//! Who is connected and wants its mail.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::Notify;

use crate::wire::Fingerprint;

/// The number and the bell of each connection of a mailbox, the newest last.
type Lines = HashMap<Fingerprint, Vec<(u64, Arc<Notify>)>>;

/// The connections that receive, by mailbox; the newest of a mailbox is the one that gets its messages.
#[derive(Debug, Default)]
pub(super) struct Switchboard {
    next: AtomicU64,
    lines: Mutex<Lines>,
}

impl Switchboard {
    /// Connects a receiver; it is connected until the [`Line`] is dropped.
    pub(super) fn connect(self: &Arc<Self>, owner: Fingerprint) -> Line {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let bell = Arc::new(Notify::new());
        self.lock().entry(owner).or_default().push((number, bell.clone()));
        // There may be mail already.
        bell.notify_one();
        Line { board: self.clone(), owner, number, bell }
    }

    /// There is mail for `owner`.
    pub(super) fn ring(&self, owner: &Fingerprint) {
        if let Some((_, bell)) = self.lock().get(owner).and_then(|lines| lines.last()) {
            bell.notify_one();
        }
    }

    /// Whether a connection receives the mailbox of `owner`.
    #[cfg(feature = "nats")]
    pub(super) fn is_connected(&self, owner: &Fingerprint) -> bool {
        self.lock().contains_key(owner)
    }

    /// Mailboxes with a receiver.
    pub(super) fn receiving(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connected receiver.
#[derive(Debug)]
pub(super) struct Line {
    board: Arc<Switchboard>,
    owner: Fingerprint,
    number: u64,
    bell: Arc<Notify>,
}

impl Line {
    /// Waits until there may be something to do: mail, or the line has become the newest.
    pub(super) async fn rung(&self) {
        self.bell.notified().await;
    }

    /// Whether no newer connection receives this mailbox.
    pub(super) fn is_newest(&self) -> bool {
        self.board.lock().get(&self.owner).and_then(|lines| lines.last()).is_some_and(|(n, _)| *n == self.number)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let mut lines = self.board.lock();
        let Some(of_owner) = lines.get_mut(&self.owner) else { return };
        of_owner.retain(|(number, _)| *number != self.number);
        match of_owner.last() {
            Some((_, bell)) => bell.notify_one(),
            None => {
                lines.remove(&self.owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_connection_receives_and_the_older_one_takes_over() {
        let board = Arc::new(Switchboard::default());
        let owner = Fingerprint::from_bytes(&[1; 20]).unwrap();
        let old = board.connect(owner);
        let new = board.connect(owner);
        assert!(!old.is_newest() && new.is_newest());
        assert_eq!(board.receiving(), 1);
        drop(new);
        assert!(old.is_newest());
        drop(old);
        assert_eq!(board.receiving(), 0);
    }
}
