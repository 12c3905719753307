//! The register context of a thread: where an entry into the kernel leaves the program's registers.

use super::cpu::{USER_CODE, USER_DATA};
use super::user::{Frame, SYSTEM_CALL};
use super::vector_state::{self, Control, INITIAL_CONTROL};
use crate::mm::layout::USER_END;
use crate::processors;
use alloc::alloc::{Layout, alloc_zeroed};
use core::ptr::{self, NonNull};
use core::sync::atomic::Ordering;
use kernel_core::platform::{REGISTERS, Registers, Space};
use x86_64::VirtAddr;
use x86_64::registers::model_specific::FsBase;
use x86_64::registers::rflags::RFlags;

/// Bit 1 of RFLAGS is always set.
const FLAGS_ALWAYS_SET: u64 = 2;

/// Registers of a thread that is not running; the area for its vector state follows in memory.
#[repr(C, align(64))]
pub struct Context {
    frame: Frame,
    fs_base: u64,
    /// Physical address of the page table root.
    root: u64,
    /// Whether the area holds the thread's vector state.
    saved: bool,
    control: Control,
}

impl Context {
    /// Memory for a context, or none. It is reused for the next thread of its index and never freed.
    pub fn allocate() -> Option<NonNull<Context>> {
        let bytes = size_of::<Context>() + vector_state::bytes() as usize;
        let layout = Layout::from_size_align(bytes, align_of::<Context>()).ok()?;
        // SAFETY: the layout is not empty.
        NonNull::new(unsafe { alloc_zeroed(layout) }.cast())
    }

    /// What a fresh thread starts with. Addresses outside of user space become 0, where nothing can be mapped: the thread
    /// faults at once instead of the kernel at its return.
    pub fn new(space: Space, registers: &Registers) -> Context {
        let user = |address: u64| if address < USER_END { address } else { 0 };
        let frame = Frame {
            rip: user(registers.entry),
            rsp: registers.stack_pointer,
            rdi: registers.ring_address,
            rsi: registers.argument,
            cs: u64::from(USER_CODE.0),
            ss: u64::from(USER_DATA.0),
            rflags: RFlags::INTERRUPT_FLAG.bits() | FLAGS_ALWAYS_SET,
            ..Frame::default()
        };
        Context {
            frame,
            fs_base: user(registers.thread_pointer),
            root: space.0.address(),
            saved: false,
            control: INITIAL_CONTROL,
        }
    }

    /// What a crash record says of the registers.
    pub fn registers(&self) -> [u64; REGISTERS] {
        let f = &self.frame;
        [
            f.rax,
            f.rbx,
            f.rcx,
            f.rdx,
            f.rsi,
            f.rdi,
            f.rbp,
            f.rsp,
            f.r8,
            f.r9,
            f.r10,
            f.r11,
            f.r12,
            f.r13,
            f.r14,
            f.r15,
            f.rflags,
            self.fs_base,
        ]
    }

    /// Sets what the pending system call returns.
    ///
    /// # Safety
    /// The context's thread is inside of a system call, and nobody else does the same. Its processor may be putting the rest of it
    /// away meanwhile.
    pub unsafe fn set_result(context: *mut Context, value: u64) {
        // SAFETY: the caller vouches for it; nothing else of the context is borrowed.
        unsafe { (*context).frame.rax = value };
    }

    /// Physical address of the page table root of its address space.
    pub fn root(&self) -> u64 {
        self.root
    }

    /// The registers.
    pub fn frame(&mut self) -> &mut Frame {
        &mut self.frame
    }
}

/// Makes the vector state and FS base of `context` the ones that this processor holds; null: nobody's. The state of the thread that
/// ran before is saved if it was preempted.
///
/// # Safety
/// This processor is in the kernel. The context, and the one loaded before, were made by [`Context::allocate`] and are used by nobody
/// else meanwhile.
pub unsafe fn switch(context: *mut Context) {
    let processor = processors::current();
    let before = processor.loaded.load(Ordering::Relaxed);
    if before == context {
        return;
    }
    // SAFETY: the caller vouches for both contexts.
    unsafe {
        if !before.is_null() {
            store(before);
        }
        if let Some(context) = context.as_ref() {
            load(context);
        }
    }
    processor.loaded.store(context, Ordering::Relaxed);
}

/// Makes every processor forget a context that it may still hold: the thread is gone.
pub fn forget(context: *mut Context) {
    for processor in processors::all() {
        let _ = processor.loaded.compare_exchange(context, ptr::null_mut(), Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// # Safety
/// The context is followed by its vector area. Of its frame, another processor may be storing the result of a system call.
unsafe fn store(context: *mut Context) {
    // SAFETY: the context is this processor's but for that result, and the area behind it is aligned like it and large enough.
    unsafe {
        (*context).saved = (*context).frame.vector != SYSTEM_CALL;
        if (*context).saved {
            vector_state::save(area(context));
        } else {
            vector_state::save_control(&mut (*context).control);
        }
    }
}

/// # Safety
/// The context is followed by its vector area.
unsafe fn load(context: &Context) {
    if context.saved {
        // SAFETY: `store` filled the area.
        unsafe { vector_state::load(area(context)) };
    } else {
        vector_state::load_initial(&context.control);
    }
    FsBase::write(VirtAddr::new_truncate(context.fs_base));
}

fn area(context: *const Context) -> *mut u8 {
    context.wrapping_add(1).cast_mut().cast()
}
