//! What every keeper of mailboxes must do, tried on each: on this machine's disk, and, with the feature `nats` and a server,
//! in JetStream.

use tokio::sync::{Semaphore, mpsc};

#[cfg(feature = "nats")]
use super::nats_server::NatsServer;
use super::*;
use crate::{
    serve::{
        Limits,
        disk::DiskKeeper,
        keeper::{Answer, Found, Keeper, KeeperEnd, Look, Put, Ticket},
        mailboxes::Mailboxes,
        switchboard::Switchboard,
        usage::Amount,
    },
    transport::websocket::protocol::{Refusal, RefusalKind},
};

/// Where a keeper keeps.
pub(super) enum Place {
    Disk(tempfile::TempDir),
    #[cfg(feature = "nats")]
    JetStream(NatsServer),
}

/// A keeper in use.
pub(super) struct Bed {
    pub(super) keeper: Arc<dyn Keeper>,
    pub(super) board: Arc<Switchboard>,
    end: KeeperEnd,
}

impl Place {
    async fn all() -> Vec<Self> {
        let all = vec![Self::Disk(tempfile::tempdir().unwrap())];
        #[cfg(feature = "nats")]
        let all = all.into_iter().chain(NatsServer::start("").await.map(Self::JetStream)).collect();
        all
    }

    async fn open(&self, limits: &Limits) -> Bed {
        let board = Arc::new(Switchboard::default());
        let (keeper, end): (Arc<dyn Keeper>, _) = match self {
            Self::Disk(dir) => {
                let mailboxes = Mailboxes::open(dir.path(), limits.storage.clone()).unwrap();
                let (keeper, end) = DiskKeeper::start(mailboxes, board.clone()).unwrap();
                (Arc::new(keeper), end)
            }
            #[cfg(feature = "nats")]
            Self::JetStream(server) => return Bed::shared(&server.url(), limits).await,
        };
        Bed { keeper, board, end }
    }
}

impl Bed {
    #[cfg(feature = "nats")]
    pub(super) async fn shared(url: &str, limits: &Limits) -> Self {
        let board = Arc::new(Switchboard::default());
        let started = crate::serve::jetstream::JetStreamKeeper::start(url, limits, board.clone()).await;
        let (keeper, end, _) = started.unwrap_or_else(|error| panic!("{error}"));
        Self { keeper: Arc::new(keeper), board, end }
    }

    pub(super) async fn close(self) {
        drop(self.keeper);
        within("the keeper to end", self.end.ended()).await;
    }

    /// Puts without waiting for the answer.
    pub(super) async fn put_nowait(&self, to: u8, from: u8, frame: &[u8]) -> mpsc::Receiver<Answer> {
        let (answers, answered) = mpsc::channel(1);
        let place = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        let ticket = Ticket { seq: 1, place, memory: None, answers };
        let put = Put { recipient: who(to), sender: who(from), frame: Bytes::copy_from_slice(frame) };
        within("the keeper to take a frame", self.keeper.put(put, ticket)).await;
        answered
    }

    pub(super) async fn put(&self, to: u8, from: u8, frame: &[u8]) -> Result<(), Refusal> {
        let mut answered = self.put_nowait(to, from, frame).await;
        within("the answer to a put", answered.recv()).await.unwrap().outcome
    }

    /// A look with these bounds.
    pub(super) async fn look(
        &self,
        owner: u8,
        after: u64,
        skip: &[u64],
        (messages, bytes): (usize, u64),
    ) -> Option<Found> {
        let look = Look { owner: who(owner), after, skip: skip.to_vec(), messages, bytes };
        within("a look", self.keeper.look(look)).await
    }

    /// Everything in a mailbox; none when it cannot be read now.
    pub(super) async fn all(&self, owner: u8) -> Option<Vec<(u64, Bytes)>> {
        match self.look(owner, 0, &[], (usize::MAX, u64::MAX)).await? {
            Found::Some(found) => Some(found),
            Found::Nothing => Some(Vec::new()),
            Found::Large(size) => panic!("{size} bytes are not too large"),
        }
    }

    /// Waits until the mailbox holds exactly these, in order; their ids.
    pub(super) async fn holds(&self, owner: u8, frames: &[&str]) -> Vec<u64> {
        let found = ask(|| async {
            let all = self.all(owner).await?;
            let same = all.iter().map(|(_, frame)| frame).eq(frames.iter());
            let ids = all.iter().map(|(id, _)| *id).collect();
            same.then_some(ids)
        });
        match timeout(LIMIT, found).await {
            Ok(ids) => ids,
            Err(_) => panic!("waited in vain for {frames:?}; there is {:?}", self.all(owner).await),
        }
    }

