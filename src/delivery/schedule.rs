//! When a transport may be used, and for what: call windows, size limits, and bulk that waits for its hours. What UUCP
//! and NNCP call a call schedule.
//!
//! Pure: the wall time and the time zone are handed in.

use std::{fmt, str::FromStr};

use jiff::{
    Span,
    civil::{Date, Time},
    tz::TimeZone,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use thiserror::Error;

use super::ReasonKind;
use crate::wire::{Timestamp, Urgency};

/// Most windows of one rule.
pub const WINDOWS_MAX: usize = 64;
/// Minutes of a day.
const DAY: u16 = 24 * 60;
/// Days looked ahead for the next opening: a week, and another for a window that falls into the gap of a clock change.
const DAYS_AHEAD: i64 = 14;
const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A span of hours on some days of every week, such as `22:00-06:00`, `sat,sun` or `mon-fri 12:00-13:30`.
///
/// One that ends at or before its beginning ends on the next day, and belongs to the day on which it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Bit 0 is Monday.
    days: u8,
    /// Minutes after midnight, below 24 hours.
    from: u16,
    /// Minutes after midnight, 1 to 24 hours.
    until: u16,
}

/// A window cannot be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{problem}; a window is [DAYS] [HH:MM-HH:MM], such as \"22:00-06:00\", \"sat,sun\" or \"mon-fri 12:00-13:30\"")]
pub struct WindowError {
    problem: String,
}

impl WindowError {
    fn new(problem: impl Into<String>) -> Self {
        Self { problem: problem.into() }
    }
}

impl FromStr for Window {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, WindowError> {
        if text.len() > 64 {
            return Err(WindowError::new("that is too long"));
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        let is_hours = |word: &str| word.contains(':');
        let (days, hours) = match words.as_slice() {
            [word] if is_hours(word) => (None, Some(*word)),
            [word] => (Some(*word), None),
            [days, hours] => (Some(*days), Some(*hours)),
            _ => return Err(WindowError::new(format!("{text:?} is not a window"))),
        };
        let days = days.map_or(Ok(0x7f), read_days)?;
        let (from, until) = hours.map_or(Ok((0, DAY)), read_hours)?;
        Ok(Self { days, from, until })
    }
}

/// `mon`, `mon-fri`, `sat,sun`, `fri-mon,wed`.
fn read_days(text: &str) -> Result<u8, WindowError> {
    let day = |name: &str| {
        let lower = name.to_ascii_lowercase();
        let found = NAMES.iter().position(|known| *known == lower);
        found.ok_or_else(|| WindowError::new(format!("{name:?} is no day (mon, tue, wed, thu, fri, sat, sun)")))
    };
    let mut days = 0;
    for part in text.split(',') {
        match part.split_once('-') {
            None => days |= 1 << day(part)?,
            Some((first, last)) => {
                let (mut at, last) = (day(first)?, day(last)?);
                days |= 1 << at;
                while at != last {
                    at = (at + 1) % NAMES.len();
                    days |= 1 << at;
                }
            }
        }
    }
    Ok(days)
}

fn read_hours(text: &str) -> Result<(u16, u16), WindowError> {
    let (from, until) =
        text.split_once('-').ok_or_else(|| WindowError::new(format!("{text:?} has no end (HH:MM-HH:MM)")))?;
    let (from, until) = (read_minute(from)?, read_minute(until)?);
    if from == until || from == DAY || until == 0 && from == 0 {
        return Err(WindowError::new(format!("{text:?} is empty; the whole day is 00:00-24:00")));
    }
    Ok((from, if until == 0 { DAY } else { until }))
}

fn read_minute(text: &str) -> Result<u16, WindowError> {
    let number = |text: &str| {
        let digits = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| digits)
    };
    let read = || {
        let (hour, minute) = text.split_once(':')?;
        let (hour, minute) = (number(hour)?, number(minute)?);
        (minute < 60 && (hour < 24 || (hour == 24 && minute == 0))).then_some(hour * 60 + minute)
    };
    read().ok_or_else(|| WindowError::new(format!("{text:?} is no time of day")))
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let every_day = self.days == 0x7f;
        if !every_day {
            let named = NAMES.iter().enumerate().filter(|(bit, _)| self.days & (1 << bit) != 0);
            f.write_str(&named.map(|(_, name)| *name).collect::<Vec<_>>().join(","))?;
        }
        let whole = (self.from, self.until) == (0, DAY);
        if every_day || !whole {
            let gap = if every_day { "" } else { " " };
            let (from, until) = (self.from, self.until);
            write!(f, "{gap}{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, until / 60, until % 60)?;
        }
        Ok(())
    }
}

