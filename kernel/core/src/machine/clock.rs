//! Which clock the kernel keeps time by. Each clock is measured against the others, because none can be believed by itself: emulators never
//! announce that the time-stamp counter is steady, and firmware names timers that are not there.

use core::fmt;

/// Two clocks agree if their times differ by less than the larger one divided by this.
const TOLERANCE: u64 = 64;
/// How long each of the two measurements takes, in nanoseconds.
const WINDOW_NANOSECONDS: u64 = 2_000_000;
/// A measurement is over when one clock has gone on for so many windows: the others are slow or stand still.
const MAX_WINDOWS: u64 = 4;
/// Kinds of references.
pub const REFERENCES: usize = 3;

/// A clock whose frequency is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// The ACPI power management timer.
    PowerTimer,
    /// The high precision event timer.
    Hpet,
    /// Channel 0 of the programmable interval timer. It wraps too soon to keep time by.
    Pit,
}

impl Reference {
    /// All of them, the most trustworthy first: the only frequency of the power management timer is fixed by its specification.
    pub const ALL: [Self; REFERENCES] = [Self::PowerTimer, Self::Hpet, Self::Pit];
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PowerTimer => "power management timer",
            Self::Hpet => "HPET",
            Self::Pit => "PIT",
        })
    }
}

/// How far each clock went while all were watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Ticks of the time-stamp counter.
    pub stamps: u64,
    /// Nanoseconds by each reference that is there, in the order of [`Reference::ALL`]; 0: it stands still.
    pub references: [Option<u64>; REFERENCES],
}

impl Window {
    /// Whether the clocks have been watched for long enough.
    pub fn is_over(&self) -> bool {
        let mut present = self.references.iter().flatten();
        let all = present.clone().all(|nanoseconds| *nanoseconds >= WINDOW_NANOSECONDS);
        all || present.any(|nanoseconds| *nanoseconds >= MAX_WINDOWS * WINDOW_NANOSECONDS)
    }

    fn of(&self, reference: Reference) -> u64 {
        self.references.get(reference as usize).copied().flatten().unwrap_or_default()
    }
}

/// What the measurement says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The reference that everything is measured against.
    pub reference: Reference,
    /// How each reference compares with that one, in the order of [`Reference::ALL`].
    pub standing: [Standing; REFERENCES],
    /// The time-stamp counter went equally fast in both windows.
    pub steady: bool,
    /// The best reference that time can be kept by, if there is one.
    pub spare: Option<Reference>,
}

/// How a reference compares with the one that was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is not there, or it stands still.
    Absent,
    /// It shows the same time.
    Agrees,
    /// It shows another time.
    Disagrees,
}

impl Choice {
    /// Time is kept by the time-stamp counter: it is steady, or there is nothing better.
    pub fn by_stamps(&self) -> bool {
        self.steady || self.spare.is_none()
    }

    /// Every clock of this machine shows the same time. If not, the measurement may have been disturbed.
    pub fn is_unanimous(&self) -> bool {
        self.steady && !self.standing.contains(&Standing::Disagrees)
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.steady, self.spare) {
            (true, _) => write!(f, "the time-stamp counter is steady by the {}", self.reference)?,
            (false, Some(spare)) => write!(f, "the time-stamp counter is not steady, the {spare} keeps time")?,
            (false, None) => f.write_str("the time-stamp counter is not steady, and nothing else keeps time")?,
        }
        for (reference, standing) in Reference::ALL.into_iter().zip(self.standing) {
            match standing {
                _ if reference == self.reference => {}
                Standing::Absent => {}
                Standing::Agrees => write!(f, "; the {reference} agrees")?,
                Standing::Disagrees => write!(f, "; the {reference} disagrees and is not used")?,
            }
        }
        Ok(())
    }
}

