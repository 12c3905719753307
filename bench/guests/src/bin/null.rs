//! The smallest program: it ends at once. No runtime, no standard library.
#![no_std]
#![no_main]

use capos_abi::syscall::EXIT;
use core::arch::naked_asm;

#[unsafe(naked)]
#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    naked_asm!("mov eax, {exit}", "xor edi, edi", "syscall", "ud2", exit = const EXIT)
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