impl Serialize for Window {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}

impl Window {
    /// Beginning and end of the window that begins on `date`; none when none does, or when a clock change swallows it.
    fn on(&self, date: Date, zone: &TimeZone) -> Option<(i64, i64)> {
        let bit = date.weekday().to_monday_zero_offset();
        if self.days & (1 << bit) == 0 {
            return None;
        }
        let next = if self.until <= self.from || self.until == DAY { date.tomorrow().ok()? } else { date };
        let (from, until) = (instant(date, self.from, zone)?, instant(next, self.until % DAY, zone)?);
        (from < until).then_some((from, until))
    }
}

fn instant(date: Date, minute: u16, zone: &TimeZone) -> Option<i64> {
    let time = Time::new((minute / 60) as i8, (minute % 60) as i8, 0, 0).ok()?;
    let at = date.to_datetime(time).to_zoned(zone.clone()).ok()?;
    Some(at.timestamp().as_millisecond())
}

/// Messages that wait for their hours on a path that is otherwise open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WrittenBulk")]
pub struct Bulk {
    /// Those of more bytes, as they are on the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub larger_than: Option<usize>,
    /// Those of this urgency or a lower one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub urgency: Option<Urgency>,
    /// When they may go.
    pub windows: Vec<Window>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenBulk {
    #[serde(default)]
    larger_than: Option<usize>,
    #[serde(default)]
    urgency: Option<Urgency>,
    windows: Vec<Window>,
}

impl TryFrom<WrittenBulk> for Bulk {
    type Error = &'static str;

    fn try_from(written: WrittenBulk) -> Result<Self, &'static str> {
        let WrittenBulk { larger_than, urgency, windows } = written;
        if larger_than.is_none() && urgency.is_none() {
            return Err("bulk names neither larger_than nor urgency; say what counts as bulk");
        }
        if windows.is_empty() || windows.len() > WINDOWS_MAX {
            return Err("bulk needs 1 to 64 windows");
        }
        Ok(Self { larger_than, urgency, windows })
    }
}

impl Bulk {
    fn is(&self, size: usize, urgency: Urgency) -> bool {
        self.larger_than.is_some_and(|most| size > most) || self.urgency.is_some_and(|most| urgency <= most)
    }
}

/// When a transport may be used, and for what. The default is always, for everything.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// The zone in which windows are meant.
    pub zone: TimeZone,
    /// When it may be used at all; always when empty.
    pub windows: Vec<Window>,
    /// Largest message in bytes, as it is on the way.
    pub max_bytes: Option<usize>,
    /// What waits for its hours.
    pub bulk: Option<Bulk>,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { zone: TimeZone::UTC, windows: Vec::new(), max_bytes: None, bulk: None }
    }
}

/// A path that is closed for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closed {
    /// When it opens.
    pub(super) opens: Timestamp,
    /// Only for bulk.
    pub(super) bulk: bool,
}

impl Schedule {
    /// When the transport opens for ordinary messages; none while it is open.
    pub fn opens(&self, now: Timestamp) -> Option<Timestamp> {
        next_opening(&self.windows, &self.zone, now)
    }

    /// When bulk may go; none while it may, or where it does not wait for hours of its own.
    pub fn bulk_opens(&self, now: Timestamp) -> Option<Timestamp> {
        next_opening(&self.bulk.as_ref()?.windows, &self.zone, now)
    }

    /// When a window next opens or closes, of those for everything and those for bulk; none where there are none.
    pub(super) fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let ms = now.unix_ms();
        let today = jiff::Timestamp::from_millisecond(ms).ok()?.to_zoned(self.zone.clone()).date();
        let windows = || self.windows.iter().chain(self.bulk.iter().flat_map(|bulk| &bulk.windows));
        let days = (-1..=DAYS_AHEAD).filter_map(|ahead| today.checked_add(Span::new().days(ahead)).ok());
        let spans = days.flat_map(|date| windows().filter_map(move |window| window.on(date, &self.zone)));
        let next = spans.flat_map(|(from, until)| [from, until]).filter(|at| *at > ms).min();
        next.map(Timestamp::from_unix_ms)
    }

    /// Why a message may not go now. Control messages are never bulk.
    pub(super) fn closed(&self, now: Timestamp, size: usize, urgency: Urgency, control: bool) -> Option<Closed> {
        let whole = self.opens(now).map(|opens| Closed { opens, bulk: false });
        let bulk = || {
            let bulk = self.bulk.as_ref().filter(|bulk| !control && bulk.is(size, urgency))?;
            next_opening(&bulk.windows, &self.zone, now).map(|opens| Closed { opens, bulk: true })
        };
        whole.or_else(bulk)
    }

    /// In words, for people: in the schedule's own zone.
    pub(super) fn describe(&self, closed: &Closed) -> String {
        let at = jiff::Timestamp::from_millisecond(closed.opens.unix_ms());
        let at = at.map(|at| at.to_zoned(self.zone.clone()).strftime("%a %H:%M").to_string()).unwrap_or_default();
        let what = if closed.bulk { "bulk waits for its hours" } else { "outside its call windows" };
        format!("{what}; opens {at}")
    }
}

