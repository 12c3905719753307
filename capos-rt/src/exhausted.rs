//! What is said when something ran out: of what, which ledger, how much was asked for and how much is left.
use capos_abi::status::{exhausted, resource};
use core::fmt;

/// A refusal for want of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// What ran out: one of [`capos_abi::status::resource`].
    pub resource: u8,
    /// The ledger that refused, by the number that its `inspect` tells; `None`: every ledger allowed it, but the machine has no more.
    pub ledger: Option<u32>,
    /// How much was asked for; `u32::MAX`: so much or more.
    pub requested: u32,
    /// How much is left; `u32::MAX`: so much or more.
    pub remaining: u32,
}

impl Exhausted {
    /// From `bytes` and `value` of a completion whose status is `EXHAUSTED`.
    pub fn from_completion(bytes: u32, value: u64) -> Self {
        let ledger = bytes & exhausted::LEDGER_MASK;
        Self {
            resource: (bytes >> exhausted::RESOURCE_SHIFT) as u8,
            ledger: (ledger != exhausted::MACHINE).then_some(ledger),
            requested: (value >> exhausted::REQUESTED_SHIFT) as u32,
            remaining: value as u32,
        }
    }

    /// Reads a sentence that [`fmt::Display`] wrote.
    pub fn read(sentence: &str) -> Option<Self> {
        let (asked, left) = sentence.split_once(ASKED)?;
        let (requested, name) = asked.split_once(' ')?;
        let (who, remaining) = left.strip_suffix(LEFT)?.split_once(HAS)?;
        let ledger = who.strip_prefix(LEDGER).map(str::parse).transpose().ok()?;
        let (resource, _) = NAMES.iter().find(|(_, known)| *known == name)?;
        Some(Self {
            resource: *resource,
            ledger,
            requested: requested.parse().ok()?,
            remaining: remaining.parse().ok()?,
        })
    }
}

/// Names and units of what can run out, in the plural.
const NAMES: &[(u8, &str)] = &[
    (resource::FRAMES, "page frames"),
    (resource::HANDLES, "handles"),
    (resource::OBJECTS, "kernel objects"),
    (resource::THREADS, "threads"),
    (resource::KERNEL_MEMORY, "bytes of kernel memory"),
    (resource::RANGES, "ranges of an address map"),
];

const ASKED: &str = " were asked for, and ";
const LEDGER: &str = "ledger ";
const MACHINE: &str = "the machine";
const HAS: &str = " has ";
const LEFT: &str = " left";

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resource, ledger, requested, remaining } = self;
        let name = NAMES.iter().find(|(known, _)| known == resource).map_or("of something unknown", |(_, name)| name);
        write!(f, "{requested} {name}{ASKED}")?;
        match ledger {
            Some(number) => write!(f, "{LEDGER}{number}")?,
            None => f.write_str(MACHINE)?,
        }
        write!(f, "{HAS}{remaining}{LEFT}")
    }
}

#[cfg(test)]
mod test {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn what_is_written_is_read() {
        for &(resource, _) in NAMES {
            for ledger in [None, Some(12)] {
                let exhausted = Exhausted { resource, ledger, requested: 16, remaining: 3 };
                assert_eq!(Exhausted::read(&exhausted.to_string()), Some(exhausted));
            }
        }
        let sentence =
            Exhausted { resource: resource::FRAMES, ledger: Some(12), requested: 16, remaining: 3 }.to_string();
        assert_eq!(sentence, "16 page frames were asked for, and ledger 12 has 3 left");
    }

    #[test]
    fn other_sentences_are_not_read() {
        for sentence in
            ["", "16 page frames", "16 loaves were asked for, and ledger 1 has 2 left", "the deadline passed"]
        {
            assert_eq!(Exhausted::read(sentence), None);
        }
    }
}
