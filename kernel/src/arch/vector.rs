//! The interrupt vectors.

/// Double fault; has a stack of its own.
pub const DOUBLE_FAULT: u8 = 8;
/// Non-maskable interrupt; has a stack of its own.
pub const NMI: u8 = 2;
/// Page fault; its address is in CR2.
pub const PAGE_FAULT: u8 = 14;
/// Machine check; has a stack of its own.
pub const MACHINE_CHECK: u8 = 18;
/// First vector that is not an exception.
pub const FIRST_INTERRUPT: u8 = 32;
/// The 8259s are masked; what they raise spuriously lands on these 16 vectors.
pub const LEGACY_SPURIOUS: u8 = 32;
/// First of 16 vectors for the ISA lines.
pub const ISA_LINES: u8 = 48;
/// Number of ISA lines.
pub const ISA_LINE_COUNT: u8 = 16;
/// The local APIC's timer.
pub const TIMER: u8 = 0xf0;
/// Another processor has work for this one.
pub const RESCHEDULE: u8 = 0xf1;
/// Another processor wants stale translations dropped.
pub const SHOOTDOWN: u8 = 0xf2;
/// The local APIC's spurious interrupt; never acknowledged.
pub const SPURIOUS: u8 = 0xff;
