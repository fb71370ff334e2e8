//! From an address to a connection that is logged in.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async_with_config,
    tungstenite::{
        Error as WsError, Message,
        client::IntoClientRequest,
        http::{HeaderMap, HeaderValue, Response, header},
        protocol::WebSocketConfig,
    },
};

use super::{
    address::RelayAddress,
    moving::Counted,
    protocol::{
        Auth, Challenge, FromClient, FromRelay, MESSAGE_BYTES, Refusal, RefusalKind, SUBPROTOCOL, Welcome, Window,
        signed_bytes, token_proof,
    },
};
use crate::{
    delivery::{Reason, ReasonKind},
    transport::{Authenticator, link::Failure},
};

const BUFFER_BYTES: usize = 32 * 1024;
/// After a refused login, the next one makes sense only when somebody has changed something.
const REFUSED_LOGIN_WAIT: Duration = Duration::from_secs(60);

pub(crate) type Socket = WebSocketStream<Counted<MaybeTlsStream<TcpStream>>>;

impl Failure {
    /// A refusal of the relay that ends the connection.
    pub(super) fn refused(refusal: &Refusal) -> Self {
        let kind = match refusal.kind {
            RefusalKind::AuthRefused => ReasonKind::AuthRefused,
            RefusalKind::RateLimited | RefusalKind::Busy => ReasonKind::RateLimited,
            RefusalKind::TooLarge => ReasonKind::TooLarge,
            RefusalKind::MailboxFull | RefusalKind::RelayFull => ReasonKind::NoSpace,
            RefusalKind::Protocol => ReasonKind::Protocol,
            _ => ReasonKind::Disconnected,
        };
        let least = (kind == ReasonKind::AuthRefused).then_some(REFUSED_LOGIN_WAIT);
        Self { reason: Reason::new(kind, format!("the relay says: {refusal}")), wait: refusal.retry_after.max(least) }
    }
}

/// A connection that is logged in.
pub(super) struct LoggedIn {
    pub(super) socket: Socket,
    pub(super) welcome: Welcome,
}

/// Opens connections for one identity.
pub(super) struct Dialer {
    pub(super) authenticator: Arc<dyn Authenticator>,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) limit: Duration,
}

/// How to log in at one relay.
#[derive(Clone, Debug)]
pub(super) struct Login {
    /// No messages: only to send.
    pub(super) receive: Window,
    pub(super) token: Option<String>,
}

impl Dialer {
    /// Connects and logs in, within the time for that.
    pub(super) async fn dial(&self, address: &RelayAddress, login: &Login) -> Result<LoggedIn, Failure> {
        let dialling = async {
            let config = web_config(MESSAGE_BYTES);
            let mut socket = open(address, self.tls.clone(), Some(SUBPROTOCOL), config).await?;
            let welcome = self.log_in(&mut socket, address, login).await?;
            Ok(LoggedIn { socket, welcome })
        };
        timeout(self.limit, dialling).await.unwrap_or_else(|_| {
            let seconds = self.limit.as_secs();
            Err(Failure::new(ReasonKind::Timeout, format!("{} did not answer within {seconds} s", address.authority())))
        })
    }

    async fn log_in(&self, socket: &mut Socket, address: &RelayAddress, login: &Login) -> Result<Welcome, Failure> {
        let challenge = match receive(socket).await? {
            FromRelay::Challenge(challenge) => challenge,
            FromRelay::Bye(refusal) => return Err(Failure::refused(&refusal)),
            _ => return Err(Failure::new(ReasonKind::Protocol, "the relay did not begin with a challenge")),
        };
        let auth = self.answer(&challenge, address, login).await?;
        let message = FromClient::Auth(auth).encode();
        socket.send(Message::Binary(message)).await.map_err(|error| web_failure(&address.authority(), error))?;
        match receive(socket).await? {
            FromRelay::Welcome(welcome) if welcome.window.messages > 0 => Ok(welcome),
            FromRelay::Bye(refusal) => Err(Failure::refused(&refusal)),
            _ => Err(Failure::new(ReasonKind::Protocol, "the relay did not answer the login")),
        }
    }

