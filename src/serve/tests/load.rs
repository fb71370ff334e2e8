//! Many clients at once. `SKCOMM_LOAD=1` makes them a thousand.

use futures_util::{StreamExt, stream};

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_clients_each_send_and_receive() {
    let clients = if std::env::var_os("SKCOMM_LOAD").is_some() { 1000 } else { 200 };
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::start(dir.path(), |_| {}).await;
    let address = relay.address;
    let keys: Vec<Arc<Key>> = (0..clients).map(|_| Key::new()).collect();
    let mut connected: Vec<Raw> = stream::iter(keys.clone())
        .map(|key| async move { Raw::logged_in(address, &key, WINDOW).await })
        .buffered(32)
        .collect()
        .await;
    // Everybody writes to the next one, all at the same time, and everybody stays connected.
    let work = connected.iter_mut().enumerate().map(|(n, raw)| {
        let next = keys[(n + 1) % clients].clone();
        async move {
            raw.put_nowait(n as u64, &next, n.to_string().as_bytes()).await;
            let (mut stored, mut received) = (false, None);
            while !stored || received.is_none() {
                match raw.hear().await {
                    Some(FromRelay::Stored { seq, durable: true }) => stored = seq == n as u64,
                    Some(FromRelay::Deliver { id, frame }) => {
                        raw.say(FromClient::Taken { id }).await;
                        received = Some(String::from_utf8(frame.to_vec()).unwrap());
                    }
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(received.unwrap(), ((n + clients - 1) % clients).to_string());
        }
    });
    futures_util::future::join_all(work).await;
    drop(connected);
    relay.stop().await;
}
