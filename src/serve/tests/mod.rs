//! The relay as its clients see it: over real connections on the loopback, with real keys.

mod bounds;
mod crash;
mod hostile;
mod keepers;
mod load;
mod login;
mod mail;
#[cfg(feature = "nats")]
mod nats_server;
mod room;
#[cfg(feature = "nats")]
mod shared_store;
mod transport;

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, LazyLock},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::{net::TcpStream, sync::oneshot, task::JoinHandle, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        Message,
        client::IntoClientRequest,
        http::{HeaderValue, header},
        protocol::WebSocketConfig,
    },
};

use super::{Relay, RelayConfig, ServeError, keeper::now};
use crate::{
    delivery::Reason,
    pgp::{Identity, SecretKey, generate, sign_detached},
    transport::{
        Authenticator, Context, Secret, Transport, TransportConfig,
        registry::build,
        testing::{Events, LIMIT},
        websocket::protocol::{Auth, Challenge, FromClient, FromRelay, SUBPROTOCOL, Window, signed_bytes},
    },
    wire::Fingerprint,
};

/// An identity with a real key.
pub(super) struct Key {
    pub(super) secret: SecretKey,
    pub(super) armored: String,
}

impl Key {
    pub(super) fn new() -> Arc<Self> {
        let identity = Identity { name: "Test".to_owned(), email: "test@example.org".to_owned(), fqid: None };
        // Made a moment ago, so that no clock's coarseness matters.
        let made = generate(identity, None, now().plus_ms(-60_000)).unwrap();
        Arc::new(Self { secret: made.secret, armored: made.public_armored })
    }
}

impl Authenticator for Key {
    fn fingerprint(&self) -> Fingerprint {
        self.secret.fingerprint()
    }
    fn certificate(&self) -> String {
        self.armored.clone()
    }
    fn sign(&self, challenge: &[u8]) -> Result<String, Reason> {
        Ok(sign_detached(&self.secret, challenge, now()).unwrap())
    }
}

/// Two identities that all tests may use.
pub(super) static ALICE: LazyLock<Arc<Key>> = LazyLock::new(Key::new);
pub(super) static BOB: LazyLock<Arc<Key>> = LazyLock::new(Key::new);

/// A relay that runs in this process.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), ServeError>>,
}

impl Running {
    pub(super) async fn start(folder: &Path, change: impl FnOnce(&mut RelayConfig)) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), folder, change).await
    }

    pub(super) async fn start_at(listen: SocketAddr, folder: &Path, change: impl FnOnce(&mut RelayConfig)) -> Self {
        let mut config = RelayConfig::new(listen, folder.to_owned());
        change(&mut config);
        let relay = Relay::bind(config).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let address = relay.address();
        let task = tokio::spawn(relay.run(async move {
            let _ = stopped.await;
        }));
        Self { address, stop, task }
    }

    pub(super) fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    pub(super) async fn stop(self) {
        self.stop.send(()).unwrap();
        within("the relay to stop", self.task).await.unwrap().unwrap();
    }
}

/// Waits with a limit.
pub(super) async fn within<T>(why: &str, what: impl Future<Output = T>) -> T {
    timeout(LIMIT, what).await.unwrap_or_else(|_| panic!("waited in vain for {why}"))
}

/// A client of the bare protocol.
pub(super) struct Raw {
    pub(super) socket: WebSocketStream<TcpStream>,
    pub(super) challenge: Challenge,
    host: String,
}

pub(super) const WINDOW: Window = Window { messages: 64, bytes: 1024 * 1024 };
pub(super) const SEND_ONLY: Window = Window { messages: 0, bytes: 0 };

