//! The checking pass before ACPI tables are read.
//!
//! The `acpi` crate believes the lengths and addresses that it reads: a table shorter than its header, or an entry of no
//! length, makes it read on without end. Whatever passes here, it reads right. Tables that the kernel does not use are not
//! looked at, because much firmware has some that are broken.
use super::{dmar, hpet, madt, mcfg, spcr};
use acpi::sdt::SdtHeader;
use alloc::vec::Vec;
use core::fmt;

/// Bytes of a table that the kernel reads at most.
pub const MAX_TABLE_BYTES: u32 = 64 << 10;
/// Tables that a root table can list.
pub const MAX_TABLES: usize = 1024;

const HEADER_BYTES: u32 = size_of::<SdtHeader>() as u32;
const ROOT_POINTER: [u8; 8] = *b"RSD PTR ";
/// Bytes of a root pointer of ACPI 1.0, and of later ones at least and at most.
const FIRST_POINTER_BYTES: u64 = 20;
const POINTER_BYTES: u64 = 36;
const MAX_POINTER_BYTES: u64 = 256;

/// Where the fixed description table says how many bytes a power management control register has, and how many are absurd: the
/// crate counts the register's bits in a byte.
const CONTROL_LENGTH: usize = 89;
const ABSURD_CONTROL_BYTES: u64 = 32;
/// Physical addresses have so many bits at most.
const PHYSICAL_BITS: u32 = 52;

/// A kind of table that the kernel reads.
struct Kind {
    name: [u8; 4],
    /// How long it is at least.
    least_bytes: u32,
    /// Without it, processors, interrupts or power would be guessed: a broken one ends the boot. Any other is not used.
    needed: bool,
    /// What its content must be.
    check: fn(&[u8]) -> Result<(), Flaw>,
}

/// The tables that the kernel reads.
const KINDS: [Kind; 6] = [
    Kind { name: madt::NAME, least_bytes: madt::FIXED_BYTES, needed: true, check: madt::check },
    Kind { name: *b"FACP", least_bytes: 116, needed: true, check: check_fixed },
    Kind { name: mcfg::NAME, least_bytes: mcfg::FIXED_BYTES, needed: false, check: mcfg::check },
    Kind { name: hpet::NAME, least_bytes: hpet::TABLE_BYTES, needed: false, check: hpet::check },
    Kind { name: spcr::NAME, least_bytes: spcr::TABLE_BYTES, needed: false, check: |_| Ok(()) },
    Kind { name: dmar::NAME, least_bytes: dmar::FIXED_BYTES, needed: false, check: dmar::check },
];

/// Physical memory, as far as it can be read.
pub trait Memory {
    /// The bytes at an address, if there is memory for all of them.
    fn bytes(&self, address: u64, count: u64) -> Option<&[u8]>;
}

/// A root table that has been checked, with every table that it leads to and the kernel uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Physical address.
    pub address: u64,
    /// Revision of ACPI; 0: its entries have 32 bits, else 64.
    pub revision: u8,
    /// What must not be read: the first broken table of each kind that the kernel can do without.
    pub broken: Vec<BadTable>,
}

impl Root {
    /// Whether tables of this name can be believed.
    pub fn is_sound(&self, name: [u8; 4]) -> bool {
        !self.broken.iter().any(|bad| bad.name == name)
    }
}

/// What is wrong with a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It lies where no memory is.
    NoMemory,
    /// It does not start with its signature.
    Signature,
    /// Its length is impossible.
    Length(u32),
    /// The sum of its bytes is not zero.
    Checksum,
    /// It lists more than can be right.
    Crowded(usize),
    /// The entry at this offset has an impossible length.
    Entry(usize),
    /// The field at this offset has an impossible value.
    Field(usize),
}

/// A table that the kernel reads and cannot believe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadTable {
    /// Its signature, or what should stand there.
    pub name: [u8; 4],
    /// Its physical address.
    pub address: u64,
    /// What is wrong.
    pub flaw: Flaw,
}

impl fmt::Display for BadTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the ACPI table {} at {:#x} ", self.name.escape_ascii(), self.address)?;
        match self.flaw {
            Flaw::NoMemory => write!(f, "lies outside of the memory map"),
            Flaw::Signature => write!(f, "does not start with its signature"),
            Flaw::Length(bytes) => write!(f, "has an impossible length of {bytes} bytes"),
            Flaw::Checksum => write!(f, "has a wrong checksum"),
            Flaw::Crowded(count) => write!(f, "lists {count} tables, allowed are {MAX_TABLES}"),
            Flaw::Field(offset) => write!(f, "has an impossible value at byte {offset}"),
            Flaw::Entry(offset) => write!(f, "has an entry of impossible length at byte {offset}"),
        }
    }
}

