//! The two ways to a local APIC's registers: in memory (xAPIC), and by model-specific registers (x2APIC), which firmware may
//! have switched on. The kernel stays with the one that it finds.

/// How the registers are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// 32 bits each, 16 bytes apart, in one page of memory.
    Memory,
    /// By `rdmsr` and `wrmsr`; identities have 32 bits.
    Model,
}

/// What is written to raise an interrupt in another processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// The high half, then the low half, which sends.
    Halves(u32, u32),
    /// Both at once.
    Whole(u64),
}

impl Mode {
    /// The identity in the identity register.
    pub const fn identity(self, register: u32) -> u32 {
        match self {
            Mode::Memory => register >> 24,
            Mode::Model => register,
        }
    }

    /// How `command` is sent to the processor with this identity. `None`: in this mode it cannot be named.
    pub const fn command(self, target: u32, command: u32) -> Option<Command> {
        match self {
            Mode::Memory if target > 0xff => None,
            Mode::Memory => Some(Command::Halves(target << 24, command)),
            Mode::Model => Some(Command::Whole((target as u64) << 32 | command as u64)),
        }
    }
}

/// The model-specific register that stands for the one at this offset in memory.
pub const fn model_register(offset: u32) -> u32 {
    const FIRST: u32 = 0x800;
    FIRST + (offset >> 4)
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn every_register_has_its_number() {
        // Identity, end of interrupt, spurious, command, timer, initial count, current count, divider.
        let offsets = [0x20, 0xb0, 0xf0, 0x300, 0x320, 0x380, 0x390, 0x3e0];
        let numbers = [0x802, 0x80b, 0x80f, 0x830, 0x832, 0x838, 0x839, 0x83e];
        assert_eq!(offsets.map(model_register), numbers);
    }

    #[test]
    fn identities() {
        assert_eq!(Mode::Memory.identity(0x0700_0000), 7);
        assert_eq!(Mode::Model.identity(0x0001_0007), 0x0001_0007);
    }

    #[test]
    fn commands() {
        assert_eq!(Mode::Memory.command(7, 0x40f1), Some(Command::Halves(0x0700_0000, 0x40f1)));
        assert_eq!(Mode::Memory.command(0x100, 0x40f1), None);
        assert_eq!(Mode::Model.command(0x1_0007, 0x4500), Some(Command::Whole(0x0001_0007_0000_4500)));
    }
}
