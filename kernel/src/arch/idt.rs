//! The interrupt descriptor table: one for all processors, one stub of `trap.S` for each vector.

use super::cpu::INTERRUPT_STACKS;
use super::vector;
use spin::Once;
use x86_64::VirtAddr;
use x86_64::instructions::tables::lidt;
use x86_64::structures::DescriptorTablePointer;

/// Bytes of each stub in `trap.S`.
const STUB_BYTES: u64 = 16;
/// Present interrupt gate for kernel mode.
const KERNEL_GATE: u64 = 0x8e00;
/// Present interrupt gate that user mode may raise by `int`.
const USER_GATE: u64 = 0xee00;
/// Selector of the kernel's code segment.
const KERNEL_CODE: u64 = 8;
/// Breakpoint, raised by `int3`.
const BREAKPOINT: u8 = 3;

#[derive(Clone, Copy)]
#[repr(C, align(16))]
struct Gate([u64; 2]);

static TABLE: Once<[Gate; 256]> = Once::new();

unsafe extern "C" {
    static trap_stubs: u8;
}

/// Loads the table into the processor that this runs on.
pub fn load() {
    let table = TABLE.call_once(|| core::array::from_fn(|vector| gate(vector as u8)));
    let pointer = DescriptorTablePointer { limit: (size_of_val(table) - 1) as u16, base: VirtAddr::from_ptr(table) };
    // SAFETY: the table is static and its gates lead to the stubs of `trap.S`.
    unsafe { lidt(&pointer) };
}

/// Whether the vector is an exception: raised by an instruction, not by a device or processor.
pub fn is_exception(vector: u8) -> bool {
    vector < vector::FIRST_INTERRUPT
}

fn gate(vector: u8) -> Gate {
    let address = &raw const trap_stubs as u64 + u64::from(vector) * STUB_BYTES;
    let stack = INTERRUPT_STACKS.iter().find(|(owner, _)| *owner == vector).map_or(0, |(_, slot)| *slot as u64 + 1);
    let kind = if vector == BREAKPOINT { USER_GATE } else { KERNEL_GATE };
    let low = address & 0xffff | KERNEL_CODE << 16 | (stack | kind) << 32 | (address >> 16 & 0xffff) << 48;
    Gate([low, address >> 32])
}
