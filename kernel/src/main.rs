//! The kernel of capOS: the machine under `kernel-core`.
//!
//! 1. **The core decides, this crate does.** What an operation means stands in `kernel-core`, safe and tested on the host.
//!    Here is only what needs the machine: boot, page tables, processors, interrupts, the way to user mode and back.
//! 2. **One lock, one stack for each processor.** The kernel runs with interrupts off from entry to exit, under the kernel
//!    lock, alone or beside other processors ([`inside`]); nothing in it sleeps. Interrupts that come while a processor idles are noted and handled behind the `hlt`.
//! 3. **User mode is a function call** ([`run`]): it returns with the reason, the core gives the next decision, and one
//!    place applies it.
//! 4. **The kernel never touches a program's addresses.** Ring areas and frames are reached through the direct map, which
//!    is never executable; nothing is writable and executable.
//! 5. **A panic is a bug of the kernel.** It says what and where, takes the console back, and ends the machine.
//!
//! Read in this order: `boot/`, this file, `mm/layout.rs`, `mm/kernel_space.rs`, `arch/cpu.rs`, `arch/trap.S`,
//! `arch/user.rs`, `run.rs`, `platform.rs`.
#![no_std]
#![no_main]
#![deny(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

extern crate alloc;

mod arch;
mod boot;
mod console;
mod firmware;
mod inside;
mod lock;
mod mm;
mod panic;
mod platform;
mod power;
mod processors;
mod run;
mod screen;
mod stage;
mod system_call;
mod trace;
mod trap;
mod violation;

use arch::clock;
use arch::cpu::Cpu;
use arch::features::Features;
use arch::reference::Reference;
use arch::{apic, idt, machine_check, smp, stamps, user, vector_state};
use boot::command_line;
use capos_abi::PAGE_BYTES;
use capos_abi::boot::BootInfo;
use core::slice;
use kernel_core::machine::firmware::Firmware;
use kernel_core::memory::frame::Frame;
use kernel_core::start::memory::free_frames;
use kernel_core::{Kernel, Platform};
use mm::boot_frames::BootFrames;
use mm::heap;
use mm::kernel_space::KernelSpace;
use mm::layout;
use mm::stack::CpuStacks;
use platform::Machine;

/// The boot processor, from any loader, on boot page tables and a boot stack: the stages of the boot. The kernel was
/// entered at the time stamp `entry`.
fn start(mut info: BootInfo, entry: u64) -> ! {
    stage::entered(entry);
    stage::end("handover");
    console::init();
    log!("capOS {} is starting", env!("CARGO_PKG_VERSION"));
    log!("boot: the kernel lies {}", if layout::slide() == 0 { "where it is linked" } else { "at a random address" });
    stage::end("console");
    let mut frames = BootFrames::new(&mut info);
    let features = Features::detect();
    let (mut space, cpu) = own_memory(features, &mut frames);
    stage::end("memory");
    let firmware = firmware::read(&frames);
    console::follow(firmware.serial_console);
    firmware::log(&firmware);
    firmware::log_devices(&frames);
    stage::end("firmware");
    own_processor(cpu, features, &mut space, &mut frames);
    stage::end("processor");
    own_time(entry, features, &firmware, &mut space, &mut frames);
    stage::end("time");
    let mut machine = Machine::new(&firmware, features, &mut space, &mut frames);
    stage::end("devices");
    violation::skew_stamps(&frames);
    machine.set_processors(smp::start_all(&firmware, &mut space, &mut frames, start_processor));
    log!("boot: {} of {} processors run", machine.processors(), firmware.processors.len().max(1));
    if command_line::has(frames.info(), trace::OPTION) {
        trace::start(machine.processors(), &mut frames);
    }
    violation::on_request(&mut space, &mut frames);
    stage::end("processors");
    let mut kernel = core(machine, &info);
    stage::end("core");
    start_init(&mut kernel, &info);
    run::start(kernel);
    stage::end("init");
    run::on_own_stack(cpu)
}

/// Page tables of the kernel's own, the heap, and stacks with guard pages.
fn own_memory(features: Features, frames: &mut BootFrames) -> (KernelSpace, &'static Cpu) {
    features.enable();
    let mut space = KernelSpace::new(features, frames);
    space.load();
    heap::init(frames);
    screen::init(&mut space, frames);
    let stacks = CpuStacks::map(0, &mut space, frames);
    // The identity of its local APIC follows when that is mapped.
    (space, Cpu::new(0, processors::register(0, 0), &stacks))
}

/// Segments, traps and the local APIC.
fn own_processor(cpu: &'static Cpu, features: Features, space: &mut KernelSpace, frames: &mut BootFrames) {
    set_up_processor(cpu, features);
    apic::init(space, frames);
    apic::enable();
    processors::register(0, apic::id());
    panic::machine_ready();
}

/// The clock and the timer.
fn own_time(start: u64, features: Features, firmware: &Firmware, space: &mut KernelSpace, frames: &mut BootFrames) {
    clock::calibrate(start, features, Reference::start_all(firmware, space, frames));
    apic::enable();
    log!("boot: time-stamp counter at {} MHz, {features:?}", clock::stamp_hertz() / 1_000_000);
}

/// What every processor does for itself.
fn set_up_processor(cpu: &'static Cpu, features: Features) {
    cpu.install();
    idt::load();
    processors::load_root(mm::kernel_space::root());
    vector_state::init(features);
    machine_check::init(features);
    user::init();
}

/// Every other processor, from the trampoline, on its own stack and the trampoline's root.
extern "C" fn start_processor(cpu: &'static Cpu) -> ! {
    let features = Features::detect();
    features.enable();
    set_up_processor(cpu, features);
    apic::enable();
    smp::report();
    stamps::answer();
    run::run(cpu)
}

/// The core with all memory that is left, and the log so far.
fn core(machine: Machine, info: &BootInfo) -> Kernel<Machine> {
    let Some(frames) = free_frames(&info.memory_map) else {
        panic::refuse(format_args!("the heap is too small for the machine's memory"));
    };
    let Ok(mut kernel) = Kernel::new(machine, frames) else {
        panic::refuse(format_args!("the heap is too small"));
    };
    console::replay(|line| kernel.log_line(line));
    kernel.platform.open_console();
    kernel
}

/// The first process.
fn start_init(kernel: &mut Kernel<Machine>, info: &BootInfo) {
    if let Err(why) = kernel.start_init(package(info), Frame::containing(info.package)) {
        panic::refuse(format_args!("{why}"));
    }
}

/// The boot package as it was loaded; empty if there is none.
fn package(info: &BootInfo) -> &'static [u8] {
    if info.package == 0 || !info.package.is_multiple_of(PAGE_BYTES) {
        return &[];
    }
    // SAFETY: the loader put it there, the memory map keeps it for ever, and the direct map reaches it.
    unsafe { slice::from_raw_parts(layout::direct(info.package) as *const u8, info.package_bytes as usize) }
}
