//! How the kernel ends an emulated machine with an exit status: the debug-exit device.
//!
//! QEMU (`-device isa-debug-exit,iobase=0xf4,iosize=4`) ends with the status `2 * written + 1`. Statuses are eight bits,
//! so seven bits can be written; 0 is left to QEMU's own failures, whose status is 1.

/// I/O port of the device, four bytes wide.
pub const PORT: u16 = 0xf4;

/// `SystemControl.shutdown(code)` writes this plus `code`.
pub const SHUTDOWN: u32 = 1;

/// The largest code that reaches the emulator's exit status; a greater one arrives as this one.
pub const MAX_CODE: u8 = 100;

/// Written when the kernel cannot start or go on: the machine or the boot package is unfit, or init has ended; a sentence
/// said why.
pub const REFUSED: u32 = 0x7e;

/// Written by a kernel panic.
pub const PANIC: u32 = 0x7f;
