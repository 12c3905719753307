//! The life of a processor: what the core decides is done here, and what the program or the machine does about it goes back
//! to the core.

use crate::arch::context;
use crate::arch::cpu::Cpu;
use crate::arch::user::{self, Frame};
use crate::arch::{apic, vector};
use crate::lock::{Guard, KernelLock};
use crate::mm::{kernel_space, shootdown};
use crate::platform::Machine;
use crate::{processors, stage, system_call, trace, trap};
use capos_abi::trace::kind;
use core::arch::asm;
use core::fmt::{self, Display};
use core::{iter, ptr};
use kernel_core::platform::{ContextIndex, Space};
use kernel_core::{Kernel, Next};
use spin::Once;

/// All processors wait for it at the end of the boot.
static KERNEL: Once<KernelLock<Kernel<Machine>>> = Once::new();

/// Hands the core over to all processors.
pub fn start(kernel: Kernel<Machine>) {
    KERNEL.call_once(|| KernelLock::new(kernel));
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
    serve(cpu, lock, kernel, next)
}

/// As [`run`], on the processor that booted: the boot is over when the core has decided what runs first. The lines that say
/// how long it took, and the few hundred instructions of the way to user mode, are not in it.
extern "C" fn run_first(cpu: &'static Cpu) -> ! {
    let lock = KERNEL.wait();
    let mut kernel = lock.lock();
    let next = kernel.reschedule(cpu.index());
    stage::end("decision");
    stage::report(|line| kernel.log_line(line));
    serve(cpu, lock, kernel, next)
}

/// Does what the core decides.
fn serve(
    cpu: &'static Cpu,
    lock: &'static KernelLock<Kernel<Machine>>,
    mut kernel: Guard<'static, Kernel<Machine>>,
    mut next: Next,
) -> ! {
    loop {
        next = match next {
            Next::Run { context, space } => {
                let frame = enter(&kernel, context, space);
                if trace::is_on() {
                    trace::record(cpu.index(), kind::RUN, context, kernel.process_label(context));
                }
                drop(kernel);
                // SAFETY: `enter` has loaded what belongs to the frame, and the core gives a context to one processor only.
                unsafe { run_program(cpu, frame) };
                // SAFETY: the program stands still.
                trace::entered(cpu.index(), context, unsafe { (*frame).vector });
                kernel = lock.lock();
                // SAFETY: the program stands still, and the core does not touch its frame but by `set_result`.
                handle(&mut kernel, cpu, unsafe { &mut *frame })
            }
            Next::Idle => {
                leave();
                trace::record(cpu.index(), kind::IDLE, 0, 0);
                zero_ahead(cpu, lock, kernel);
                let vector = wait_for_interrupt(cpu);
                trace::record(cpu.index(), kind::INTERRUPT, 0, u64::from(vector));
                kernel = lock.lock();
                let first = trap::interrupt(&mut kernel, cpu, vector);
                // All that was noted is handled before a program runs: unacknowledged, it would hold others back.
                iter::from_fn(|| cpu.take_interrupt())
                    .fold(first, |_, vector| trap::interrupt(&mut kernel, cpu, vector))
            }
        };
    }
}

/// Loads what belongs to a thread: address space, vector state, FS base. Its frame.
fn enter(kernel: &Kernel<Machine>, context: ContextIndex, space: Space) -> *mut Frame {
    let context = kernel.platform.context(context);
    if context.is_null() {
        crate::panic::bug(format_args!("the core runs a thread that has no context"));
    }
    processors::load_root(space.0.address());
    // SAFETY: the kernel lock is held, and contexts come from `Context::allocate`.
    unsafe { context::switch(context) };
    context.cast()
}

/// Loads what belongs to nobody.
fn leave() {
    processors::load_root(kernel_space::root());
    // SAFETY: the kernel lock is held.
    unsafe { context::switch(ptr::null_mut()) };
}

/// Spends the time of a processor that has nothing to do on zeroing frames, one at a time, until an interrupt comes or another processor
/// is in the kernel.
fn zero_ahead(cpu: &Cpu, lock: &'static KernelLock<Kernel<Machine>>, mut kernel: Guard<'static, Kernel<Machine>>) {
    while kernel.zero_ahead() {
        drop(kernel);
        user::let_interrupts_in();
        if cpu.is_interrupted() {
            return;
        }
        match lock.try_lock() {
            Some(guard) => kernel = guard,
            None => return,
        }
    }
}

/// Runs the program until the core has to know. Requests to drop translations are answered without the kernel lock: who
/// asks holds it.
///
/// # Safety
/// As for [`user::run`].
unsafe fn run_program(cpu: &Cpu, frame: *mut Frame) {
    loop {
        // SAFETY: the caller vouches for the frame.
        unsafe { user::run(cpu, frame) };
        // SAFETY: the program stands still.
        if unsafe { (*frame).vector } != u64::from(vector::SHOOTDOWN) {
            return;
        }
        shootdown::serve();
        apic::end_of_interrupt();
    }
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

/// Why the processor is back in the kernel.
fn handle(kernel: &mut Kernel<Machine>, cpu: &Cpu, frame: &mut Frame) -> Next {
    match frame.vector {
        user::SYSTEM_CALL => system_call::handle(kernel, cpu, frame),
        vector => trap::handle(kernel, cpu, frame, vector as u8),
    }
}
