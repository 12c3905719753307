//! What the ACPI tables say of processors and interrupt controllers.

use crate::arch::clock;
use crate::mm::boot_frames::BootFrames;
use crate::mm::kernel_space;
use crate::mm::layout;
use acpi::address::{AddressSpace, GenericAddress};
use acpi::sdt::fadt::Fadt;
use acpi::sdt::madt::{Madt, MadtEntry, Polarity, TriggerMode, parse_mps_inti_flags};
use acpi::{AcpiTables, Handler, PciAddress, PhysicalMapping};
use alloc::vec::Vec;
use capos_abi::boot::MemoryRegion;
use core::ptr::NonNull;
use core::slice;
use kernel_core::machine::sleep::{self, SleepTypes};

/// Flags of a processor's MADT entry: it can run now, or could be started.
const ENABLED: u32 = 1;

/// An I/O APIC.
#[derive(Clone, Copy, Debug)]
pub struct IoApicAddress {
    /// Physical address of its registers.
    pub physical: u64,
    /// Number of its first interrupt among all.
    pub first_interrupt: u32,
}

/// Where an ISA line leads if not to the interrupt of its own number.
#[derive(Clone, Copy, Debug)]
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
#[derive(Clone, Copy, Debug)]
pub enum Register {
    /// At this I/O port.
    Port(u16),
    /// At this physical address.
    Memory(u64),
}

/// How the machine turns itself off.
#[derive(Clone, Copy, Debug)]
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
#[derive(Clone, Debug, Default)]
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
    /// I/O port of the power management timer.
    pub power_timer: Option<u16>,
}

impl Firmware {
    /// Reads the tables.
    pub fn read(frames: &BootFrames) -> Firmware {
        let mut firmware = Firmware::default();
        let root = frames.info().rsdp;
        if root == 0 {
            return firmware;
        }
        let memory = Tables { regions: frames.regions() };
        // SAFETY: the loader names the address of the root pointer.
        match unsafe { AcpiTables::from_rsdp(memory, root as usize) } {
            Ok(tables) => firmware.read_tables(&tables, memory),
            Err(error) => crate::log!("boot: the ACPI root pointer at {root:#x} is invalid: {error:?}"),
        }
        firmware
    }

    fn read_tables(&mut self, tables: &AcpiTables<Tables>, memory: Tables) {
        if let Some(madt) = tables.find_table::<Madt>() {
            madt.get().entries().for_each(|entry| self.add(entry));
        }
        if let Some(fadt) = tables.find_table::<Fadt>() {
            self.reset = reset_register(&fadt);
            self.soft_off = sleep_types(tables, memory).and_then(|types| soft_off(&fadt, types));
            self.power_timer = u16::try_from(fadt.pm_timer_block).ok().filter(|port| *port != 0);
        }
    }

    fn add(&mut self, entry: MadtEntry) {
        match entry {
            MadtEntry::LocalApic(apic) if apic.flags & ENABLED != 0 => self.add_processor(u32::from(apic.apic_id)),
            MadtEntry::LocalX2Apic(apic) if apic.flags & ENABLED != 0 => self.add_processor(apic.x2apic_id),
            MadtEntry::IoApic(controller) => self.io_apics.push(IoApicAddress {
                physical: u64::from(controller.io_apic_address),
                first_interrupt: controller.global_system_interrupt_base,
            }),
            MadtEntry::InterruptSourceOverride(source) => {
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
        if !self.processors.contains(&apic) {
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
fn sleep_types(tables: &AcpiTables<Tables>, memory: Tables) -> Option<SleepTypes> {
    let blocks = tables.dsdt().into_iter().chain(tables.ssdts());
    blocks.into_iter().find_map(|block| sleep::soft_off(memory.bytes(block.phys_address, block.length)))
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

/// Access to the tables through the direct map.
#[derive(Clone, Copy)]
struct Tables<'a> {
    regions: &'a [MemoryRegion],
}

impl Tables<'_> {
    fn address(&self, physical: usize, bytes: usize) -> *mut u8 {
        if !kernel_space::is_mapped(self.regions, physical as u64, bytes as u64) {
            crate::panic::refuse(format_args!("an ACPI table at {physical:#x} lies outside of the memory map"));
        }
        layout::direct(physical as u64) as *mut u8
    }

    fn bytes(&self, physical: usize, bytes: u32) -> &[u8] {
        // SAFETY: `address` has checked that memory is there, and nobody writes the firmware's tables.
        unsafe { slice::from_raw_parts(self.address(physical, bytes as usize), bytes as usize) }
    }

    fn read<T>(&self, physical: usize) -> T {
        // SAFETY: `address` has checked that memory is there; every value of the integers that are read is valid.
        unsafe { self.address(physical, size_of::<T>()).cast::<T>().read_unaligned() }
    }
}

/// Registers outside of the tables are touched only by an interpreter of ACPI's byte code, which the kernel has none of:
/// writes do nothing, and reads of devices give zero.
impl Handler for Tables<'_> {
    unsafe fn map_physical_region<T>(&self, physical: usize, size: usize) -> PhysicalMapping<Self, T> {
        let address = self.address(physical, size).cast();
        let Some(virtual_start) = NonNull::new(address) else {
            crate::panic::refuse(format_args!("an ACPI table has no address"));
        };
        PhysicalMapping {
            physical_start: physical,
            virtual_start,
            region_length: size,
            mapped_length: size,
            handler: *self,
        }
    }

    fn unmap_physical_region<T>(_: &PhysicalMapping<Self, T>) {}

    fn read_u8(&self, address: usize) -> u8 {
        self.read(address)
    }
    fn read_u16(&self, address: usize) -> u16 {
        self.read(address)
    }
    fn read_u32(&self, address: usize) -> u32 {
        self.read(address)
    }
    fn read_u64(&self, address: usize) -> u64 {
        self.read(address)
    }

    fn write_u8(&self, _: usize, _: u8) {}
    fn write_u16(&self, _: usize, _: u16) {}
    fn write_u32(&self, _: usize, _: u32) {}
    fn write_u64(&self, _: usize, _: u64) {}

    fn read_io_u8(&self, _: u16) -> u8 {
        0
    }
    fn read_io_u16(&self, _: u16) -> u16 {
        0
    }
    fn read_io_u32(&self, _: u16) -> u32 {
        0
    }

    fn write_io_u8(&self, _: u16, _: u8) {}
    fn write_io_u16(&self, _: u16, _: u16) {}
    fn write_io_u32(&self, _: u16, _: u32) {}

    fn read_pci_u8(&self, _: PciAddress, _: u16) -> u8 {
        0
    }
    fn read_pci_u16(&self, _: PciAddress, _: u16) -> u16 {
        0
    }
    fn read_pci_u32(&self, _: PciAddress, _: u16) -> u32 {
        0
    }

    fn write_pci_u8(&self, _: PciAddress, _: u16, _: u8) {}
    fn write_pci_u16(&self, _: PciAddress, _: u16, _: u16) {}
    fn write_pci_u32(&self, _: PciAddress, _: u16, _: u32) {}

    fn nanos_since_boot(&self) -> u64 {
        clock::now()
    }

    fn stall(&self, microseconds: u64) {
        clock::wait(microseconds * 1000);
    }

    fn sleep(&self, milliseconds: u64) {
        clock::wait(milliseconds * 1_000_000);
    }
}
