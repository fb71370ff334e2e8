//! The gate: every request of the SDK goes through it, and every answer of the homeserver is bounded in it.
//!
//! The SDK gathers an answer whole, of whatever size, and the HTTP client that it is given lets nobody look at an answer on its way.
//! So that client reaches nothing but a socket of ours, which only the user may open, and behind which this
//! small server is: it repeats each request to the homeserver, reads the answer up to its [limit], and hands it on. What is
//! longer is not read, and the SDK gets an error of ours instead. An error on the way is handed on as one of ours too, with its reason.
//!
//! How much is in memory at once: [`PLACES`] answers of [`SMALL`] bytes, of which [`LARGE`] may go on to their own limit.

use std::{
    convert::Infallible,
    fs::File,
    io,
    os::{fd::AsRawFd as _, unix::fs::PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Body as _, Incoming},
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION, RETRY_AFTER},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use matrix_sdk::{
    reqwest::{Body, Client, Url},
    ruma::api::error::{Error as ApiError, ErrorBody},
};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    task::JoinSet,
    time::sleep,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    answer::{SMALL, limit, read_on, too_large},
    http::Http,
    trouble::{Trouble, from_network, with_causes},
};
use crate::{
    delivery::{Reason, ReasonKind},
    transport::running::Tasks,
};

/// Requests that are at the homeserver at once: sends, what is being synchronised, and a few more. Others wait.
const PLACES: usize = 32;
/// Answers beyond [`SMALL`] that are read and handed on at once. Others are left with the homeserver for so long.
const LARGE: usize = 2;
/// The status of errors that the gate itself tells; no homeserver's answer has it.
const OURS: u16 = 599;
const ERRCODE: &str = "SKCOMM_GATE";
/// Sockets begin so.
const SOCKET: &str = "gate-";
/// Longest path that a socket's address has room for on all systems, without the zero behind it.
const ADDRESS_BYTES: usize = 103;
/// The pause after a connection could not be accepted.
const BREATH: Duration = Duration::from_millis(100);
/// What of a request goes on to the homeserver; the client adds what is its own.
const ASKED: [HeaderName; 3] = [AUTHORIZATION, CONTENT_TYPE, ACCEPT];
/// What of an answer's headers goes on to the SDK; it reads no others.
const ANSWERED: [HeaderName; 2] = [CONTENT_TYPE, RETRY_AFTER];

/// The way of one client of the SDK to its homeserver, open until it is dropped or the transport stops.
pub(super) struct Gate {
    /// Where the homeserver truly is.
    pub(super) homeserver: Url,
    /// The client for the SDK.
    pub(super) client: Client,
    /// A long path to the socket leads through it.
    _dir: File,
    _open: DropGuard,
}

impl Gate {
    /// Opens one, with its socket in `dir`, which must be the user's alone.
    ///
    /// # Errors
    /// When there can be no socket.
    pub(super) fn open(dir: &Path, homeserver: Url, http: &Http, tasks: &Tasks) -> Result<Self, Reason> {
        let failed = |error: io::Error| Reason::new(ReasonKind::Io, format!("a socket in {}: {error}", dir.display()));
        let name = format!("{SOCKET}{:08x}", rand::random::<u32>());
        let file = Removed(dir.join(&name));
        let dir_file = File::open(dir).map_err(failed)?;
        let address = match file.0.as_os_str().len() {
            0..=ADDRESS_BYTES => file.0.clone(),
            // Deeper than a socket's address is long.
            _ => PathBuf::from(format!("/proc/self/fd/{}/{name}", dir_file.as_raw_fd())),
        };
        let listener = UnixListener::bind(&address).map_err(failed)?;
        std::fs::set_permissions(&file.0, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        let client = http.to_gate(&address)?;
        let passage = Arc::new(Passage {
            http: http.upstream.clone(),
            origin: homeserver.origin().ascii_serialization(),
            places: Semaphore::new(PLACES),
            large: Arc::new(Semaphore::new(LARGE)),
        });
        let open = CancellationToken::new();
        tasks.spawn(open.clone().run_until_cancelled_owned(async move {
            let _file = file;
            accept(&listener, &passage).await;
        }));
        Ok(Self { homeserver, client, _dir: dir_file, _open: open.drop_guard() })
    }

    /// What the SDK takes for the homeserver. If it ever went past the gate it would reach nobody.
    pub(super) fn url(&self) -> String {
        format!("http://homeserver.invalid{}", self.homeserver.path())
    }
}

/// Removes the sockets that a killed process has left.
///
/// # Errors
/// When that fails.
pub(super) fn clear(dir: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let name = entry?.file_name();
        if name.to_str().is_some_and(|name| name.starts_with(SOCKET)) {
            std::fs::remove_file(dir.join(name))?;
        }
    }
    Ok(())
}

