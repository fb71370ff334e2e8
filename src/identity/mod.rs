//! Who is who: FQIDs, peers and their routes, trust levels and what each allows, pinned keys.
//!
//! This room is deterministic and never talks to a network or a disk.

mod book;
mod defaults;
mod fqid;
mod name;
mod peer;
mod trust;

pub use book::{KeyVerdict, LookupError, PeerBook};
pub use defaults::{RoutingDefault, RoutingDefaults, THREADS_MAX};
pub use fqid::{Fqid, FqidError};
pub use name::{PeerName, PeerNameError};
pub use peer::{PeerKeyEvent, PeerProfile, RouteEntry};
pub use trust::{Permission, TrustLevel};

pub use crate::pgp::fingerprint_words;
