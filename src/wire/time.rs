//! Wall-clock instants as they travel.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// An instant in UTC with millisecond resolution; on the wire an RFC 3339 string such as
/// `2026-11-20T17:06:12.682Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The first instant of the year 1, in milliseconds since the Unix epoch.
    const MIN_MS: i64 = -62_135_596_800_000;
    /// The last millisecond of 29 December 9999: a day short of what `jiff` can hold in every time zone.
    const MAX_MS: i64 = 253_402_127_999_999;

    /// From milliseconds since the Unix epoch; values outside the years 1 to 9999 are clamped.
    pub fn from_unix_ms(ms: i64) -> Self {
        Self(ms.clamp(Self::MIN_MS, Self::MAX_MS))
    }

    /// Milliseconds since the Unix epoch.
    pub fn unix_ms(self) -> i64 {
        self.0
    }

    /// The instant `ms` milliseconds later (earlier when negative), clamped to the valid range.
    pub fn plus_ms(self, ms: i64) -> Self {
        Self::from_unix_ms(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to `self`; negative when `self` is before it.
    pub fn ms_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.3}", self.to_jiff())
    }
}

impl std::str::FromStr for Timestamp {
    type Err = jiff::Error;

    /// Reads RFC 3339 with any offset; digits beyond the millisecond are cut. Nothing else: no other ISO 8601
    /// forms, no time zone names.
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let refusal =
            || jiff::Error::from_args(format_args!("must be an RFC 3339 time such as 2026-11-20T17:06:12.682Z"));
        if !is_rfc3339(s.as_bytes()) {
            return Err(refusal());
        }
        let ms = s.parse::<jiff::Timestamp>()?.as_millisecond();
        if (Self::MIN_MS..=Self::MAX_MS).contains(&ms) { Ok(Self(ms)) } else { Err(refusal()) }
    }
}

/// Whether `s` has the shape of RFC 3339 section 5.6: `YYYY-MM-DDThh:mm:ss`, up to nine digits of a fraction,
/// then `Z` or `+hh:mm`. Whether there is such a day is for `jiff` to say.
fn is_rfc3339(s: &[u8]) -> bool {
    let fits = |s: &[u8], shape: &[u8]| {
        s.len() == shape.len()
            && s.iter().zip(shape).all(|(byte, want)| match want {
                b'0' => byte.is_ascii_digit(),
                b'+' => matches!(byte, b'+' | b'-'),
                _ => byte.eq_ignore_ascii_case(want),
            })
    };
    let Some((instant, rest)) = s.split_at_checked(19) else { return false };
    let digits = rest.strip_prefix(b".").map_or(0, |f| 1 + f.iter().take_while(|b| b.is_ascii_digit()).count());
    let offset = &rest[digits..];
    fits(instant, b"0000-00-00T00:00:00")
        && (digits == 0 || (2..=10).contains(&digits))
        && (fits(offset, b"Z") || fits(offset, b"+00:00"))
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_rfc3339_and_nothing_else() {
        let read = |s: &str| s.parse::<Timestamp>().ok().map(|t| t.to_string());
        let same = Some("2026-11-20T17:06:12.682Z".to_owned());
        assert_eq!(read("2026-11-20T17:06:12.682Z"), same);
        assert_eq!(read("2026-11-20T18:06:12.682999+01:00"), same);
        assert_eq!(read("2026-11-20t17:06:12.682z"), same);
        assert_eq!(read("2026-11-20T17:06:12Z").as_deref(), Some("2026-11-20T17:06:12.000Z"));
        for bad in [
            "",
            "now",
            "2026-11-20",
            "2026-11-20T17:06:12",
            "2026-11-20 17:06:12Z",
            "2026-11-20T17:06Z",
            "20261120T170612Z",
            "2026-11-20T17:06:12.Z",
            "2026-11-20T17:06:12.0123456789Z",
            "2026-11-20T17:06:12Z[UTC]",
            "2026-11-20T17:06:12+01:00[Europe/Paris]",
            "2026-13-20T17:06:12Z",
            "2026-02-30T17:06:12Z",
            "+002026-11-20T17:06:12Z",
            "0000-12-31T23:59:59Z",
            "9999-12-30T00:00:00Z",
            "2026-11-20T17:06:12Z ",
            "２026-11-20T17:06:12Z",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_ends_of_time_are_written_in_four_digits() {
        assert_eq!(Timestamp::from_unix_ms(i64::MIN).to_string(), "0001-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_unix_ms(i64::MAX).to_string(), "9999-12-29T23:59:59.999Z");
        assert_eq!(Timestamp::from_unix_ms(i64::MAX).plus_ms(i64::MAX), Timestamp::from_unix_ms(i64::MAX));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(ms: i64) {
            let time = Timestamp::from_unix_ms(ms);
            prop_assert_eq!(time.to_string().parse::<Timestamp>().unwrap(), time);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9TtZz:.+ \\-\\[\\]]{0,40}|.{0,40}") {
            if let Ok(time) = text.parse::<Timestamp>() {
                prop_assert_eq!(time.to_string().parse::<Timestamp>().unwrap(), time);
            }
        }
    }
}
