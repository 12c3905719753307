//! The startup block: the capabilities, arguments and thread-local storage image that the spawner left for this process.
use capos_abi::handle::{Handle, NULL};
use capos_abi::startup::{CapSetEntry, MAGIC, StartupBlock, VERSION, slot};
use core::ffi::CStr;
use core::ptr;
use core::slice;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

static BLOCK: AtomicPtr<StartupBlock> = AtomicPtr::new(ptr::null_mut());

/// Handles that the runtime itself uses all the time, so that they need not be looked up by name.
struct Own {
    process: AtomicU64,
    ledger: AtomicU64,
    memory: AtomicU64,
    clock: AtomicU64,
}

static OWN: Own = Own {
    process: AtomicU64::new(NULL),
    ledger: AtomicU64::new(NULL),
    memory: AtomicU64::new(NULL),
    clock: AtomicU64::new(NULL),
};

/// Name of the slot that gives the time (`Clock`).
const CLOCK: &str = "clock";

/// A capability of the CapSet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability {
    /// The process's handle.
    pub handle: Handle,
    /// The interface that was granted.
    pub interface: u64,
}

/// Remembers the startup block. Answers whether this runtime can read it.
///
/// # Safety
/// `block` points to memory that is readable as long as the process lives; if it starts with a valid [`StartupBlock`],
/// what that describes lies behind it.
pub unsafe fn adopt(block: *const StartupBlock) -> bool {
    // SAFETY: readable, says the caller.
    let head = unsafe { block.read() };
    if head.magic != MAGIC || head.version != VERSION {
        return false;
    }
    BLOCK.store(block.cast_mut(), Ordering::Release);
    let own =
        [(&OWN.process, slot::PROCESS), (&OWN.ledger, slot::LEDGER), (&OWN.memory, slot::MEMORY), (&OWN.clock, CLOCK)];
    for (handle, name) in own {
        handle.store(handle_of(name), Ordering::Relaxed);
    }
    true
}

/// The startup block, once [`adopt`] has accepted it.
pub fn block() -> Option<&'static StartupBlock> {
    // SAFETY: null, or a block that `adopt` checked; it is never written.
    unsafe { BLOCK.load(Ordering::Acquire).as_ref() }
}

/// The CapSet: every capability that the process was given, with its name.
pub fn capabilities() -> impl Iterator<Item = (&'static str, Capability)> {
    entries().iter().map(|entry| (name(entry), Capability { handle: entry.handle, interface: entry.interface }))
}

/// The capability that was given under this name.
pub fn capability(wanted: &str) -> Option<Capability> {
    capabilities().find(|(name, _)| *name == wanted).map(|(_, capability)| capability)
}

/// The own `Process`.
pub fn process() -> Handle {
    OWN.process.load(Ordering::Relaxed)
}

/// The `Ledger` that pays for this process.
pub fn ledger() -> Handle {
    OWN.ledger.load(Ordering::Relaxed)
}

/// The own `VirtualMemory`.
pub fn memory() -> Handle {
    OWN.memory.load(Ordering::Relaxed)
}

/// The `Clock`, if one was granted.
pub fn clock() -> Option<Handle> {
    Some(OWN.clock.load(Ordering::Relaxed)).filter(|&handle| handle != NULL)
}

/// Number of arguments.
pub fn argument_count() -> usize {
    block().map_or(0, |block| block.argument_count as usize)
}

/// The arguments, the program's name first.
pub fn arguments() -> impl Iterator<Item = &'static CStr> {
    let mut rest = argument_bytes();
    core::iter::from_fn(move || {
        let argument = CStr::from_bytes_until_nul(rest).ok()?;
        rest = &rest[argument.to_bytes_with_nul().len()..];
        Some(argument)
    })
    .take(argument_count())
}

fn handle_of(name: &str) -> Handle {
    capability(name).map_or(NULL, |capability| capability.handle)
}

fn entries() -> &'static [CapSetEntry] {
    let Some(block) = block() else { return &[] };
    // SAFETY: that many entries follow the block's head.
    unsafe { slice::from_raw_parts(ptr::from_ref(block).add(1).cast(), block.cap_count as usize) }
}

fn argument_bytes() -> &'static [u8] {
    let Some(block) = block() else { return &[] };
    // SAFETY: the arguments follow the CapSet.
    unsafe { slice::from_raw_parts(entries().as_ptr_range().end.cast(), block.argument_bytes as usize) }
}

fn name(entry: &CapSetEntry) -> &str {
    let bytes = entry.name.split(|&byte| byte == 0).next().unwrap_or_default();
    core::str::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::boxed::Box;
    use capos_abi::startup::NAME_BYTES;

    #[repr(C)]
    struct Left<const CAPS: usize> {
        head: StartupBlock,
        caps: [CapSetEntry; CAPS],
        arguments: [u8; 16],
    }

    fn entry(handle: Handle, interface: u64, text: &str) -> CapSetEntry {
        let mut name = [0; NAME_BYTES];
        name[..text.len()].copy_from_slice(text.as_bytes());
        CapSetEntry { handle, interface, name }
    }

    #[test]
    fn a_process_finds_what_its_spawner_left() {
        let longest = "n".repeat(NAME_BYTES);
        let left = Box::leak(Box::new(Left {
            head: StartupBlock {
                magic: MAGIC,
                version: VERSION,
                cap_count: 3,
                argument_count: 2,
                argument_bytes: 16,
                ..StartupBlock::default()
            },
            caps: [entry(7, 1, slot::PROCESS), entry(8, 2, CLOCK), entry(9, 3, &longest)],
            arguments: *b"hello\0the world\0",
        }));
        let other = StartupBlock { version: VERSION + 1, ..left.head };
        // SAFETY: both blocks are readable, and the first has everything behind it that it describes.
        unsafe {
            assert!(!adopt(&other));
            assert!(adopt(ptr::from_ref(left).cast()));
        }
        assert_eq!((process(), clock(), memory()), (7, Some(8), NULL));
        assert_eq!(capability(&longest), Some(Capability { handle: 9, interface: 3 }));
        assert_eq!(capability("clo"), None);
        assert!(arguments().eq([c"hello", c"the world"]));
    }
}
