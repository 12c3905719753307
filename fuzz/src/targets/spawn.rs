//! Program files, as every spawner reads them: what the plan says must lie in the file and in the new process's memory.

use capos_abi::startup::StartupBlock;
use capos_service::spawn::image::{Layout, Piece};
use capos_service::spawn::plan::{HEAD_BYTES, Plan, USER_ADDRESSES};

/// Bytes of the main thread's stack.
const STACK_BYTES: u64 = 1 << 16;

/// Plans the loading and says what is written.
pub fn run(file: &[u8]) {
    let head = &file[..file.len().min(HEAD_BYTES as usize)];
    let Ok(plan) = Plan::read(head, file.len() as u64) else { return };
    for part in &plan.shared {
        assert!(USER_ADDRESSES.contains(&part.address) && part.address + part.bytes <= USER_ADDRESSES.end);
    }
    for part in &plan.private {
        let end = part.address + part.bytes;
        assert!(USER_ADDRESSES.contains(&part.address) && end <= USER_ADDRESSES.end);
        assert!(part.content.end <= file.len() as u64);
    }
    let copy = |offset: u64, to: &mut [u8]| to.copy_from_slice(&file[offset as usize..][..to.len()]);
    for part in &plan.private {
        let piece = Piece::data(part, copy);
        assert!(piece.address >= part.address && piece.address + piece.bytes.len() as u64 <= part.address + part.bytes);
    }
    let layout = Layout::new(&plan, STACK_BYTES, size_of::<StartupBlock>() as u64);
    let storage = Piece::storage(&plan, &layout, 0, copy);
    assert!(storage.address >= STACK_BYTES && storage.address + storage.bytes.len() as u64 <= layout.control);
    let startup = Piece::startup(&layout, 0, &[0; size_of::<StartupBlock>()]);
    assert!(startup.address == layout.control && startup.address + startup.bytes.len() as u64 <= layout.bytes);
}
