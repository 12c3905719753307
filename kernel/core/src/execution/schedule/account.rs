//! A right to processor time and what was used of it: weight, slice, budget, and a place in virtual time.
//!
//! Virtual time goes faster the less a thread weighs. A thread's virtual deadline lies one slice behind its place; who has the earliest
//! runs. So threads share a processor by weight, and one with a short slice, or that has long been away, runs soon after it wakes.

/// The weight of an ordinary thread.
pub const ORDINARY_WEIGHT: u32 = 100;
/// Weights.
pub const WEIGHTS: core::ops::RangeInclusive<u32> = 1..=10_000;
/// Nanoseconds that an ordinary thread runs while others wait.
pub const SLICE_NANOSECONDS: u64 = 5_000_000;
/// Slices, in nanoseconds.
pub const SLICES: core::ops::RangeInclusive<u64> = 100_000..=100_000_000;
/// Periods of a budget, in nanoseconds.
pub const PERIODS: core::ops::RangeInclusive<u64> = 1_000_000..=10_000_000_000;

/// The numbers of a scheduling context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// Share, beside those of others.
    pub weight: u32,
    /// Nanoseconds at a time.
    pub slice: u64,
    /// Nanoseconds in each period; 0: no limit.
    pub budget: u64,
    /// Nanoseconds of a period.
    pub period: u64,
    /// A bit for each processor that it may run on.
    pub processors: u64,
}

impl Numbers {
    /// Those of a thread that is bound to no context.
    pub const ORDINARY: Self =
        Self { weight: ORDINARY_WEIGHT, slice: SLICE_NANOSECONDS, budget: 0, period: 0, processors: u64::MAX };

    /// Whether they make sense on a machine with so many processors.
    pub fn are_valid(&self, processors: usize) -> bool {
        let has_budget = self.budget != 0;
        WEIGHTS.contains(&self.weight)
            && SLICES.contains(&self.slice)
            && if has_budget { PERIODS.contains(&self.period) && self.budget <= self.period } else { self.period == 0 }
            && (0..processors).any(|p| self.allows(p))
    }

    /// Whether it may run on this processor.
    pub fn allows(&self, processor: usize) -> bool {
        self.processors >> (processor % crate::MAX_PROCESSORS) & 1 == 1
    }

    /// Virtual nanoseconds of real ones.
    #[inline]
    fn weighted(&self, nanoseconds: u64) -> u64 {
        if self.weight == ORDINARY_WEIGHT {
            return nanoseconds;
        }
        nanoseconds.saturating_mul(ORDINARY_WEIGHT.into()) / u64::from(self.weight.max(1))
    }
}

/// What a thread has used.
#[derive(Clone, Copy, Debug)]
pub struct Account {
    /// Its right.
    pub numbers: Numbers,
    /// Nanoseconds that were run on it.
    pub consumed: u64,
    /// Virtual nanoseconds of a slice.
    virtual_slice: u64,
    place: u64,
    deadline: u64,
    ran: u64,
    budget_used: u64,
    period_end: u64,
}

impl Account {
    /// Nothing used.
    pub fn new(numbers: Numbers) -> Self {
        let virtual_slice = numbers.weighted(numbers.slice);
        Self { numbers, consumed: 0, virtual_slice, place: 0, deadline: 0, ran: 0, budget_used: 0, period_end: 0 }
    }

    /// Other numbers from now on.
    pub fn change(&mut self, numbers: Numbers) {
        *self = Self { place: self.place, ..Self::new(numbers) };
        self.begin_slice();
    }

    /// Place in virtual time.
    pub fn place(&self) -> u64 {
        self.place
    }

    /// Virtual deadline.
    pub fn deadline(&self) -> u64 {
        self.deadline
    }

    /// It wants to run, in a queue whose virtual time is `now`: who was away is still owed half a slice of what it has missed at
    /// most, who never ran nothing.
    pub fn arrive(&mut self, now: u64) {
        let owed = if self.place == 0 { 0 } else { self.virtual_slice / 2 };
        let first = now.saturating_sub(owed);
        if self.place < first || self.deadline <= self.place {
            self.place = self.place.max(first);
            self.begin_slice();
        }
    }

    /// It moves from a queue with one virtual time to one with another.
    pub fn migrate(&mut self, from: u64, to: u64) {
        self.place = (self.place + to).saturating_sub(from);
        self.begin_slice();
    }

    /// It has run; whether its slice is over.
    pub fn run(&mut self, nanoseconds: u64) -> bool {
        self.consumed += nanoseconds;
        self.budget_used = self.budget_used.saturating_add(nanoseconds);
        self.place = self.place.saturating_add(self.numbers.weighted(nanoseconds));
        self.ran = self.ran.saturating_add(nanoseconds);
        let over = self.ran >= self.numbers.slice;
        if over {
            self.begin_slice();
        }
        over
    }

    /// Nanoseconds that it may run from now on until somebody has to look again.
    pub fn allowance(&self) -> u64 {
        let slice = self.numbers.slice.saturating_sub(self.ran);
        if self.has_budget() { slice.min(self.numbers.budget.saturating_sub(self.budget_used)) } else { slice }
    }

    /// Whether it may run for a part of each period only.
    pub fn has_budget(&self) -> bool {
        self.numbers.budget != 0
    }

    /// Whether it may run on this processor with another account, or with its own at once.
    #[inline]
    pub fn fits(&self, processor: usize) -> bool {
        self.numbers.allows(processor) && !self.has_budget()
    }

    /// If the budget is used up: when it may run again. A period begins when the thread runs after the end of the one before.
    pub fn exhausted_until(&mut self, now: u64) -> Option<u64> {
        if !self.has_budget() {
            return None;
        }
        if now >= self.period_end {
            (self.period_end, self.budget_used) = (now.saturating_add(self.numbers.period), 0);
        }
        (self.budget_used >= self.numbers.budget).then_some(self.period_end)
    }

    /// Whether it should run at once instead of `other`: its class is more urgent or it has had much less, and its deadline
    /// comes first.
    pub fn preempts(&self, other: &Self) -> bool {
        let is_more_urgent = self.numbers.slice < other.numbers.slice;
        let has_had_less = self.place.saturating_add(self.virtual_slice / 4) <= other.place;
        (is_more_urgent || has_had_less) && self.deadline < other.deadline
    }

    /// It lets everybody run first who waits in a queue whose virtual time is `now`: whoever has just run waits two slices at most.
    pub fn give_way(&mut self, now: u64) {
        self.deadline = self.deadline.max(now.saturating_add(2 * self.virtual_slice));
    }

    fn begin_slice(&mut self) {
        self.ran = 0;
        self.deadline = self.place.saturating_add(self.virtual_slice);
    }
}
