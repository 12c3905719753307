//! The reason for which nothing is booted, and the end that follows.

use alloc::string::String;
use capos_abi::debug_exit;
use core::arch::asm;
use core::fmt;
use core::time::Duration;
use uefi::{Status, boot, println};

/// How long the sentence stays on the screen before the firmware goes on to what it boots next.
const READING_TIME: Duration = Duration::from_secs(10);

/// Why the loader refuses, in one sentence without a full stop.
pub struct Refusal(String);

impl Refusal {
    /// A refusal with this sentence.
    pub fn new(why: fmt::Arguments) -> Refusal {
        Refusal(alloc::fmt::format(why))
    }

    /// Says why, ends an emulated machine, and returns to the firmware of a real one.
    pub fn end(self) -> Status {
        println!("capOS cannot start: {}", self.0);
        // SAFETY: the port of the emulator's debug-exit device; on other machines nothing answers there.
        unsafe {
            asm!("out dx, eax", in("dx") debug_exit::PORT, in("eax") debug_exit::REFUSED, options(nomem, nostack));
        }
        boot::stall(READING_TIME);
        Status::LOAD_ERROR
    }
}

/// A refusal, as `format!` makes a text.
#[macro_export]
macro_rules! refusal {
    ($($argument:tt)*) => { $crate::refusal::Refusal::new(format_args!($($argument)*)) };
}
