//! One connection of a client: its login, then its reading and its writing half side by side.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error as WsError, Message,
        protocol::{Role, WebSocketConfig},
    },
};
use tokio_util::sync::CancellationToken;

use super::{
    Shared, auth, keeper,
    reading::Reading,
    socket::{self, ByteStream, Metered, Wanted},
    writing::Writing,
};
use crate::{
    transport::websocket::protocol::{
        AUTH_BYTES, Auth, Challenge, FromClient, FromRelay, OVERHEAD_BYTES, Refusal, RefusalKind, Welcome, Window,
    },
    wire::{Fingerprint, SafeText},
};

/// Buffers are small, for there are many connections; large messages grow them for as long as needed.
const BUFFER_BYTES: usize = 8 * 1024;

pub(super) type Socket = WebSocketStream<Metered>;

/// A client that is logged in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client {
    pub(super) fingerprint: Fingerprint,
    /// What it is ready to receive; no messages if it only sends or may not have a mailbox.
    pub(super) receive: Window,
}

/// Serves one connection until it ends.
pub(super) async fn serve(
    shared: Arc<Shared>,
    stream: TcpStream,
    from: SocketAddr,
    _place: OwnedSemaphorePermit,
    stop: CancellationToken,
) {
    let opening = timeout(shared.limits.handshake, open(&shared, stream, from));
    let opened = tokio::select! {
        opened = opening => opened,
        () = stop.cancelled() => return,
    };
    match opened {
        Ok(Some((socket, client))) => run(&shared, socket, client, stop).await,
        Ok(None) => {}
        Err(_) => tracing::debug!("a connection was not logged in in time"),
    }
}

/// From the first byte to the welcome; none when it came to something else, which is settled then.
async fn open(shared: &Arc<Shared>, stream: TcpStream, from: SocketAddr) -> Option<(Socket, Client)> {
    let local = stream.local_addr().ok()?;
    let mut stream = match socket::secure(stream, shared.tls.as_ref()).await {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, "no connection came about");
            return None;
        }
    };
    if shared.failures.is_barred(from.ip(), Instant::now()) {
        let text = "too many failed logins from your address; try again in a minute\n";
        ignore(socket::respond(&mut stream, "429 Too Many Requests", "text/plain", text).await);
        return None;
    }
    match socket::receive_request(&mut stream).await {
        Ok(Wanted::Relay(rest)) => log_in(shared, stream, rest, local, from).await,
        Ok(Wanted::Health) => {
            let body = shared.health().await;
            ignore(socket::respond(&mut stream, "200 OK", "application/json", &body).await);
            None
        }
        Ok(Wanted::Nothing) => None,
        Err(error) => {
            tracing::debug!(%error, "no request came");
            None
        }
    }
}

async fn log_in(
    shared: &Arc<Shared>,
    stream: Box<dyn ByteStream>,
    rest: Vec<u8>,
    local: SocketAddr,
    from: SocketAddr,
) -> Option<(Socket, Client)> {
    let metered = Metered::new(stream, shared.large_in.clone());
    let mut socket = WebSocketStream::from_partially_read(metered, rest, Role::Server, Some(config(AUTH_BYTES))).await;
    match challenge(shared, &mut socket, local).await {
        Ok(client) => {
            if client.receive.messages > 0 {
                shared.keeper.claim(client.fingerprint).await;
            }
            // Larger messages are allowed from here on. A client says nothing between its login and the welcome.
            let most = shared.limits.frame_bytes + OVERHEAD_BYTES;
            let stream = socket.into_inner();
            let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config(most))).await;
            let welcome = FromRelay::Welcome(welcome(shared));
            socket.send(Message::Binary(welcome.encode())).await.ok()?;
            Some((socket, client))
        }
        Err(refusal) => {
            if refusal.kind == RefusalKind::AuthRefused {
                shared.failures.note(from.ip(), Instant::now());
            }
            // Without the text, which may name a key: the log does not tell who was here.
            tracing::info!(kind = ?refusal.kind, "a login was refused");
            say_goodbye(&mut socket, refusal).await;
            None
        }
    }
}

fn config(most: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_write_buffer_size(2 * most + BUFFER_BYTES)
        .max_message_size(Some(most))
        .max_frame_size(Some(most))
}

fn welcome(shared: &Shared) -> Welcome {
    let limits = &shared.limits;
    Welcome {
        max_frame: u32::try_from(limits.frame_bytes).unwrap_or(u32::MAX),
        window: Window { messages: limits.window_messages, bytes: limits.window_bytes },
        keep_seconds: u32::try_from(limits.storage.keep.as_secs()).unwrap_or(u32::MAX),
        silence_seconds: u16::try_from(limits.silence.as_secs()).unwrap_or(u16::MAX).max(1),
    }
}

