//! The two system calls.

use crate::arch::cpu::Cpu;
use crate::arch::user::Frame;
use crate::platform::Machine;
use capos_abi::syscall;
use kernel_core::{Kernel, Next};

/// What the program asked for. Arguments are cut to the width that the ABI gives them.
pub fn handle(kernel: &mut Kernel<Machine>, cpu: &Cpu, frame: &mut Frame) -> Next {
    match frame.rax {
        syscall::CAP_ENTER => kernel.enter(cpu.index(), frame.rdi as u32, frame.rsi),
        syscall::EXIT => kernel.exit(cpu.index(), frame.rdi as i32),
        _ => {
            frame.rax = syscall::BAD_CALL;
            kernel.reschedule(cpu.index())
        }
    }
}