/// Chooses by two windows, one after the other. `None`: no reference counts.
pub fn choose(windows: &[Window; 2]) -> Option<Choice> {
    let [first, second] = windows;
    let counts = |reference: &Reference| first.of(*reference) > 0 && second.of(*reference) > 0;
    let agree = |a: Reference, b: Reference| windows.iter().all(|window| near(window.of(a), window.of(b)));
    let friends = |a: Reference| Reference::ALL.into_iter().filter(|b| counts(b) && agree(a, *b)).count();
    // The one that most others agree with; of equals the first.
    let reference = Reference::ALL.into_iter().filter(counts).rev().max_by_key(|reference| friends(*reference))?;
    let standing = Reference::ALL.map(|other| match (counts(&other), agree(reference, other)) {
        (false, _) => Standing::Absent,
        (true, true) => Standing::Agrees,
        (true, false) => Standing::Disagrees,
    });
    let can_keep_time = |candidate: &Reference| standing.get(*candidate as usize) == Some(&Standing::Agrees);
    Some(Choice {
        reference,
        standing,
        steady: is_steady(windows, reference),
        // The HPET is finer and wraps later.
        spare: [Reference::Hpet, Reference::PowerTimer].into_iter().find(can_keep_time),
    })
}

/// Whether the time-stamp counter was equally fast in both windows.
fn is_steady(windows: &[Window; 2], reference: Reference) -> bool {
    let [first, second] = windows;
    let across = |stamps: u64, nanoseconds: u64| u128::from(stamps) * u128::from(nanoseconds);
    let (a, b) = (across(first.stamps, second.of(reference)), across(second.stamps, first.of(reference)));
    a > 0 && b > 0 && a.abs_diff(b) < a.max(b) / u128::from(TOLERANCE)
}

fn near(a: u64, b: u64) -> bool {
    a > 0 && b > 0 && a.abs_diff(b) < a.max(b).div_ceil(TOLERANCE)
}

/// A counter that wraps, made one that does not. It must be looked at before it has gone around once.
#[derive(Clone, Copy, Debug)]
pub struct Unwrapped {
    mask: u64,
    last: u64,
    total: u64,
}

impl Unwrapped {
    /// Counts from this reading of a counter with these bits on.
    pub fn new(reading: u64, mask: u64) -> Self {
        Self { mask, last: reading, total: 0 }
    }

    /// Ticks so far, with this reading.
    pub fn at(&mut self, reading: u64) -> u64 {
        self.total += reading.wrapping_sub(self.last) & self.mask;
        self.last = reading;
        self.total
    }
}

#[cfg(test)]
mod test {
    use super::*;
    use proptest::prelude::*;

    const MS: u64 = 1_000_000;

    /// Windows of a counter of 2 GHz and references that went so many milliseconds, as a disturbed machine measures them.
    fn windows(first: [u64; REFERENCES], second: [u64; REFERENCES]) -> [Window; 2] {
        let references = |milliseconds: [u64; REFERENCES]| milliseconds.map(|ms| Some(ms * MS));
        [first, second].map(|milliseconds| Window { stamps: 2 * 2 * MS, references: references(milliseconds) })
    }

    #[test]
    fn a_good_machine_keeps_time_by_its_time_stamp_counter() {
        let choice = choose(&windows([2, 2, 2], [2, 2, 2])).expect("clocks count");
        assert!(choice.by_stamps() && choice.is_unanimous());
        assert_eq!((choice.reference, choice.spare), (Reference::PowerTimer, Some(Reference::Hpet)));
        assert_eq!(
            choice.to_string(),
            "the time-stamp counter is steady by the power management timer; the HPET agrees; the PIT agrees"
        );
    }

    #[test]
    fn the_reference_is_one_that_another_agrees_with() {
        let choice = choose(&windows([3, 2, 2], [3, 2, 2])).expect("clocks count");
        assert_eq!((choice.reference, choice.spare), (Reference::Hpet, Some(Reference::Hpet)));
        assert!(choice.by_stamps() && !choice.is_unanimous());
        assert!(choice.to_string().contains("; the power management timer disagrees and is not used; the PIT agrees"));
        let choice = choose(&windows([2, 3, 2], [2, 3, 2])).expect("clocks count");
        assert_eq!((choice.reference, choice.spare), (Reference::PowerTimer, Some(Reference::PowerTimer)));
    }

