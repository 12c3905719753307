//! When a program that ended is started again.

use std::collections::VecDeque;
use std::time::Duration;

/// Which ends are followed by a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// None.
    Never,
    /// Those after which something was left undone: all but an exit with code 0.
    OnFailure,
    /// All.
    Always,
}

/// A program's restart policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Which ends are followed by a restart.
    pub when: When,
    /// Wait before the first restart; doubled with each further one within `within`.
    pub back_off: Duration,
    /// The longest wait.
    pub longest_back_off: Duration,
    /// So many restarts within `within`, and no more.
    pub limit: usize,
    /// The time that restarts are counted for.
    pub within: Duration,
}

/// What to do now that a program has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: it is done.
    Done,
    /// Start it again after this wait.
    Again(Duration),
    /// Nothing: it ended too often.
    GiveUp,
}

/// A policy and the restarts that it allowed lately.
pub struct Restarts {
    policy: Policy,
    recent: VecDeque<Duration>,
}

impl Restarts {
    /// No restart so far.
    pub fn new(policy: Policy) -> Restarts {
        Restarts { policy, recent: VecDeque::new() }
    }

    /// The program has ended, at the time `now` on any clock that only goes forward.
    pub fn ended(&mut self, failed: bool, now: Duration) -> Verdict {
        match self.policy.when {
            When::Never => return Verdict::Done,
            When::OnFailure if !failed => return Verdict::Done,
            When::OnFailure | When::Always => {}
        }
        while self.recent.front().is_some_and(|restart| now.saturating_sub(*restart) > self.policy.within) {
            self.recent.pop_front();
        }
        if self.recent.len() >= self.policy.limit {
            return Verdict::GiveUp;
        }
        let doublings = u32::try_from(self.recent.len()).unwrap_or(u32::MAX);
        self.recent.push_back(now);
        let wait = self.policy.back_off.saturating_mul(2_u32.saturating_pow(doublings));
        Verdict::Again(wait.min(self.policy.longest_back_off))
    }
}

#[cfg(test)]
mod test {
    use super::*;

    const POLICY: Policy = Policy {
        when: When::OnFailure,
        back_off: Duration::from_millis(100),
        longest_back_off: Duration::from_millis(300),
        limit: 4,
        within: Duration::from_secs(10),
    };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let mut restarts = Restarts::new(POLICY);
        let waits = [100, 200, 300, 300].map(|wait| Verdict::Again(Duration::from_millis(wait)));
        assert_eq!(waits.map(|_| restarts.ended(true, seconds(1))), waits);
        assert_eq!(restarts.ended(true, seconds(1)), Verdict::GiveUp);
    }

    #[test]
    fn old_restarts_are_forgotten() {
        let mut restarts = Restarts::new(POLICY);
        (0..4).for_each(|second| assert_ne!(restarts.ended(true, seconds(second)), Verdict::GiveUp));
        assert_eq!(restarts.ended(true, seconds(20)), Verdict::Again(POLICY.back_off));
    }

    #[test]
    fn the_policy_says_which_ends_count() {
        let ended = |when, failed| Restarts::new(Policy { when, ..POLICY }).ended(failed, seconds(0));
        let again = Verdict::Again(POLICY.back_off);
        assert_eq!((ended(When::Never, true), ended(When::Never, false)), (Verdict::Done, Verdict::Done));
        assert_eq!((ended(When::OnFailure, true), ended(When::OnFailure, false)), (again, Verdict::Done));
        assert_eq!((ended(When::Always, true), ended(When::Always, false)), (again, again));
    }
}
