//! From a program file to what has to be mapped: pure, and hard on what it reads.
//!
//! What is only read or executed is mapped straight from the file, so that all instances share it. What is written gets
//! memory of its own, filled from the file, and zeroed memory behind that.

use super::Unfit;
use capos_abi::PAGE_BYTES;
use elf::abi::{EI_NIDENT, EM_X86_64, ET_EXEC, PF_W, PF_X, PT_LOAD, PT_TLS};
use elf::endian::LittleEndian;
use elf::file::{Class, FileHeader};
use elf::parse::ParseAt;
use elf::segment::{ProgramHeader, SegmentTable};
use std::ops::Range;

/// Addresses that a program may ask for. Below, null pointers fault; above is the kernel.
pub const USER_ADDRESSES: Range<u64> = 0x1_0000..0x7fff_ffff_f000;

/// Bytes at the start of a program file that hold all headers.
pub const HEAD_BYTES: u64 = 4096;
/// Segments that a program may have.
const MAX_SEGMENTS: usize = 16;
/// Bytes of thread-local storage that a program may ask for.
const MAX_TLS_BYTES: u64 = 1 << 20;

/// How to load a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Address of the first instruction.
    pub entry: u64,
    /// Parts of the file to map, in rising order of addresses.
    pub shared: Vec<Shared>,
    /// Memory to fill, in rising order of addresses.
    pub private: Vec<Private>,
    /// Thread-local storage.
    pub tls: Tls,
}

/// A part of the file that is mapped as it is. All numbers are multiples of the page size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// Byte offset in the file.
    pub offset: u64,
    /// Bytes.
    pub bytes: u64,
    /// Where to map it.
    pub address: u64,
    /// Whether it is executed, not only read.
    pub executable: bool,
}

/// Memory of one instance. Addresses and sizes are multiples of the page size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Private {
    /// First address.
    pub address: u64,
    /// Bytes, zero where nothing else is said.
    pub bytes: u64,
    /// What is written there, as a range of the file.
    pub content: Range<u64>,
    /// Where in the memory that goes.
    pub content_offset: u64,
}

/// Thread-local storage: an image, then zeros.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Address at which the image is loaded.
    pub address: u64,
    /// The image, as a range of the file.
    pub image: Range<u64>,
    /// Bytes of one thread's storage; at least those of the image.
    pub bytes: u64,
    /// Alignment of the storage; a power of two, at most the page size.
    pub alignment: u64,
}

impl Plan {
    /// Reads the start of a program file, in which all its headers stand; the file has `file_bytes`.
    pub fn read(head: &[u8], file_bytes: u64) -> Result<Plan, Unfit> {
        let (identification, rest) = head.split_at_checked(EI_NIDENT).ok_or(Unfit::NotElf)?;
        let identification = elf::file::parse_ident::<LittleEndian>(identification).map_err(|_| Unfit::NotElf)?;
        let header = FileHeader::parse_tail(identification, rest).map_err(|_| Unfit::NotElf)?;
        if header.class != Class::ELF64 || header.e_machine != EM_X86_64 {
            return Err(Unfit::WrongMachine);
        }
        if header.e_type != ET_EXEC {
            return Err(Unfit::NotExecutable);
        }
        let segments = segments(head, &header)?;
        let mut plan = Plan { entry: header.e_entry, shared: Vec::new(), private: Vec::new(), tls: Tls::default() };
        let mut free = USER_ADDRESSES.start;
        for segment in segments.iter().filter(|segment| segment.p_type == PT_LOAD && segment.p_memsz > 0) {
            free = plan.add(file_bytes, segment, free)?;
        }
        if let Some(segment) = segments.iter().find(|segment| segment.p_type == PT_TLS) {
            plan.tls = tls(file_bytes, segment)?;
        }
        plan.check()?;
        Ok(plan)
    }

