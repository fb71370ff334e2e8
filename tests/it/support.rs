//! Nodes in temporary homes, and waiting for something to become true.

use std::time::Duration;

use skcomm_tui::{
    delivery::{MessageState, TransportId},
    home::Home,
    identity::TrustLevel,
    node::{
        Command, Event, EventStream, HistoryQuery, Message, NewIdentity, Node, NodeHandle, PeerAdd, Reply, SendRequest,
        create_identity, unlock_identity,
    },
    transport::registry::TransportConfig,
};
use tempfile::TempDir;

/// No wait in these tests lasts longer.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// A node in a home of its own.
pub(crate) struct TestNode {
    pub(crate) name: String,
    pub(crate) home: Home,
    pub(crate) certificate: String,
    node: Option<Node>,
    _dir: TempDir,
}

impl TestNode {
    /// A started node with these transports.
    pub(crate) async fn start(name: &str, transports: &[(&str, TransportConfig)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().join("home"));
        let named: Vec<_> = transports.iter().map(|(id, config)| (id.parse().unwrap(), config.clone())).collect();
        let identity = NewIdentity { name: name.to_owned(), email: None, fqid: None };
        let secret = create_identity(&home, &identity, None, &named).unwrap();
        let certificate = secret.certificate().armored();
        let node = Node::start(home.clone(), secret).unwrap();
        Self { name: name.to_owned(), home, certificate, node: Some(node), _dir: dir }
    }

    pub(crate) fn handle(&self) -> NodeHandle {
        self.node.as_ref().expect("the node runs").handle()
    }

    /// Stops it cleanly.
    pub(crate) async fn stop(&mut self) {
        self.node.take().expect("the node runs").stop().await.unwrap();
    }

    /// Starts it again on the same home.
    pub(crate) fn restart(&mut self) {
        assert!(self.node.is_none(), "stop it first");
        let secret = unlock_identity(&self.home, None).unwrap();
        self.node = Some(Node::start(self.home.clone(), secret).unwrap());
    }

    pub(crate) async fn call(&self, command: Command) -> Reply {
        let told = format!("{command:?}");
        self.handle().call(command).await.unwrap_or_else(|e| panic!("{}: {told}: {e}", self.name))
    }

    /// Adds `other` as a peer with these routes.
    pub(crate) async fn know(&self, other: &Self, routes: &[(&str, &str)]) {
        self.know_as(other, &other.name, routes).await;
    }

    pub(crate) async fn know_as(&self, other: &Self, name: &str, routes: &[(&str, &str)]) {
        let routes = routes.iter().map(|(id, address)| (id.parse().unwrap(), (*address).to_owned())).collect();
        let certificate = Some(other.certificate.clone());
        self.call(Command::PeerAdd(PeerAdd { name: name.to_owned(), certificate, routes, ..PeerAdd::default() })).await;
        self.call(Command::TrustSet { peer: name.to_owned(), level: TrustLevel::Verified }).await;
    }

    /// Waits until a transport listens, and says where.
    pub(crate) async fn address(&self, transport: &str) -> String {
        let id: TransportId = transport.parse().unwrap();
        until(&format!("{} listens on {transport}", self.name), || async {
            let Reply::Transports(all) = self.call(Command::Transports).await else { panic!() };
            all.into_iter().find(|t| t.transport == id)?.address.map(|a| a.to_string())
        })
        .await
    }

    pub(crate) async fn send(&self, to: &str, text: &str) -> Message {
        self.send_as(SendRequest { ..request(to, text) }).await
    }

    pub(crate) async fn send_as(&self, request: SendRequest) -> Message {
        match self.call(Command::Send(request)).await {
            Reply::Sent(message) => *message,
            other => panic!("{other:?}"),
        }
    }

    /// All messages, oldest first.
    pub(crate) async fn messages(&self) -> Vec<Message> {
        match self.call(Command::History(HistoryQuery { limit: 10_000, ..HistoryQuery::default() })).await {
            Reply::Messages(messages) => messages,
            other => panic!("{other:?}"),
        }
    }

    /// Texts that came in, in order.
    pub(crate) async fn received(&self) -> Vec<String> {
        let all = self.messages().await;
        all.into_iter().filter(Message::incoming).map(|m| m.content.to_string()).collect()
    }

    /// Waits until the message has come that far, and returns its state.
    pub(crate) async fn wait_for_state(
        &self,
        message: &Message,
        what: &str,
        fits: impl Fn(&MessageState) -> bool,
    ) -> MessageState {
        let id = message.envelope_id;
        let last = std::cell::RefCell::new(String::new());
        let asking = until_or(LIMIT, || async {
            let Reply::Trace(trace) = self.call(Command::Trace { envelope_id: id }).await else { return None };
            *last.borrow_mut() = format!("{trace:#?}");
            fits(&trace.message.state).then_some(trace.message.state)
        });
        asking.await.unwrap_or_else(|| panic!("{} waited in vain for {what}; the trace: {}", self.name, last.borrow()))
    }

    pub(crate) async fn delivered(&self, message: &Message) -> MessageState {
        let done = |s: &MessageState| matches!(s, MessageState::Delivered { .. } | MessageState::Read { .. });
        self.wait_for_state(message, "delivered", done).await
    }
}

pub(crate) fn request(to: &str, text: &str) -> SendRequest {
    SendRequest { to: to.to_owned(), content: text.to_owned(), ..SendRequest::default() }
}

/// Asks again and again until there is an answer. Polls: the condition may span two nodes, whose events have no
/// common order.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(why: &str, ask: impl FnMut() -> F) -> T {
    until_within(LIMIT, why, ask).await
}

/// The same with a limit of its own.
pub(crate) async fn until_within<T, F: Future<Output = Option<T>>>(
    limit: Duration,
    why: &str,
    ask: impl FnMut() -> F,
) -> T {
    until_or(limit, ask).await.unwrap_or_else(|| panic!("waited in vain: {why}"))
}

/// The same, with none when the limit has passed.
async fn until_or<T, F: Future<Output = Option<T>>>(limit: Duration, mut ask: impl FnMut() -> F) -> Option<T> {
    let asking = async {
        let mut step = tokio::time::interval(Duration::from_millis(10));
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            step.tick().await;
        }
    };
    tokio::time::timeout(limit, asking).await.ok()
}

/// The first event that fits.
pub(crate) async fn event<T>(events: &mut EventStream, why: &str, mut fits: impl FnMut(Event) -> Option<T>) -> T {
    let looking = async {
        loop {
            let event = events.next().await.unwrap_or_else(|| panic!("the node stopped before: {why}"));
            if let Some(found) = fits(event) {
                return found;
            }
        }
    };
    tokio::time::timeout(LIMIT, looking).await.unwrap_or_else(|_| panic!("waited in vain: {why}"))
}

pub(crate) fn tcp() -> TransportConfig {
    TransportConfig::new("tcp").with("listen", "127.0.0.1:0")
}

pub(crate) fn folder(path: &std::path::Path) -> TransportConfig {
    TransportConfig::new("file").with("folders", vec![path.display().to_string()]).with("poll_seconds", 1)
}
