//! The clocks of known frequency that the others are measured against, and that keep time where they must: the ACPI power management
//! timer, the high precision event timer, the PIT.

use super::features;
use crate::mm::boot_frames::BootFrames;
use crate::mm::kernel_space::KernelSpace;
use capos_abi::boot::memory;
use core::num::NonZeroU64;
use kernel_core::machine::clock::REFERENCES;
use kernel_core::machine::firmware::Firmware;
use kernel_core::machine::hpet;
use x86_64::instructions::port::Port;

/// Frequency of the power management timer.
const POWER_TIMER_HERTZ: NonZeroU64 = hertz(3_579_545);
/// All power management timers have so many bits, some have more.
const POWER_TIMER_MASK: u64 = 0xff_ffff;
/// Offsets of the high precision event timer's registers: capabilities, configuration, main counter.
const HPET_CAPABILITIES: u64 = 0;
const HPET_CONFIGURATION: u64 = 0x10;
const HPET_COUNTER: u64 = 0xf0;
/// Configuration: the counter runs; the first comparators stand in for PIT and CMOS clock.
const HPET_ENABLE: u32 = 1;
const HPET_LEGACY: u32 = 1 << 1;
/// Some machines read all 64 bits in two steps, so the low half counts.
const HPET_MASK: u64 = 0xffff_ffff;
/// Frequency of the PIT.
const PIT_HERTZ: NonZeroU64 = hertz(1_193_182);
const PIT_MASK: u64 = 0xffff;
const PIT_COMMAND: u16 = 0x43;
const PIT_CHANNEL_0: u16 = 0x40;

const fn hertz(frequency: u64) -> NonZeroU64 {
    NonZeroU64::new(frequency).expect("a clock counts")
}

/// A counter of known frequency.
#[derive(Clone, Copy, Debug)]
pub struct Reference {
    place: Place,
    /// Ticks in a second.
    pub hertz: NonZeroU64,
    /// The bits that count.
    pub mask: u64,
}

/// Where a count is read.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// The power management timer, at this port.
    Port(u16),
    /// The high precision event timer, mapped at this address.
    Memory(u64),
    /// Channel 0 of the PIT.
    Pit,
}

impl Reference {
    /// Those that may be there, running, in the order of `clock::Reference::ALL`. The PIT cannot be asked whether it is.
    pub fn start_all(
        firmware: &Firmware,
        space: &mut KernelSpace,
        frames: &mut BootFrames,
    ) -> [Option<Reference>; REFERENCES] {
        let timer = |port| Reference { place: Place::Port(port), hertz: POWER_TIMER_HERTZ, mask: POWER_TIMER_MASK };
        [firmware.power_timer.map(timer), start_hpet(firmware, space, frames), Some(start_pit())]
    }

    /// The count now. It wraps.
    pub fn read(&self) -> u64 {
        match self.place {
            // SAFETY: reading the timer has no effect.
            Place::Port(port) => u64::from(unsafe { Port::<u32>::new(port).read() }) & self.mask,
            Place::Memory(base) => u64::from(read_hpet(base, HPET_COUNTER)),
            Place::Pit => u64::from(read_pit()),
        }
    }

    /// Ticks from one count to another.
    pub fn between(&self, start: u64, end: u64) -> u64 {
        end.wrapping_sub(start) & self.mask
    }
}

/// Maps the high precision event timer and makes its counter run, if one is where the firmware says.
fn start_hpet(firmware: &Firmware, space: &mut KernelSpace, frames: &mut BootFrames) -> Option<Reference> {
    let physical = firmware.hpet?;
    if !is_device(frames, physical, hpet::REGISTER_BYTES) {
        crate::log!("boot: the HPET cannot be at {physical:#x}: it is not used");
        return None;
    }
    let base = space.map_devices(physical, hpet::REGISTER_BYTES, frames);
    let capabilities = u64::from(read_hpet(base, HPET_CAPABILITIES + 4)) << 32;
    let Some(hertz) = hpet::hertz(capabilities) else {
        crate::log!("boot: no HPET answers at {physical:#x}");
        return None;
    };
    let configuration = read_hpet(base, HPET_CONFIGURATION) & !HPET_LEGACY | HPET_ENABLE;
    // SAFETY: the kernel owns the timer, whose registers are mapped.
    unsafe { ((base + HPET_CONFIGURATION) as *mut u32).write_volatile(configuration) };
    Some(Reference { place: Place::Memory(base), hertz, mask: HPET_MASK })
}

/// Whether no memory lies there, and the processor can reach it.
fn is_device(frames: &BootFrames, physical: u64, bytes: u64) -> bool {
    let end = physical.saturating_add(bytes);
    let is_memory = frames.regions().iter().any(|region| {
        region.kind != memory::RESERVED && region.start < end && physical < region.start.saturating_add(region.bytes)
    });
    !is_memory && end <= 1 << features::physical_bits()
}

fn read_hpet(base: u64, offset: u64) -> u32 {
    // SAFETY: `start_hpet` has mapped the registers; reading has no effect.
    unsafe { ((base + offset) as *const u32).read_volatile() }
}

/// Makes channel 0 count down from 65536 again and again.
fn start_pit() -> Reference {
    // SAFETY: the kernel owns the PIT, whose interrupt is masked.
    unsafe {
        Port::<u8>::new(PIT_COMMAND).write(0x34);
        Port::<u8>::new(PIT_CHANNEL_0).write(0);
        Port::<u8>::new(PIT_CHANNEL_0).write(0);
    }
    Reference { place: Place::Pit, hertz: PIT_HERTZ, mask: PIT_MASK }
}

/// Latches the count, which goes down, and reads it.
fn read_pit() -> u16 {
    let mut channel = Port::<u8>::new(PIT_CHANNEL_0);
    // SAFETY: the kernel owns the PIT.
    let bytes = unsafe {
        Port::<u8>::new(PIT_COMMAND).write(0);
        [channel.read(), channel.read()]
    };
    !u16::from_le_bytes(bytes)
}
