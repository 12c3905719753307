//! The kernel's file, as the UEFI loader reads it: checked, loaded, moved, its requests answered.

extern crate alloc;

#[path = "../../../boot/src/kernel.rs"]
mod kernel;
#[path = "../../../boot/src/refusal.rs"]
mod refusal;
#[path = "../../../boot/src/relocations.rs"]
mod relocations;

use capos_abi::PAGE_BYTES;
use capos_abi::boot::{KERNEL_ADDRESS, SLIDE_STEP, SLIDE_WINDOW};
use kernel::Kernel;
use refusal::{Refusal, refusal};

/// Bytes of the loaded image at most: a machine with little memory.
const MEMORY_BYTES: usize = 256 << 10;
/// A feature that some kernel may ask for.
const FEATURE: [u64; 2] = [1, 2];

/// Loads the file where it is linked, and as high as it can lie.
pub fn run(file: &[u8]) {
    load(file, |_| 0);
    load(file, |end| (SLIDE_WINDOW - SLIDE_STEP).saturating_sub(end.next_multiple_of(SLIDE_STEP)));
}

fn load(file: &[u8], choose_slide: impl Fn(u64) -> u64) {
    let mut memory = Vec::new();
    match Kernel::load(file, |bytes| pages(&mut memory, bytes as usize), choose_slide) {
        Ok(kernel) => can_be(kernel),
        Err(refusal) => assert!(!refusal.to_string().is_empty()),
    }
}

/// Zeroed memory, aligned for words as pages are.
fn pages(memory: &mut Vec<u8>, bytes: usize) -> Result<&mut [u8], Refusal> {
    if bytes > MEMORY_BYTES {
        return Err(refusal!("there is too little memory"));
    }
    memory.resize(bytes + size_of::<u64>(), 0);
    let start = memory.as_ptr().align_offset(size_of::<u64>());
    Ok(&mut memory[start..start + bytes])
}

/// Whatever was loaded lies in the window, on pages that are not shared and never writable and executable, and is entered in its code.
fn can_be(mut kernel: Kernel<'_>) {
    assert!(kernel.physical() != 0);
    let mut end = 0;
    let mut segments: Vec<_> = kernel.segments().to_vec();
    segments.sort_by_key(|segment| segment.start);
    for segment in &segments {
        assert!(
            segment.start >= end.max(KERNEL_ADDRESS) && segment.start >= kernel.start() && segment.start < segment.end
        );
        assert!(segment.start.is_multiple_of(PAGE_BYTES) && !(segment.writable && segment.executable));
        end = segment.end;
    }
    let is_entered = |segment: &&kernel::Segment| (segment.start..segment.end).contains(&kernel.entry());
    assert!(segments.iter().find(is_entered).is_some_and(|segment| segment.executable));
    kernel.accept_base_revision();
    kernel.answer(FEATURE, KERNEL_ADDRESS);
}
