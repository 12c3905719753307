//! The ELF reader for `init`; every other program is loaded by user code.
use crate::memory::Access;
use crate::memory::range::{FIRST_ADDRESS, LAST_ADDRESS};
use elf::ElfBytes;
use elf::abi::{EM_X86_64, ET_EXEC, PF_W, PF_X, PT_LOAD, PT_TLS};
use elf::endian::LittleEndian;
use elf::segment::ProgramHeader;

const PAGE: u64 = capos_abi::PAGE_BYTES;

/// A program that cannot be loaded, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadProgram(pub &'static str);

/// A segment to map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// First address.
    pub address: u64,
    /// Byte offset in the file.
    pub offset: u64,
    /// Bytes in the file.
    pub file_bytes: u64,
    /// Bytes in memory; zero behind the file's.
    pub memory_bytes: u64,
    /// What it may be used for.
    pub access: Access,
    /// Alignment in bytes, a power of two.
    pub alignment: u64,
}

impl Segment {
    /// First address of its first page.
    pub fn first_page(&self) -> u64 {
        self.address & !(PAGE - 1)
    }

    /// Behind its last page.
    pub fn end_page(&self) -> u64 {
        (self.address + self.memory_bytes).next_multiple_of(PAGE)
    }
}

/// An executable for this machine.
pub struct Program<'a> {
    elf: ElfBytes<'a, LittleEndian>,
    /// First instruction.
    pub entry: u64,
    /// Image of thread-local storage.
    pub tls: Option<Segment>,
}

impl<'a> Program<'a> {
    /// Checks headers and segments.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BadProgram> {
        let elf =
            ElfBytes::<LittleEndian>::minimal_parse(bytes).map_err(|_| BadProgram("it is not a 64-bit ELF file"))?;
        if elf.ehdr.e_machine != EM_X86_64 || elf.ehdr.e_type != ET_EXEC {
            return Err(BadProgram("it is not a static x86-64 executable"));
        }
        let mut program = Self { entry: elf.ehdr.e_entry, elf, tls: None };
        let mut behind = FIRST_ADDRESS;
        for header in program.headers()? {
            match header.p_type {
                PT_LOAD => {
                    let segment = check(&header, bytes.len() as u64)?;
                    if segment.first_page() < behind {
                        return Err(BadProgram("its segments overlap or are not sorted"));
                    }
                    behind = segment.end_page();
                }
                PT_TLS => program.tls = Some(check(&header, bytes.len() as u64)?),
                _ => {}
            }
        }
        Ok(program)
    }

    /// The segments to map, in order of their addresses.
    pub fn segments(&self) -> impl Iterator<Item = Segment> {
        let loads = self.headers().into_iter().flatten().filter(|h| h.p_type == PT_LOAD && h.p_memsz > 0);
        loads.filter_map(|header| check(&header, u64::MAX).ok())
    }

    fn headers(&self) -> Result<elf::parse::ParsingIterator<'a, LittleEndian, ProgramHeader>, BadProgram> {
        Ok(self.elf.segments().ok_or(BadProgram("it has no segments"))?.iter())
    }
}

fn check(header: &ProgramHeader, file_bytes: u64) -> Result<Segment, BadProgram> {
    let access = match (header.p_flags & PF_W != 0, header.p_flags & PF_X != 0) {
        (true, true) => return Err(BadProgram("it has a segment that is writable and executable")),
        (true, false) => Access::ReadWrite,
        (false, true) => Access::ReadExecute,
        (false, false) => Access::Read,
    };
    let in_file = header.p_offset.checked_add(header.p_filesz).is_some_and(|end| end <= file_bytes);
    let in_memory = header.p_vaddr.checked_add(header.p_memsz).is_some_and(|end| end <= LAST_ADDRESS);
    if !in_file || !in_memory || header.p_vaddr < FIRST_ADDRESS || header.p_filesz > header.p_memsz {
        return Err(BadProgram("it has a segment outside of the file or of user memory"));
    }
    if header.p_align > PAGE {
        return Err(BadProgram("it has a segment aligned to more than a page"));
    }
    if header.p_type == PT_LOAD && header.p_vaddr % PAGE != header.p_offset % PAGE {
        return Err(BadProgram("it has a segment whose address and file offset do not fit the page size"));
    }
    Ok(Segment {
        address: header.p_vaddr,
        offset: header.p_offset,
        file_bytes: header.p_filesz,
        memory_bytes: header.p_memsz,
        access,
        alignment: header.p_align.max(1).next_power_of_two(),
    })
}
