//! The startup block: names and arguments of any content. That its lengths are true is the spawner's promise.

use capos_abi::startup::{CapSetEntry, MAGIC, StartupBlock, VERSION};
use capos_rt::startup;
use std::cell::RefCell;

const BLOCK_WORDS: usize = 4096 / size_of::<u64>();
const HEAD_BYTES: usize = size_of::<StartupBlock>();
const ENTRY_BYTES: usize = size_of::<CapSetEntry>();

thread_local!(static BLOCK: RefCell<&'static mut [u64]> = RefCell::new(vec![0; BLOCK_WORDS].leak()));

/// Adopts a block: a byte for the number of capabilities, a byte for the number of arguments, then what lies behind its head.
pub fn run(bytes: &[u8]) {
    let [caps, arguments, content @ ..] = bytes else { return };
    let content = &content[..content.len().min(BLOCK_WORDS * size_of::<u64>() - HEAD_BYTES)];
    let cap_count = usize::from(*caps).min(content.len() / ENTRY_BYTES);
    BLOCK.with_borrow_mut(|block| {
        let head = StartupBlock {
            magic: MAGIC,
            version: VERSION,
            cap_count: cap_count as u32,
            argument_count: u32::from(*arguments),
            argument_bytes: (content.len() - cap_count * ENTRY_BYTES) as u32,
            ..StartupBlock::default()
        };
        let place = block.as_mut_ptr();
        // SAFETY: the block is that long, aligned, and this thread's own; it is never freed, and all that its head describes
        // lies behind it.
        unsafe {
            place.cast::<StartupBlock>().write(head);
            place.cast::<u8>().add(HEAD_BYTES).copy_from_nonoverlapping(content.as_ptr(), content.len());
            assert!(startup::adopt(place.cast()));
        }
        assert!(startup::capabilities().all(|(name, _)| startup::capability(name).is_some()));
        assert!(startup::arguments().count() <= usize::from(*arguments));
    });
}
