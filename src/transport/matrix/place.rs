//! What is remembered between runs: how far we have read, and whom we wrote to.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use serde::{Deserialize, Serialize};

use super::{lock, vault::Vault};
use crate::{delivery::Reason, transport::running::blocking};

const FILE: &str = "place";
/// Users that are remembered as known.
const KNOWN: usize = 10_000;

/// What is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// The homeserver's token: everything before it is on the node's disk or refused for good.
    pub(super) since: Option<String>,
    /// Rooms that we joined and must still read from their beginning.
    pub(super) fresh: BTreeSet<String>,
    /// Users we wrote to: they are not strangers.
    pub(super) known: BTreeSet<String>,
}

/// Keeps the place on the disk.
#[derive(Debug)]
pub(super) struct Keeper {
    vault: Arc<Vault>,
    place: Mutex<Place>,
    /// One writer at a time, so that an older state never replaces a newer one.
    writing: tokio::sync::Mutex<()>,
}

impl Keeper {
    /// Reads what is remembered.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub(super) async fn open(vault: Arc<Vault>) -> Result<Self, Reason> {
        let reader = vault.clone();
        let place = blocking(move || reader.read(FILE)).await?.unwrap_or_default();
        Ok(Self { vault, place: Mutex::new(place), writing: tokio::sync::Mutex::default() })
    }

    /// What is remembered now.
    pub(super) fn place(&self) -> Place {
        lock(&self.place).clone()
    }

    /// Whether we wrote to that user.
    pub(super) fn knows(&self, user: &str) -> bool {
        lock(&self.place).known.contains(user)
    }

    /// Whether a room must be read from its beginning.
    pub(super) fn is_fresh(&self, room: &str) -> bool {
        lock(&self.place).fresh.contains(room)
    }

    /// We write to that user.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub(super) async fn know(&self, user: &str) -> Result<(), Reason> {
        let full = {
            let place = lock(&self.place);
            place.known.contains(user) || place.known.len() >= KNOWN
        };
        if full {
            return Ok(());
        }
        self.change(|place| place.known.insert(user.to_owned())).await
    }

    /// Changes what is remembered; it is on the disk when this returns.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub(super) async fn change<T>(&self, change: impl FnOnce(&mut Place) -> T) -> Result<(), Reason> {
        change(&mut lock(&self.place));
        let _turn = self.writing.lock().await;
        let (vault, place) = (self.vault.clone(), self.place());
        blocking(move || vault.write(FILE, &place)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Secret;

    #[tokio::test]
    async fn the_place_survives_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Arc::new(Vault::new(dir.path().to_owned(), Secret::new(zeroize::Zeroizing::new([1; 32]))));
        let keeper = Keeper::open(vault.clone()).await.unwrap();
        assert_eq!(keeper.place(), Place::default());
        keeper.know("@a:x").await.unwrap();
        keeper.change(|place| place.since = Some("s1".into())).await.unwrap();
        keeper.change(|place| place.fresh.insert("!r:x".into())).await.unwrap();
        let again = Keeper::open(vault).await.unwrap();
        assert_eq!(again.place(), keeper.place());
        assert!(again.knows("@a:x") && !again.knows("@b:x") && again.is_fresh("!r:x"));
    }
}
