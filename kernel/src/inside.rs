//! How a processor is in the kernel: alone, or perhaps beside others, which costs more to look after.
//!
//! The only processor is always alone. Of several, one is alone if it has to be, and beside others for what most calls need.

use crate::arch::cpu::Cpu;
use crate::arch::user::{self, Frame};
use crate::arch::{apic, vector};
use crate::lock::{Guard, KernelLock, Lend, SharedGuard};
use crate::platform::Machine;
use crate::{run, system_call, trace, trap};
use core::iter;
use kernel_core::platform::ContextIndex;
use kernel_core::{Alone, Kernel, Next, SharedKernel};

/// The kernel, as processors enter it.
pub type Lock = KernelLock<Kernel<Machine>>;

impl Lend for Kernel<Machine> {
    type Lent<'a> = SharedKernel<'a, Machine>;

    fn lend(&mut self) -> SharedKernel<'_, Machine> {
        Kernel::lend(self)
    }
}

/// A processor is in the kernel as long as this lives.
pub trait Inside: Sized {
    /// Comes in to do what brought the processor out of a program.
    ///
    /// # Safety
    /// The program of the frame stands still, and nobody borrows the frame.
    unsafe fn handle(lock: &'static Lock, cpu: &Cpu, frame: *mut Frame) -> (Self, Next);

    /// Comes in because an interrupt ended the rest of a processor that had nothing to do.
    fn wake_up(lock: &'static Lock, cpu: &Cpu, vector: u8) -> (Self, Next);

    /// The machine.
    fn machine(&self) -> &Machine;

    /// What the trace says of a thread.
    fn label(&self, context: ContextIndex) -> u64;

    /// Zeroes one frame ahead of its use, and leaves. False: there are enough.
    fn zero_ahead(self) -> bool;
}

/// The processor is alone.
pub type Only = Guard<Kernel<Machine>>;

impl Inside for Only {
    #[inline(always)]
    unsafe fn handle(lock: &'static Lock, cpu: &Cpu, frame: *mut Frame) -> (Only, Next) {
        let mut kernel = lock.lock();
        // SAFETY: the caller vouches for the frame.
        let vector = unsafe { (*frame).vector };
        if vector == user::SYSTEM_CALL {
            // SAFETY: as above.
            let next = unsafe { system_call::handle(&mut kernel, cpu, frame) };
            return (kernel, next);
        }
        // SAFETY: as above.
        let next = trap::handle(&mut kernel, cpu, unsafe { &*frame }, vector as u8);
        (kernel, next)
    }

    fn wake_up(lock: &'static Lock, cpu: &Cpu, vector: u8) -> (Only, Next) {
        let mut kernel = lock.lock();
        let first = trap::interrupt(&mut kernel, cpu, vector);
        // All that was noted is handled before a program runs: unacknowledged, it would hold others back.
        let all = iter::from_fn(|| cpu.take_interrupt());
        let next = all.fold(first, |_, vector| trap::interrupt(&mut kernel, cpu, vector));
        (kernel, next)
    }

    #[inline]
    fn machine(&self) -> &Machine {
        &self.platform
    }

    fn label(&self, context: ContextIndex) -> u64 {
        self.process_label(context)
    }

    fn zero_ahead(mut self) -> bool {
        Kernel::zero_ahead(&mut self)
    }
}

/// The processor is one of several.
pub enum OneOfSeveral {
    /// No other is in the kernel.
    Alone(Only),
    /// Others may be in it, too.
    Beside(SharedGuard<Kernel<Machine>>),
}

impl Inside for OneOfSeveral {
    unsafe fn handle(lock: &'static Lock, cpu: &Cpu, frame: *mut Frame) -> (OneOfSeveral, Next) {
        // SAFETY: the caller vouches for the frame.
        let beside = unsafe { enter_beside(lock, cpu, frame) };
        beside.unwrap_or_else(|| {
            // SAFETY: as above.
            let (kernel, next) = unsafe { Only::handle(lock, cpu, frame) };
            (OneOfSeveral::Alone(kernel), next)
        })
    }

    fn wake_up(lock: &'static Lock, cpu: &Cpu, vector: u8) -> (OneOfSeveral, Next) {
        let is_asked_to_look = vector == vector::RESCHEDULE && !cpu.is_interrupted() && !trace::is_on();
        if is_asked_to_look
            && let Some(kernel) = lock.share(cpu.index())
            && let Some(next) = kernel.lent().reschedule(cpu.index())
        {
            apic::end_of_interrupt();
            return (OneOfSeveral::Beside(kernel), next);
        }
        let (kernel, next) = Only::wake_up(lock, cpu, vector);
        (OneOfSeveral::Alone(kernel), next)
    }

    fn machine(&self) -> &Machine {
        match self {
            OneOfSeveral::Alone(kernel) => &kernel.platform,
            OneOfSeveral::Beside(kernel) => kernel.lent().platform,
        }
    }

    /// While there is a trace, everybody is alone.
    fn label(&self, context: ContextIndex) -> u64 {
        match self {
            OneOfSeveral::Alone(kernel) => kernel.process_label(context),
            OneOfSeveral::Beside(_) => 0,
        }
    }

    fn zero_ahead(self) -> bool {
        match self {
            OneOfSeveral::Alone(kernel) => Inside::zero_ahead(kernel),
            OneOfSeveral::Beside(kernel) => !kernel.lent().has_zeroed,
        }
    }
}

/// Handles a `cap_enter` beside others as far as that goes. Nothing: the processor has to be alone.
///
/// # Safety
/// As for [`Inside::handle`].
unsafe fn enter_beside(lock: &'static Lock, cpu: &Cpu, frame: *mut Frame) -> Option<(OneOfSeveral, Next)> {
    // SAFETY: the caller vouches for the frame. It is not looked at again: when the thread has blocked, another processor may
    // store the result of its call there.
    let (min_complete, deadline) = unsafe { system_call::enter_arguments(frame) }?;
    let kernel = lock.share(cpu.index()).filter(|_| !trace::is_on())?;
    match kernel.lent().enter(cpu.index(), min_complete, deadline) {
        Ok(next) => return Some((OneOfSeveral::Beside(kernel), next)),
        Err(Alone::Again) => return None,
        // Nobody may run the thread before its registers are put away.
        Err(Alone::Decide) => run::leave(),
    }
    drop(kernel);
    let mut kernel = lock.lock();
    let next = kernel.reschedule(cpu.index());
    Some((OneOfSeveral::Alone(kernel), next))
}
