//! The I/O APICs: which processor the ISA interrupt lines go to.

use super::apic;
use super::vector;
use crate::mm::boot_frames::BootFrames;
use crate::mm::kernel_space::KernelSpace;
use alloc::vec::Vec;
use kernel_core::machine::firmware::{Firmware, IoApicAddress, LineOverride};

/// Register numbers.
const VERSION: u32 = 1;
const FIRST_ENTRY: u32 = 0x10;
const MASKED: u32 = 1 << 16;
const LEVEL: u32 = 1 << 15;
const ACTIVE_LOW: u32 = 1 << 13;

/// One controller.
struct Controller {
    registers: u64,
    first_interrupt: u32,
    count: u32,
}

/// All controllers, and where the ISA lines lead.
pub struct IoApics {
    controllers: Vec<Controller>,
    overrides: Vec<LineOverride>,
    target: u32,
}

impl IoApics {
    /// Maps the controllers that the firmware lists and masks everything. Interrupts will go to this processor.
    pub fn new(firmware: &Firmware, space: &mut KernelSpace, frames: &mut BootFrames) -> IoApics {
        let mut map = |address: &IoApicAddress| {
            let registers = space.map_device(address.physical, frames);
            let mut controller = Controller { registers, first_interrupt: address.first_interrupt, count: 0 };
            controller.count = (controller.read(VERSION) >> 16 & 0xff) + 1;
            (0..controller.count).for_each(|entry| controller.write(FIRST_ENTRY + 2 * entry, MASKED));
            controller
        };
        let controllers = firmware.io_apics.iter().map(&mut map).collect();
        IoApics { controllers, overrides: firmware.overrides.clone(), target: apic::id() }
    }

    /// Unmasks or masks an ISA line.
    pub fn set_line_enabled(&mut self, line: u8, enabled: bool) {
        let route = self.overrides.iter().find(|route| route.line == line);
        let (interrupt, mode) = route.map_or((u32::from(line), 0), |route| (route.interrupt, mode(route)));
        let mask = if enabled { 0 } else { MASKED };
        for controller in &mut self.controllers {
            if let Some(entry) =
                interrupt.checked_sub(controller.first_interrupt).filter(|entry| *entry < controller.count)
            {
                controller.write(FIRST_ENTRY + 2 * entry + 1, self.target << 24);
                controller.write(FIRST_ENTRY + 2 * entry, u32::from(vector::ISA_LINES + line) | mode | mask);
            }
        }
    }
}

fn mode(route: &LineOverride) -> u32 {
    let level = if route.level { LEVEL } else { 0 };
    let low = if route.active_low { ACTIVE_LOW } else { 0 };
    level | low
}

impl Controller {
    fn read(&mut self, register: u32) -> u32 {
        // SAFETY: `registers` is the mapped register page: the selector at 0, the window at 0x10.
        unsafe {
            (self.registers as *mut u32).write_volatile(register);
            ((self.registers + 0x10) as *const u32).read_volatile()
        }
    }

    fn write(&mut self, register: u32, value: u32) {
        // SAFETY: as in `read`.
        unsafe {
            (self.registers as *mut u32).write_volatile(register);
            ((self.registers + 0x10) as *mut u32).write_volatile(value);
        }
    }
}
