//! Starting the other processors.

use super::apic;
use super::clock;
use super::cpu::Cpu;
use super::stamps;
use crate::mm::boot_frames::BootFrames;
use crate::mm::kernel_space::KernelSpace;
use crate::mm::layout;
use crate::mm::stack::CpuStacks;
use crate::processors;
use capos_abi::PAGE_BYTES;
use core::arch::global_asm;
use core::slice;
use core::sync::atomic::{AtomicUsize, Ordering};
use kernel_core::machine::firmware::Firmware;

global_asm!(include_str!("trampoline.S"), options(att_syntax));

unsafe extern "C" {
    static trampoline_start: u8;
    static trampoline_end: u8;
}

/// How long a processor may take to report.
const PATIENCE: u64 = 200_000_000;
/// The processor's manual asks for so long between reset and start.
const RESET_TIME: u64 = 10_000_000;
/// A second start is sent after so long, as the manual advises.
const START_TIME: u64 = 200_000;

/// Last words of the trampoline's page.
#[repr(C)]
struct Parameters {
    root: u64,
    stack: u64,
    cpu: &'static Cpu,
    entry: extern "C" fn(&'static Cpu) -> !,
}

const PARAMETERS_OFFSET: u64 = 0xfe0;
const _: () = assert!(PARAMETERS_OFFSET + size_of::<Parameters>() as u64 == PAGE_BYTES);

/// Processors that have reported, the first one included.
static ONLINE: AtomicUsize = AtomicUsize::new(1);

/// Called by a started processor once it needs the trampoline no more. It answers about its time-stamp counter next.
pub fn report() {
    ONLINE.fetch_add(1, Ordering::Release);
}

/// Starts every processor that the firmware lists; each goes on in `entry`. Returns how many run.
pub fn start_all(
    firmware: &Firmware,
    space: &mut KernelSpace,
    frames: &mut BootFrames,
    entry: extern "C" fn(&'static Cpu) -> !,
) -> usize {
    let others = firmware.processors.iter().copied().filter(|id| *id != apic::id());
    let others = others.take(processors::MAX - 1);
    if others.clone().next().is_none() {
        return 1;
    }
    let Some(page) = frames.take_low() else {
        crate::log!("boot: no page below 1 MiB to start other processors from");
        return 1;
    };
    install_trampoline(page);
    let root = space.trampoline_root(page, frames);
    others.clone().for_each(apic::reset);
    clock::wait(RESET_TIME);
    for id in others {
        let index = ONLINE.load(Ordering::Acquire);
        let stacks = CpuStacks::map(index, space, frames);
        let cpu = Cpu::new(index, processors::register(index, id), &stacks);
        // SAFETY: the page is the trampoline's, and no processor that runs it is waiting for parameters.
        unsafe {
            (layout::direct(page + PARAMETERS_OFFSET) as *mut Parameters).write(Parameters {
                root,
                stack: stacks.kernel,
                cpu,
                entry,
            })
        };
        if !start(id, page, index + 1) {
            crate::log!("boot: the processor with APIC {id} does not start");
            // It may still wake late: nothing that it could run on is used again.
            break;
        }
        if !stamps::agree() {
            clock::distrust_stamps(index);
        }
    }
    ONLINE.load(Ordering::Acquire)
}

fn install_trampoline(page: u64) {
    let (start, end) = (&raw const trampoline_start, &raw const trampoline_end);
    let bytes = end as usize - start as usize;
    // SAFETY: the trampoline lies between these symbols, and the page is free and in the direct map.
    unsafe {
        slice::from_raw_parts_mut(layout::direct(page) as *mut u8, bytes)
            .copy_from_slice(slice::from_raw_parts(start, bytes))
    };
}

/// Starts one processor; false: it does not report.
fn start(id: u32, page: u64, expected: usize) -> bool {
    let number = (page / PAGE_BYTES) as u8;
    apic::start(id, number);
    if wait_until(expected, START_TIME) {
        return true;
    }
    apic::start(id, number);
    wait_until(expected, PATIENCE)
}

fn wait_until(expected: usize, nanoseconds: u64) -> bool {
    let end = clock::now() + nanoseconds;
    while clock::now() < end {
        if ONLINE.load(Ordering::Acquire) == expected {
            return true;
        }
        core::hint::spin_loop();
    }
    false
}
