//! The reason for which nothing is booted.
//!
//! This file and those that read the kernel's file need nothing of the firmware, so that the very same code is searched on the host.

use alloc::string::String;
use core::fmt;

/// Why the loader refuses, in one sentence without a full stop.
pub struct Refusal(String);

impl Refusal {
    /// A refusal with this sentence.
    pub fn new(why: fmt::Arguments) -> Refusal {
        Refusal(alloc::fmt::format(why))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A refusal, as `format!` makes a text.
macro_rules! refusal {
    ($($argument:tt)*) => { Refusal::new(format_args!($($argument)*)) };
}
pub(crate) use refusal;
