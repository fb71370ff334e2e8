//! When a transport may be used, as a person writes it in its file.

use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::delivery::{Bulk, Schedule, WINDOWS_MAX, Window};

/// A time zone by its name in the system's database.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone(TimeZone);

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.0.iana_name().unwrap_or("UTC"))
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(d)?;
        TimeZone::get(&name).map(Self).map_err(|_| {
            D::Error::custom(format!(
                "{name:?} is no time zone that this machine knows; write one such as Europe/Berlin or UTC, or leave the \
                 setting out for the machine's own"
            ))
        })
    }
}

/// When a transport may be used, and for what. Part of every transport's file, whatever its kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Rules {
    /// Call windows: when it may be used at all. Always when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
    /// The zone in which all windows are meant; the machine's own when none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<Zone>,
    /// Largest message in bytes, sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<usize>,
    /// What waits for its hours although the transport is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bulk: Option<Bulk>,
}

impl Rules {
    /// As the delivery machine takes it.
    pub fn schedule(&self) -> Schedule {
        if *self == Self::default() {
            return Schedule::default();
        }
        let zone = self.time_zone.as_ref().map_or_else(TimeZone::system, |zone| zone.0.clone());
        Schedule { zone, windows: self.windows.clone(), max_bytes: self.max_bytes, bulk: self.bulk.clone() }
    }
}

/// A list of windows within its bound.
pub(super) fn windows<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Window>, D::Error> {
    let windows = Vec::<Window>::deserialize(d)?;
    if windows.len() > WINDOWS_MAX {
        return Err(D::Error::custom(format!("at most {WINDOWS_MAX} windows")));
    }
    Ok(windows)
}

/// A size that lets anything through at all.
pub(super) fn size<'de, D: Deserializer<'de>>(d: D) -> Result<Option<usize>, D::Error> {
    let size = Option::<usize>::deserialize(d)?;
    match size {
        // A sealed message of one word has about two thousand bytes, and an ack must pass as well.
        Some(n) if n < SMALLEST => Err(D::Error::custom(format!(
            "{n} bytes let nothing through: an empty message has about 2000 when sealed; write at least {SMALLEST}, or \
             `enabled: false`"
        ))),
        size => Ok(size),
    }
}

/// The smallest limit that makes sense, in bytes.
const SMALLEST: usize = 4_096;