    /// Waits until all mailboxes together hold this.
    pub(super) async fn counts(&self, messages: u64, bytes: u64) {
        let wanted = Amount { messages, bytes };
        let counted = ask(|| async { (self.keeper.count().await? == wanted).then_some(()) });
        if timeout(LIMIT, counted).await.is_err() {
            panic!("waited in vain for {wanted:?}; there is {:?}", self.keeper.count().await);
        }
    }
}

/// Asks again and again until there is an answer.
pub(super) async fn ask<T, F: Future<Output = Option<T>>>(mut question: impl FnMut() -> F) -> T {
    let mut pace = tokio::time::interval(Duration::from_millis(5));
    loop {
        pace.tick().await;
        if let Some(answer) = question().await {
            return answer;
        }
    }
}

pub(super) fn who(n: u8) -> Fingerprint {
    // Both lengths of fingerprints live side by side.
    Fingerprint::from_bytes(&vec![n; if n.is_multiple_of(2) { 20 } else { 32 }]).unwrap()
}

/// Bounds that fit into the server of the tests.
pub(super) fn limits() -> Limits {
    let mut limits = Limits { frame_bytes: 1024 * 1024, ..Limits::default() };
    limits.storage.total_bytes = 64 * 1024 * 1024;
    limits
}

fn kind(refused: Result<(), Refusal>) -> RefusalKind {
    refused.expect_err("it is over a bound").kind
}

#[tokio::test]
async fn what_is_put_waits_in_order_until_it_is_taken_also_over_a_restart() {
    for place in Place::all().await {
        let bed = place.open(&limits()).await;
        for frame in ["one", "two", "three"] {
            bed.put(1, 2, frame.as_bytes()).await.unwrap();
        }
        let ids = bed.holds(1, &["one", "two", "three"]).await;
        assert!(ids.is_sorted() && ids[0] > 0, "{ids:?}");
        bed.keeper.taken(who(2), ids[0]).await;
        bed.keeper.taken(who(1), ids[1]).await;
        bed.keeper.taken(who(1), ids[1]).await;
        bed.holds(1, &["one", "three"]).await;
        bed.counts(2, 8).await;
        bed.close().await;
        let bed = place.open(&limits()).await;
        assert_eq!(bed.holds(1, &["one", "three"]).await, [ids[0], ids[2]], "ids are the same over a restart");
        bed.counts(2, 8).await;
        bed.put(1, 2, b"four").await.unwrap();
        assert!(bed.holds(1, &["one", "three", "four"]).await[2] > ids[2]);
        bed.close().await;
    }
}

