//! What the ACPI tables say of the machine: processors, interrupt controllers, timers, console, buses, reset, power.
use super::dmar::{self, Remapping};
use super::hpet;
use super::mcfg::{self, ConfigWindow};
use super::sleep::{self, SleepTypes};
use super::spcr::{self, SerialConsole};
use super::tables::{BadTable, Memory, Root};
use acpi::address::{AddressSpace, GenericAddress};
use acpi::sdt::fadt::Fadt;
use acpi::sdt::madt::{Madt, MadtEntry, Polarity, TriggerMode, parse_mps_inti_flags};
use acpi::{AcpiTables, Handler};
use alloc::vec::Vec;

/// Processors that are listed at most.
const MAX_LISTED_PROCESSORS: usize = 1024;
/// I/O APICs that are listed at most.
const MAX_IO_APICS: usize = 64;
/// Overrides of ISA lines that are listed at most: each line's, and as many that no line has.
const MAX_OVERRIDES: usize = 32;
/// Flags of a processor's MADT entry: it can run now, or could be started.
const ENABLED: u32 = 1;
/// Bytes of a definition block that are searched for the sleep types at most.
const MAX_BLOCK_BYTES: u32 = 4 << 20;

/// An I/O APIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoApicAddress {
    /// Physical address of its registers.
    pub physical: u64,
    /// Number of its first interrupt among all.
    pub first_interrupt: u32,
}

/// Where an ISA line leads if not to the interrupt of its own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineOverride {
    /// The line.
    pub line: u8,
    /// The interrupt that it leads to.
    pub interrupt: u32,
    /// Level-triggered, not edge-triggered.
    pub level: bool,
    /// Active low, not high.
    pub active_low: bool,
}

/// Where a register of eight or sixteen bits lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// At this I/O port.
    Port(u16),
    /// At this physical address.
    Memory(u64),
}

/// How the machine turns itself off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoftOff {
    /// By the power management control registers.
    Control {
        /// Ports of the one or two registers, and the sleep type for each.
        registers: [Option<(u16, u8)>; 2],
        /// Port and value by which firmware hands these registers over.
        hand_over: Option<(u16, u8)>,
    },
    /// By the sleep control register of hardware-reduced ACPI, with this sleep type.
    Reduced(Register, u8),
}

/// The machine as its firmware describes it. Empty lists: it has no tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Firmware {
    /// Local APIC identities of the processors that can run.
    pub processors: Vec<u32>,
    /// The I/O APICs.
    pub io_apics: Vec<IoApicAddress>,
    /// ISA lines that do not lead where their number says.
    pub overrides: Vec<LineOverride>,
    /// What resets the machine, and the value to write.
    pub reset: Option<(Register, u8)>,
    /// How to turn the machine off.
    pub soft_off: Option<SoftOff>,
    /// The machine has no CMOS clock, or none that may be read.
    pub no_cmos_clock: bool,
    /// I/O port of the power management timer.
    pub power_timer: Option<u16>,
    /// Physical address of the high precision event timer's registers.
    pub hpet: Option<u64>,
    /// The serial port that the firmware uses as console.
    pub serial_console: Option<SerialConsole>,
    /// Where PCI devices are configured.
    pub config_windows: Vec<ConfigWindow>,
    /// What stands between devices and memory.
    pub remapping: Remapping,
    /// Tables that could not be believed and were not read.
    pub broken: Vec<BadTable>,
}

impl Firmware {
    /// Reads the tables behind a root that [`super::tables::check`] has passed. The handler shows zeros behind the end of a table.
    pub fn of(root: Root, tables: &AcpiTables<impl Handler>, memory: &impl Memory) -> Self {
        let mut firmware = Self::default();
        if root.is_sound(hpet::NAME) {
            firmware.hpet = hpet::read(tables);
        }
        if root.is_sound(spcr::NAME) {
            firmware.serial_console = spcr::read(tables);
        }
        if root.is_sound(mcfg::NAME) {
            firmware.config_windows = mcfg::read(tables);
        }
        if root.is_sound(dmar::NAME) {
            firmware.remapping = dmar::read(tables, memory);
        }
        firmware.broken = root.broken;
        if let Some(madt) = tables.find_table::<Madt>() {
            madt.get().entries().for_each(|entry| firmware.add(entry));
        }
        if let Some(fadt) = tables.find_table::<Fadt>() {
            firmware.reset = reset_register(&fadt);
            firmware.soft_off = sleep_types(tables, memory).and_then(|types| soft_off(&fadt, types));
            let boot_flags = fadt.iapc_boot_arch;
            firmware.no_cmos_clock = boot_flags.use_time_and_alarm_namespace_for_rtc();
            firmware.power_timer = u16::try_from(fadt.pm_timer_block).ok().filter(|port| *port != 0);
        }
        firmware
    }

