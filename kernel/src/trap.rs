//! Exceptions of programs, and interrupts.

use crate::arch::cpu::Cpu;
use crate::arch::user::Frame;
use crate::arch::{apic, clock, idt, vector};
use crate::mm::shootdown;
use crate::platform::Machine;
use kernel_core::{Fault, FaultAccess, FaultKind, Kernel, Next};
use x86_64::registers::control::Cr2;
use x86_64::structures::idt::PageFaultErrorCode;

/// What brought the processor out of user mode, unless it was a system call.
pub fn handle(kernel: &mut Kernel<Machine>, cpu: &Cpu, frame: &Frame, vector: u8) -> Next {
    match vector {
        vector::PAGE_FAULT => page_fault(kernel, cpu, frame),
        _ if idt::is_exception(vector) => {
            kernel.fault(cpu.index(), Fault { kind: kind(vector), address: 0, instruction: frame.rip })
        }
        _ => interrupt(kernel, cpu, vector),
    }
}

/// An interrupt, from user mode or while idle.
pub fn interrupt(kernel: &mut Kernel<Machine>, cpu: &Cpu, vector: u8) -> Next {
    const LAST_LINE: u8 = vector::ISA_LINES + vector::ISA_LINE_COUNT - 1;
    let processor = cpu.index();
    let next = match vector {
        vector::TIMER => {
            clock::fired();
            kernel.timer(processor)
        }
        // The core masks the line before it is acknowledged.
        vector::ISA_LINES..=LAST_LINE => kernel.interrupt(processor, vector - vector::ISA_LINES),
        vector::RESCHEDULE => kernel.reschedule(processor),
        vector::SHOOTDOWN => {
            shootdown::serve();
            kernel.reschedule(processor)
        }
        // Spurious interrupts are not acknowledged.
        _ => return kernel.reschedule(processor),
    };
    apic::end_of_interrupt();
    next
}

fn page_fault(kernel: &mut Kernel<Machine>, cpu: &Cpu, frame: &Frame) -> Next {
    let error = PageFaultErrorCode::from_bits_truncate(frame.error);
    let access = if error.contains(PageFaultErrorCode::INSTRUCTION_FETCH) {
        FaultAccess::Execute
    } else if error.contains(PageFaultErrorCode::CAUSED_BY_WRITE) {
        FaultAccess::Write
    } else {
        FaultAccess::Read
    };
    let present = error.contains(PageFaultErrorCode::PROTECTION_VIOLATION);
    kernel.page_fault(cpu.index(), Cr2::read_raw(), access, present, frame.rip)
}

fn kind(vector: u8) -> FaultKind {
    match vector {
        0 => FaultKind::Divide,
        1 | 3 => FaultKind::Breakpoint,
        6 => FaultKind::InvalidInstruction,
        13 => FaultKind::Protection,
        16 | 19 => FaultKind::FloatingPoint,
        17 => FaultKind::Alignment,
        _ => FaultKind::Other,
    }
}