#[tokio::test]
async fn a_look_keeps_to_its_bounds() {
    for place in Place::all().await {
        let bed = place.open(&limits()).await;
        for n in 1..=3u8 {
            bed.put(1, 2, &[b'0' + n; 100]).await.unwrap();
        }
        let text = |n: char| String::from(n).repeat(100);
        let ids = bed.holds(1, &[&text('1'), &text('2'), &text('3')]).await;
        let look = async |after, skip: &[u64], bounds| match bed.look(1, after, skip, bounds).await {
            Some(Found::Some(found)) => Ok(found.into_iter().map(|(id, _)| id).collect::<Vec<_>>()),
            other => Err(other),
        };
        assert_eq!(look(0, &[], (2, 1000)).await.unwrap(), ids[..2]);
        assert_eq!(look(0, &[], (9, 250)).await.unwrap(), ids[..2]);
        assert_eq!(look(0, &ids[..1], (9, 1000)).await.unwrap(), ids[1..]);
        assert_eq!(look(ids[1], &[], (9, 1000)).await.unwrap(), ids[2..]);
        assert_eq!(look(0, &[], (9, 99)).await, Err(Some(Found::Large(100))));
        assert_eq!(look(ids[2], &[], (9, 1000)).await, Err(Some(Found::Nothing)));
        assert_eq!(look(u64::MAX, &[], (9, 1000)).await, Err(Some(Found::Nothing)));
        bed.close().await;
    }
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_the_bound_it_meets_and_fits_again_later() {
    for place in Place::all().await {
        let mut limits = limits();
        let storage = &mut limits.storage;
        (storage.mailbox_messages, storage.mailbox_bytes, storage.sender_share_percent) = (4, 1000, 75);
        (storage.unclaimed_messages, storage.unclaimed_bytes) = (2, 500);
        (storage.total_messages, storage.unclaimed_share_percent) = (6, 100);
        let bed = place.open(&limits).await;
        // A mailbox whose owner was never here is small.
        bed.put(3, 2, b"a").await.unwrap();
        assert_eq!(kind(bed.put(3, 2, b"b").await), RefusalKind::MailboxFull, "the sender's share of two");
        bed.put(3, 4, b"b").await.unwrap();
        assert_eq!(kind(bed.put(3, 6, b"c").await), RefusalKind::MailboxFull);
        // It is larger once the owner was here, also over a restart.
        bed.keeper.claim(who(1)).await;
        bed.close().await;
        let bed = place.open(&limits).await;
        for frame in ["1", "2", "3"] {
            bed.put(1, 2, frame.as_bytes()).await.unwrap();
        }
        assert_eq!(kind(bed.put(1, 2, b"4").await), RefusalKind::MailboxFull, "three quarters of four");
        assert_eq!(kind(bed.put(1, 4, &[0; 998]).await), RefusalKind::MailboxFull, "bytes count as well");
        bed.put(1, 4, b"4").await.unwrap();
        assert_eq!(kind(bed.put(5, 8, b"x").await), RefusalKind::RelayFull);
        let ids = bed.holds(1, &["1", "2", "3", "4"]).await;
        bed.keeper.taken(who(1), ids[0]).await;
        bed.holds(1, &["2", "3", "4"]).await;
        within("the room to be free", ask(|| async { bed.put(5, 8, b"x").await.ok() })).await;
        bed.close().await;
    }
}

#[tokio::test]
async fn what_is_put_again_arrives_again_unless_it_waits_still() {
    for place in Place::all().await {
        let bed = place.open(&limits()).await;
        bed.put(1, 2, b"again").await.unwrap();
        let ids = bed.holds(1, &["again"]).await;
        bed.put(1, 2, b"again").await.unwrap();
        let held = bed.all(1).await.unwrap();
        assert!(held.iter().all(|(_, frame)| frame == "again") && held.len() <= 2, "{held:?}");
        for (id, _) in held {
            bed.keeper.taken(who(1), id).await;
        }
        bed.holds(1, &[]).await;
        bed.counts(0, 0).await;
        // Whoever sends it once more had no ack of it.
        bed.put(1, 2, b"again").await.unwrap();
        assert!(bed.holds(1, &["again"]).await[0] > ids[0]);
        // The same bytes for somebody else are another message.
        bed.put(3, 2, b"again").await.unwrap();
        bed.holds(3, &["again"]).await;
        bed.close().await;
    }
}

#[tokio::test]
async fn the_line_of_a_connected_owner_rings_for_what_comes() {
    for place in Place::all().await {
        let bed = place.open(&limits()).await;
        bed.keeper.claim(who(1)).await;
        let line = bed.board.connect(who(1));
        within("the bell at the beginning", line.rung()).await;
        bed.holds(1, &[]).await;
        bed.put(1, 2, b"mail").await.unwrap();
        within("the bell", line.rung()).await;
        bed.holds(1, &["mail"]).await;
        drop(line);
        bed.close().await;
    }
}

#[tokio::test]
async fn what_is_too_old_is_not_shown() {
    for place in Place::all().await {
        let mut limits = limits();
        limits.storage.keep = Duration::from_secs(5);
        let bed = place.open(&limits).await;
        bed.put(1, 2, b"old").await.unwrap();
        bed.holds(1, &["old"]).await;
        bed.holds(1, &[]).await;
        bed.close().await;
        let bed = place.open(&limits).await;
        bed.holds(1, &[]).await;
        bed.close().await;
    }
}

#[tokio::test]
async fn many_at_once_keep_their_order_in_each_mailbox() {
    for place in Place::all().await {
        let bed = place.open(&limits()).await;
        let mut answers = Vec::new();
        for n in 0..300u32 {
            answers.push(bed.put_nowait(1 + (n % 3) as u8, 9, n.to_string().as_bytes()).await);
        }
        for mut answered in answers {
            within("an answer", answered.recv()).await.unwrap().outcome.unwrap();
        }
        for owner in 0..3 {
            let expected: Vec<String> = (0..300).filter(|n| n % 3 == owner).map(|n| n.to_string()).collect();
            bed.holds(1 + owner as u8, &expected.iter().map(String::as_str).collect::<Vec<_>>()).await;
        }
        bed.close().await;
    }
}