async fn challenge(shared: &Arc<Shared>, socket: &mut Socket, local: SocketAddr) -> Result<Client, Refusal> {
    let challenge = Challenge {
        nonce: rand::random(),
        time: keeper::now(),
        token_required: shared.access.token.is_some(),
        name: SafeText::line(&shared.name),
    };
    let gone = || Refusal::new(RefusalKind::Protocol, "the connection broke during the login");
    let message = FromRelay::Challenge(challenge.clone()).encode();
    socket.send(Message::Binary(message)).await.map_err(|_| gone())?;
    let auth = receive_login(socket).await?;
    let own_host = auth::is_own_host(&auth.host, &shared.hosts, local);
    auth::check_claims(&auth, &challenge, own_host, &shared.access)?;
    let client = Client { fingerprint: auth.fingerprint, receive: receive_window(shared, &auth) };
    let _turn = shared.logins.acquire().await.map_err(|_| gone())?;
    let checked = tokio::task::spawn_blocking(move || auth::check_signature(&auth, &challenge)).await;
    checked.unwrap_or_else(|_| Err(Refusal::new(RefusalKind::AuthRefused, "the certificate could not be checked")))?;
    Ok(client)
}

async fn receive_login(socket: &mut Socket) -> Result<Auth, Refusal> {
    let protocol = |text: &str| Refusal::new(RefusalKind::Protocol, text);
    loop {
        match socket.next().await {
            Some(Ok(Message::Binary(bytes))) => match FromClient::decode(bytes) {
                Ok(FromClient::Auth(auth)) => return Ok(auth),
                Ok(_) => return Err(protocol("the first message must be the login")),
                Err(error) => return Err(protocol(&format!("the login: {error}"))),
            },
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(_)) => return Err(protocol("messages are binary")),
            Some(Err(WsError::Capacity(_))) => return Err(protocol("the login is too large")),
            Some(Err(_)) | None => return Err(protocol("the connection broke during the login")),
        }
    }
}

fn receive_window(shared: &Shared, auth: &Auth) -> Window {
    if !shared.access.is_member(&auth.fingerprint) {
        return Window { messages: 0, bytes: 0 };
    }
    let most = &shared.limits;
    Window {
        messages: auth.receive.messages.min(most.window_messages),
        bytes: auth.receive.bytes.min(most.window_bytes),
    }
}

/// The reading and the writing half run side by side in one task, so that neither waits for the other.
async fn run(shared: &Arc<Shared>, socket: Socket, client: Client, stop: CancellationToken) {
    let line = (client.receive.messages > 0).then(|| shared.board.connect(client.fingerprint));
    let (meter, moved) = (socket.get_ref().meter(), socket.get_ref().moved());
    let (sink, stream) = socket.split();
    let window = usize::from(shared.limits.window_messages);
    let (answers, answered) = tokio::sync::mpsc::channel(window);
    let places = Arc::new(Semaphore::new(window));
    let mut writing = Writing::new(shared.clone(), client, (sink, moved.clone()), answered, line);
    let mut reading =
        Reading::new(shared.clone(), client, stream, (meter, moved), (answers, places), writing.deliveries());
    let goodbye = tokio::select! {
        goodbye = reading.run() => goodbye,
        goodbye = writing.run() => goodbye,
        () = stop.cancelled() => Some(Refusal::new(RefusalKind::Stopping, "the relay is being stopped")),
    };
    if let Some(refusal) = goodbye {
        tracing::debug!(kind = ?refusal.kind, reason = %refusal, "a connection is closed");
        writing.say_goodbye(refusal).await;
    }
}

/// Says why, and closes; within a bound, for the other side may not be reading.
pub(super) async fn say_goodbye<S>(sink: &mut S, refusal: Refusal)
where
    S: SinkExt<Message> + Unpin,
{
    let farewell = async {
        let bye: Bytes = FromRelay::Bye(refusal).encode();
        if sink.send(Message::Binary(bye)).await.is_ok() {
            let _ = sink.send(Message::Close(None)).await;
        }
        let _ = sink.close().await;
    };
    if timeout(std::time::Duration::from_secs(1), farewell).await.is_err() {
        tracing::debug!("the other side did not read the farewell");
    }
}

/// An answer to somebody who is gone already.
fn ignore(result: std::io::Result<()>) {
    if let Err(error) = result {
        tracing::debug!(%error, "the answer did not arrive");
    }
}
