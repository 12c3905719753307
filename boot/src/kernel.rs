//! The kernel's file: checked, loaded, and its requests found.

use super::refusal::{Refusal, refusal};
use super::relocations;
use alloc::vec::Vec;
use capos_abi::PAGE_BYTES;
use capos_abi::boot::KERNEL_ADDRESS;
use capos_abi::limine::{
    BASE_REVISION, BASE_REVISION_ACCEPTED, BASE_REVISION_TAG, COMMON_MAGIC, END_MARKER, START_MARKER,
};
use core::slice;
use elf::ElfBytes;
use elf::abi::{EM_X86_64, ET_DYN, PF_R, PF_W, PF_X, PT_DYNAMIC, PT_LOAD};
use elf::endian::LittleEndian;
use elf::segment::ProgramHeader;

/// Bytes of the loaded kernel at most.
const MAX_BYTES: u64 = 256 << 20;
/// Words of a request: magic, feature, revision, response.
const FEATURE_WORD: usize = 2;
const RESPONSE_WORD: usize = 5;

/// A part of the kernel with one set of permissions.
#[derive(Clone, Copy)]
pub struct Segment {
    /// Virtual address, page-aligned.
    pub start: u64,
    /// Behind the last byte, page-aligned.
    pub end: u64,
    /// Its pages are written.
    pub writable: bool,
    /// Its pages hold code.
    pub executable: bool,
}

impl Segment {
    fn slide(&mut self, slide: u64) {
        self.start += slide;
        self.end += slide;
    }
}

/// The loaded kernel.
pub struct Kernel<'a> {
    image: &'a mut [u8],
    start: u64,
    entry: u64,
    segments: Vec<Segment>,
}

impl<'a> Kernel<'a> {
    /// Checks everything, then loads, into zeroed pages that `allocate` gives for so many bytes. `choose_slide` is told how many bytes behind
    /// [`KERNEL_ADDRESS`] the image ends, and answers how far above its linked address it is to lie.
    pub fn load(
        file: &[u8],
        allocate: impl FnOnce(u64) -> Result<&'a mut [u8], Refusal>,
        choose_slide: impl FnOnce(u64) -> u64,
    ) -> Result<Kernel<'a>, Refusal> {
        let parsed = ElfBytes::<LittleEndian>::minimal_parse(file)
            .map_err(|error| refusal!("the kernel is not an ELF file: {error}"))?;
        let header = parsed.ehdr;
        if header.class != elf::file::Class::ELF64 || header.e_machine != EM_X86_64 || header.e_type != ET_DYN {
            return Err(refusal!("the kernel is not a position-independent executable for this processor"));
        }
        let headers = parsed.segments().ok_or_else(|| refusal!("the kernel has no segments"))?;
        let loaded: Vec<ProgramHeader> =
            headers.iter().filter(|header| header.p_type == PT_LOAD && header.p_memsz > 0).collect();
        let dynamic = headers.iter().find(|header| header.p_type == PT_DYNAMIC);
        let dynamic = dynamic.ok_or_else(|| refusal!("the kernel does not say how it can be moved"))?;
        let mut segments = loaded.iter().map(segment).collect::<Result<Vec<_>, _>>()?;
        let (start, end) = bounds(&segments)?;
        if !segments.iter().any(|part| part.executable && (part.start..part.end).contains(&header.e_entry)) {
            return Err(refusal!("the kernel's entry {:#x} lies outside of its code", header.e_entry));
        }
        let image = allocate(end - start)?;
        for header in &loaded {
            copy(header, file, start, image)?;
        }
        let slide = choose_slide(end - KERNEL_ADDRESS);
        relocations::apply(&dynamic, start, slide, image)?;
        segments.iter_mut().for_each(|part| part.slide(slide));
        Ok(Kernel { image, start: start + slide, entry: header.e_entry + slide, segments })
    }

    /// Virtual address of the first byte.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Physical address of the first byte.
    pub fn physical(&self) -> u64 {
        self.image.as_ptr() as u64
    }

    /// Virtual address of the entry.
    pub fn entry(&self) -> u64 {
        self.entry
    }

    /// The parts.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Says that base revision 3 is kept to; false: the kernel asks for another.
    pub fn accept_base_revision(&mut self) -> bool {
        let words = self.requests();
        let tag = (0..words.len()).find(|at| starts_with(words, *at, &BASE_REVISION_TAG));
        match tag.and_then(|at| words.get_mut(at + BASE_REVISION_TAG.len())) {
            Some(revision) if *revision == BASE_REVISION => {
                *revision = BASE_REVISION_ACCEPTED;
                true
            }
            _ => false,
        }
    }

    /// Answers the kernel's request for a feature, if it has one.
    pub fn answer(&mut self, feature: [u64; 2], address: u64) {
        let words = self.requests();
        let asks =
            |at: &usize| starts_with(words, *at, &COMMON_MAGIC) && starts_with(words, *at + FEATURE_WORD, &feature);
        if let Some(response) = (0..words.len()).find(asks).and_then(|at| words.get_mut(at + RESPONSE_WORD)) {
            *response = address;
        }
    }

    /// The words between the last start marker and the first end marker behind it.
    fn requests(&mut self) -> &mut [u64] {
        // SAFETY: the image is whole pages, and every value of a word is valid.
        let words = unsafe { slice::from_raw_parts_mut(self.image.as_mut_ptr().cast::<u64>(), self.image.len() / 8) };
        let start = (0..words.len()).rfind(|at| starts_with(words, *at, &START_MARKER)).unwrap_or(0);
        let end = (start..words.len()).find(|at| starts_with(words, *at, &END_MARKER)).unwrap_or(words.len());
        words.get_mut(start..end).unwrap_or_default()
    }
}

