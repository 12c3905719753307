//! The power switch.

use crate::arch::clock;
use crate::mm::boot_frames::BootFrames;
use crate::mm::kernel_space::KernelSpace;
use crate::panic::halt;
use capos_abi::debug_exit;
use kernel_core::machine::firmware::{Firmware, Register, SoftOff};
use x86_64::instructions::port::Port;

/// Chipset reset control, and the value that resets everything.
const CHIPSET_RESET: (u16, u8) = (0xcf9, 0x06);
/// The keyboard controller, and its reset command.
const KEYBOARD_RESET: (u16, u8) = (0x64, 0xfe);
/// Bits of a power management control register: the registers are handed over; the sleep type; go to sleep.
const HANDED_OVER: u16 = 1;
const SLEEP_TYPE: u16 = 10;
const SLEEP: u16 = 1 << 13;
/// The same in the sleep control register of hardware-reduced ACPI.
const REDUCED_SLEEP_TYPE: u8 = 2;
const REDUCED_SLEEP: u8 = 1 << 5;
/// How long firmware may take to hand the registers over, and the machine to go off.
const PATIENCE: u64 = 3_000_000_000;
/// How long a reset may take to strike: the next one must not strike firmware that has begun already.
const RESET_PATIENCE: u64 = 100_000_000;

/// The ways to turn this machine off and to reset it.
pub struct Switch {
    reset: Option<(Register, u8)>,
    soft_off: Option<SoftOff>,
}

impl Switch {
    /// The switch that the firmware describes; its registers in memory are mapped.
    pub fn new(firmware: &Firmware, space: &mut KernelSpace, frames: &mut BootFrames) -> Switch {
        let mut mapped = |register| match register {
            Register::Memory(physical) => Register::Memory(space.map_device(physical, frames)),
            port => port,
        };
        let reset = firmware.reset.map(|(register, value)| (mapped(register), value));
        let soft_off = firmware.soft_off.map(|off| match off {
            SoftOff::Reduced(register, kind) => SoftOff::Reduced(mapped(register), kind),
            control => control,
        });
        Switch { reset, soft_off }
    }

    /// Ends the machine: an emulated one with this code, any other by turning it off.
    pub fn shutdown(&self, code: u8) -> ! {
        exit(debug_exit::SHUTDOWN + u32::from(code.min(debug_exit::MAX_CODE)));
        match self.soft_off {
            Some(SoftOff::Control { registers, hand_over }) => turn_off(registers, hand_over),
            Some(SoftOff::Reduced(register, kind)) => write(register, kind << REDUCED_SLEEP_TYPE | REDUCED_SLEEP),
            None => {}
        }
        clock::wait(PATIENCE);
        crate::console::last_words(format_args!("The system has ended. The machine does not turn itself off: do it."));
        halt()
    }

    /// Resets the machine, by whatever works.
    pub fn reboot(&self) -> ! {
        let others = [CHIPSET_RESET, KEYBOARD_RESET].map(|(port, value)| (Register::Port(port), value));
        for (register, value) in self.reset.into_iter().chain(others) {
            write(register, value);
            clock::wait(RESET_PATIENCE);
        }
        halt()
    }
}

/// Ends an emulated machine with this status; a real one stops.
pub fn end(status: u32) -> ! {
    exit(status);
    halt()
}

/// Ends an emulated machine with this status; nothing happens on a real one.
fn exit(status: u32) {
    // SAFETY: the debug-exit device's port; nothing else answers there.
    unsafe { Port::new(debug_exit::PORT).write(status) };
}

/// Takes the control registers over, then writes the sleep type to each.
fn turn_off(registers: [Option<(u16, u8)>; 2], hand_over: Option<(u16, u8)>) {
    let registers = registers.into_iter().flatten().map(|(port, kind)| (Port::<u16>::new(port), u16::from(kind)));
    // SAFETY: the firmware's tables name these ports for this purpose.
    unsafe {
        if let (Some((mut first, _)), Some((command, enable))) = (registers.clone().next(), hand_over)
            && first.read() & HANDED_OVER == 0
        {
            Port::new(command).write(enable);
            let end = clock::now() + PATIENCE;
            while first.read() & HANDED_OVER == 0 && clock::now() < end {}
        }
        for (mut register, kind) in registers {
            let other = register.read() & !(7 << SLEEP_TYPE);
            register.write(other | kind << SLEEP_TYPE | SLEEP);
        }
    }
}

fn write(register: Register, value: u8) {
    // SAFETY: the register switches the machine's power and nothing else, and `Switch::new` has mapped it.
    unsafe {
        match register {
            Register::Port(port) => Port::new(port).write(value),
            Register::Memory(address) => (address as *mut u8).write_volatile(value),
        }
    }
}