    /// Adds a segment that may start at `free`; returns the first address behind it.
    fn add(&mut self, file_bytes: u64, segment: &ProgramHeader, free: u64) -> Result<u64, Unfit> {
        let address = segment.p_vaddr;
        let content = content(file_bytes, segment).ok_or(Unfit::SegmentOutsideFile { address })?;
        let end = address.checked_add(segment.p_memsz).filter(|end| *end <= USER_ADDRESSES.end);
        let end = end.filter(|_| address >= USER_ADDRESSES.start).ok_or(Unfit::SegmentOutsideUserRange { address })?;
        let (first, end) = (page_floor(address), page_ceil(end));
        if first < free {
            return Err(Unfit::SegmentsOverlap { address });
        }
        if segment.p_offset % PAGE_BYTES != address % PAGE_BYTES || segment.p_filesz > segment.p_memsz {
            return Err(Unfit::SegmentMisplaced { address });
        }
        match (segment.p_flags & PF_W != 0, segment.p_flags & PF_X != 0) {
            (true, true) => return Err(Unfit::WritableAndExecutable { address }),
            (true, false) => self.private.push(private(segment, content, first, end)),
            (false, _) if segment.p_memsz > segment.p_filesz => return Err(Unfit::SegmentMisplaced { address }),
            (false, executable) => {
                self.shared.push(Shared {
                    offset: page_floor(segment.p_offset),
                    bytes: end - first,
                    address: first,
                    executable,
                });
            }
        }
        Ok(end)
    }

    /// What concerns several segments.
    fn check(&self) -> Result<(), Unfit> {
        let executable = |part: &Shared| part.executable && holds(part.address, part.bytes, self.entry, 1);
        if !self.shared.iter().any(executable) {
            return Err(Unfit::NoEntry);
        }
        let image_bytes = self.tls.image.end - self.tls.image.start;
        let loaded = |address, bytes| holds(address, bytes, self.tls.address, image_bytes);
        let in_memory = self.shared.iter().any(|part| loaded(part.address, part.bytes))
            || self.private.iter().any(|part| loaded(part.address, part.bytes));
        if image_bytes > 0 && !in_memory { Err(Unfit::BadThreadLocalStorage) } else { Ok(()) }
    }
}

fn segments(head: &[u8], header: &FileHeader<LittleEndian>) -> Result<Vec<ProgramHeader>, Unfit> {
    let count = usize::from(header.e_phnum);
    if count > MAX_SEGMENTS {
        return Err(Unfit::TooManySegments);
    }
    let start = usize::try_from(header.e_phoff).map_err(|_| Unfit::NotExecutable)?;
    let bytes = count * <ProgramHeader as ParseAt>::size_for(header.class);
    let table = start.checked_add(bytes).and_then(|end| head.get(start..end)).ok_or(Unfit::NotExecutable)?;
    Ok(SegmentTable::new(header.endianness, header.class, table).iter().collect())
}

fn private(segment: &ProgramHeader, content: Range<u64>, first: u64, end: u64) -> Private {
    Private { address: first, bytes: end - first, content, content_offset: segment.p_vaddr - first }
}

fn tls(file_bytes: u64, segment: &ProgramHeader) -> Result<Tls, Unfit> {
    let alignment = segment.p_align.max(1);
    let sound = alignment.is_power_of_two()
        && alignment <= PAGE_BYTES
        && segment.p_vaddr.is_multiple_of(alignment)
        && segment.p_filesz <= segment.p_memsz
        && segment.p_memsz <= MAX_TLS_BYTES;
    let image = content(file_bytes, segment).filter(|_| sound).ok_or(Unfit::BadThreadLocalStorage)?;
    Ok(Tls { address: segment.p_vaddr, image, bytes: segment.p_memsz, alignment })
}

fn content(file_bytes: u64, segment: &ProgramHeader) -> Option<Range<u64>> {
    let end = segment.p_offset.checked_add(segment.p_filesz)?;
    (end <= file_bytes).then_some(segment.p_offset..end)
}

fn holds(start: u64, bytes: u64, address: u64, wanted: u64) -> bool {
    address.checked_sub(start).is_some_and(|offset| offset <= bytes && wanted <= bytes - offset)
}

/// The start of the page that holds `address`.
fn page_floor(address: u64) -> u64 {
    address - address % PAGE_BYTES
}

/// The start of the first page at or behind `address`, which lies below the kernel or within a file.
fn page_ceil(address: u64) -> u64 {
    address.next_multiple_of(PAGE_BYTES)
}
