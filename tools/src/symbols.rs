//! Where something of the kernel lies in physical memory when it was entered by PVH.

use anyhow::{Context, Result};
use elf::ElfBytes;
use elf::endian::LittleEndian;
use elf::segment::ProgramHeader;
use object::{Object, ObjectSymbol};
use std::path::Path;

/// The physical address of the kernel's function or static of this name: QEMU loads the file where its program headers say.
pub fn physical_address(kernel: &Path, name: &str) -> Result<u64> {
    let bytes = std::fs::read(kernel).with_context(|| format!("cannot read {}", kernel.display()))?;
    let file = object::File::parse(&*bytes)?;
    let symbol = file.symbols().find(|symbol| symbol.name() == Ok(name));
    let address = symbol.with_context(|| format!("the kernel has no symbol {name}"))?.address();
    let file = ElfBytes::<LittleEndian>::minimal_parse(&bytes)?;
    let holds = |segment: &ProgramHeader| (segment.p_vaddr..segment.p_vaddr + segment.p_memsz).contains(&address);
    let segment = file.segments().context("the kernel has no segments")?.iter().find(holds);
    let segment = segment.with_context(|| format!("no segment of the kernel holds {name}"))?;
    Ok(segment.p_paddr + (address - segment.p_vaddr))
}
