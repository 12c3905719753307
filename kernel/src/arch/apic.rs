//! The local APIC: acknowledging interrupts, interrupting other processors, the one-shot timer.

use super::{clock, vector};
use crate::mm::boot_frames::BootFrames;
use crate::mm::kernel_space::KernelSpace;
use core::sync::atomic::{AtomicU64, Ordering};
use kernel_core::machine::local_apic::{Command, Mode, model_register};
use x86_64::instructions::port::Port;
use x86_64::registers::model_specific::{ApicBase, ApicBaseFlags, Msr};

/// Offsets of the registers in memory.
mod register {
    pub const ID: u32 = 0x20;
    pub const END_OF_INTERRUPT: u32 = 0xb0;
    pub const SPURIOUS: u32 = 0xf0;
    pub const COMMAND: u32 = 0x300;
    pub const COMMAND_HIGH: u32 = 0x310;
    pub const TIMER: u32 = 0x320;
    pub const INITIAL_COUNT: u32 = 0x380;
    pub const CURRENT_COUNT: u32 = 0x390;
    pub const DIVIDE: u32 = 0x3e0;
}

const TSC_DEADLINE_MSR: u32 = 0x6e0;
const SOFTWARE_ENABLE: u32 = 0x100;
const MASKED: u32 = 0x1_0000;
const TIMER_DEADLINE_MODE: u32 = 0x4_0000;
/// The timer counts at the bus frequency.
const DIVIDE_BY_1: u32 = 0b1011;
/// Command bits.
mod command {
    pub const FIXED: u32 = 0x4000;
    pub const NMI: u32 = 0x4400;
    pub const INIT: u32 = 0x4500;
    pub const STARTUP: u32 = 0x4600;
    pub const BUSY: u32 = 0x1000;
    pub const ALL_BUT_SELF: u32 = 0xc_0000;
}

/// Virtual address of the registers; 0: x2APIC.
static REGISTERS: AtomicU64 = AtomicU64::new(0);

/// Maps the registers, and silences the 8259s.
pub fn init(space: &mut KernelSpace, frames: &mut BootFrames) {
    let (base, flags) = ApicBase::read();
    if !flags.contains(ApicBaseFlags::X2APIC_ENABLE) {
        REGISTERS.store(space.map_device(base.start_address().as_u64(), frames), Ordering::Relaxed);
    }
    silence_legacy_controllers();
}

/// Switches this processor's local APIC on, with the timer in the mode that the clock wants by now.
pub fn enable() {
    write(register::SPURIOUS, SOFTWARE_ENABLE | u32::from(vector::SPURIOUS));
    write(register::DIVIDE, DIVIDE_BY_1);
    let deadline = if clock::deadline_mode() { TIMER_DEADLINE_MODE } else { 0 };
    write(register::TIMER, u32::from(vector::TIMER) | deadline);
}

/// Identity of this processor's local APIC.
pub fn id() -> u32 {
    mode().identity(read(register::ID))
}

/// Says that the interrupt in service has been handled.
pub fn end_of_interrupt() {
    write(register::END_OF_INTERRUPT, 0);
}

/// Raises `vector` in the processor with this APIC identity.
pub fn interrupt(target: u32, vector: u8) {
    send(target, command::FIXED | u32::from(vector));
}

/// Resets a processor: it waits for [`start`].
pub fn reset(target: u32) {
    send(target, command::INIT);
}

/// Starts a reset processor in real mode at this page below 1 MiB.
pub fn start(target: u32, page: u8) {
    send(target, command::STARTUP | u32::from(page));
}

/// Raises a non-maskable interrupt in every other processor.
pub fn interrupt_all_others_by_nmi() {
    send(0, command::NMI | command::ALL_BUT_SELF);
}

/// Starts the timer's counter from its greatest value, for calibration; the timer raises nothing.
pub fn start_counting() {
    write(register::TIMER, MASKED | u32::from(vector::TIMER));
    write(register::INITIAL_COUNT, u32::MAX);
}

/// Ticks since [`start_counting`].
pub fn counted() -> u32 {
    u32::MAX - read(register::CURRENT_COUNT)
}

/// Raises the timer's vector after so many ticks; 0 stops the timer.
pub fn set_timer_ticks(ticks: u32) {
    write(register::INITIAL_COUNT, ticks);
}

/// Raises the timer's vector when the time-stamp counter reaches this value; 0 stops the timer.
pub fn set_timer_stamp(stamp: u64) {
    // SAFETY: the register exists where CPUID announced the mode that `enable` chose.
    unsafe { Msr::new(TSC_DEADLINE_MSR).write(stamp) };
}

fn send(target: u32, command: u32) {
    match mode().command(target, command) {
        Some(Command::Halves(high, low)) => {
            write(register::COMMAND_HIGH, high);
            write(register::COMMAND, low);
            while read(register::COMMAND) & command::BUSY != 0 {
                core::hint::spin_loop();
            }
        }
        // SAFETY: the command register of an enabled x2APIC; interrupting a processor is sound at any time.
        Some(Command::Whole(command)) => unsafe { Msr::new(model_register(register::COMMAND)).write(command) },
        // Such a processor was never started.
        None => {}
    }
}

fn mode() -> Mode {
    if REGISTERS.load(Ordering::Relaxed) == 0 { Mode::Model } else { Mode::Memory }
}

fn read(register: u32) -> u32 {
    match REGISTERS.load(Ordering::Relaxed) {
        // SAFETY: a readable register of an enabled x2APIC.
        0 => unsafe { Msr::new(model_register(register)).read() as u32 },
        // SAFETY: `init` mapped the register page.
        base => unsafe { ((base + u64::from(register)) as *const u32).read_volatile() },
    }
}

fn write(register: u32, value: u32) {
    match REGISTERS.load(Ordering::Relaxed) {
        // SAFETY: a writable register of an enabled x2APIC.
        0 => unsafe { Msr::new(model_register(register)).write(u64::from(value)) },
        // SAFETY: `init` mapped the register page.
        base => unsafe { ((base + u64::from(register)) as *mut u32).write_volatile(value) },
    }
}

/// Moves the 8259s' vectors away from the exceptions, then masks all their lines.
fn silence_legacy_controllers() {
    let commands: [(u16, u8); 10] = [
        (0x20, 0x11),
        (0xa0, 0x11),
        (0x21, vector::LEGACY_SPURIOUS),
        (0xa1, vector::LEGACY_SPURIOUS + 8),
        (0x21, 4),
        (0xa1, 2),
        (0x21, 1),
        (0xa1, 1),
        (0x21, 0xff),
        (0xa1, 0xff),
    ];
    for (port, value) in commands {
        // SAFETY: the 8259s' initialisation sequence; the kernel owns them.
        unsafe { Port::new(port).write(value) };
    }
}
