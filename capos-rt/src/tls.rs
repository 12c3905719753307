//! Thread-local storage, variant II: the block ends at the thread pointer, whose first word points to itself.
use crate::startup;
use core::arch::asm;
use core::{ptr, slice};

/// Bytes of the control block at the thread pointer.
const CONTROL_BYTES: usize = 64;

/// The process's thread-local storage, as the program's file describes it.
pub struct Layout {
    image: &'static [u8],
    bytes: usize,
    alignment: usize,
}

impl Layout {
    /// That of this process.
    pub fn own() -> Self {
        let Some(block) = startup::block() else { return Self { image: &[], bytes: 0, alignment: CONTROL_BYTES } };
        let image = match block.tls_image_bytes {
            0 => &[][..],
            // SAFETY: the startup block names the image in this process's memory, which is mapped as long as it lives.
            bytes => unsafe {
                slice::from_raw_parts(ptr::with_exposed_provenance(block.tls_image as usize), bytes as usize)
            },
        };
        let alignment = (block.tls_alignment as usize).max(1);
        Self {
            image,
            bytes: (block.tls_bytes as usize).next_multiple_of(alignment),
            alignment: alignment.max(CONTROL_BYTES),
        }
    }

    /// Bytes that one thread needs, wherever they start.
    pub fn area_bytes(&self) -> usize {
        self.bytes + CONTROL_BYTES + 2 * self.alignment
    }

    /// Builds a new thread's storage at the end of an area; returns its thread pointer.
    ///
    /// # Safety
    /// [`Layout::area_bytes`] before `end` are writable, zero, and used for nothing else.
    pub unsafe fn build(&self, end: *mut u8) -> *mut u8 {
        let pointer = end.wrapping_sub(CONTROL_BYTES);
        let pointer = pointer.wrapping_sub(pointer.addr() % self.alignment);
        // SAFETY: image, block and control block lie in the area.
        unsafe {
            ptr::copy_nonoverlapping(self.image.as_ptr(), pointer.sub(self.bytes), self.image.len());
            pointer.cast::<*mut u8>().write(pointer);
        }
        pointer
    }

    /// Makes the calling thread's storage what it was before its first instruction.
    ///
    /// # Safety
    /// Nothing in it has a destructor or is referred to.
    pub unsafe fn rewind(&self) {
        let start = thread_pointer().wrapping_sub(self.bytes);
        // SAFETY: the block lies before the thread pointer.
        unsafe {
            ptr::copy_nonoverlapping(self.image.as_ptr(), start, self.image.len());
            ptr::write_bytes(start.add(self.image.len()), 0, self.bytes - self.image.len());
        }
    }
}

fn thread_pointer() -> *mut u8 {
    let pointer;
    // SAFETY: the first word at the thread pointer points to itself.
    unsafe { asm!("mov {}, fs:[0]", out(reg) pointer, options(nostack, preserves_flags, readonly)) };
    pointer
}