    async fn answer(&self, challenge: &Challenge, address: &RelayAddress, login: &Login) -> Result<Auth, Failure> {
        let host = address.authority();
        let token_proof = match (&login.token, challenge.token_required) {
            (Some(token), true) => Some(token_proof(token, &host, &challenge.nonce)),
            (None, true) => {
                let text = "the relay wants a token, and the settings name none for it (`token`)";
                return Err(Failure { wait: Some(REFUSED_LOGIN_WAIT), ..Failure::new(ReasonKind::AuthRefused, text) });
            }
            (_, false) => None,
        };
        let bytes = signed_bytes(&host, &challenge.nonce);
        let authenticator = self.authenticator.clone();
        // Signing computes, and may read a key; it is kept off the threads that carry connections.
        let signed = tokio::task::spawn_blocking(move || {
            let signature = authenticator.sign(&bytes)?;
            Ok((authenticator.fingerprint(), authenticator.certificate(), signature))
        });
        let (fingerprint, certificate, signature) = match signed.await {
            Ok(Ok(signed)) => signed,
            Ok(Err(reason)) => return Err(Failure { reason, wait: None }),
            Err(_) => return Err(Failure::new(ReasonKind::Stopping, "signing was interrupted")),
        };
        Ok(Auth {
            fingerprint,
            host,
            receive: login.receive,
            token_proof,
            certificate: Bytes::from(certificate),
            signature: Bytes::from(signature),
        })
    }
}

/// Buffers and bounds of a connection on which a message has at most so many bytes.
pub(crate) fn web_config(message_bytes: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_write_buffer_size(2 * message_bytes + BUFFER_BYTES)
        .max_message_size(Some(message_bytes))
        .max_frame_size(Some(message_bytes))
}

/// Opens a WebSocket to `address`, with TLS if it says so. The caller limits the time.
///
/// # Errors
/// When there is no connection, no TLS, or no WebSocket at the other end.
pub(crate) async fn open(
    address: &RelayAddress,
    tls: Arc<ClientConfig>,
    subprotocol: Option<&'static str>,
    config: WebSocketConfig,
) -> Result<Socket, Failure> {
    let place = address.authority();
    let unreachable = |error: std::io::Error| Failure::new(ReasonKind::Unreachable, format!("{place}: {error}"));
    let stream = TcpStream::connect((address.host(), address.port())).await.map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    let stream = if address.tls() {
        let name = ServerName::try_from(address.host().to_owned())
            .map_err(|_| Failure::new(ReasonKind::NotConfigured, format!("{place}: no name for a certificate")))?;
        let secured = TlsConnector::from(tls).connect(name, stream).await;
        MaybeTlsStream::Rustls(secured.map_err(|error| {
            Failure::new(ReasonKind::Unreachable, format!("{place}: no secure connection: {error}"))
        })?)
    } else {
        MaybeTlsStream::Plain(stream)
    };
    let mut request = address.to_string().into_client_request().map_err(|error| web_failure(&place, error))?;
    if let Some(subprotocol) = subprotocol {
        request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol));
    }
    let opened = client_async_with_config(request, Counted::new(stream), Some(config)).await;
    opened.map(|(socket, _)| socket).map_err(|error| web_failure(&place, error))
}

async fn receive(socket: &mut Socket) -> Result<FromRelay, Failure> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Binary(bytes))) => {
                return FromRelay::decode(bytes)
                    .map_err(|error| Failure::new(ReasonKind::Protocol, format!("the relay's login: {error}")));
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Close(_))) | None => {
                return Err(Failure::new(ReasonKind::Disconnected, "the relay closed the connection during the login"));
            }
            Some(Ok(_)) => return Err(Failure::new(ReasonKind::Protocol, "the relay's messages are not binary")),
            Some(Err(error)) => return Err(web_failure("the relay", error)),
        }
    }
}

/// What went wrong below the relay protocol.
pub(crate) fn web_failure(place: &str, error: WsError) -> Failure {
    match error {
        WsError::Http(response) => http_failure(place, &response),
        WsError::Protocol(error) => Failure::new(ReasonKind::Protocol, format!("{place}: no relay of skcomm: {error}")),
        WsError::Capacity(error) => Failure::new(ReasonKind::Protocol, format!("{place}: {error}")),
        WsError::Io(error) => Failure::new(ReasonKind::Disconnected, format!("{place}: {error}")),
        other => Failure::new(ReasonKind::Disconnected, format!("{place}: {other}")),
    }
}

fn http_failure(place: &str, response: &Response<Option<Vec<u8>>>) -> Failure {
    let status = response.status();
    let kind = match status.as_u16() {
        429 | 503 => ReasonKind::RateLimited,
        401 | 403 => ReasonKind::AuthRefused,
        _ => ReasonKind::Protocol,
    };
    let failure = Failure::new(kind, format!("{place}: HTTP {status}"));
    Failure { wait: retry_after(response.headers()), ..failure }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds.min(3600)))
}
