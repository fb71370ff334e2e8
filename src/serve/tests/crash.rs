//! What was answered with STORED survives SIGKILL: a child process runs the relay and is killed.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use super::*;

const FOLDER: &str = "SKCOMM_TEST_RELAY_FOLDER";

/// The child's part; does nothing when it is run as a test.
#[tokio::test]
async fn child_relay() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let config = RelayConfig::new("127.0.0.1:0".parse().unwrap(), folder.join("data"));
    let relay = Relay::bind(config).await.unwrap();
    std::fs::write(folder.join("address.tmp"), relay.address().to_string()).unwrap();
    std::fs::rename(folder.join("address.tmp"), folder.join("address")).unwrap();
    // Until it is killed, or for ever when the parent is gone: not longer than a test may take.
    relay.run(tokio::time::sleep(LIMIT * 2)).await.unwrap();
}

/// A relay in a process of its own, killed when dropped.
pub(super) struct Relayed(pub(super) Child);

impl Drop for Relayed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(super) async fn spawn(folder: &Path) -> (Relayed, SocketAddr) {
    let _ = std::fs::remove_file(folder.join("address"));
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "serve::tests::crash::child_relay", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let child = Relayed(child);
    let mut address = None;
    crate::transport::testing::wait_until("the child relay", || {
        address = std::fs::read_to_string(folder.join("address")).ok().and_then(|text| text.parse().ok());
        address.is_some()
    })
    .await;
    (child, address.unwrap())
}

#[tokio::test]
async fn what_was_stored_survives_being_killed() {
    let dir = tempfile::tempdir().unwrap();
    let (mut stored, mut taken) = (Vec::new(), 0);
    for round in 0..3u64 {
        let (child, address) = spawn(dir.path()).await;
        // His mailbox has its full size from here on.
        drop(Raw::logged_in(address, &BOB, WINDOW).await);
        let mut alice = Raw::logged_in(address, &ALICE, SEND_ONLY).await;
        // Many at once, so that the kill meets writing; each round kills after another number of answers.
        for n in 0..120 {
            alice.put_nowait(round * 1000 + n, &BOB, &message(round * 1000 + n)).await;
        }
        for _ in 0..30 + 25 * round {
            match alice.hear().await {
                Some(FromRelay::Stored { seq, durable: true }) => stored.push(seq),
                other => panic!("{other:?}"),
            }
        }
        drop(child);
        // What was on its way counts as well.
        while let Some(FromRelay::Stored { seq, .. }) = alice.hear().await {
            stored.push(seq);
        }
    }
    let (_child, address) = spawn(dir.path()).await;
    let mut bob = Raw::logged_in(address, &BOB, WINDOW).await;
    let mut found = Vec::new();
    while taken < stored.len() {
        let frame = bob.take().await;
        let seq = u64::from_be_bytes(frame[..8].try_into().unwrap());
        assert!(frame == message(seq), "message {seq} is whole");
        taken += usize::from(stored.contains(&seq));
        found.push(seq);
    }
    assert!(found.is_sorted(), "in order, and none twice: {found:?}");
    assert!(stored.len() >= 30 + 55 + 80, "{}", stored.len());
}

/// A frame that begins with `seq`.
pub(super) fn message(seq: u64) -> Vec<u8> {
    [seq.to_be_bytes().as_slice(), &vec![seq as u8; 2000]].concat()
}
