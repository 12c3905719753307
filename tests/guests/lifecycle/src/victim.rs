//! The programs that the test is made with: this same file, started with the name of what to do.

use capos_rt::raw;
use capos_rt::startup;
use std::arch::asm;

/// The bit that says: begin.
pub const GO: u64 = 1;
/// The bit that says: I live.
pub const ALIVE: u64 = 2;
/// What `fault` exits with when it goes on behind its fault.
pub const WENT_ON: i32 = 7;
/// An address that nothing is mapped at.
pub const NOWHERE: usize = 0x18;

/// Does what the argument says.
pub fn run(what: &str) -> i32 {
    let signals = startup::capability("signals").map_or(0, |capability| capability.handle);
    match what {
        "crash" => {
            // SAFETY: nothing is there, so nothing is written: the program ends here.
            unsafe { std::ptr::without_provenance_mut::<u32>(NOWHERE).write_volatile(1) };
            0
        }
        "fault" => {
            let _ = raw::wait(signals, GO, 0);
            // SAFETY: an invalid instruction of two bytes; whoever answers for this program lets it go on behind it.
            unsafe { asm!("ud2") };
            WENT_ON
        }
        "live" => loop {
            raw::signal(signals, ALIVE);
            std::hint::spin_loop();
        },
        "spin" => loop {
            std::hint::spin_loop();
        },
        _ => 1,
    }
}
