//! Keepers that share one JetStream store, and what happens to them when it goes away.

use super::{
    keepers::{Bed, ask, limits, who},
    nats_server::NatsServer,
    *,
};
use crate::{
    serve::{Limits, jetstream::JetStreamKeeper, switchboard::Switchboard},
    transport::{nats::Names, websocket::protocol::RefusalKind},
};

/// Why a store cannot be used.
async fn problem(url: &str, change: impl FnOnce(&mut Limits)) -> String {
    let mut limits = limits();
    change(&mut limits);
    match JetStreamKeeper::start(url, &limits, Arc::new(Switchboard::default())).await {
        Err(error) => error.to_string(),
        Ok(_) => panic!("the store can be used"),
    }
}

/// A file that only its owner can read.
fn private(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

#[tokio::test]
async fn what_one_relay_takes_in_the_other_gives_out() {
    let Some(server) = NatsServer::start("").await else { return };
    let (a, b) = (Bed::shared(&server.url(), &limits()).await, Bed::shared(&server.url(), &limits()).await);
    let line = b.board.connect(who(1));
    within("the bell at the beginning", line.rung()).await;
    b.keeper.claim(who(1)).await;
    a.put(1, 2, b"over there").await.unwrap();
    within("the bell at the other relay", line.rung()).await;
    let ids = b.holds(1, &["over there"]).await;
    a.holds(1, &["over there"]).await;
    // Taken there, gone here: in the mailbox and in the accounts.
    b.keeper.taken(who(1), ids[0]).await;
    a.holds(1, &[]).await;
    a.counts(0, 0).await;
    b.counts(0, 0).await;
    // The owner was at the one, and so has a mailbox of full size at the other.
    let mut small = limits();
    small.storage.unclaimed_messages = 0;
    let c = Bed::shared(&server.url(), &small).await;
    c.put(1, 2, b"claimed").await.unwrap();
    assert_eq!(c.put(3, 2, b"never here").await.unwrap_err().kind, RefusalKind::MailboxFull);
    drop(line);
    for bed in [a, b, c] {
        bed.close().await;
    }
}

#[tokio::test]
async fn without_the_store_frames_are_refused_and_with_it_everything_is_there() {
    let Some(mut server) = NatsServer::start("").await else { return };
    let bed = Bed::shared(&server.url(), &limits()).await;
    let other = Bed::shared(&server.url(), &limits()).await;
    bed.put(1, 2, b"before").await.unwrap();
    let ids = bed.holds(1, &["before"]).await;
    server.kill();
    let refused = within("a refusal", ask(|| async { bed.put(1, 2, b"meanwhile").await.err() })).await;
    assert_eq!(refused.kind, RefusalKind::StorageFailed, "{refused}");
    assert!(!refused.to_string().contains("127.0.0.1"), "clients do not learn where the store is: {refused}");
    within("the relay to notice", ask(|| async { bed.keeper.is_cut_off().then_some(()) })).await;
    assert_eq!(bed.look(1, 0, &[], (9, 999)).await, None);
    // What is taken while the store is away is deleted when it is back.
    bed.keeper.taken(who(1), ids[0]).await;
    server.revive().await;
    within("the store to be back", ask(|| async { bed.put(1, 2, b"after").await.ok() })).await;
    let held = bed.holds(1, &["after"]).await;
    assert!(held[0] > ids[0]);
    other.holds(1, &["after"]).await;
    assert!(!bed.keeper.is_cut_off());
    bed.close().await;
    other.close().await;
}

#[tokio::test]
async fn a_stream_that_was_made_anew_repeats_no_id() {
    let Some(server) = NatsServer::start("").await else { return };
    let bed = Bed::shared(&server.url(), &limits()).await;
    bed.put(1, 2, b"lost").await.unwrap();
    let ids = bed.holds(1, &["lost"]).await;
    let jetstream = async_nats::jetstream::new(async_nats::connect(server.url()).await.unwrap());
    jetstream.delete_stream(stream()).await.unwrap();
    within("the new stream", ask(|| async { bed.put(1, 2, b"new").await.ok() })).await;
    let new = bed.holds(1, &["new"]).await;
    assert!(new[0] > ids[0], "{new:?} after {ids:?}");
    // An old id names nothing.
    bed.keeper.taken(who(1), ids[0]).await;
    assert_eq!(bed.holds(1, &["new"]).await, new);
    bed.keeper.taken(who(1), new[0]).await;
    bed.holds(1, &[]).await;
    bed.close().await;
}

fn stream() -> String {
    format!("SKC_{}_RELAY", Names::new("skcomm").realm())
}

#[tokio::test]
async fn a_store_that_cannot_be_used_is_refused_with_the_reason() {
    let Some(server) = NatsServer::start("authorization { token: \"s3cret\" }").await else { return };
    let (secret, guess) = (private("s3cret\n"), private("guess\n"));
    let with = |file: &tempfile::NamedTempFile| format!("{}?token_file={}", server.url(), file.path().display());
    let (right, wrong) = (with(&secret), with(&guess));
    let told = problem(&wrong, |_| {}).await;
    assert!(told.contains("authorization violation") && told.contains("credentials"), "{told}");
    assert!(!told.contains("guess") && told.contains(&server.url()), "{told}");
    assert!(problem(&server.url(), |_| {}).await.contains("authorization"), "no credentials at all");
    assert!(problem("nats://127.0.0.1:1", |_| {}).await.contains("127.0.0.1:1"));
    assert!(problem("nats://x?token=s3cret", |_| {}).await.contains("token_file"));
    let bed = Bed::shared(&right, &limits()).await;
    bed.put(1, 2, b"fits").await.unwrap();
    bed.close().await;
    let told = problem(&right, |limits| limits.storage.keep = Duration::from_secs(24 * 3600)).await;
    assert!(told.contains("28 days") && told.contains("--keep-days"), "{told}");
    let told = problem(&format!("{right}&realm=large"), |limits| limits.storage.total_bytes = 1 << 40).await;
    assert!(told.contains("--total-mib"), "{told}");
}

#[tokio::test]
async fn the_permissions_in_the_guide_are_enough() {
    let page = include_str!("../../../docs/relay.md");
    let block = page.split_once("permissions: {").unwrap().1.split_once("```").unwrap().0;
    let users =
        format!("authorization {{ users: [ {{ user: \"relay\", password: \"x\", permissions: {{ {block} }} ] }}");
    let Some(server) = NatsServer::start(&users).await else { return };
    let file = private("x");
    let url = format!("{}?user=relay&password_file={}", server.url(), file.path().display());
    let (a, b) = (Bed::shared(&url, &limits()).await, Bed::shared(&url, &limits()).await);
    a.keeper.claim(who(1)).await;
    a.put(1, 2, b"permitted").await.unwrap();
    let ids = b.holds(1, &["permitted"]).await;
    b.keeper.taken(who(1), ids[0]).await;
    a.holds(1, &[]).await;
    a.close().await;
    b.close().await;
}

#[tokio::test]
async fn the_largest_frame_fits_and_one_byte_more_is_refused_with_the_limit() {
    let Some(server) = NatsServer::start("").await else { return };
    let mut limits = limits();
    limits.frame_bytes = 4 * 1024 * 1024;
    let board = Arc::new(Switchboard::default());
    let (keeper, _end, most) =
        JetStreamKeeper::start(&server.url(), &limits, board).await.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(most, 1024 * 1024 - 512, "the server's max_payload, less the headers");
    drop(keeper);
    let bed = Bed::shared(&server.url(), &limits).await;
    bed.put(1, 2, &vec![7; most]).await.unwrap();
    let refused = bed.put(1, 2, &vec![7; most + 1]).await.unwrap_err();
    assert_eq!(refused.kind, RefusalKind::TooLarge);
    assert!(refused.to_string().contains(&most.to_string()), "{refused}");
    let found = within("the frame", ask(|| async { bed.all(1).await?.pop() })).await;
    assert!(found.1.len() == most && found.1.iter().all(|byte| *byte == 7));
    bed.close().await;
}

#[tokio::test]
async fn what_others_put_into_the_streams_does_no_harm() {
    let Some(server) = NatsServer::start("").await else { return };
    let bed = Bed::shared(&server.url(), &limits()).await;
    bed.put(1, 2, b"first").await.unwrap();
    let neighbour = async_nats::connect(server.url()).await.unwrap();
    let realm = Names::new("skcomm");
    let prefix = format!("skc.{}.relay", realm.realm());
    for (subject, payload) in [
        (format!("{prefix}.to.{}", realm.mailbox(who(1))), "no header"),
        (format!("{prefix}.to.nobody"), "no mailbox"),
        (format!("{prefix}.owner.nobody"), "no owner"),
        (format!("{prefix}.gone"), "no notice"),
        (format!("{prefix}.gone"), "12345678"),
    ] {
        neighbour.publish(subject, payload.into()).await.unwrap();
    }
    neighbour.flush().await.unwrap();
    bed.put(1, 2, b"second").await.unwrap();
    bed.holds(1, &["first", "second"]).await;
    bed.counts(2, 11).await;
    bed.close().await;
    let bed = Bed::shared(&server.url(), &limits()).await;
    bed.holds(1, &["first", "second"]).await;
    bed.close().await;
}
