//! The DMA remapping table of Intel's Virtualization Technology for Directed I/O: which units stand between devices and memory, and
//! which memory some devices use already. The `acpi` crate does not know it.
use super::tables::{Flaw, Memory, field, is_physical};
use acpi::sdt::Signature;
use acpi::{AcpiTables, Handler};
use alloc::vec::Vec;
use core::fmt;

/// What the table starts with.
pub const NAME: [u8; 4] = *b"DMAR";
/// Bytes before the first structure.
pub const FIXED_BYTES: u32 = 48;
/// Where the table says how many bits a DMA address has, less one, and the most that can be.
const ADDRESS_BITS: usize = 36;
const MAX_ADDRESS_BITS: u8 = 52;
/// Kinds of structures that are read, and their bytes before the first device.
const UNIT: u64 = 0;
const UNIT_BYTES: usize = 16;
const RESERVED: u64 = 1;
const RESERVED_BYTES: usize = 24;
/// Kind and length, which all structures begin with.
const HEADER_BYTES: usize = 4;
/// Flag of a unit: it serves all devices of its segment that no other unit names.
const ALL_OTHERS: u64 = 1;
/// Bytes of a device before its path, and of each step of the path.
const DEVICE_BYTES: usize = 6;
const STEP_BYTES: usize = 2;
/// Registers of a unit and reserved memory are whole pages.
const PAGE_BYTES: u64 = capos_abi::PAGE_BYTES;

/// Everything that the table says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remapping {
    /// Bits of the addresses that devices can reach; 0: there is no table.
    pub address_bits: u8,
    /// The units.
    pub units: Vec<RemappingUnit>,
    /// Memory that devices use on the firmware's behalf.
    pub reserved: Vec<ReservedMemory>,
}

/// A unit that translates the addresses of devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemappingUnit {
    /// Physical address of its registers.
    pub registers: u64,
    /// The PCI segment whose devices it serves.
    pub segment: u16,
    /// It serves all devices of the segment that no other unit names.
    pub all_others: bool,
    /// The devices that it serves.
    pub devices: Vec<Device>,
}

/// Memory that these devices must go on reaching where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReservedMemory {
    /// Its first physical address.
    pub first: u64,
    /// Its last physical address.
    pub last: u64,
    /// The PCI segment of the devices.
    pub segment: u16,
    /// The devices.
    pub devices: Vec<Device>,
}

/// A device, or all that are behind a bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// 1: a PCI device; 2: a bridge; 3: an I/O APIC; 4: an HPET; 5: a device that only ACPI's name space knows.
    pub kind: u8,
    /// Identity of the I/O APIC, HPET or named device.
    pub identity: u8,
    /// The bus that the path starts from.
    pub bus: u8,
    /// Device and function at each bridge, and at last its own.
    pub path: Vec<[u8; 2]>,
}

impl fmt::Display for RemappingUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { registers, segment, all_others, devices } = self;
        let others = if *all_others { ", all others too" } else { "" };
        write!(f, "DMA remapping unit at {registers:#x}, segment {segment}, devices named: {}{others}", devices.len())
    }
}

impl fmt::Display for ReservedMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last, segment, devices } = self;
        write!(f, "reserved memory {first:#x} to {last:#x}, segment {segment}, devices named: {}", devices.len())
    }
}

/// Checks everything that [`read`] reads.
pub fn check(table: &[u8]) -> Result<(), Flaw> {
    parse(table).map(drop)
}

/// What a checked table says.
pub fn read(tables: &AcpiTables<impl Handler>, memory: &impl Memory) -> Remapping {
    let found = tables.table_headers().find(|(_, header)| header.signature == Signature::DMAR);
    let table = found.and_then(|(address, header)| memory.bytes(address as u64, u64::from(header.length)));
    table.and_then(|table| parse(table).ok()).unwrap_or_default()
}

fn parse(table: &[u8]) -> Result<Remapping, Flaw> {
    let address_bits = (field(table, ADDRESS_BITS, 1) as u8).saturating_add(1);
    if address_bits > MAX_ADDRESS_BITS {
        return Err(Flaw::Field(ADDRESS_BITS));
    }
    let mut remapping = Remapping { address_bits, ..Remapping::default() };
    let mut offset = FIXED_BYTES as usize;
    while let Some(rest) = table.get(offset..).filter(|rest| !rest.is_empty()) {
        let length = field(rest, 2, 2) as usize;
        let structure = rest.get(..length).filter(|_| length >= HEADER_BYTES).ok_or(Flaw::Entry(offset))?;
        match field(structure, 0, 2) {
            UNIT => remapping.units.push(unit(structure, offset)?),
            RESERVED => remapping.reserved.push(reserved(structure, offset)?),
            _ => {}
        }
        offset += length;
    }
    Ok(remapping)
}

/// The unit that a structure at this offset of the table describes.
fn unit(structure: &[u8], offset: usize) -> Result<RemappingUnit, Flaw> {
    let devices = devices(structure, UNIT_BYTES, offset)?;
    let registers = field(structure, 8, 8);
    if !registers.is_multiple_of(PAGE_BYTES) || !is_physical(registers, PAGE_BYTES) {
        return Err(Flaw::Field(offset + 8));
    }
    let all_others = field(structure, 4, 1) & ALL_OTHERS != 0;
    Ok(RemappingUnit { registers, segment: field(structure, 6, 2) as u16, all_others, devices })
}

/// The memory that a structure at this offset of the table reserves.
fn reserved(structure: &[u8], offset: usize) -> Result<ReservedMemory, Flaw> {
    let devices = devices(structure, RESERVED_BYTES, offset)?;
    let (first, last) = (field(structure, 8, 8), field(structure, 16, 8));
    let bytes = last.wrapping_sub(first).wrapping_add(1);
    let pages = first.is_multiple_of(PAGE_BYTES) && bytes.is_multiple_of(PAGE_BYTES) && last > first;
    if !pages || !is_physical(first, bytes) {
        return Err(Flaw::Field(offset + 8));
    }
    Ok(ReservedMemory { first, last, segment: field(structure, 6, 2) as u16, devices })
}

/// The devices listed behind the first bytes of a structure, which lies at this offset of the table.
fn devices(structure: &[u8], fixed: usize, offset: usize) -> Result<Vec<Device>, Flaw> {
    let mut list = structure.get(fixed..).ok_or(Flaw::Entry(offset))?;
    let mut devices = Vec::new();
    while !list.is_empty() {
        let at = offset + structure.len() - list.len();
        let length = field(list, 1, 1) as usize;
        let (device, rest) = list.split_at_checked(length).ok_or(Flaw::Entry(at))?;
        let path = device.get(DEVICE_BYTES..).unwrap_or_default().chunks_exact(STEP_BYTES);
        if path.len() == 0 || !path.remainder().is_empty() {
            return Err(Flaw::Entry(at));
        }
        devices.push(Device {
            kind: field(device, 0, 1) as u8,
            identity: field(device, 4, 1) as u8,
            bus: field(device, 5, 1) as u8,
            path: path.map(|step| [field(step, 0, 1) as u8, field(step, 1, 1) as u8]).collect(),
        });
        list = rest;
    }
    Ok(devices)
}
