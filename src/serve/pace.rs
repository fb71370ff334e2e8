//! How fast a sender may be, and how often an address may fail to log in.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::config::SenderLimits;
use crate::wire::Fingerprint;

/// Accounts kept at most; those that are back at full measure go first.
const ACCOUNTS: usize = 100_000;

/// A measure that refills steadily up to its burst.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    level: f64,
    at: Instant,
}

impl Bucket {
    fn refill(&mut self, now: Instant, per_second: f64, burst: f64) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.level = (self.level + passed * per_second).min(burst);
        self.at = now;
    }

    /// How long until `amount` is there.
    fn wait(&self, amount: f64, per_second: f64) -> Option<Duration> {
        let missing = amount - self.level;
        (missing > 0.0).then(|| Duration::from_secs_f64((missing / per_second.max(1e-3)).min(86_400.0)))
    }
}

/// The pace of every sender.
#[derive(Debug)]
pub(super) struct Pace {
    limits: SenderLimits,
    buckets: Mutex<BTreeMap<Fingerprint, (Bucket, Bucket)>>,
}

impl Pace {
    pub(super) fn new(limits: SenderLimits) -> Self {
        Self { limits, buckets: Mutex::default() }
    }

    /// Takes one message of `bytes` off the measure of `sender`.
    ///
    /// # Errors
    /// How long to wait when it is used up; nothing is taken then.
    pub(super) fn admit(&self, sender: &Fingerprint, bytes: u64, now: Instant) -> Result<(), Duration> {
        let (rate, burst) = (f64::from(self.limits.messages_per_second), f64::from(self.limits.messages_burst));
        let (byte_rate, byte_burst) = (self.limits.bytes_per_second as f64, self.limits.bytes_burst as f64);
        let mut buckets = lock(&self.buckets);
        if buckets.len() >= ACCOUNTS && !buckets.contains_key(sender) {
            // An account untouched for this long is full again, so that forgetting it gives nothing away.
            let idle =
                Duration::from_secs_f64((burst / rate.max(1e-3)).max(byte_burst / byte_rate.max(1e-3)).min(86_400.0));
            buckets.retain(|_, (messages, _)| now.saturating_duration_since(messages.at) < idle);
            if buckets.len() >= ACCOUNTS {
                return Err(idle);
            }
        }
        let full = |level| Bucket { level, at: now };
        let (messages, volume) = buckets.entry(*sender).or_insert_with(|| (full(burst), full(byte_burst)));
        messages.refill(now, rate, burst);
        volume.refill(now, byte_rate, byte_burst);
        // A frame over the whole burst would otherwise never pass.
        let cost = (bytes as f64).min(byte_burst);
        match messages.wait(1.0, rate).max(volume.wait(cost, byte_rate)) {
            Some(wait) => Err(wait),
            None => {
                messages.level -= 1.0;
                volume.level -= cost;
                Ok(())
            }
        }
    }
}

/// Failed logins by address.
#[derive(Debug)]
pub(super) struct Failures {
    per_minute: u32,
    counts: Mutex<BTreeMap<IpAddr, (Instant, u32)>>,
}

impl Failures {
    pub(super) fn new(per_minute: u32) -> Self {
        Self { per_minute, counts: Mutex::default() }
    }

    /// Whether this address failed too often within the last minute.
    pub(super) fn is_barred(&self, address: IpAddr, now: Instant) -> bool {
        lock(&self.counts).get(&group(address)).is_some_and(|(since, count)| {
            *count >= self.per_minute && now.saturating_duration_since(*since) < Duration::from_secs(60)
        })
    }

    /// A login from this address failed.
    pub(super) fn note(&self, address: IpAddr, now: Instant) {
        let mut counts = lock(&self.counts);
        if counts.len() >= ACCOUNTS {
            counts.retain(|_, (since, _)| now.saturating_duration_since(*since) < Duration::from_secs(60));
        }
        if counts.len() >= ACCOUNTS {
            return;
        }
        let entry = counts.entry(group(address)).or_insert((now, 0));
        if now.saturating_duration_since(entry.0) >= Duration::from_secs(60) {
            *entry = (now, 0);
        }
        entry.1 = entry.1.saturating_add(1);
    }
}

/// One household has a whole /64 of IPv6 addresses.
fn group(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
        v4 => v4,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(n: u8) -> Fingerprint {
        Fingerprint::from_bytes(&[n; 20]).unwrap()
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let limits =
            SenderLimits { messages_per_second: 10, messages_burst: 3, bytes_per_second: 1000, bytes_burst: 5000 };
        let pace = Pace::new(limits);
        let start = Instant::now();
        (0..3).for_each(|_| pace.admit(&sender(1), 10, start).unwrap());
        let wait = pace.admit(&sender(1), 10, start).unwrap_err();
        assert!(wait > Duration::from_millis(90) && wait <= Duration::from_millis(101), "{wait:?}");
        assert!(pace.admit(&sender(2), 10, start).is_ok(), "others are not held up");
        assert!(pace.admit(&sender(1), 10, start + wait).is_ok());
    }

    #[test]
    fn bytes_count_too_and_the_largest_frame_still_passes() {
        let limits =
            SenderLimits { messages_per_second: 100, messages_burst: 100, bytes_per_second: 1000, bytes_burst: 5000 };
        let pace = Pace::new(limits);
        let start = Instant::now();
        pace.admit(&sender(1), 9_000, start).unwrap();
        let wait = pace.admit(&sender(1), 1_000, start).unwrap_err();
        assert!(wait > Duration::from_millis(990) && wait <= Duration::from_millis(1001), "{wait:?}");
    }

    #[test]
    fn an_address_that_fails_too_often_is_barred_for_a_while() {
        let failures = Failures::new(2);
        let (bad, good) = ("2001:db8::1".parse().unwrap(), "192.0.2.1".parse().unwrap());
        let start = Instant::now();
        failures.note(bad, start);
        assert!(!failures.is_barred(bad, start));
        failures.note("2001:db8::2".parse().unwrap(), start);
        assert!(failures.is_barred(bad, start));
        assert!(!failures.is_barred(good, start));
        assert!(!failures.is_barred(bad, start + Duration::from_secs(60)));
    }
}
