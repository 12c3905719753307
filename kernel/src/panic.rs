//! The end of the kernel: it says what and where, and ends the machine.

use crate::arch::apic;
use crate::arch::cpu::Cpu;
use crate::arch::user::Frame;
use crate::arch::{machine_check, vector};
use crate::console;
use crate::mm::layout;
use crate::mm::stack;
use crate::{power, run, trace};
use capos_abi::debug_exit;
use core::arch::asm;
use core::fmt;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};
use x86_64::registers::control::Cr2;
use x86_64::structures::idt::PageFaultErrorCode;

/// Words of the stack that are searched for return addresses.
const SEARCHED_WORDS: usize = 256;
/// Return addresses shown.
const SHOWN_ADDRESSES: usize = 12;

/// A processor is panicking; all others stop.
static PANICKING: AtomicBool = AtomicBool::new(false);
/// Processors have a [`Cpu`] and an interrupt controller.
static MACHINE_READY: AtomicBool = AtomicBool::new(false);

/// From now on a panic stops the other processors and says which one panicked.
pub fn machine_ready() {
    MACHINE_READY.store(true, Ordering::Relaxed);
}

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    match info.location() {
        Some(place) => end(format_args!("{} at {place}", info.message()), stack_pointer()),
        None => end(format_args!("{}", info.message()), stack_pointer()),
    }
}

/// The kernel found itself in a state that cannot be.
pub fn bug(what: fmt::Arguments) -> ! {
    end(what, stack_pointer())
}

/// The machine or what was loaded is unfit; nothing has started yet.
pub fn refuse(why: fmt::Arguments) -> ! {
    console::last_words(format_args!("capOS cannot start: {why}"));
    power::end(debug_exit::REFUSED)
}

/// The system has lost what it cannot do without.
pub fn give_up(why: fmt::Arguments) -> ! {
    console::last_words(format_args!("capOS cannot go on: {why}"));
    power::end(debug_exit::REFUSED)
}

/// An exception in the kernel.
pub fn exception(frame: &Frame) -> ! {
    if frame.vector == u64::from(vector::PAGE_FAULT) {
        let (address, error) = (Cr2::read_raw(), PageFaultErrorCode::from_bits_truncate(frame.error));
        let what = page_fault(address, error);
        end(
            format_args!("{what} in the kernel: address {address:#x}, error {:#x}\n{}", frame.error, Registers(frame)),
            frame.rsp,
        );
    }
    end(
        format_args!("exception {} in the kernel, error {:#x}\n{}", frame.vector, frame.error, Registers(frame)),
        frame.rsp,
    )
}

/// Double fault, machine check or non-maskable interrupt.
pub fn fatal(frame: &Frame) -> ! {
    const NMI: u64 = vector::NMI as u64;
    const MACHINE_CHECK: u64 = vector::MACHINE_CHECK as u64;
    if frame.vector == NMI && PANICKING.load(Ordering::Relaxed) {
        halt();
    }
    let registers = Registers(frame);
    let address = Cr2::read_raw();
    match frame.vector {
        NMI => end(format_args!("non-maskable interrupt\n{registers}"), frame.rsp),
        MACHINE_CHECK => end(format_args!("machine check: {}\n{registers}", machine_check::Report), frame.rsp),
        _ if stack::is_guard(address) => {
            end(format_args!("stack overflow at address {address:#x}\n{registers}"), frame.rsp)
        }
        _ => end(format_args!("double fault, CR2 {address:#x}\n{registers}"), frame.rsp),
    }
}

/// Which of the kernel's walls a page fault ran into.
fn page_fault(address: u64, error: PageFaultErrorCode) -> &'static str {
    let execution = error.contains(PageFaultErrorCode::INSTRUCTION_FETCH);
    let write = error.contains(PageFaultErrorCode::CAUSED_BY_WRITE);
    match (error.contains(PageFaultErrorCode::PROTECTION_VIOLATION), address < layout::USER_END) {
        (false, _) if stack::is_guard(address) => "stack overflow",
        (false, _) => "access to nothing",
        (true, true) if execution => "execution of a program's page (SMEP)",
        (true, true) => "access to a program's page (SMAP)",
        (true, false) if execution => "execution of data (NX)",
        (true, false) if write => "write to what is read-only (W^X)",
        (true, false) => "page fault",
    }
}

/// Stops this processor for ever.
pub fn halt() -> ! {
    loop {
        // SAFETY: with interrupts off nothing but a non-maskable interrupt continues, into this loop.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) };
    }
}

/// Says what happened and which callers `stack` shows, and ends the machine.
fn end(what: fmt::Arguments, stack: u64) -> ! {
    if PANICKING.swap(true, Ordering::SeqCst) {
        halt();
    }
    if MACHINE_READY.load(Ordering::Relaxed) {
        apic::interrupt_all_others_by_nmi();
        let processor = Cpu::current().index();
        // SAFETY: the others have stopped or are about to, and this processor ends here. Of the log only bytes and numbers are read.
        let log = unsafe { run::unshown_log() };
        console::last_words(format_args!(
            "{log}\nkernel panic on processor {processor}: {what}\n{}{}",
            Callers(stack),
            trace::Last(processor)
        ));
    } else {
        console::last_words(format_args!("\nkernel panic: {what}\n{}", Callers(stack)));
    }
    power::end(debug_exit::PANIC)
}

struct Registers<'a>(&'a Frame);

impl fmt::Display for Registers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let r = self.0;
        writeln!(f, "rip {:016x} rsp {:016x} rbp {:016x} flags {:x} cs {:x}", r.rip, r.rsp, r.rbp, r.rflags, r.cs)?;
        writeln!(f, "rax {:016x} rbx {:016x} rcx {:016x} rdx {:016x}", r.rax, r.rbx, r.rcx, r.rdx)?;
        writeln!(f, "rsi {:016x} rdi {:016x} r8  {:016x} r9  {:016x}", r.rsi, r.rdi, r.r8, r.r9)?;
        writeln!(f, "r10 {:016x} r11 {:016x} r12 {:016x} r13 {:016x}", r.r10, r.r11, r.r12, r.r13)?;
        write!(f, "r14 {:016x} r15 {:016x}", r.r14, r.r15)
    }
}

/// Words on a stack that look like return addresses. Frame pointers would be exact, at the cost of every call.
struct Callers(u64);

impl fmt::Display for Callers {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (start, end) = layout::image().text;
        f.write_str("callers may be:")?;
        stack::used(self.0)
            .step_by(8)
            .take(SEARCHED_WORDS)
            // SAFETY: the stack above a stack pointer of the kernel is mapped.
            .map(|address| unsafe { (address as *const u64).read_volatile() })
            .filter(|word| (start..end).contains(word))
            .take(SHOWN_ADDRESSES)
            .try_for_each(|word| write!(f, " {word:x}"))?;
        // Only here: whoever reads the log of a running kernel need not know where it lies.
        write!(f, "\nslide {:#x}", layout::slide())
    }
}

fn stack_pointer() -> u64 {
    let pointer;
    // SAFETY: reads the stack pointer.
    unsafe { asm!("mov {}, rsp", out(reg) pointer, options(nomem, nostack, preserves_flags)) };
    pointer
}
