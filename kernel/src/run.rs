//! The life of a processor: what the core decides is done here, and what the program or the machine does about it goes back
//! to the core.

use crate::arch::context;
use crate::arch::cpu::Cpu;
use crate::arch::user::{self, Frame};
use crate::arch::{apic, vector};
use crate::inside::{Inside, Lock, OneOfSeveral, Only};
use crate::lock::KernelLock;
use crate::mm::{kernel_space, shootdown};
use crate::platform::Machine;
use crate::{processors, stage, trace};
use capos_abi::trace::kind;
use core::arch::asm;
use core::fmt::{self, Display};
use core::ptr;
use kernel_core::platform::{ContextIndex, Platform};
use kernel_core::{Kernel, Next};
use spin::Once;

/// All processors wait for it at the end of the boot.
static KERNEL: Once<Lock> = Once::new();

/// Hands the core over to all processors.
pub fn start(kernel: Kernel<Machine>) {
    let processors = kernel.platform.processors();
    KERNEL.call_once(|| KernelLock::new(kernel, processors));
}

/// What the console has not shown of the log.
///
/// # Safety
/// The other processors stand still, and this one will not go back to the core.
pub unsafe fn unshown_log() -> impl fmt::Display {
    // SAFETY: the caller vouches for it.
    fmt::from_fn(|f| KERNEL.get().map_or(Ok(()), |lock| unsafe { lock.peek() }.unshown_log().fmt(f)))
}

/// Leaves the boot stack and runs this processor.
pub fn on_own_stack(cpu: &'static Cpu) -> ! {
    // SAFETY: the stack is this processor's own and empty, and nothing on the old one is used again.
    unsafe {
        asm!(
            "mov rsp, {stack}", "xor ebp, ebp", "push 0", "jmp {run}",
            stack = in(reg) cpu.stack(), run = sym run_first, in("rdi") cpu, options(noreturn)
        )
    }
}

/// Runs this processor for ever.
pub extern "C" fn run(cpu: &'static Cpu) -> ! {
    let lock = KERNEL.wait();
    let mut kernel = lock.lock();
    let next = kernel.reschedule(cpu.index());
    serve_first(cpu, lock, kernel, next)
}

/// As [`run`], on the processor that booted: the boot is over when the core has decided what runs first. The lines that say
/// how long it took, and the few hundred instructions of the way to user mode, are not in it.
extern "C" fn run_first(cpu: &'static Cpu) -> ! {
    let lock = KERNEL.wait();
    let mut kernel = lock.lock();
    let next = kernel.reschedule(cpu.index());
    stage::end("decision");
    stage::report(|line| kernel.log_line(line));
    serve_first(cpu, lock, kernel, next)
}

/// Does what the core has decided first, and then what it decides.
fn serve_first(cpu: &'static Cpu, lock: &'static Lock, kernel: Only, next: Next) -> ! {
    match lock.has_several() {
        true => serve(cpu, lock, OneOfSeveral::Alone(kernel), next),
        false => serve(cpu, lock, kernel, next),
    }
}

/// Does what the core decides.
fn serve<I: Inside>(cpu: &'static Cpu, lock: &'static Lock, mut kernel: I, mut next: Next) -> ! {
    loop {
        (kernel, next) = match next {
            Next::Run(context) => {
                let frame = enter(kernel.machine(), context);
                if trace::is_on() {
                    trace::record(cpu.index(), kind::RUN, context, kernel.label(context));
                }
                drop(kernel);
                // SAFETY: `enter` has loaded what belongs to the frame, and the core gives a context to one processor only.
                unsafe { run_program(cpu, frame) };
                // SAFETY: the program stands still.
                trace::entered(cpu.index(), context, unsafe { (*frame).vector });
                // SAFETY: as above, and nobody borrows its frame.
                unsafe { I::handle(lock, cpu, frame) }
            }
            Next::Idle => {
                leave();
                trace::record(cpu.index(), kind::IDLE, 0, 0);
                zero_ahead(cpu, lock, kernel);
                let vector = wait_for_interrupt(cpu);
                trace::record(cpu.index(), kind::INTERRUPT, 0, u64::from(vector));
                I::wake_up(lock, cpu, vector)
            }
        };
    }
}

/// Loads what belongs to a thread: address space, vector state, FS base. Its frame.
fn enter(machine: &Machine, context: ContextIndex) -> *mut Frame {
    let context = machine.context(context);
    if context.is_null() {
        crate::panic::bug(format_args!("the core runs a thread that has no context"));
    }
    // SAFETY: the processor is in the kernel; contexts come from `Context::allocate`, and the core gives one to one processor only.
    unsafe {
        processors::load_root((*context).root());
        context::switch(context);
    }
    context.cast()
}

/// Loads what belongs to nobody.
pub fn leave() {
    processors::load_root(kernel_space::root());
    // SAFETY: the processor is in the kernel.
    unsafe { context::switch(ptr::null_mut()) };
}

/// Spends the time of a processor that has nothing to do on zeroing frames, one at a time, until an interrupt comes or another processor
/// is in the kernel.
fn zero_ahead(cpu: &Cpu, lock: &'static Lock, kernel: impl Inside) {
    let mut goes_on = kernel.zero_ahead();
    while goes_on {
        user::let_interrupts_in();
        if cpu.is_interrupted() {
            return;
        }
        goes_on = lock.try_lock().is_some_and(Inside::zero_ahead);
    }
}

/// Runs the program until the core has to know. Requests to drop translations are answered without the kernel lock: who
/// asks holds it.
///
/// # Safety
/// As for [`user::run`].
unsafe fn run_program(cpu: &Cpu, frame: *mut Frame) {
    // SAFETY: the caller vouches for the frame.
    unsafe { user::run(cpu, frame) };
    // SAFETY: the program stands still.
    while unsafe { (*frame).vector } == u64::from(vector::SHOOTDOWN) {
        // SAFETY: the caller vouches for the frame.
        unsafe { drop_translations_and_go_on(cpu, frame) };
    }
}

/// # Safety
/// As for [`user::run`].
#[cold]
unsafe fn drop_translations_and_go_on(cpu: &Cpu, frame: *mut Frame) {
    shootdown::serve();
    apic::end_of_interrupt();
    // SAFETY: the caller vouches for the frame.
    unsafe { user::run(cpu, frame) };
}

/// Waits until an interrupt has been noted.
fn wait_for_interrupt(cpu: &Cpu) -> u8 {
    loop {
        match cpu.take_interrupt() {
            Some(vector::SHOOTDOWN) => {
                shootdown::serve();
                apic::end_of_interrupt();
            }
            Some(vector) => return vector,
            None => user::idle(),
        }
    }
}
