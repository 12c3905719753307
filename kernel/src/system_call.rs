//! The two system calls.

use crate::arch::cpu::Cpu;
use crate::arch::user::{self, Frame};
use crate::platform::Machine;
use capos_abi::syscall;
use kernel_core::{Kernel, Next};

/// What the program asked for. Arguments are cut to the width that the ABI gives them.
///
/// # Safety
/// The program of the frame stands still, and nobody borrows the frame: the core stores the result there.
#[inline(always)]
pub unsafe fn handle(kernel: &mut Kernel<Machine>, cpu: &Cpu, frame: *mut Frame) -> Next {
    // SAFETY: the caller vouches for the frame.
    unsafe {
        match (*frame).rax {
            syscall::CAP_ENTER => kernel.enter(cpu.index(), (*frame).rdi as u32, (*frame).rsi),
            syscall::EXIT => kernel.exit(cpu.index(), (*frame).rdi as i32),
            _ => {
                (*frame).rax = syscall::BAD_CALL;
                kernel.reschedule(cpu.index())
            }
        }
    }
}

/// The arguments of `cap_enter`, if that is what brought the processor into the kernel.
///
/// # Safety
/// As for [`handle`].
pub unsafe fn enter_arguments(frame: *const Frame) -> Option<(u32, u64)> {
    // SAFETY: as there.
    unsafe {
        let is_enter = (*frame).vector == user::SYSTEM_CALL && (*frame).rax == syscall::CAP_ENTER;
        is_enter.then(|| ((*frame).rdi as u32, (*frame).rsi))
    }
}
