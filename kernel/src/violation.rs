//! Wrongs that the kernel does on purpose, so that tests see each caught and named: `violate=NAME` on the command line.
//!
//! No program can reach this: whoever writes the command line also chooses the kernel.

use crate::arch::stamps;
use crate::boot::command_line;
use crate::mm::boot_frames::BootFrames;
use crate::mm::kernel_space::KernelSpace;
use crate::mm::layout;
use core::hint::black_box;

/// What stands before the name on the command line.
const OPTION: &str = "violate=";
/// Where a page of a program is mapped to violate its privacy.
const PROGRAM_PAGE: u64 = 0x1000_0000;
/// The violation that is the machine's: time-stamp counters that differ, by so many ticks.
const SKEW: &str = "stamps";
const SKEW_TICKS: u64 = 1_000_000_000;
/// Characters that no screen has room for.
const MANY_WORDS: usize = 50_000;
/// `ret`.
const RETURN: u8 = 0xc3;

/// Does what the command line asks for, if anything.
pub fn on_request(space: &mut KernelSpace, frames: &mut BootFrames) {
    let info = *frames.info();
    let Some(name) = command_line::value(&info, OPTION) else { return };
    let page = frames.take();
    match name {
        // Done already, and the machine goes on.
        SKEW => return,
        "panic" => crate::panic::bug(format_args!("this panic was asked for")),
        "words" => crate::panic::bug(format_args!("{:MANY_WORDS$}\nthis panic was asked for", "")),
        "stack" => drop(black_box(overflow(0))),
        "null" => write(0x8),
        "text" => write(layout::image().text.0),
        "alias" => write(layout::direct(frames.info().kernel_start)),
        "data" => {
            write(layout::direct(page));
            execute(layout::direct(page));
        }
        "smap" => {
            space.map_for_programs(PROGRAM_PAGE, page, frames);
            write(PROGRAM_PAGE);
        }
        "smep" => {
            write(layout::direct(page));
            space.map_for_programs(PROGRAM_PAGE, page, frames);
            execute(PROGRAM_PAGE);
        }
        _ => crate::panic::refuse(format_args!("there is no violation {name}")),
    }
    crate::panic::refuse(format_args!("nothing caught the violation {name}"));
}

/// Before the other processors start: makes them answer as if their time-stamp counters were ahead, if that is asked for. QEMU has no
/// processors whose counters differ.
pub fn skew_stamps(frames: &BootFrames) {
    if command_line::value(frames.info(), OPTION) == Some(SKEW) {
        stamps::skew(SKEW_TICKS);
    }
}

fn write(address: u64) {
    // SAFETY: none; it faults, or the machine ends right behind it.
    unsafe { (address as *mut u8).write_volatile(RETURN) };
}

fn execute(address: u64) {
    // SAFETY: none; it faults, or returns at once and the machine ends right behind it.
    let code: extern "C" fn() = unsafe { core::mem::transmute(address) };
    code();
}

/// Uses the stack without end.
#[expect(unconditional_recursion, reason = "this is the violation")]
fn overflow(depth: u64) -> u64 {
    let used = black_box([depth; 64]);
    overflow(depth + 1) + used.iter().sum::<u64>()
}