    fn add(&mut self, entry: MadtEntry<'_>) {
        match entry {
            MadtEntry::LocalApic(apic) if apic.flags & ENABLED != 0 => self.add_processor(u32::from(apic.apic_id)),
            MadtEntry::LocalX2Apic(apic) if apic.flags & ENABLED != 0 => self.add_processor(apic.x2apic_id),
            MadtEntry::IoApic(controller) if self.io_apics.len() < MAX_IO_APICS => self.io_apics.push(IoApicAddress {
                physical: u64::from(controller.io_apic_address),
                first_interrupt: controller.global_system_interrupt_base,
            }),
            MadtEntry::InterruptSourceOverride(source) if self.overrides.len() < MAX_OVERRIDES => {
                let (polarity, trigger) =
                    parse_mps_inti_flags(source.flags).unwrap_or((Polarity::SameAsBus, TriggerMode::SameAsBus));
                self.overrides.push(LineOverride {
                    line: source.irq,
                    interrupt: source.global_system_interrupt,
                    level: matches!(trigger, TriggerMode::Level),
                    active_low: matches!(polarity, Polarity::ActiveLow),
                });
            }
            _ => {}
        }
    }

    /// Some firmware lists a processor twice, once in each form.
    fn add_processor(&mut self, apic: u32) {
        if self.processors.len() < MAX_LISTED_PROCESSORS && !self.processors.contains(&apic) {
            self.processors.push(apic);
        }
    }
}

fn reset_register(fadt: &Fadt) -> Option<(Register, u8)> {
    let flags = fadt.flags;
    let register = register(fadt.reset_register().ok()?)?;
    flags.supports_system_reset_via_fadt().then_some((register, fadt.reset_value))
}

/// What the definition blocks say; the DSDT's word counts first.
fn sleep_types(tables: &AcpiTables<impl Handler>, memory: &impl Memory) -> Option<SleepTypes> {
    let blocks = tables.dsdt().into_iter().chain(tables.ssdts()).filter(|block| block.length <= MAX_BLOCK_BYTES);
    blocks
        .into_iter()
        .find_map(|block| sleep::soft_off(memory.bytes(block.phys_address as u64, u64::from(block.length))?))
}

fn soft_off(fadt: &Fadt, [type_a, type_b]: SleepTypes) -> Option<SoftOff> {
    let flags = fadt.flags;
    if flags.system_is_hw_reduced_acpi() {
        let control = register(fadt.sleep_control_register().ok()??)?;
        return Some(SoftOff::Reduced(control, type_a));
    }
    let port = |address: GenericAddress| match register(address)? {
        Register::Port(port) => Some(port),
        Register::Memory(_) => None,
    };
    let first = port(fadt.pm1a_control_block().ok()?)?;
    let second = fadt.pm1b_control_block().ok().flatten().and_then(port);
    let command = u16::try_from(fadt.smi_cmd_port).ok().filter(|port| *port != 0 && fadt.acpi_enable != 0);
    Some(SoftOff::Control {
        registers: [Some((first, type_a)), second.map(|port| (port, type_b))],
        hand_over: command.map(|port| (port, fadt.acpi_enable)),
    })
}

/// A register that the kernel can reach.
fn register(address: GenericAddress) -> Option<Register> {
    match address.address_space {
        AddressSpace::SystemIo => u16::try_from(address.address).ok().filter(|port| *port != 0).map(Register::Port),
        AddressSpace::SystemMemory => (address.address != 0).then_some(Register::Memory(address.address)),
        _ => None,
    }
}