fn starts_with(words: &[u64], at: usize, wanted: &[u64]) -> bool {
    words.get(at..).is_some_and(|words| words.starts_with(wanted))
}

/// The pages of a segment.
fn segment(header: &ProgramHeader) -> Result<Segment, Refusal> {
    let end = header.p_vaddr.checked_add(header.p_memsz).and_then(|end| end.checked_next_multiple_of(PAGE_BYTES));
    let (writable, executable) = (header.p_flags & PF_W != 0, header.p_flags & PF_X != 0);
    match end {
        _ if writable && executable => Err(refusal!("the kernel has a segment that is writable and executable")),
        _ if header.p_flags & PF_R == 0 || header.p_filesz > header.p_memsz => {
            Err(refusal!("the kernel has a segment that makes no sense"))
        }
        Some(end) if header.p_vaddr >= KERNEL_ADDRESS => {
            Ok(Segment { start: header.p_vaddr & !(PAGE_BYTES - 1), end, writable, executable })
        }
        _ => Err(refusal!("the kernel has a segment at {:#x}, outside of the upper 2 GiB", header.p_vaddr)),
    }
}

/// Start and end of all segments, which share no page.
fn bounds(segments: &[Segment]) -> Result<(u64, u64), Refusal> {
    let start = segments.iter().map(|part| part.start).min().ok_or_else(|| refusal!("the kernel has no segments"))?;
    let end = segments.iter().map(|part| part.end).max().unwrap_or(start);
    let shares = |(index, part): (usize, &Segment)| {
        segments.iter().skip(index + 1).any(|other| part.start < other.end && other.start < part.end)
    };
    if segments.iter().enumerate().any(shares) {
        return Err(refusal!("two segments of the kernel share a page"));
    }
    if end - start > MAX_BYTES {
        return Err(refusal!("the kernel is larger than {} MiB", MAX_BYTES >> 20));
    }
    Ok((start, end))
}

fn copy(header: &ProgramHeader, file: &[u8], start: u64, image: &mut [u8]) -> Result<(), Refusal> {
    let source = (header.p_offset as usize).checked_add(header.p_filesz as usize);
    let source = source.and_then(|end| file.get(header.p_offset as usize..end));
    let offset = (header.p_vaddr - start) as usize;
    let target = image.get_mut(offset..).and_then(|image| image.get_mut(..header.p_filesz as usize));
    match (source, target) {
        (Some(source), Some(target)) => {
            target.copy_from_slice(source);
            Ok(())
        }
        _ => Err(refusal!("the kernel is truncated")),
    }
}
