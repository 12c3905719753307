//! Random bytes from the processor. Without a source there are none: nothing falls back to the clock.

use super::features::Features;
use core::arch::asm;

/// Attempts before a source that does not answer is given up; the manual advises 10 for `rdrand`.
const ATTEMPTS: u32 = 100;

/// Fills `bytes`; false: this processor has no source, or it does not answer.
pub fn fill(features: Features, bytes: &mut [u8]) -> bool {
    let Some(source) = source(features) else { return false };
    for chunk in bytes.chunks_mut(8) {
        let Some(word) = (0..ATTEMPTS).find_map(|_| source()) else { return false };
        chunk.iter_mut().zip(word.to_le_bytes()).for_each(|(to, from)| *to = from);
    }
    true
}

/// The better of the sources that the processor has.
fn source(features: Features) -> Option<fn() -> Option<u64>> {
    match features {
        Features { rdseed: true, .. } => Some(seed),
        Features { rdrand: true, .. } => Some(random),
        _ => None,
    }
}

fn seed() -> Option<u64> {
    let (word, valid): (u64, u8);
    // SAFETY: only called where CPUID announces the instruction.
    unsafe { asm!("rdseed {}", "setc {}", out(reg) word, out(reg_byte) valid, options(nomem, nostack)) };
    (valid != 0).then_some(word)
}

fn random() -> Option<u64> {
    let (word, valid): (u64, u8);
    // SAFETY: only called where CPUID announces the instruction.
    unsafe { asm!("rdrand {}", "setc {}", out(reg) word, out(reg_byte) valid, options(nomem, nostack)) };
    (valid != 0).then_some(word)
}
