//! User mode as a function: it is called with a frame and returns when the processor is back in the kernel.

use super::cpu::{Cpu, offset};
use super::idt;
use core::arch::{asm, global_asm};
use core::mem::offset_of;
use x86_64::VirtAddr;
use x86_64::registers::model_specific::{LStar, SFMask};
use x86_64::registers::rflags::RFlags;

/// `Frame::vector` after a voluntary entry; `sysretq` resumes such a frame.
pub const SYSTEM_CALL: u64 = 256;

/// Bytes of the instruction `syscall`. A frame that stands behind it and is moved back by so much makes the same call again: `rax`
/// and the arguments are as they were.
pub const SYSTEM_CALL_BYTES: u64 = 2;

/// The registers of an interrupted program, in the order in which `trap.S` and the processor push them.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Frame {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub rdx: u64,
    pub rcx: u64,
    pub rax: u64,
    /// What brought the processor into the kernel: an interrupt vector or [`SYSTEM_CALL`].
    pub vector: u64,
    pub error: u64,
    pub rip: u64,
    pub cs: u64,
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u64,
}

// The processor aligns the stack to 16 bytes before it pushes, and `trap.S` counts from the end.
const _: () = assert!(size_of::<Frame>() == 176);

global_asm!(
    include_str!("trap.S"),
    KERNEL_STACK = const offset::KERNEL_STACK,
    USER_STACK = const offset::USER_STACK,
    FRAME_END = const offset::FRAME_END,
    VECTOR = const offset_of!(Frame, vector),
    SYSTEM_CALL = const SYSTEM_CALL,
    options(att_syntax)
);

unsafe extern "C" {
    fn system_call_entry();
}

/// Makes `syscall` enter the kernel on this processor.
pub fn init() {
    LStar::write(VirtAddr::from_ptr(system_call_entry as *const ()));
    let cleared = RFlags::INTERRUPT_FLAG
        | RFlags::DIRECTION_FLAG
        | RFlags::TRAP_FLAG
        | RFlags::ALIGNMENT_CHECK
        | RFlags::NESTED_TASK;
    SFMask::write(cleared);
}

/// Runs user mode from `frame` until the processor enters the kernel, and leaves in it what the program's registers were.
///
/// # Safety
/// `frame` is 16-byte aligned and nobody else uses it until this returns; its CS, SS and flags are those of user mode, its
/// instruction pointer is canonical; the program's address space, FS base and vector state are loaded.
pub unsafe fn run(cpu: &Cpu, frame: *mut Frame) {
    cpu.set_frame_end(frame.wrapping_add(1) as u64);
    // SAFETY: the caller vouches for the frame; everything that `enter_user` clobbers is declared.
    unsafe {
        asm!(
            "call enter_user",
            inout("rdi") frame => _,
            out("r12") _, out("r13") _, out("r14") _, out("r15") _,
            clobber_abi("sysv64")
        );
    }
}

/// Waits for an interrupt with interrupts on; on return they are off and what came is pending in `cpu`.
pub fn idle() {
    // SAFETY: interrupts that come here only note their vector; `sti` takes effect after `hlt`, so none is missed.
    unsafe { asm!("sti", "hlt", "cli", options(nostack)) };
}

/// Lets interrupts come that wait already; what came is pending in `cpu`.
pub fn let_interrupts_in() {
    // SAFETY: as in `idle`; `sti` takes effect behind the instruction that follows.
    unsafe { asm!("sti", "nop", "cli", options(nostack)) };
}

/// An exception or interrupt in kernel mode. Interrupts are on only in [`idle`] and [`let_interrupts_in`], whose callers handle them.
#[unsafe(no_mangle)]
extern "C" fn kernel_trap(frame: &Frame) {
    match u8::try_from(frame.vector) {
        Ok(vector) if !idt::is_exception(vector) => Cpu::current().note_interrupt(vector),
        _ => crate::panic::exception(frame),
    }
}

/// An exception that nothing continues after. A panicking processor stops the others by NMI.
#[unsafe(no_mangle)]
extern "C" fn fatal_trap(frame: &Frame) -> ! {
    crate::panic::fatal(frame)
}
