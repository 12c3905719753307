//! Program files, as every spawner reads them: what the plan says must lie in the file and in the new process's memory.

use capos_abi::startup::StartupBlock;
use capos_service::spawn::image::{self, Layout};
use capos_service::spawn::plan::{HEAD_BYTES, Plan, USER_ADDRESSES};

/// Bytes that are filled at most: what a program asks for beyond that is refused elsewhere, by its ledger.
const MAX_FILLED_BYTES: u64 = 1 << 20;

/// Plans the loading and fills the memory.
pub fn run(file: &[u8]) {
    let head = &file[..file.len().min(HEAD_BYTES as usize)];
    let Ok(plan) = Plan::read(head, file.len() as u64) else { return };
    for part in &plan.shared {
        assert!(USER_ADDRESSES.contains(&part.address) && part.address + part.bytes <= USER_ADDRESSES.end);
    }
    for part in &plan.private {
        let end = part.address + part.filled_bytes + part.zero_bytes;
        assert!(USER_ADDRESSES.contains(&part.address) && end <= USER_ADDRESSES.end);
        assert!(part.content.end <= file.len() as u64);
    }
    let layout = Layout::new(&plan, size_of::<StartupBlock>() as u64);
    if layout.bytes() <= MAX_FILLED_BYTES {
        let copy = |offset: u64, to: &mut [u8]| to.copy_from_slice(&file[offset as usize..][..to.len()]);
        image::fill(&mut vec![0; layout.bytes() as usize], &layout, &plan, copy, USER_ADDRESSES.start);
    }
}
