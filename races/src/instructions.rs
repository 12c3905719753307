//! The processor's instructions, as the kernel uses them through the crate `x86_64`.

/// A virtual address.
#[derive(Clone, Copy)]
pub struct VirtAddr;

impl VirtAddr {
    /// As there.
    pub fn new_truncate(_: u64) -> VirtAddr {
        VirtAddr
    }
}

/// Translations: each processor either may have stale ones or has none.
pub mod tlb {
    use crate::processors;

    /// Drops one translation; models have only one.
    pub fn flush(_: super::VirtAddr) {
        flush_all();
    }

    /// Drops all translations.
    pub fn flush_all() {
        processors::drop_translations();
    }
}