/// Checks the root pointer at this address and what it leads to.
pub fn check(memory: &impl Memory, pointer: u64) -> Result<Root, BadTable> {
    let mut root = root(memory, pointer)?;
    let (name, entry_bytes) = if root.revision == 0 { (*b"RSDT", 4) } else { (*b"XSDT", 8) };
    let list = table(memory, name, root.address, HEADER_BYTES)?;
    let entries = list.get(HEADER_BYTES as usize..).unwrap_or_default().chunks_exact(entry_bytes);
    if entries.len() > MAX_TABLES {
        return Err(BadTable { name, address: root.address, flaw: Flaw::Crowded(entries.len()) });
    }
    for entry in entries {
        match check_used(memory, number(entry)) {
            Err((bad, true)) => return Err(bad),
            Err((bad, false)) if root.is_sound(bad.name) => root.broken.push(bad),
            Err(_) | Ok(()) => {}
        }
    }
    Ok(root)
}

/// Where the root pointer leads. A later one without an address of 64 bits leads to the table of the first revision.
fn root(memory: &impl Memory, pointer: u64) -> Result<Root, BadTable> {
    let bad = |flaw| BadTable { name: *b"RSDP", address: pointer, flaw };
    let bytes = |count| memory.bytes(pointer, count).ok_or(bad(Flaw::NoMemory));
    let first = bytes(FIRST_POINTER_BYTES)?;
    if !first.starts_with(&ROOT_POINTER) {
        return Err(bad(Flaw::Signature));
    }
    require_sum(first, bad)?;
    let old = Root { address: field(first, 16, 4), revision: 0, broken: Vec::new() };
    let revision = field(first, 15, 1) as u8;
    if revision == 0 {
        return Ok(old);
    }
    let length = field(bytes(POINTER_BYTES)?, 20, 4);
    if !(POINTER_BYTES..=MAX_POINTER_BYTES).contains(&length) {
        return Err(bad(Flaw::Length(length as u32)));
    }
    let whole = bytes(length)?;
    require_sum(whole, bad)?;
    let address = field(whole, 24, 8);
    Ok(if address == 0 { old } else { Root { address, revision, ..old } })
}

/// Checks a table if the kernel reads those of its name; with what is wrong, whether the kernel needs it.
fn check_used(memory: &impl Memory, address: u64) -> Result<(), (BadTable, bool)> {
    let Some(signature) = memory.bytes(address, 4) else { return Ok(()) };
    let Some(kind) = KINDS.iter().find(|kind| signature == kind.name) else { return Ok(()) };
    let content = table(memory, kind.name, address, kind.least_bytes)
        .and_then(|bytes| (kind.check)(bytes).map_err(|flaw| BadTable { name: kind.name, address, flaw }));
    content.map_err(|bad| (bad, kind.needed))
}

/// Checks the fixed description table.
fn check_fixed(table: &[u8]) -> Result<(), Flaw> {
    if field(table, CONTROL_LENGTH, 1) < ABSURD_CONTROL_BYTES { Ok(()) } else { Err(Flaw::Field(CONTROL_LENGTH)) }
}

/// The bytes of a table whose signature, length and checksum are right.
fn table<M: Memory>(memory: &M, name: [u8; 4], address: u64, least: u32) -> Result<&[u8], BadTable> {
    let bad = |flaw| BadTable { name, address, flaw };
    let bytes = |count| memory.bytes(address, count).ok_or(bad(Flaw::NoMemory));
    let header = bytes(u64::from(HEADER_BYTES))?;
    if !header.starts_with(&name) {
        return Err(bad(Flaw::Signature));
    }
    let length = field(header, 4, 4) as u32;
    if !(least..=MAX_TABLE_BYTES).contains(&length) {
        return Err(bad(Flaw::Length(length)));
    }
    let whole = bytes(u64::from(length))?;
    require_sum(whole, bad)?;
    Ok(whole)
}

fn require_sum(bytes: &[u8], bad: impl Fn(Flaw) -> BadTable) -> Result<(), BadTable> {
    let sum = bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    if sum == 0 { Ok(()) } else { Err(bad(Flaw::Checksum)) }
}

/// Whether so many bytes from this address on can be registers or memory.
pub(super) fn is_physical(address: u64, bytes: u64) -> bool {
    address != 0 && address.checked_add(bytes).is_some_and(|end| end <= 1 << PHYSICAL_BITS)
}

/// The number of `count` bytes at an offset; zero if it lies outside.
pub(super) fn field(bytes: &[u8], offset: usize, count: usize) -> u64 {
    number(bytes.get(offset..offset + count).unwrap_or_default())
}

/// A number of up to eight bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
