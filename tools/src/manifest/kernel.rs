//! The capabilities that the kernel gives to init, and the parts of them that routes can name.

use super::description::Source;
use std::ops::Range;

/// A capability of the kernel, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// The monotonic clock.
    Clock,
    /// Random bytes.
    Entropy,
    /// The object that does nothing.
    Null,
    /// Append-only access to the kernel's log.
    Log,
    /// The kernel's log.
    KernelLog,
    /// A range of I/O ports.
    Ports {
        /// First port.
        first: u16,
        /// Number of ports.
        count: u16,
    },
    /// A legacy interrupt line.
    Interrupt {
        /// Number of the line.
        line: u8,
    },
    /// The power switch.
    SystemControl,
    /// Facts about the machine.
    SystemStatus,
    /// The right to open sessions.
    Sessions,
    /// The say in how processor time is shared.
    Scheduling,
}

/// Legacy interrupt lines.
const INTERRUPT_LINES: u8 = 16;

impl Kernel {
    /// Reads a source whose `kernel` is `name`.
    pub(super) fn read(name: &str, source: &Source) -> Result<Kernel, String> {
        let kernel = match (name, source.first, source.count, source.line) {
            ("ports", Some(first), Some(count), None) => return ports(first, count),
            ("ports", ..) => return Err("\"ports\" needs \"first\" and \"count\"".into()),
            ("interrupt", None, None, Some(line)) => return interrupt(line),
            ("interrupt", ..) => return Err("\"interrupt\" needs \"line\"".into()),
            ("clock", ..) => Kernel::Clock,
            ("entropy", ..) => Kernel::Entropy,
            ("null", ..) => Kernel::Null,
            ("log", ..) => Kernel::Log,
            ("kernel-log", ..) => Kernel::KernelLog,
            ("system-control", ..) => Kernel::SystemControl,
            ("system-status", ..) => Kernel::SystemStatus,
            ("sessions", ..) => Kernel::Sessions,
            ("scheduling", ..) => Kernel::Scheduling,
            _ => return Err(format!("the kernel has no capability \"{name}\"")),
        };
        match (source.first, source.count, source.line) {
            (None, None, None) => Ok(kernel),
            _ => Err(format!("\"{name}\" has no parts to choose from")),
        }
    }

    /// Name of its interface.
    pub fn interface(&self) -> &'static str {
        match self {
            Kernel::Clock => "Clock",
            Kernel::Entropy => "Entropy",
            Kernel::Null => "Null",
            Kernel::Log => "LogSink",
            Kernel::KernelLog => "KernelLog",
            Kernel::Ports { .. } => "IoPorts",
            Kernel::Interrupt { .. } => "Interrupt",
            Kernel::SystemControl => "SystemControl",
            Kernel::SystemStatus => "SystemStatus",
            Kernel::Sessions => "SessionAuthority",
            Kernel::Scheduling => "SchedulingAuthority",
        }
    }

    /// Whether both are the same piece of hardware, in words.
    pub fn conflict(&self, other: &Kernel) -> Option<String> {
        match (*self, *other) {
            (Kernel::Interrupt { line }, Kernel::Interrupt { line: taken }) if line == taken => {
                Some(format!("interrupt line {line}"))
            }
            (Kernel::Ports { first, count }, Kernel::Ports { first: other_first, count: other_count }) => {
                let (mine, other) = (range(first, count), range(other_first, other_count));
                let common = mine.start.max(other.start)..mine.end.min(other.end);
                (!common.is_empty()).then(|| format!("I/O port {:#x}", common.start))
            }
            _ => None,
        }
    }
}

fn ports(first: u16, count: u16) -> Result<Kernel, String> {
    match count {
        0 => Err("the range of ports is empty".into()),
        _ if range(first, count).end > 1 << 16 => Err("the range of ports ends behind port 0xffff".into()),
        _ => Ok(Kernel::Ports { first, count }),
    }
}

fn interrupt(line: u8) -> Result<Kernel, String> {
    if line < INTERRUPT_LINES {
        Ok(Kernel::Interrupt { line })
    } else {
        Err(format!("interrupt lines are numbered 0 to {}, not {line}", INTERRUPT_LINES - 1))
    }
}

fn range(first: u16, count: u16) -> Range<u32> {
    u32::from(first)..u32::from(first) + u32::from(count)
}
