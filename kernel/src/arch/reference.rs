//! The clock of known frequency that the others are measured against: the ACPI power management timer, or the PIT.

use kernel_core::machine::firmware::Firmware;
use x86_64::instructions::port::Port;

/// Frequency of the power management timer.
const POWER_TIMER_HERTZ: u64 = 3_579_545;
/// All power management timers have so many bits, some have more.
const POWER_TIMER_MASK: u32 = 0xff_ffff;
/// Frequency of the PIT.
const PIT_HERTZ: u64 = 1_193_182;
const PIT_MASK: u32 = 0xffff;
const PIT_COMMAND: u16 = 0x43;
const PIT_CHANNEL_0: u16 = 0x40;

/// A counter of known frequency.
pub enum Reference {
    /// The power management timer, at this port.
    PowerTimer(u16),
    /// Channel 0 of the PIT.
    Pit,
}

impl Reference {
    /// The best one of this machine, running.
    pub fn start(firmware: &Firmware) -> Reference {
        if let Some(port) = firmware.power_timer {
            return Reference::PowerTimer(port);
        }
        // SAFETY: the kernel owns the PIT, whose interrupt is masked: channel 0 counts down from 65536 again and again.
        unsafe {
            Port::<u8>::new(PIT_COMMAND).write(0x34);
            Port::<u8>::new(PIT_CHANNEL_0).write(0);
            Port::<u8>::new(PIT_CHANNEL_0).write(0);
        }
        Reference::Pit
    }

    /// Ticks in a second.
    pub fn hertz(&self) -> u64 {
        match self {
            Reference::PowerTimer(_) => POWER_TIMER_HERTZ,
            Reference::Pit => PIT_HERTZ,
        }
    }

    /// The count now. It wraps.
    pub fn read(&self) -> u32 {
        match self {
            // SAFETY: reading the timer has no effect.
            Reference::PowerTimer(port) => unsafe { Port::<u32>::new(*port).read() & POWER_TIMER_MASK },
            Reference::Pit => read_pit(),
        }
    }

    /// Ticks since the count was `start`.
    pub fn since(&self, start: u32) -> u32 {
        self.between(start, self.read())
    }

    /// Ticks from one count to another.
    pub fn between(&self, start: u32, end: u32) -> u32 {
        let mask = match self {
            Reference::PowerTimer(_) => POWER_TIMER_MASK,
            Reference::Pit => PIT_MASK,
        };
        end.wrapping_sub(start) & mask
    }
}

/// Latches the count, which goes down, and reads it.
fn read_pit() -> u32 {
    let mut channel = Port::<u8>::new(PIT_CHANNEL_0);
    // SAFETY: the kernel owns the PIT.
    let bytes = unsafe {
        Port::<u8>::new(PIT_COMMAND).write(0);
        [channel.read(), channel.read()]
    };
    !u32::from(u16::from_le_bytes(bytes)) & PIT_MASK
}