impl Closed {
    /// The kind of reason.
    pub(super) const KIND: ReasonKind = ReasonKind::OutsideWindow;
}

/// When the first of `windows` opens; none while one is open, or when there are none.
fn next_opening(windows: &[Window], zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
    let ms = now.unix_ms();
    // A clock that shows a year beyond what a calendar knows is no reason to lock everything away.
    let today = jiff::Timestamp::from_millisecond(ms).ok()?.to_zoned(zone.clone()).date();
    for ahead in -1..=DAYS_AHEAD {
        let Ok(date) = today.checked_add(Span::new().days(ahead)) else { continue };
        let spans = || windows.iter().filter_map(|window| window.on(date, zone));
        if spans().any(|(from, until)| from <= ms && ms < until) {
            return None;
        }
        // One that begins later today may still be preceded by nothing: yesterday's and today's were looked at.
        if let Some(opens) = spans().map(|(from, _)| from).filter(|from| *from > ms).min() {
            return Some(Timestamp::from_unix_ms(opens));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str, zone: &TimeZone) -> Timestamp {
        let civil: jiff::civil::DateTime = text.parse().unwrap();
        Timestamp::from_unix_ms(civil.to_zoned(zone.clone()).unwrap().timestamp().as_millisecond())
    }

    fn schedule(windows: &[&str], zone: &TimeZone) -> Schedule {
        let windows = windows.iter().map(|text| text.parse().unwrap()).collect();
        Schedule { windows, zone: zone.clone(), ..Schedule::default() }
    }

    #[test]
    fn windows_are_read_and_written_alike() {
        for (text, written) in [
            ("22:00-06:00", "22:00-06:00"),
            ("sat,sun", "sat,sun"),
            ("Mon-Fri 12:00-13:30", "mon,tue,wed,thu,fri 12:00-13:30"),
            ("fri-mon 8:05-24:00", "mon,fri,sat,sun 08:05-24:00"),
            ("00:00-24:00", "00:00-24:00"),
            ("18:00-00:00", "18:00-24:00"),
        ] {
            let window: Window = text.parse().unwrap();
            assert_eq!(window.to_string(), written);
            assert_eq!(written.parse(), Ok(window));
        }
        let bad =
            ["", "22:00", "25:00-26:00", "22:00-22:00", "24:00-06:00", "moon", "mon 1 2", "1:2:3-4:5", "+1:00-2:00"];
        for text in bad {
            let error = text.parse::<Window>().unwrap_err().to_string();
            assert!(error.contains("mon-fri 12:00-13:30"), "{error}");
        }
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let zone = TimeZone::UTC;
        let schedule = schedule(&["fri 22:00-06:00"], &zone);
        // 2026-11-27 is a Friday.
        assert_eq!(schedule.opens(at("2026-11-27T22:00", &zone)), None);
        assert_eq!(schedule.opens(at("2026-11-28T05:59", &zone)), None);
        assert_eq!(schedule.opens(at("2026-11-28T06:00", &zone)), Some(at("2026-12-04T22:00", &zone)));
        assert_eq!(schedule.opens(at("2026-11-27T05:00", &zone)), Some(at("2026-11-27T22:00", &zone)));
    }

    #[test]
    fn hours_follow_the_zone_also_over_a_clock_change() {
        let Ok(zone) = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3") else { panic!("a rule of POSIX") };
        let schedule = schedule(&["01:00-04:00"], &zone);
        // On 2026-03-29 the hour from two to three is left out, on 2026-10-25 it comes twice.
        for (night, hours) in [("2026-03-29", 2), ("2026-06-10", 3), ("2026-10-25", 4)] {
            let opens = at(&format!("{night}T01:00"), &zone);
            let before = Timestamp::from_unix_ms(opens.unix_ms() - 60_000);
            assert_eq!(schedule.opens(before), Some(opens), "{night}");
            let last = Timestamp::from_unix_ms(opens.unix_ms() + hours * 3_600_000 - 1);
            assert_eq!(schedule.opens(last), None, "{night}");
            assert!(schedule.opens(Timestamp::from_unix_ms(last.unix_ms() + 1)).is_some(), "{night}");
        }
        // A window that lies in the hour that is left out does not open that night.
        let gap = super::tests::schedule(&["02:10-02:50"], &zone);
        let opens = gap.opens(at("2026-03-28T23:00", &zone)).unwrap();
        assert_eq!(gap.opens(opens), None);
    }

    #[test]
    fn bulk_is_large_or_of_low_urgency_and_never_control() {
        let zone = TimeZone::UTC;
        let bulk: Bulk =
            serde_saphyr::from_str("larger_than: 1000\nurgency: low\nwindows: [\"22:00-06:00\"]\n").unwrap();
        let schedule = Schedule { bulk: Some(bulk), ..Schedule::default() };
        let noon = at("2026-11-27T12:00", &zone);
        let opens = |size, urgency, control| schedule.closed(noon, size, urgency, control).map(|closed| closed.opens);
        assert_eq!(opens(1_000, Urgency::Normal, false), None);
        assert_eq!(opens(1_001, Urgency::Normal, false), Some(at("2026-11-27T22:00", &zone)));
        assert_eq!(opens(10, Urgency::Low, false), Some(at("2026-11-27T22:00", &zone)));
        assert_eq!(opens(1_001, Urgency::Low, true), None);
        for bad in ["windows: [sat]", "urgency: low\nwindows: []", "urgency: low\nwindow: [sat]", "larger_than: 5"] {
            assert!(serde_saphyr::from_str::<Bulk>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_clock_at_the_ends_of_time_is_survived() {
        let schedule = schedule(&["sat"], &TimeZone::UTC);
        for ms in [i64::MIN, i64::MAX] {
            let now = Timestamp::from_unix_ms(ms);
            assert!(schedule.opens(now).is_none_or(|opens| opens > now));
        }
    }

    fn window() -> impl Strategy<Value = Window> {
        (1..0x80_u8, 0..DAY, 1..=DAY)
            .prop_filter("not empty", |(_, from, until)| from != until)
            .prop_map(|(days, from, until)| Window { days, from, until })
    }

    #[test]
    fn the_next_change_is_an_opening_or_a_closing_of_any_window() {
        let zone = TimeZone::UTC;
        let windows = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect::<Vec<Window>>();
        let bulk = Bulk { larger_than: Some(1), urgency: None, windows: windows(&["01:00-05:00"]) };
        let schedule = Schedule { windows: windows(&["fri 22:00-06:00"]), bulk: Some(bulk), ..Schedule::default() };
        let steps =
            ["2027-01-15T12:00", "2027-01-15T22:00", "2027-01-16T01:00", "2027-01-16T05:00", "2027-01-16T06:00"];
        for pair in steps.windows(2) {
            assert_eq!(schedule.next_change(at(pair[0], &zone)), Some(at(pair[1], &zone)), "after {}", pair[0]);
        }
        assert_eq!(Schedule::default().next_change(at(steps[0], &zone)), None);
    }

    /// Whether a window is open in a minute of the week, Monday first, counted by hand.
    fn is_open(window: &Window, minute: i64) -> bool {
        (0..7).filter(|day| window.days & (1 << day) != 0).any(|day| {
            let from = i64::from(day * DAY + window.from);
            let length = (i64::from(window.until) - i64::from(window.from)).rem_euclid(i64::from(DAY));
            let length = if length == 0 { i64::from(DAY) } else { length };
            let week = 7 * i64::from(DAY);
            (minute - from).rem_euclid(week) < length
        })
    }

    proptest! {
        #[test]
        fn the_next_opening_is_the_first_minute_that_is_open(
            windows in prop::collection::vec(window(), 1..4),
            minute in 0..(7 * i64::from(DAY)),
        ) {
            // 2026-11-23 is a Monday.
            let monday = at("2026-11-23T00:00", &TimeZone::UTC).unix_ms();
            let schedule = Schedule { windows: windows.clone(), ..Schedule::default() };
            let opens = schedule.opens(Timestamp::from_unix_ms(monday + minute * 60_000));
            let open = |minute: i64| windows.iter().any(|window| is_open(window, minute));
            let expected = (minute..minute + 8 * i64::from(DAY)).find(|minute| open(*minute));
            let found = opens.map_or(Some(minute), |at| Some((at.unix_ms() - monday) / 60_000));
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            if let Ok(window) = text.parse::<Window>() {
                prop_assert_eq!(window.to_string().parse::<Window>(), Ok(window));
            }
        }
    }
}
