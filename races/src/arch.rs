//! The interrupt controllers.

/// Interrupts between processors.
pub mod apic {
    use crate::processors;
    use crate::sync::atomic::Ordering;

    /// Interrupts the processor of this identity.
    pub fn interrupt(id: u32, _vector: u8) {
        if let Some(processor) = processors::all().nth(id as usize) {
            processor.interrupted.store(true, Ordering::Release);
        }
    }
}

/// Vectors.
pub mod vector {
    /// Drops translations.
    pub const SHOOTDOWN: u8 = 0xf0;
}
