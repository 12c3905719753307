//! The end when nothing is booted.

use crate::refusal::Refusal;
use capos_abi::debug_exit;
use core::arch::asm;
use core::time::Duration;
use uefi::{Status, boot, println};

/// How long the sentence stays on the screen before the firmware goes on to what it boots next.
const READING_TIME: Duration = Duration::from_secs(10);

/// Says why, ends an emulated machine, and returns to the firmware of a real one.
pub fn refuse(refusal: Refusal) -> Status {
    println!("capOS cannot start: {refusal}");
    // SAFETY: the port of the emulator's debug-exit device; on other machines nothing answers there.
    unsafe {
        asm!("out dx, eax", in("dx") debug_exit::PORT, in("eax") debug_exit::REFUSED, options(nomem, nostack));
    }
    boot::stall(READING_TIME);
    Status::LOAD_ERROR
}
