//! Random bytes: the firmware's, else the processor's.

use crate::memory::{self, MODULE};
use crate::refusal::Refusal;
use capos_abi::boot::{KASLR_OFF, SEED_BYTES, SLIDE_STEP, SLIDE_WINDOW};
use core::arch::asm;
use core::arch::x86_64::{__cpuid, __cpuid_count};
use uefi::boot;
use uefi::println;
use uefi::proto::rng::Rng;

/// Attempts before an instruction that gives nothing is given up; the manual advises 10.
const ATTEMPTS: u32 = 100;

/// A seed for the kernel, in pages that it gets as a module; `None`: the firmware has no source. The kernel asks the processor itself.
pub fn seed() -> Result<Option<&'static [u8]>, Refusal> {
    let Some(seed) = memory::pages(SEED_BYTES as u64, MODULE)?.get_mut(..SEED_BYTES) else { return Ok(None) };
    Ok(firmware(seed).then_some(seed))
}

/// How far above its linked address a kernel that ends so many bytes behind the start of the window is to lie; 0 where the command line
/// asks for that or there is no source.
pub fn slide(command_line: &str, end: u64) -> u64 {
    if command_line.split_ascii_whitespace().any(|word| word == KASLR_OFF) {
        return 0;
    }
    let mut random = [0; 8];
    let random = firmware(&mut random).then_some(u64::from_le_bytes(random)).or_else(processor);
    let Some(random) = random else {
        println!("no source of random numbers: the kernel lies where it is linked");
        return 0;
    };
    let places = SLIDE_WINDOW.saturating_sub(end.next_multiple_of(SLIDE_STEP)) / SLIDE_STEP;
    random.checked_rem(places).unwrap_or(0) * SLIDE_STEP
}

/// From the firmware's source; false: it has none that works.
fn firmware(bytes: &mut [u8]) -> bool {
    let source = boot::get_handle_for_protocol::<Rng>().and_then(boot::open_protocol_exclusive::<Rng>);
    source.and_then(|mut source| source.get_rng(None, bytes)).is_ok()
}

/// From the processor, if it has such an instruction.
fn processor() -> Option<u64> {
    let has_seed = __cpuid(0).eax >= 7 && __cpuid_count(7, 0).ebx >> 18 & 1 == 1;
    let has_random = __cpuid(1).ecx >> 30 & 1 == 1;
    let source = if has_seed { rdseed } else { rdrand };
    (0..ATTEMPTS).filter(|_| has_seed || has_random).find_map(|_| source())
}

fn rdseed() -> Option<u64> {
    let (word, valid): (u64, u8);
    // SAFETY: only called where CPUID announces the instruction.
    unsafe { asm!("rdseed {}", "setc {}", out(reg) word, out(reg_byte) valid, options(nomem, nostack)) };
    (valid != 0).then_some(word)
}

fn rdrand() -> Option<u64> {
    let (word, valid): (u64, u8);
    // SAFETY: only called where CPUID announces the instruction.
    unsafe { asm!("rdrand {}", "setc {}", out(reg) word, out(reg_byte) valid, options(nomem, nostack)) };
    (valid != 0).then_some(word)
}
