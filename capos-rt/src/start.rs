//! The first instructions of a process, and how it comes to `main`.
//!
//! `_start` → [`start`] → std's `runtime_entry` → [`main`] → the program's `main`, which the target calls `__capos_main`.
//! The detour over [`main`] exists because std draws a random key for its (empty) table of environment variables before
//! it calls `main`; a program that was not granted `entropy` must still start, and must not use that key for anything.
use crate::panic::fatal;
use crate::{heap, hermit, ring, startup, tls};
use capos_abi::startup::{StartupBlock, slot};
use core::alloc::Layout;
use core::arch::naked_asm;
use core::ffi::c_char;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

unsafe extern "C" {
    /// std's part of the start: sets up the environment, calls `main`, exits with what it returns.
    fn runtime_entry(argc: i32, argv: *const *const c_char, env: *const *const c_char) -> !;

    /// The program's `main`, as rustc makes it.
    #[link_name = "__capos_main"]
    fn program_main(argc: i32, argv: *const *const c_char) -> i32;
}

/// The main thread's ring area.
static AREA: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());

/// The first instruction of the main thread: ring area in `rdi`, startup block in `rsi`.
#[unsafe(naked)]
#[unsafe(no_mangle)]
extern "C" fn _start() {
    naked_asm!("and rsp, -16", "xor ebp, ebp", "call {start}", "ud2", start = sym start);
}

unsafe extern "C" fn start(area: *mut u8, block: *const StartupBlock) -> ! {
    AREA.store(area, Ordering::Relaxed);
    // SAFETY: kernel and spawner passed the ring area and the startup block to the thread's entry.
    unsafe {
        ring::attach(area, capos_abi::handle::NULL);
        if !startup::adopt(block) {
            fatal("capos-rt: the startup block has a layout that this program does not know");
        }
        attach_again();
        runtime_entry(startup::argument_count() as i32, arguments(), ptr::null())
    }
}

/// Connects the main thread with its ring, at its start and after its thread-local storage was rewound.
fn attach_again() {
    let thread = startup::capability(slot::THREAD).map_or(capos_abi::handle::NULL, |capability| capability.handle);
    // SAFETY: the area is the main thread's, which is the calling one, and no operation is running.
    unsafe { ring::attach(AREA.load(Ordering::Relaxed), thread) };
}

/// The arguments in the form that C gives them. They stay for as long as the process lives.
fn arguments() -> *const *const c_char {
    let count = startup::argument_count();
    let Ok(layout) = Layout::array::<*const c_char>(count + 1) else { fatal("capos-rt: too many arguments") };
    let list = heap::allocate(layout).cast::<*const c_char>();
    if list.is_null() {
        fatal("capos-rt: no memory for the arguments");
    }
    let ends = core::iter::repeat(ptr::null());
    for (index, argument) in
        startup::arguments().map(|argument| argument.as_ptr()).chain(ends).take(count + 1).enumerate()
    {
        // SAFETY: the list has `count + 1` places.
        unsafe { list.add(index).write(argument) };
    }
    list
}

/// What std takes for the program's `main`.
#[unsafe(no_mangle)]
unsafe extern "C" fn main(argc: i32, argv: *const *const c_char) -> i32 {
    if hermit::entropy::forget_starting_key() {
        heap::flush();
        // SAFETY: std has made nothing with a destructor yet, and this function's callers use no thread-local value.
        unsafe { tls::Layout::own().rewind() };
        attach_again();
    }
    // SAFETY: std calls this function where it would call the program's.
    unsafe { program_main(argc, argv) }
}