impl Raw {
    pub(super) async fn connect(address: SocketAddr) -> Self {
        let host = address.to_string();
        let stream = TcpStream::connect(address).await.unwrap();
        let mut request = format!("ws://{host}/").into_client_request().unwrap();
        request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        let config = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(4096);
        let (socket, _) = client_async_with_config(request, stream, Some(config)).await.unwrap();
        let nothing =
            Challenge { nonce: [0; 32], time: now(), token_required: false, name: crate::wire::SafeText::line("") };
        let mut raw = Self { socket, challenge: nothing, host };
        match raw.hear().await {
            Some(FromRelay::Challenge(challenge)) => raw.challenge = challenge,
            other => panic!("no challenge but {other:?}"),
        }
        raw
    }

    /// Connected and welcome.
    pub(super) async fn logged_in(address: SocketAddr, key: &Key, receive: Window) -> Self {
        let mut raw = Self::connect(address).await;
        let auth = raw.auth(key, receive);
        match raw.log_in(auth).await {
            Some(FromRelay::Welcome(_)) => raw,
            other => panic!("not welcome but {other:?}"),
        }
    }

    /// A right login, for tests to spoil.
    pub(super) fn auth(&self, key: &Key, receive: Window) -> Auth {
        let signature = key.sign(&signed_bytes(&self.host, &self.challenge.nonce)).unwrap();
        Auth {
            fingerprint: key.fingerprint(),
            host: self.host.clone(),
            receive,
            token_proof: None,
            certificate: Bytes::from(key.certificate()),
            signature: Bytes::from(signature),
        }
    }

    pub(super) async fn log_in(&mut self, auth: Auth) -> Option<FromRelay> {
        self.say(FromClient::Auth(auth)).await;
        self.hear().await
    }

    pub(super) async fn say(&mut self, message: FromClient) {
        within("a message to be written", self.socket.send(Message::Binary(message.encode()))).await.unwrap();
    }

    /// The next message; none at the end of the connection.
    pub(super) async fn hear(&mut self) -> Option<FromRelay> {
        loop {
            match within("a message of the relay", self.socket.next()).await {
                Some(Ok(Message::Binary(bytes))) => return Some(FromRelay::decode(bytes).unwrap()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(other)) => panic!("the relay said {other:?}"),
            }
        }
    }

    pub(super) async fn put(&mut self, seq: u64, recipient: &Key, frame: &[u8]) -> Option<FromRelay> {
        self.put_nowait(seq, recipient, frame).await;
        self.hear().await
    }

    pub(super) async fn put_nowait(&mut self, seq: u64, recipient: &Key, frame: &[u8]) {
        let frame = Bytes::copy_from_slice(frame);
        self.say(FromClient::Put { seq, recipient: recipient.fingerprint(), frame }).await;
    }

    /// The next delivery.
    pub(super) async fn mail(&mut self) -> (u64, Bytes) {
        match self.hear().await {
            Some(FromRelay::Deliver { id, frame }) => (id, frame),
            other => panic!("no delivery but {other:?}"),
        }
    }

    pub(super) async fn take(&mut self) -> Bytes {
        let (id, frame) = self.mail().await;
        self.say(FromClient::Taken { id }).await;
        frame
    }
}

pub(super) const STORED: fn(u64) -> Option<FromRelay> = |seq| Some(FromRelay::Stored { seq, durable: true });

/// A started transport of `key` with its events.
pub(super) async fn client(key: &Arc<Key>, config: TransportConfig) -> (Arc<dyn Transport>, Events) {
    let context = Context {
        id: "relay".parse().unwrap(),
        authenticator: key.clone(),
        data_dir: std::env::temp_dir().join("unused"),
        secret: Secret::new(zeroize::Zeroizing::new([1; 32])),
    };
    let transport = build(&config, context).unwrap();
    let (sink, events) = tokio::sync::mpsc::channel(16);
    transport.start(sink).await.unwrap();
    (transport, Events(events))
}

pub(super) fn config(relay: &str) -> TransportConfig {
    TransportConfig::new("websocket").with("relays", relay)
}

pub(super) fn sender() -> TransportConfig {
    TransportConfig::new("websocket")
}

/// For sends that should succeed.
pub(super) const PATIENT: Duration = LIMIT;
