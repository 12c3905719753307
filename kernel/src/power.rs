//! The power switch.

use crate::firmware::ResetRegister;
use crate::panic::halt;
use capos_abi::debug_exit;
use x86_64::instructions::port::Port;

/// Chipset reset control, and the value that resets everything.
const CHIPSET_RESET: (u16, u8) = (0xcf9, 0x06);
/// The keyboard controller, and its reset command.
const KEYBOARD_RESET: (u16, u8) = (0x64, 0xfe);

/// Ends an emulated machine with this status; a real one stops.
pub fn end(status: u32) -> ! {
    // SAFETY: the debug-exit device's port; nothing else answers there.
    unsafe { Port::new(debug_exit::PORT).write(status) };
    halt()
}

/// Ends the machine with this code.
pub fn shutdown(code: u8) -> ! {
    end(debug_exit::SHUTDOWN + u32::from(code.min(debug_exit::MAX_CODE)))
}

/// Resets the machine, by whatever works.
pub fn reboot(register: Option<ResetRegister>) -> ! {
    let named = register.map(|register| (register.port, register.value));
    for (port, value) in named.into_iter().chain([CHIPSET_RESET, KEYBOARD_RESET]) {
        // SAFETY: these ports reset the machine or do nothing.
        unsafe { Port::new(port).write(value) };
    }
    halt()
}
