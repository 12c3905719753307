//! Machine checks: the hardware's own errors. They are reported and end the machine.

use super::features::{self, Features};
use core::fmt;
use core::ops::Range;
use x86_64::registers::control::{Cr4, Cr4Flags};
use x86_64::registers::model_specific::Msr;

/// Registers of the whole processor.
const CAPABILITIES: u32 = 0x179;
const STATUS: u32 = 0x17a;
const CONTROL: u32 = 0x17b;
/// Registers of bank 0; those of the next bank lie [`BANK_REGISTERS`] further on.
const BANK_CONTROL: u32 = 0x400;
const BANK_STATUS: u32 = 0x401;
const BANK_ADDRESS: u32 = 0x402;
const BANK_DETAIL: u32 = 0x403;
const BANK_REGISTERS: u32 = 4;
/// Capabilities: there is a [`CONTROL`]; the number of banks.
const HAS_CONTROL: u64 = 1 << 8;
const BANKS: u64 = 0xff;
/// Bits of a bank's status.
const VALID: u64 = 1 << 63;
const HAS_DETAIL: u64 = 1 << 59;
const HAS_ADDRESS: u64 = 1 << 58;
/// Before this model of family 6, bank 0 belongs to the firmware.
const FIRST_MODEL_WITH_BANK_0: u32 = 0x1a;

/// Makes hardware errors raise machine checks on this processor, and logs those that were left from before its reset.
pub fn init(features: Features) {
    if !features.machine_check {
        return;
    }
    if read(CAPABILITIES) & HAS_CONTROL != 0 {
        write(CONTROL, u64::MAX);
    }
    for bank in banks() {
        if bank > 0 || !is_old_model() {
            write(BANK_CONTROL + bank * BANK_REGISTERS, u64::MAX);
        }
        if read(BANK_STATUS + bank * BANK_REGISTERS) & VALID != 0 {
            crate::log!("boot: an error from before the start: {}", Bank(bank));
        }
        write(BANK_STATUS + bank * BANK_REGISTERS, 0);
    }
    // SAFETY: CPUID announces machine checks, and their vector has a handler.
    unsafe { Cr4::update(|flags| flags.insert(Cr4Flags::MACHINE_CHECK_EXCEPTION)) };
}

/// What the processor says of its errors. Only after [`init`] on a processor that has machine checks.
pub struct Report;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "status {:#x}", read(STATUS))?;
        let mut failed = banks().filter(|bank| read(BANK_STATUS + bank * BANK_REGISTERS) & VALID != 0);
        failed.try_for_each(|bank| write!(f, ", {}", Bank(bank)))
    }
}

/// The error in a bank.
struct Bank(u32);

impl fmt::Display for Bank {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let register = |first: u32| read(first + self.0 * BANK_REGISTERS);
        let status = register(BANK_STATUS);
        write!(f, "bank {} status {status:#x}", self.0)?;
        if status & HAS_ADDRESS != 0 {
            write!(f, " address {:#x}", register(BANK_ADDRESS))?;
        }
        if status & HAS_DETAIL != 0 {
            write!(f, " detail {:#x}", register(BANK_DETAIL))?;
        }
        Ok(())
    }
}

fn banks() -> Range<u32> {
    0..(read(CAPABILITIES) & BANKS) as u32
}

fn is_old_model() -> bool {
    let version = features::leaf(1, 0).eax;
    let (family, model) = (version >> 8 & 0xf, version >> 12 & 0xf0 | version >> 4 & 0xf);
    family == 6 && model < FIRST_MODEL_WITH_BANK_0
}

fn read(register: u32) -> u64 {
    // SAFETY: CPUID announces the machine-check registers, and only banks that exist are read.
    unsafe { Msr::new(register).read() }
}

fn write(register: u32, value: u64) {
    // SAFETY: as in `read`; enabling reports and clearing old ones is sound at any time.
    unsafe { Msr::new(register).write(value) };
}
