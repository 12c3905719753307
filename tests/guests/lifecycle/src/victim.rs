//! The programs that the test is made with: this same file, started with the name of what to do.

use capos_abi::interface::scheduling_context::{ID, bind};
use capos_abi::startup::slot;
use capos_rt::raw::{self, Message};
use capos_rt::startup;
use std::arch::asm;
use std::hint::black_box;

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
    bind_to_context();
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
        },
        // Not `spin_loop`: the emulator leaves the processor at every `pause`.
        "spin" => loop {
            black_box(());
        },
        _ => 1,
    }
}

/// Runs on the scheduling context that it was given, if any.
fn bind_to_context() {
    let (Some(context), Some(thread)) = (startup::capability("context"), startup::capability(slot::THREAD)) else {
        return;
    };
    let message = Message::new(bind::params::SHAPE).set_capability(bind::params::THREAD, thread.handle);
    // A refusal shows in what the context says it has consumed.
    let _ = raw::call(context.handle, ID, bind::METHOD, &message, 0);
}
