//! Which serial port the firmware uses as console, by Microsoft's serial port console redirection table.
use acpi::sdt::spcr::{Spcr, SpcrInterfaceType};
use acpi::{AcpiTables, Handler};
use core::fmt;

/// What the table starts with.
pub const NAME: [u8; 4] = *b"SPCR";
/// Bytes of the table's first revision.
pub const TABLE_BYTES: u32 = 80;
/// The address space of I/O ports.
const IO_PORTS: u8 = 1;
/// Where a PC's serial ports are.
const LEGACY_PORTS: [u64; 4] = [0x3f8, 0x2f8, 0x3e8, 0x2e8];
/// Ports below belong to the mainboard: trying a serial port there could do anything. Above, PCI devices have theirs.
const FIRST_DEVICE_PORT: u64 = 0x1000;
/// Ports of a 16550.
const PORT_COUNT: u64 = 8;

/// The serial port that the firmware uses as console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SerialConsole {
    /// A 16550, whose first I/O port this is.
    Port(u16),
    /// One that the kernel does not serve.
    Unserved {
        /// Its interface type.
        interface: u8,
        /// Its registers are I/O ports, not memory.
        ports: bool,
        /// Where its registers are.
        address: u64,
    },
}

impl fmt::Display for SerialConsole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(port) => write!(f, "serial port at I/O port {port:#x}"),
            Self::Unserved { interface, ports, address } => {
                let place = if *ports { "I/O port" } else { "address" };
                write!(f, "serial port of interface type {interface} at {place} {address:#x}")
            }
        }
    }
}

/// The console, from a table that is long enough; `None`: the firmware uses none.
pub fn read(tables: &AcpiTables<impl Handler>) -> Option<SerialConsole> {
    let spcr = tables.find_table::<Spcr>()?;
    let register = spcr.base_address;
    let (ports, address) = (register.address_space == IO_PORTS, register.address);
    if address == 0 {
        return None;
    }
    let known = matches!(
        spcr.interface_type(),
        SpcrInterfaceType::Full16550 | SpcrInterfaceType::Full16450 | SpcrInterfaceType::Generic16550
    );
    Some(match u16::try_from(address) {
        Ok(port) if known && ports && is_serial_port(address) => SerialConsole::Port(port),
        _ => SerialConsole::Unserved { interface: spcr.interface_type, ports, address },
    })
}

fn is_serial_port(port: u64) -> bool {
    let device = (FIRST_DEVICE_PORT..1 << 16).contains(&port) && port.is_multiple_of(PORT_COUNT);
    LEGACY_PORTS.contains(&port) || device
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn only_where_serial_ports_are() {
        assert!([0x3f8, 0x2e8, 0x1000, 0xfff8].into_iter().all(is_serial_port));
        assert!(![0, 0x60, 0xcf8, 0x1001, 0x1_0000].into_iter().any(is_serial_port));
    }
}