    #[test]
    fn an_unsteady_counter_is_not_used() {
        let mut unsteady = windows([2, 2, 2], [2, 2, 2]);
        unsteady[1].stamps *= 2;
        let choice = choose(&unsteady).expect("clocks count");
        assert!(!choice.by_stamps() && !choice.is_unanimous());
        assert!(choice.to_string().starts_with("the time-stamp counter is not steady, the HPET keeps time"));
        unsteady[1].stamps = 0;
        assert!(!choose(&unsteady).expect("clocks count").by_stamps(), "it stands still");
    }

    #[test]
    fn without_a_spare_the_counter_is_used_all_the_same() {
        let mut unsteady = windows([0, 0, 2], [0, 0, 2]);
        unsteady[1].stamps *= 2;
        let choice = choose(&unsteady).expect("a clock counts");
        assert_eq!((choice.reference, choice.spare), (Reference::Pit, None));
        assert!(choice.by_stamps() && !choice.steady);
    }

    #[test]
    fn what_stands_still_is_not_there() {
        assert_eq!(choose(&windows([0, 0, 0], [0, 0, 0])), None);
        let choice = choose(&windows([2, 2, 0], [0, 2, 0])).expect("clocks count");
        assert_eq!(choice.standing, [Standing::Absent, Standing::Agrees, Standing::Absent]);
    }

    #[test]
    fn a_window_is_over() {
        let of = |milliseconds: [u64; REFERENCES]| windows(milliseconds, milliseconds)[0];
        assert!(of([2, 2, 2]).is_over() && of([2, 3, 4]).is_over());
        assert!(!of([2, 2, 1]).is_over() && !of([0, 2, 2]).is_over(), "one is slow");
        assert!(of([8, 0, 0]).is_over() && of([2, 1, 8]).is_over(), "one stands still");
        assert!(!of([0, 0, 0]).is_over());
        assert!(Window { stamps: 1, references: [None, None, Some(2 * MS)] }.is_over(), "it is alone");
    }

    proptest! {
        #[test]
        fn whatever_is_measured_the_choice_is_its_own_witness(
            stamps in any::<[u64; 2]>(),
            references in proptest::array::uniform2(proptest::array::uniform3(0u64..1 << 40)),
        ) {
            let [first, second] = references;
            let windows =
                [(stamps[0], first), (stamps[1], second)].map(|(stamps, ns)| Window { stamps, references: ns.map(Some) });
            if let Some(choice) = choose(&windows) {
                prop_assert_eq!(choice.standing[choice.reference as usize], Standing::Agrees);
                prop_assert!(choice.spare != Some(Reference::Pit));
                prop_assert!(choice.spare.is_none_or(|spare| choice.standing[spare as usize] == Standing::Agrees));
            }
        }

        #[test]
        fn disturbed_by_less_than_the_tolerance_all_agree(late in proptest::array::uniform3(0u64..30_000)) {
            let references = late.map(|nanoseconds| Some(WINDOW_NANOSECONDS + nanoseconds));
            let window = Window { stamps: 1_000_000, references };
            prop_assert!(choose(&[window, window]).expect("clocks count").is_unanimous());
        }

        #[test]
        fn a_wrapped_counter_goes_on(start in any::<u64>(), steps in proptest::collection::vec(0u64..1 << 24, 0..50)) {
            const MASK: u64 = 0xff_ffff;
            let (mut reading, mut total) = (start & MASK, 0);
            let mut counter = Unwrapped::new(reading, MASK);
            for step in steps {
                reading = (reading + step) & MASK;
                total += step;
                prop_assert_eq!(counter.at(reading), total);
            }
        }
    }
}
