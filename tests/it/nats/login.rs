//! Credentials, permissions, certificates: right ones work, and what is wrong is shown.

use std::{collections::BTreeMap, path::Path};

use async_nats::jetstream;
use futures_util::StreamExt as _;
use skcomm_tui::delivery::ReasonKind;

use super::{Bare, Nats, down, pair};
use crate::support::{LIMIT, TestNode};

#[tokio::test]
async fn refused_credentials_are_shown_with_the_servers_reason() {
    let Some(nats) = Nats::start("authorization { token: \"s3cret\" }").await else { return };
    let alice = TestNode::start("alice", &[("nats", nats.config().with("token", "wrong"))]).await;
    let reason = down(&alice, ReasonKind::AuthRefused).await;
    let line = reason.to_string();
    assert!(line.contains("authorization violation") && line.contains("credentials"), "{line}");
    assert!(!line.contains("wrong"), "the secret stays out of it: {line}");
}

#[tokio::test]
async fn every_way_to_log_in_works_and_its_counterfeit_does_not() {
    let key = nkeys::KeyPair::new_user();
    let users = format!(
        "authorization {{ users: [ {{ nkey: \"{}\" }}, {{ user: \"me\", password: \"s3cret\" }} ] }}",
        key.public_key()
    );
    let Some(nats) = Nats::start(&users).await else { return };
    let stranger = nkeys::KeyPair::new_user();
    for (config, allowed) in [
        (nats.config().with("user", "me").with("password", "s3cret"), true),
        (nats.config().with("user", "me").with("password", "guess"), false),
        (nats.config().with("nkey", key.seed().unwrap()), true),
        (nats.config().with("nkey", stranger.seed().unwrap()), false),
        (nats.config(), false),
    ] {
        let mut node = Bare::start(1, &config).await;
        if allowed {
            node.up().await;
        } else {
            assert_eq!(node.down().await.kind, ReasonKind::AuthRefused, "{:?}", config.settings.keys());
        }
        node.transport.stop().await;
    }
}

#[tokio::test]
async fn what_the_server_forbids_is_said_and_not_taken_for_silence() {
    let users =
        "authorization { users: [ { user: \"me\", password: \"x\", permissions: { publish: \"elsewhere\" } } ] }";
    let Some(nats) = Nats::start(users).await else { return };
    let config = nats.config().with("user", "me").with("password", "x").with("connect_seconds", 2);
    let mut node = Bare::start(1, &config).await;
    let reason = node.down().await;
    assert_eq!(reason.kind, ReasonKind::AuthRefused, "{reason}");
    assert!(reason.to_string().to_lowercase().contains("permissions violation"), "{reason}");
}

#[tokio::test]
async fn the_permissions_in_the_guide_are_enough_and_keep_others_out() {
    let Some(mut nats) = Nats::start("").await else { return };
    let mut bob = Bare::start(2, &nats.config()).await;
    bob.up().await;
    bob.transport.stop().await;
    let jetstream = jetstream::new(nats.neighbour().await);
    let stream = jetstream.stream_names().next().await.unwrap().unwrap();
    let mailbox = jetstream.get_stream(&stream).await.unwrap().consumer_names().next().await.unwrap().unwrap();
    let page = include_str!("../../../docs/transports/nats.md");
    let block = page.split_once("permissions: {").unwrap().1.split_once("```").unwrap().0;
    let block = block
        .replace("MAILBOX", &mailbox)
        .replace("INFO.STREAM", "INFO.\u{1}")
        .replace(".STREAM", &format!(".{stream}"));
    let block = block.replace("INFO.\u{1}", &format!("INFO.{stream}")).replace(&format!("API.{stream}"), "API.STREAM");
    nats.kill();
    nats.configure(&format!(
        "authorization {{ users: [ {{ user: \"bob\", password: \"x\", permissions: {{ {block} }} ] }}"
    ));
    nats.revive().await;
    let config = nats.config().with("user", "bob").with("password", "x").with("connect_seconds", 5);
    let mut bob = Bare::start(2, &config).await;
    bob.up().await;
    bob.send("to myself", 2).await.unwrap();
    bob.inbound("the frame").await.receipt.durable();
    bob.transport.probe(LIMIT).await.unwrap();
    // With the same permissions nobody else's mailbox is open.
    let mut mallory = Bare::start(3, &config).await;
    assert_eq!(mallory.down().await.kind, ReasonKind::AuthRefused);
}

#[tokio::test]
async fn tls_is_checked_against_the_authority_and_wants_our_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let (ca_file, files) = certificates(dir.path());
    let path = |name: &str| files[name].clone();
    let tls = format!(
        "tls {{ cert_file: {:?}, key_file: {:?}, ca_file: {ca_file:?}, verify: true }}",
        path("server.pem"),
        path("server.key")
    );
    let Some(nats) = Nats::start(&tls).await else { return };
    let url = format!("tls://localhost:{}", nats.port);
    let trusting = nats.config().with("servers", url.clone()).with("ca_file", ca_file);
    let config = trusting.clone().with("client_cert", path("client.pem")).with("client_key", path("client.key"));
    let (alice, bob) = pair(config.clone(), config.clone()).await;
    let sent = alice.send("bob", "over tls").await;
    alice.delivered(&sent).await;
    assert_eq!(bob.received().await, ["over tls"]);
    // Without our certificate, by another name, without the authority: no connection.
    let by_address = config.clone().with("servers", format!("tls://127.0.0.1:{}", nats.port));
    let mut strange = config.clone();
    strange.settings.remove("ca_file");
    for wrong in [trusting, by_address, strange] {
        let mut node = Bare::start(1, &wrong).await;
        let reason = node.down().await;
        assert_eq!(reason.kind, ReasonKind::Unreachable, "{reason}");
        node.transport.stop().await;
    }
}

/// An authority's certificate, and certificates for a server on localhost and for a client with their keys.
fn certificates(dir: &Path) -> (String, BTreeMap<String, String>) {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let mut files = BTreeMap::new();
    let mut write = |name: &str, text: String| {
        use std::os::unix::fs::PermissionsExt as _;
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        files.insert(name.to_owned(), path.display().to_string());
    };
    write("ca.pem", ca.self_signed(&ca_key).unwrap().pem());
    let issuer = rcgen::Issuer::new(ca, &ca_key);
    for (name, usage) in
        [("server", rcgen::ExtendedKeyUsagePurpose::ServerAuth), ("client", rcgen::ExtendedKeyUsagePurpose::ClientAuth)]
    {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        write(&format!("{name}.pem"), params.signed_by(&key, &issuer).unwrap().pem());
        write(&format!("{name}.key"), key.serialize_pem());
    }
    (files["ca.pem"].clone(), files)
}
