//! The battery-backed clock of a PC (CMOS RTC), for machines whose loader does not say the date.

use kernel_core::machine::date::{self, Registers};
use x86_64::instructions::port::Port;

const INDEX_PORT: u16 = 0x70;
const DATA_PORT: u16 = 0x71;
/// Registers of the time: seconds, minutes, hours.
const TIME: [u8; 3] = [0, 2, 4];
/// Registers of the date: day, month, year.
const DATE: [u8; 3] = [7, 8, 9];
const STATUS_A: u8 = 10;
const STATUS_B: u8 = 11;
/// Status register A: the clock is about to change.
const UPDATE_IN_PROGRESS: u8 = 1 << 7;
/// Attempts at a reading between two changes. A change takes two milliseconds, an attempt some microseconds.
const ATTEMPTS: u32 = 10_000;

/// Seconds since the start of 1970; `None` if there is no such clock, or it shows no date.
pub fn unix_seconds() -> Option<u64> {
    let registers = (0..ATTEMPTS).find_map(|_| {
        let first = read_all()?;
        // A change between two registers shows as a difference.
        (read_all()? == first).then_some(first)
    })?;
    date::unix_seconds(&registers)
}

/// All registers; `None` while they change.
fn read_all() -> Option<Registers> {
    if read(STATUS_A) & UPDATE_IN_PROGRESS != 0 {
        return None;
    }
    Some(Registers { time: TIME.map(read), date: DATE.map(read), status: read(STATUS_B) })
}

fn read(register: u8) -> u8 {
    // SAFETY: the kernel owns the clock; reading its registers changes nothing but the index.
    unsafe {
        Port::new(INDEX_PORT).write(register);
        Port::new(DATA_PORT).read()
    }
}
