//! Tests of the room: honest use, hostile input, other programs.

mod arbitrary;
mod certificates;
mod craft;
mod gnupg;
mod hostile;
mod keys;
mod round_trip;

use std::sync::LazyLock;

use super::{Identity, SecretKey, generate};
use crate::wire::Timestamp;

/// 2026-11-20T17:00:00.250Z.
pub(super) fn now() -> Timestamp {
    Timestamp::from_unix_ms(1_795_194_000_250)
}

/// `days` after [`now`]; before it when negative.
pub(super) fn in_days(days: i64) -> Timestamp {
    now().plus_ms(days * 86_400_000)
}

pub(super) fn key(name: &str) -> SecretKey {
    let email = format!("{}@example.org", name.to_lowercase());
    generate(Identity { name: name.to_owned(), email, fqid: None }, None, now()).unwrap().secret
}

pub(super) static ALICE: LazyLock<SecretKey> = LazyLock::new(|| key("Alice"));
pub(super) static BOB: LazyLock<SecretKey> = LazyLock::new(|| key("Bob"));
pub(super) static CAROL: LazyLock<SecretKey> = LazyLock::new(|| key("Carol"));
