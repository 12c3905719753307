//! The kernel's file can lie at any address: it is position-independent, every relocation is one that each loader knows, and what is
//! executed holds none, so that text is the same wherever it lies.

use super::Violations;
use crate::artifacts;
use anyhow::{Context, Result};
use elf::ElfBytes;
use elf::abi::{DT_NEEDED, ET_DYN, PF_W, PF_X, PT_LOAD, R_X86_64_RELATIVE, SHT_RELA};
use elf::endian::LittleEndian;
use elf::relocation::Rela;
use elf::segment::ProgramHeader;

/// Checks the built kernel.
pub fn check() -> Result<Violations> {
    let path = artifacts::require(artifacts::kernel())?;
    violations(&std::fs::read(&path).with_context(|| path.display().to_string())?)
}

fn violations(file: &[u8]) -> Result<Violations> {
    let file = ElfBytes::<LittleEndian>::minimal_parse(file)?;
    let mut found = Violations::new();
    if file.ehdr.e_type != ET_DYN {
        found.push("the kernel is not position-independent".into());
    }
    let segments = file.segments().context("the kernel has no segments")?;
    let loaded: Vec<ProgramHeader> = segments.iter().filter(|segment| segment.p_type == PT_LOAD).collect();
    if loaded.iter().any(|segment| segment.p_flags & (PF_W | PF_X) == PF_W | PF_X) {
        found.push("a segment of the kernel is writable and executable".into());
    }
    match file.dynamic()? {
        None => found.push("the kernel does not say where its relocations are".into()),
        Some(entries) if entries.iter().any(|entry| entry.d_tag == DT_NEEDED) => {
            found.push("the kernel needs a library".into());
        }
        Some(_) => {}
    }
    for section in file.section_headers().context("the kernel has no sections")? {
        if section.sh_type == SHT_RELA {
            let relocations = file.section_data_as_relas(&section)?;
            found.extend(relocations.filter_map(|relocation| unsound(&relocation, &loaded)));
        }
    }
    Ok(found)
}

/// What is wrong with a relocation, if anything.
fn unsound(relocation: &Rela, loaded: &[ProgramHeader]) -> Option<String> {
    let executed = loaded.iter().filter(|segment| segment.p_flags & PF_X != 0).any(|segment| {
        let end = segment.p_vaddr.saturating_add(segment.p_memsz);
        (segment.p_vaddr..end).contains(&relocation.r_offset)
    });
    let (kind, place) = (relocation.r_type, relocation.r_offset);
    (kind != R_X86_64_RELATIVE || executed).then(|| format!("the kernel has a relocation of type {kind} at {place:#x}"))
}
