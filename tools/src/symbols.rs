//! Where functions and statics of what was built lie.

use anyhow::{Context, Result};
use elf::ElfBytes;
use elf::endian::LittleEndian;
use elf::segment::ProgramHeader;
use object::{Object, ObjectSymbol};
use std::path::Path;

/// The address that the function or static of this name is linked at.
pub fn address(file: &Path, name: &str) -> Result<u64> {
    let bytes = read(file)?;
    let object = object::File::parse(&*bytes)?;
    let symbol = object.symbols().find(|symbol| symbol.name() == Ok(name));
    Ok(symbol.with_context(|| format!("{} has no symbol {name}", file.display()))?.address())
}

/// Its physical address in a kernel that was entered by PVH: QEMU loads the file where its program headers say.
pub fn physical_address(kernel: &Path, name: &str) -> Result<u64> {
    let (bytes, address) = (read(kernel)?, address(kernel, name)?);
    let file = ElfBytes::<LittleEndian>::minimal_parse(&bytes)?;
    let holds = |segment: &ProgramHeader| (segment.p_vaddr..segment.p_vaddr + segment.p_memsz).contains(&address);
    let segment = file.segments().context("the kernel has no segments")?.iter().find(holds);
    let segment = segment.with_context(|| format!("no segment of the kernel holds {name}"))?;
    Ok(segment.p_paddr + (address - segment.p_vaddr))
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
