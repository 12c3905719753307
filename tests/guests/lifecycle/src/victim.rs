//! The programs that the test is made with: this same file, started with the name of what to do.

use capos_abi::interface::scheduling_context::{ID, bind};
use capos_abi::startup::slot;
use capos_rt::raw::{self, Message};
use capos_rt::startup;
use std::arch::asm;
use std::hint::black_box;
use std::thread;

/// The bit that says: begin.
pub const GO: u64 = 1;
/// The bit that says: I live.
pub const ALIVE: u64 = 2;
/// What `fault` exits with when it goes on behind its fault.
pub const WENT_ON: i32 = 7;
/// An address that nothing is mapped at.
pub const NOWHERE: usize = 0x18;

/// Bytes of a page, and of the stack of the thread that `overflow` starts.
pub const PAGE_BYTES: usize = 4096;
pub const SMALL_STACK_BYTES: usize = 64 << 10;
/// The depth at which it begins to count: no other register holds anything like this.
pub const MARK: u64 = 0xdeef_0000_0000_0000;

/// Instructions that the kernel keeps for itself; the last one by UMIP.
pub const FORBIDDEN: [&str; 6] = ["cli", "hlt", "in", "rdmsr", "write-cr3", "sgdt"];

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
        "overflow" => {
            // Its memory lies below that of the next thread.
            thread::spawn(thread::park);
            let small = thread::Builder::new().stack_size(SMALL_STACK_BYTES);
            small.spawn(|| descend(MARK)).map_or(0, |overflowing| overflowing.join().map_or(0, |depth| depth as i32))
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
        "spin" => {
            raw::signal(signals, ALIVE);
            loop {
                black_box(());
            }
        }
        what => {
            forbidden(what);
            1
        }
    }
}

/// Goes down the stack until there is none, a page or two at a time, each marked with its depth.
#[expect(unconditional_recursion, reason = "the guard page ends it")]
fn descend(depth: u64) -> u64 {
    let page = black_box([depth; PAGE_BYTES / size_of::<u64>()]);
    descend(depth + 1) + page[0]
}

/// Tries to execute one of [`FORBIDDEN`].
fn forbidden(instruction: &str) {
    let mut table = [0u8; 10];
    // SAFETY: each of them faults, which ends the program; the last one would fill the table.
    unsafe {
        match instruction {
            "cli" => asm!("cli"),
            "hlt" => asm!("hlt"),
            "in" => asm!("in al, dx", out("al") _, in("dx") 0x64u16),
            "rdmsr" => asm!("rdmsr", in("ecx") 0xc000_0080u32, out("eax") _, out("edx") _),
            "write-cr3" => asm!("mov cr3, {}", in(reg) 0u64),
            "sgdt" => asm!("sgdt [{}]", in(reg) table.as_mut_ptr()),
            _ => {}
        }
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