/// A file that is gone afterwards.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        // Only tidiness: what stays is removed at the next start.
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn accept(listener: &UnixListener, passage: &Arc<Passage>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if is_own(&stream) => {
                    connections.spawn(serve(stream, passage.clone()));
                }
                Ok(_) => tracing::warn!("another program knocked at the Matrix transport's socket"),
                Err(error) => {
                    tracing::warn!(%error, "a connection of the Matrix library is not accepted");
                    sleep(BREATH).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Whether this process is at the other end, as far as the system tells.
fn is_own(stream: &UnixStream) -> bool {
    let own = i32::try_from(std::process::id()).ok();
    stream.peer_cred().is_ok_and(|who| who.pid().is_none_or(|pid| Some(pid) == own))
}

async fn serve(stream: UnixStream, passage: Arc<Passage>) {
    let service = service_fn(move |request| {
        let passage = passage.clone();
        async move { Ok::<_, Infallible>(passage.pass(request).await.unwrap_or_else(|trouble| tell(&trouble))) }
    });
    // When the SDK gives a request up, its connection ends, and the request to the homeserver with it.
    if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection of the Matrix library ended");
    }
}

/// What all connections share.
struct Passage {
    http: Client,
    /// Scheme, host and port of the homeserver.
    origin: String,
    places: Semaphore,
    large: Arc<Semaphore>,
}

impl Passage {
    async fn pass(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Trouble> {
        let closed = |_| Trouble::new(ReasonKind::Stopping, "the transport is stopping");
        let _place = self.places.acquire().await.map_err(closed)?;
        let most = limit(request.uri().path());
        let mut answer = self.ask(request).await?;
        let (status, headers) = (answer.status(), chosen(answer.headers(), &ANSWERED));
        if status.is_redirection() {
            let to = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("nowhere");
            let told = format!("the homeserver sends us on to {to}, which is not followed; is that the one to name?");
            return Err(Trouble::new(ReasonKind::Protocol, told));
        }
        let most = if status.is_success() { most } else { SMALL };
        if answer.content_length().is_some_and(|length| length > most as u64) {
            return Err(too_large(most));
        }
        let (mut body, mut place) = (Vec::new(), None);
        let mut ended = read_on(&mut answer, &mut body, SMALL).await?;
        if !ended && most > SMALL {
            place = Some(self.large.clone().acquire_owned().await.map_err(closed)?);
            ended = read_on(&mut answer, &mut body, most).await?;
        }
        if !ended || body.len() > most {
            return Err(too_large(most));
        }
        // The place is free when the last of it is handed on.
        let body = Bytes::from_owner(Held { body, _place: place });
        let mut passed = Response::new(Full::new(body));
        *passed.status_mut() = if status.as_u16() == OURS { StatusCode::BAD_GATEWAY } else { status };
        *passed.headers_mut() = headers;
        Ok(passed)
    }

    /// Repeats a request to the homeserver.
    async fn ask(&self, request: Request<Incoming>) -> Result<matrix_sdk::reqwest::Response, Trouble> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let url = Url::parse(&format!("{}{path}", self.origin));
        let url = url.map_err(|error| Trouble::new(ReasonKind::Other, format!("a request of the library: {error}")))?;
        let mut asked = self.http.request(parts.method, url).headers(chosen(&parts.headers, &ASKED));
        match body.size_hint().exact() {
            Some(0) => {}
            // What is at hand can be repeated when the homeserver has just closed the connection.
            Some(size) if size <= SMALL as u64 => {
                let gone = |error: hyper::Error| Trouble::new(ReasonKind::Disconnected, with_causes(&error));
                asked = asked.body(body.collect().await.map_err(gone)?.to_bytes());
            }
            _ => asked = asked.body(Body::wrap(body)),
        }
        asked.send().await.map_err(|error| from_network(&error))
    }
}

/// An answer's bytes, and what they were counted as.
struct Held {
    body: Vec<u8>,
    _place: Option<tokio::sync::OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

fn chosen(all: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    names.iter().filter_map(|name| Some((name.clone(), all.get(name)?.clone()))).collect()
}

/// An error of the gate's, as the SDK can read it.
fn tell(trouble: &Trouble) -> Response<Full<Bytes>> {
    let told = serde_json::json!({
        "errcode": ERRCODE,
        "error": trouble.reason.to_string(),
        "kind": trouble.reason.kind,
        "cut": trouble.cut,
    });
    let mut response = Response::new(Full::new(told.to_string().into()));
    *response.status_mut() = StatusCode::from_u16(OURS).unwrap_or(StatusCode::BAD_GATEWAY);
    response
}

/// What the gate told the SDK, if it was the gate.
pub(super) fn told(error: &ApiError) -> Option<Trouble> {
    let ErrorBody::Standard(body) = &error.body else { return None };
    let data = error.error_kind().filter(|_| error.status_code.as_u16() == OURS)?.custom_json_data()?;
    let kind = serde_json::from_value(data.get("kind")?.clone()).ok()?;
    let cut = data.get("cut").and_then(serde_json::Value::as_bool).unwrap_or_default();
    Some(Trouble { cut, ..Trouble::new(kind, &body.message) })
}

#[cfg(test)]
mod tests;
