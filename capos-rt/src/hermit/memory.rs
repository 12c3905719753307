//! The heap.
use crate::heap;
use core::alloc::Layout;

fn layout(bytes: usize, alignment: usize) -> Layout {
    // SAFETY: std takes both from a `Layout`.
    unsafe { Layout::from_size_align_unchecked(bytes, alignment) }
}

#[unsafe(no_mangle)]
extern "C" fn sys_malloc(bytes: usize, alignment: usize) -> *mut u8 {
    heap::allocate(layout(bytes, alignment))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_realloc(memory: *mut u8, bytes: usize, alignment: usize, new_bytes: usize) -> *mut u8 {
    // SAFETY: the contract of `GlobalAlloc::realloc`.
    unsafe { heap::reallocate(memory, layout(bytes, alignment), new_bytes) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_free(memory: *mut u8, bytes: usize, alignment: usize) {
    // SAFETY: the contract of `GlobalAlloc::dealloc`.
    unsafe { heap::free(memory, layout(bytes, alignment)) }
}
