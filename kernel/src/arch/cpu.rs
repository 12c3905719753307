//! What belongs to one processor: its segments, its stacks, what it runs. Reached through the GS base.

use super::vector;
use crate::mm::stack::CpuStacks;
use crate::processors::Processor;
use alloc::boxed::Box;
use core::arch::asm;
use core::cell::{Cell, UnsafeCell};
use core::mem::offset_of;
use core::ptr;
use x86_64::VirtAddr;
use x86_64::instructions::tables::load_tss;
use x86_64::registers::model_specific::{GsBase, KernelGsBase, Star};
use x86_64::registers::segmentation::{CS, SS, Segment};
use x86_64::structures::gdt::{Descriptor, GlobalDescriptorTable, SegmentSelector};
use x86_64::structures::tss::TaskStateSegment;
use x86_64::{PrivilegeLevel, registers::segmentation::DS};

const KERNEL_CODE: SegmentSelector = SegmentSelector::new(1, PrivilegeLevel::Ring0);
const KERNEL_DATA: SegmentSelector = SegmentSelector::new(2, PrivilegeLevel::Ring0);
/// Stack segment of user mode.
pub const USER_DATA: SegmentSelector = SegmentSelector::new(3, PrivilegeLevel::Ring3);
/// Code segment of user mode; `sysretq` wants it behind the data segment.
pub const USER_CODE: SegmentSelector = SegmentSelector::new(4, PrivilegeLevel::Ring3);

/// Index in the interrupt stack table of each vector that has a stack of its own.
pub const INTERRUPT_STACKS: [(u8, usize); 3] =
    [(vector::DOUBLE_FAULT, 0), (vector::NMI, 1), (vector::MACHINE_CHECK, 2)];

/// One processor. Only the processor itself touches it, with interrupts off, or on in `idle`, when nothing else runs.
#[repr(C)]
pub struct Cpu {
    /// Where the kernel stack was when user mode was entered.
    kernel_stack: Cell<u64>,
    /// The user's stack pointer for two instructions.
    user_stack: Cell<u64>,
    /// End of the frame that the next entry fills.
    frame_end: Cell<u64>,
    this: Cell<*const Cpu>,
    index: usize,
    shared: &'static Processor,
    tss: UnsafeCell<TaskStateSegment>,
    gdt: UnsafeCell<GlobalDescriptorTable>,
    /// Interrupts that came while idle, one bit for each vector.
    pending: [Cell<u64>; 4],
}

/// Offsets of what assembly reaches.
pub mod offset {
    use super::*;
    /// `Cpu::kernel_stack`.
    pub const KERNEL_STACK: usize = offset_of!(Cpu, kernel_stack);
    /// `Cpu::user_stack`.
    pub const USER_STACK: usize = offset_of!(Cpu, user_stack);
    /// `Cpu::frame_end`.
    pub const FRAME_END: usize = offset_of!(Cpu, frame_end);
}

impl Cpu {
    /// Prepares a processor; it lives as long as the kernel.
    pub fn new(index: usize, shared: &'static Processor, stacks: &CpuStacks) -> &'static Cpu {
        let mut tss = TaskStateSegment::new();
        let mut interrupt_stacks = [VirtAddr::zero(); 7];
        for (place, top) in interrupt_stacks.iter_mut().zip(stacks.interrupt) {
            *place = VirtAddr::new(top);
        }
        tss.interrupt_stack_table = interrupt_stacks;
        let cpu = Box::leak(Box::new(Cpu {
            kernel_stack: Cell::new(stacks.kernel),
            user_stack: Cell::new(0),
            frame_end: Cell::new(0),
            this: Cell::new(ptr::null()),
            index,
            shared,
            tss: UnsafeCell::new(tss),
            gdt: UnsafeCell::new(GlobalDescriptorTable::new()),
            pending: [const { Cell::new(0) }; 4],
        }));
        cpu.this.set(cpu);
        cpu
    }

    /// Makes the processor that this runs on be this `Cpu`: segments, task state, GS base.
    pub fn install(&'static self) {
        // SAFETY: nobody else refers to the table before it is loaded, and it lives as long as the kernel.
        let gdt = unsafe { &mut *self.gdt.get() };
        gdt.append(Descriptor::kernel_code_segment());
        gdt.append(Descriptor::kernel_data_segment());
        gdt.append(Descriptor::user_data_segment());
        gdt.append(Descriptor::user_code_segment());
        // SAFETY: the task state lives as long as the kernel.
        let task = gdt.append(unsafe { Descriptor::tss_segment_unchecked(self.tss.get()) });
        // SAFETY: the table lives as long as the kernel and holds these segments.
        unsafe {
            gdt.load_unsafe();
            CS::set_reg(KERNEL_CODE);
            SS::set_reg(KERNEL_DATA);
            DS::set_reg(SegmentSelector::NULL);
            load_tss(task);
        }
        GsBase::write(VirtAddr::from_ptr(self));
        KernelGsBase::write(VirtAddr::zero());
        if Star::write(USER_CODE, USER_DATA, KERNEL_CODE, KERNEL_DATA).is_err() {
            crate::panic::refuse(format_args!("the segments are not in the order that sysret wants"));
        }
    }

    /// The processor that this runs on.
    pub fn current() -> &'static Cpu {
        let this: *const Cpu;
        // SAFETY: `install` has set the GS base to a `Cpu` whose `this` is its own address.
        unsafe {
            asm!("mov {}, gs:[{}]", out(reg) this, const offset_of!(Cpu, this), options(pure, nomem, nostack, preserves_flags));
            &*this
        }
    }

    /// Where its kernel stack begins, as long as it has not entered user mode.
    pub fn stack(&self) -> u64 {
        self.kernel_stack.get()
    }

    /// Number of this processor; the one that booted is 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// What the other processors see of it.
    pub fn shared(&self) -> &'static Processor {
        self.shared
    }

    /// Sets where the next entry from user mode saves its registers.
    pub fn set_frame_end(&self, end: u64) {
        if self.frame_end.replace(end) != end {
            // SAFETY: only this processor touches its task state, and it reads it only at an entry from user mode.
            unsafe { (*self.tss.get()).privilege_stack_table[0] = VirtAddr::new_truncate(end) };
        }
    }

    /// Remembers an interrupt for [`Cpu::take_interrupt`].
    pub fn note_interrupt(&self, vector: u8) {
        if let Some(word) = self.pending.get(usize::from(vector / 64)) {
            word.set(word.get() | 1 << (vector % 64));
        }
    }

    /// Whether an interrupt has been noted.
    pub fn is_interrupted(&self) -> bool {
        self.pending.iter().any(|word| word.get() != 0)
    }

    /// The highest vector that was noted, if any.
    pub fn take_interrupt(&self) -> Option<u8> {
        let (index, word) = (0u8..4).zip(&self.pending).rev().find(|(_, word)| word.get() != 0)?;
        let bit = 63 - word.get().leading_zeros() as u8;
        word.set(word.get() & !(1 << bit));
        Some(index * 64 + bit)
    }
}
