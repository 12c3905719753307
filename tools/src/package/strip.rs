//! Takes from a program file what no segment loads: symbols and debug information stay on the host.

use elf::ElfBytes;
use elf::abi::PT_LOAD;
use elf::endian::LittleEndian;
use elf::parse::ParseError;
use std::mem::offset_of;

/// The fields of an ELF header (ELF64, "ELF header") that lead to the section table.
#[repr(C)]
struct Header {
    identification: [u8; 16],
    kind: u16,
    machine: u16,
    version: u32,
    entry: u64,
    segments: u64,
    sections: u64,
    flags: u32,
    header_bytes: u16,
    segment_bytes: u16,
    segment_count: u16,
    section_bytes: u16,
    section_count: u16,
    section_names: u16,
}

const _: () = assert!(size_of::<Header>() == 64);

/// The program without anything behind the last byte that a segment loads.
pub fn strip(mut file: Vec<u8>) -> Result<Vec<u8>, ParseError> {
    let end = loaded_end(&file)?;
    file.truncate(end);
    file[offset_of!(Header, sections)..][..size_of::<u64>()].fill(0);
    file[offset_of!(Header, section_count)..][..size_of::<[u16; 2]>()].fill(0);
    Ok(file)
}

fn loaded_end(file: &[u8]) -> Result<usize, ParseError> {
    let elf = ElfBytes::<LittleEndian>::minimal_parse(file)?;
    let table = elf.ehdr.e_phoff + u64::from(elf.ehdr.e_phentsize) * u64::from(elf.ehdr.e_phnum);
    let mut end = table.max(size_of::<Header>() as u64);
    for segment in elf.segments().into_iter().flatten().filter(|segment| segment.p_type == PT_LOAD) {
        elf.segment_data(&segment)?;
        end = end.max(segment.p_offset + segment.p_filesz);
    }
    Ok(end as usize)
}

#[cfg(test)]
mod test {
    use super::*;

    /// An ELF file of the host is as good as any: this test itself.
    #[test]
    fn what_segments_load_stays() {
        let whole = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let stripped = strip(whole.clone()).unwrap();
        assert!(stripped.len() < whole.len());
        let before = ElfBytes::<LittleEndian>::minimal_parse(&whole).unwrap();
        let after = ElfBytes::<LittleEndian>::minimal_parse(&stripped).unwrap();
        assert!(after.section_headers().is_none());
        for segment in before.segments().unwrap().iter().filter(|segment| segment.p_type == PT_LOAD) {
            let start = segment.p_offset.max(size_of::<Header>() as u64) as usize;
            let end = (segment.p_offset + segment.p_filesz) as usize;
            assert_eq!(whole[start..end], stripped[start..end]);
        }
        assert_eq!(after.segments().unwrap().len(), before.segments().unwrap().len());
    }

    #[test]
    fn what_is_no_program_is_refused() {
        assert!(strip(b"#!/bin/sh\n".to_vec()).is_err());
        assert!(strip(Vec::new()).is_err());
    }
}
