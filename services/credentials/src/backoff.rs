//! Back-off: after some failures every further attempt waits, twice as long each time.
use std::time::Duration;

/// Failures in a row that cost nothing.
pub const FREE_FAILURES: u32 = 3;
/// The first wait.
pub const FIRST_WAIT: Duration = Duration::from_secs(2);
/// The longest wait.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Counts failures. Times are those of a monotonic clock.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
    until: Duration,
}

impl Backoff {
    /// How long attempts are still refused.
    pub fn remaining(&self, now: Duration) -> Option<Duration> {
        self.until.checked_sub(now).filter(|left| !left.is_zero())
    }

    /// A failed attempt.
    pub fn failed(&mut self, now: Duration) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FREE_FAILURES {
            let doublings = (self.failures - FREE_FAILURES).min(16);
            self.until = now + LONGEST_WAIT.min(FIRST_WAIT * (1 << doublings));
        }
    }

    /// A successful attempt.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_end_with_success() {
        let mut backoff = Backoff::default();
        let mut now = Duration::from_secs(100);
        let mut waits = Vec::new();
        for _ in 0..10 {
            backoff.failed(now);
            let wait = backoff.remaining(now).unwrap_or_default();
            waits.push(wait.as_secs());
            now += wait;
            assert_eq!(backoff.remaining(now), None);
        }
        assert_eq!(waits, [0, 0, 2, 4, 8, 16, 32, 60, 60, 60]);
        backoff.succeeded();
        backoff.failed(now);
        assert_eq!(backoff.remaining(now), None);
    }
}
