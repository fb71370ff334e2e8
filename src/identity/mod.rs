//! Who is who: FQIDs, peers and their routes, trust levels and what each allows.

use serde::{Deserialize, Serialize};

/// How far a peer is trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrustLevel {
    /// Pinned on first use, never compared.
    #[default]
    Untrusted,
    /// The user compared the fingerprint.
    Verified,
    /// The user decided so, or accepted a sovereign peer's word.
    Trusted,
    /// All conditions of the Cloud 9 checklist hold and the user confirmed.
    Sovereign,
}
