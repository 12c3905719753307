//! The pure half of the loader on the host: plans of good and bad files, and of files that were good.

use super::image::{self, Granted, Layout, Piece, Startup};
use super::plan::{Plan, Private, Shared, Tls, USER_ADDRESSES};
use super::{SpawnError, Unfit};
use elf::abi::{PF_R, PF_W, PF_X, PT_LOAD, PT_TLS};
use proptest::prelude::*;

/// A segment of a file made by [`file`].
#[derive(Clone, Copy)]
struct Segment {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    file_bytes: u64,
    memory_bytes: u64,
}

const TEXT: Segment = Segment {
    kind: PT_LOAD,
    flags: PF_R | PF_X,
    offset: 0x1000,
    address: 0x20_1000,
    file_bytes: 0x800,
    memory_bytes: 0x800,
};
const CONSTANTS: Segment =
    Segment { kind: PT_LOAD, flags: PF_R, offset: 0, address: 0x20_0000, file_bytes: 0x200, memory_bytes: 0x200 };
const DATA: Segment = Segment {
    kind: PT_LOAD,
    flags: PF_R | PF_W,
    offset: 0x1800,
    address: 0x20_2800,
    file_bytes: 0x100,
    memory_bytes: 0x3000,
};
const STORAGE: Segment =
    Segment { kind: PT_TLS, flags: PF_R, offset: 0x1800, address: 0x20_2800, file_bytes: 8, memory_bytes: 24 };

const ENTRY: u64 = 0x20_1000;
const FILE_BYTES: u64 = 0x1900;

/// The head of an ELF file with these segments.
fn file(segments: &[Segment]) -> Vec<u8> {
    let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend([2_u16, 62].into_iter().flat_map(u16::to_le_bytes)); // ET_EXEC, EM_X86_64
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend([ENTRY, 64, 0].into_iter().flat_map(u64::to_le_bytes));
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend([64, 56, segments.len() as u16, 0, 0, 0].into_iter().flat_map(u16::to_le_bytes));
    for segment in segments {
        bytes.extend([segment.kind, segment.flags].into_iter().flat_map(u32::to_le_bytes));
        let Segment { offset, address, file_bytes, memory_bytes, .. } = *segment;
        let words = [offset, address, address, file_bytes, memory_bytes, 8];
        bytes.extend(words.into_iter().flat_map(u64::to_le_bytes));
    }
    bytes
}

fn plan(segments: &[Segment]) -> Result<Plan, Unfit> {
    Plan::read(&file(segments), FILE_BYTES)
}

#[test]
fn a_program_is_planned() {
    let plan = plan(&[CONSTANTS, TEXT, DATA, STORAGE]).unwrap();
    assert_eq!(plan.entry, ENTRY);
    let constants = Shared { offset: 0, bytes: 0x1000, address: 0x20_0000, executable: false };
    let text = Shared { offset: 0x1000, bytes: 0x1000, address: 0x20_1000, executable: true };
    assert_eq!(plan.shared, [constants, text]);
    let data = Private { address: 0x20_2000, bytes: 0x4000, content: 0x1800..0x1900, content_offset: 0x800 };
    assert_eq!(plan.private, [data]);
    assert_eq!(plan.tls, Tls { address: 0x20_2800, image: 0x1800..0x1808, bytes: 24, alignment: 8 });
}

#[test]
fn each_defect_has_its_name() {
    let at = |address| Segment { address, ..TEXT };
    assert_eq!(Plan::read(b"#!/bin/sh", 9), Err(Unfit::NotElf));
    assert_eq!(Plan::read(&[], 0), Err(Unfit::NotElf));
    let mut other = file(&[TEXT]);
    other[18] = 40;
    assert_eq!(Plan::read(&other, FILE_BYTES), Err(Unfit::WrongMachine));
    let mut library = file(&[TEXT]);
    library[16] = 3;
    assert_eq!(Plan::read(&library, FILE_BYTES), Err(Unfit::NotExecutable));
    assert_eq!(plan(&[TEXT; 17]), Err(Unfit::TooManySegments));
    assert_eq!(Plan::read(&file(&[TEXT]), 0x17ff), Err(Unfit::SegmentOutsideFile { address: TEXT.address }));
    assert_eq!(plan(&[at(0x1000)]), Err(Unfit::SegmentOutsideUserRange { address: 0x1000 }));
    let kernel = USER_ADDRESSES.end;
    assert_eq!(plan(&[at(kernel)]), Err(Unfit::SegmentOutsideUserRange { address: kernel }));
    assert_eq!(plan(&[at(u64::MAX - 0xfff)]), Err(Unfit::SegmentOutsideUserRange { address: u64::MAX - 0xfff }));
    assert_eq!(plan(&[TEXT, TEXT]), Err(Unfit::SegmentsOverlap { address: TEXT.address }));
    assert_eq!(plan(&[at(0x20_1008)]), Err(Unfit::SegmentMisplaced { address: 0x20_1008 }));
    let grown = Segment { memory_bytes: 0x900, ..TEXT };
    assert_eq!(plan(&[grown]), Err(Unfit::SegmentMisplaced { address: TEXT.address }));
    let writable = Segment { flags: PF_R | PF_W | PF_X, ..TEXT };
    assert_eq!(plan(&[writable]), Err(Unfit::WritableAndExecutable { address: TEXT.address }));
    assert_eq!(plan(&[CONSTANTS]), Err(Unfit::NoEntry));
    let stray = Segment { address: 0x30_0000, ..STORAGE };
    assert_eq!(plan(&[TEXT, stray]), Err(Unfit::BadThreadLocalStorage));
    let huge = Segment { memory_bytes: 2 << 20, ..STORAGE };
    assert_eq!(plan(&[TEXT, DATA, huge]), Err(Unfit::BadThreadLocalStorage));
}

