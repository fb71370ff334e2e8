//! How long an answer of the homeserver may be, and reading it no further.

use matrix_sdk::reqwest::Response;

use super::trouble::{Trouble, from_network};
use crate::delivery::ReasonKind;

const MIB: usize = 1024 * 1024;
/// Most bytes of an ordinary answer: a few identifiers, or some keys.
pub(super) const SMALL: usize = MIB;
/// Most bytes of a page of events, a list of members or of the devices of users. A page has up to a hundred events of at most 64 KiB.
const PAGE: usize = 16 * MIB;
/// Most bytes of what is new. With as many events of a room as we ask for at first that is ten rooms in which all of them are as large
/// as events can be; when it is more, fewer are asked for (see [`sync`](super::sync)).
const SYNC: usize = 32 * MIB;

/// Most bytes that are taken of the answer to a request for `path`.
pub(super) fn limit(path: &str) -> usize {
    match path.rsplit('/').next() {
        Some("sync") => SYNC,
        Some("messages" | "members" | "query") => PAGE,
        _ => SMALL,
    }
}

/// The homeserver sent more than that.
pub(super) fn too_large(limit: usize) -> Trouble {
    let told = format!("the homeserver sends more than {} MiB in one answer", limit / MIB);
    Trouble { cut: true, ..Trouble::new(ReasonKind::Protocol, told) }
}

/// Reads on into `body` until the answer ends or has more than `limit` bytes. Tells whether it ended.
///
/// # Errors
/// When the network fails.
pub(super) async fn read_on(response: &mut Response, body: &mut Vec<u8>, limit: usize) -> Result<bool, Trouble> {
    while body.len() <= limit {
        match response.chunk().await.map_err(|error| from_network(&error))? {
            Some(chunk) => body.extend_from_slice(&chunk),
            None => return Ok(true),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_long_is_told_by_its_path() {
        for (path, wanted) in [
            ("/_matrix/client/v3/sync", SYNC),
            ("/prefix/_matrix/client/v3/rooms/!sync:x/messages", PAGE),
            ("/_matrix/client/v3/rooms/!r:x/members", PAGE),
            ("/_matrix/client/v3/keys/query", PAGE),
            ("/_matrix/client/v3/rooms/!r:x/send/m.room.message/1", SMALL),
            ("/_matrix/client/v3/login", SMALL),
            ("", SMALL),
        ] {
            assert_eq!(limit(path), wanted, "{path}");
        }
    }
}
