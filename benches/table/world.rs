//! Nodes in temporary homes, and homes with many messages.

use std::time::Duration;

use skcomm_tui::{
    delivery::MessageState,
    home::Home,
    identity::TrustLevel,
    node::{Command, NewIdentity, Node, NodeHandle, PeerAdd, Reply, create_identity, unlock_identity},
    pgp::{self, Identity},
    store::{MessageRecord, Store, StoreKey},
    transport::registry::TransportConfig,
    wire::{Conversation, EnvelopeId, Fingerprint, Mode, PayloadType, ThreadId, Timestamp, Urgency},
};
use tempfile::TempDir;

pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix_ms(jiff::Timestamp::now().as_millisecond())
}

/// A text of exactly so many bytes of made-up words, another one for each seed: compressible like a language, not like
/// a repetition.
pub(crate) fn text(bytes: usize, seed: u64) -> String {
    const SYLLABLES: [&str; 16] =
        ["ka", "lo", "mi", "ter", "on", "ba", "ru", "sen", "ti", "va", "ple", "dor", "e", "shi", "an", "gu"];
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 40).unwrap()
    };
    let mut text = String::with_capacity(bytes + 8);
    while text.len() < bytes {
        (0..1 + next() % 3).for_each(|_| text.push_str(SYLLABLES[next() % SYLLABLES.len()]));
        text.push(' ');
    }
    text.truncate(bytes);
    text
}

/// A node in a home of its own.
pub(crate) struct Inhabitant {
    pub(crate) name: &'static str,
    pub(crate) home: Home,
    certificate: String,
    node: Option<Node>,
    _dir: TempDir,
}

impl Inhabitant {
    pub(crate) fn start(name: &'static str, transport: Option<(&str, TransportConfig)>) -> Self {
        Self::start_with(name, transport)
    }

    pub(crate) fn start_with<'a>(
        name: &'static str,
        transports: impl IntoIterator<Item = (&'a str, TransportConfig)>,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().join("home"));
        let named: Vec<_> = transports.into_iter().map(|(id, config)| (id.parse().unwrap(), config)).collect();
        let identity = NewIdentity { name: name.to_owned(), email: None, fqid: None };
        let secret = create_identity(&home, &identity, None, &named).unwrap();
        let certificate = secret.certificate().armored();
        let node = Some(Node::start(home.clone(), secret).unwrap());
        Self { name, home, certificate, node, _dir: dir }
    }

    pub(crate) fn handle(&self) -> NodeHandle {
        self.node.as_ref().expect("the node runs").handle()
    }

    pub(crate) async fn stop(&mut self) {
        self.node.take().expect("the node runs").stop().await.unwrap();
    }

    pub(crate) fn restart(&mut self) {
        let secret = unlock_identity(&self.home, None).unwrap();
        self.node = Some(Node::start(self.home.clone(), secret).unwrap());
    }

    pub(crate) async fn know(&self, name: &str, certificate: String, route: Option<(&str, String)>) {
        let routes = route.into_iter().map(|(id, address)| (id.parse().unwrap(), address)).collect();
        let add = PeerAdd { name: name.to_owned(), certificate: Some(certificate), routes, ..PeerAdd::default() };
        self.handle().call(Command::PeerAdd(add)).await.unwrap();
        let trust = Command::TrustSet { peer: name.to_owned(), level: TrustLevel::Verified };
        self.handle().call(trust).await.unwrap();
    }

    pub(crate) async fn know_without_way(&self, other: &Self) {
        self.know(other.name, other.certificate.clone(), None).await;
    }

    pub(crate) async fn befriend(&self, other: &Self, transport: &str, address: String) {
        self.know(other.name, other.certificate.clone(), Some((transport, address))).await;
    }

    /// Frames that were sent and accepted, over all transports.
    pub(crate) async fn sent(&self) -> u64 {
        let Reply::Transports(all) = self.handle().call(Command::Transports).await.unwrap() else { panic!() };
        all.iter().map(|transport| transport.sent).sum()
    }

    /// Where a transport listens, as soon as it does.
    pub(crate) async fn address(&self, transport: &str) -> String {
        for _ in 0..1000 {
            let Reply::Transports(all) = self.handle().call(Command::Transports).await.unwrap() else { panic!() };
            if let Some(address) = all.into_iter().find(|t| t.transport.as_str() == transport).and_then(|t| t.address) {
                return address.to_string();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} does not listen on {transport}", self.name)
    }
}

/// A message a peer sent.
pub(crate) fn message(conversation: &Conversation, number: u64, content: String, at: Timestamp) -> MessageRecord {
    let mut id = [0u8; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    id[..8].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    MessageRecord {
        envelope_id: EnvelopeId::from_random(id),
        conversation: conversation.clone(),
        incoming: true,
        from_name: "lumina".to_owned(),
        kind: PayloadType::Message,
        content_type: "text/plain".to_owned(),
        content,
        in_reply_to: None,
        composed: at,
        stored: at,
        state: MessageState::Received,
        paths: vec!["tcp".parse().unwrap()],
        urgency: Urgency::Normal,
        mode: Mode::Failover,
        late: false,
        trust: TrustLevel::Verified,
        digest: Some([7; 32]),
    }
}

pub(crate) fn conversation(peer: Fingerprint, thread: &str) -> Conversation {
    Conversation { peer, thread_id: thread.parse::<ThreadId>().unwrap() }
}

/// Text of the newest message in [`long_thread`].
pub(crate) const NEWEST: &str = "the newest message";

/// A home that knows `lumina`, and has so many messages of hers in the thread `general`, all read. Its node is
/// stopped.
pub(crate) async fn long_thread(messages: u64) -> Inhabitant {
    let mut owner = Inhabitant::start("opus", None);
    let identity = Identity { name: "lumina".to_owned(), email: "lumina@example.org".to_owned(), fqid: None };
    let lumina = pgp::generate(identity, None, now().plus_ms(-60_000)).unwrap();
    owner.know("lumina", lumina.public_armored, None).await;
    owner.stop().await;
    let general = conversation(lumina.secret.fingerprint(), "general");
    let (home, now) = (owner.home.clone(), now());
    let fill = move || {
        let secret = unlock_identity(&home, None).unwrap();
        let sealed = std::fs::read(home.store_key_path()).unwrap();
        let key = pgp::open(&secret, secret.certificate(), &sealed, 32, now).unwrap();
        let key = StoreKey::new(key.plaintext.as_slice().try_into().unwrap());
        let store = Store::open(&home.store_dir(), &key, now).unwrap().store;
        for n in 0..messages {
            let content = if n + 1 == messages { NEWEST.to_owned() } else { text(20 + (n as usize * 37) % 180, n) };
            let at = now.plus_ms(-1000 * i64::try_from(messages - n).unwrap());
            store.insert_incoming(&message(&general, n, content, at)).unwrap();
        }
        store.mark_read(&general, u64::MAX).unwrap();
        store.flush().unwrap();
    };
    tokio::task::spawn_blocking(fill).await.unwrap();
    owner
}
