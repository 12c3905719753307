//! The kernel's relocations: the words of its image that hold addresses, moved with it.

use super::refusal::{Refusal, refusal};
use alloc::vec::Vec;
use elf::abi::{DT_JMPREL, DT_REL, DT_RELA, DT_RELASZ, R_X86_64_RELATIVE};
use elf::dynamic::{Dyn, DynamicTable};
use elf::endian::LittleEndian;
use elf::file::Class;
use elf::relocation::{Rela, RelaIterator};
use elf::segment::ProgramHeader;

/// Address of the packed relocations (`DT_RELR` of the generic ABI).
const DT_RELR: i64 = 36;
/// Bytes of a word.
const WORD_BYTES: usize = 8;

/// Adds `slide` to every address that the image holds. It is loaded as it was linked, at `start`; `dynamic` is its `PT_DYNAMIC`.
pub fn apply(dynamic: &ProgramHeader, start: u64, slide: u64, image: &mut [u8]) -> Result<(), Refusal> {
    for relocation in relocations(dynamic, start, image)? {
        if relocation.r_type != R_X86_64_RELATIVE {
            return Err(refusal!("the kernel has a relocation of type {}", relocation.r_type));
        }
        let place = range(relocation.r_offset, start, WORD_BYTES as u64).and_then(|range| image.get_mut(range));
        let Some(place) = place else {
            return Err(refusal!("the kernel has a relocation at {:#x}, outside of it", relocation.r_offset));
        };
        place.copy_from_slice(&slide.wrapping_add_signed(relocation.r_addend).to_le_bytes());
    }
    Ok(())
}

/// The relocations that the dynamic table names.
fn relocations(dynamic: &ProgramHeader, start: u64, image: &[u8]) -> Result<Vec<Rela>, Refusal> {
    let bytes = range(dynamic.p_vaddr, start, dynamic.p_filesz).and_then(|range| image.get(range));
    let bytes = bytes.ok_or_else(|| refusal!("the kernel's dynamic table lies outside of it"))?;
    let entries: Vec<Dyn> = DynamicTable::new(LittleEndian, Class::ELF64, bytes).iter().collect();
    if entries.iter().any(|entry| [DT_REL, DT_RELR, DT_JMPREL].contains(&entry.d_tag)) {
        return Err(refusal!("the kernel has relocations in a form that the loader does not know"));
    }
    let value = |tag| entries.iter().find(|entry| entry.d_tag == tag).map_or(0, Dyn::d_val);
    let table = range(value(DT_RELA), start, value(DT_RELASZ)).and_then(|range| image.get(range));
    match table {
        _ if value(DT_RELASZ) == 0 => Ok(Vec::new()),
        Some(table) => Ok(RelaIterator::new(LittleEndian, Class::ELF64, table).collect()),
        None => Err(refusal!("the kernel's relocations lie outside of it")),
    }
}

/// Where so many bytes at an address lie in an image that starts at `start`.
fn range(address: u64, start: u64, bytes: u64) -> Option<core::ops::Range<usize>> {
    let first = usize::try_from(address.checked_sub(start)?).ok()?;
    Some(first..first.checked_add(usize::try_from(bytes).ok()?)?)
}