#[test]
fn memory_is_filled() {
    const START: u64 = 0x7000_0000;
    let plan = plan(&[CONSTANTS, TEXT, DATA, STORAGE]).unwrap();
    let layout = Layout::new(&plan, 0x4000, 100);
    let parts = (layout.storage, layout.control, layout.startup, layout.bytes);
    assert_eq!(parts, (0x4000 + 40, 0x4000 + 64, 0x4000 + 128, 0x5000));
    let content: Vec<u8> = (0..FILE_BYTES).map(|index| index as u8 | 1).collect();
    let copy = |offset: u64, to: &mut [u8]| to.copy_from_slice(&content[offset as usize..][..to.len()]);
    let data = Piece::data(&plan.private[0], copy);
    assert_eq!(data, Piece { address: 0x20_2800, bytes: content[0x1800..0x1900].to_vec() });
    let storage = Piece::storage(&plan, &layout, START, copy);
    assert_eq!(storage, Piece { address: START + layout.storage, bytes: content[0x1800..0x1808].to_vec() });
    let startup = Piece::startup(&layout, START, b"block");
    assert_eq!(startup.address, START + layout.control);
    assert_eq!(startup.bytes[..8], startup.address.to_le_bytes(), "the control block points to itself");
    assert_eq!(startup.bytes[8..64], [0; 56]);
    assert_eq!(startup.bytes[64..], *b"block");
}

#[test]
fn the_startup_block_has_the_announced_size() {
    let plan = plan(&[TEXT]).unwrap();
    let arguments = ["hello".to_string(), "world".to_string()];
    let capabilities = [Granted { slot: "log".into(), interface: 7, handle: 8 }];
    let block =
        Startup { arguments: &arguments, capabilities: &capabilities, stack: 0x1000..0x2000 }.encode(&plan).unwrap();
    assert_eq!(block.len() as u64, image::startup_bytes(1, &arguments).unwrap());
    assert!(block.ends_with(b"hello\0world\0"));
    assert_eq!(block[72..88], [8, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn bad_names_and_arguments_are_refused() {
    let plan = plan(&[TEXT]).unwrap();
    assert!(matches!(image::startup_bytes(0, &["a\0b".to_string()]), Err(SpawnError::BadArgument(_))));
    for name in ["", "a\0b", &"x".repeat(48)] {
        let capabilities = [Granted { slot: name.to_string().into(), interface: 1, handle: 1 }];
        let block = Startup { arguments: &[], capabilities: &capabilities, stack: 0..0 }.encode(&plan);
        assert!(matches!(block, Err(SpawnError::BadSlotName(_))), "{name:?}");
    }
}

/// What a loader relies on.
fn check(plan: &Plan, file_bytes: u64) {
    let aligned = |number: u64| assert_eq!(number % 4096, 0);
    for part in &plan.shared {
        [part.offset, part.bytes, part.address].into_iter().for_each(aligned);
        assert!(part.offset + part.bytes <= file_bytes.next_multiple_of(4096));
        assert!(USER_ADDRESSES.contains(&part.address) && part.address + part.bytes <= USER_ADDRESSES.end);
    }
    for part in &plan.private {
        [part.address, part.bytes].into_iter().for_each(aligned);
        assert!(part.content_offset + (part.content.end - part.content.start) <= part.bytes);
        assert!(part.content.end <= file_bytes);
        assert!(part.address + part.bytes <= USER_ADDRESSES.end);
    }
    assert!(plan.tls.image.end <= file_bytes && plan.tls.image.end - plan.tls.image.start <= plan.tls.bytes);
}

proptest! {
    /// Whatever is changed in a file: it is refused, or its plan is sound.
    #[test]
    fn mutated_files_never_panic(changes in prop::collection::vec((0_usize..288, any::<u8>()), 1..12), file_bytes in 0_u64..0x4000) {
        let mut head = file(&[CONSTANTS, TEXT, DATA, STORAGE]);
        for (at, value) in changes {
            head[at] = value;
        }
        if let Ok(plan) = Plan::read(&head, file_bytes) {
            check(&plan, file_bytes);
        }
    }

    #[test]
    fn random_numbers_never_panic(words in prop::collection::vec(any::<u64>(), 6), flags in 0_u32..8, kind in 0_u32..8) {
        let segment = Segment { kind, flags, offset: words[0], address: words[1], file_bytes: words[2], memory_bytes: words[3] };
        if let Ok(plan) = Plan::read(&file(&[TEXT, segment]), words[4]) {
            check(&plan, words[4]);
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = Plan::read(&bytes, bytes.len() as u64);
    }
}
