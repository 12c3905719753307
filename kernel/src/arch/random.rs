//! The machine's sources of random bytes: the seed that the loader handed over, and the processor. Without a source there are none: nothing
//! falls back to the clock.

use super::features::Features;
use crate::mm::layout;
use capos_abi::boot::BootInfo;
use core::arch::asm;
use core::slice;
use kernel_core::random::{KEY_BYTES, Random};

/// Attempts before a source that does not answer is given up; the manual advises 10 for `rdrand`.
const ATTEMPTS: u32 = 100;

/// The generator, with the loader's seed, which is wiped.
pub fn generator(info: &BootInfo) -> Random {
    let mut random = Random::default();
    if info.seed != 0 {
        let seed = layout::direct(info.seed) as *mut u8;
        // SAFETY: the loader put these bytes there, the memory map keeps them for ever, and the direct map reaches them.
        random.add(unsafe { slice::from_raw_parts(seed, info.seed_bytes as usize) });
        // SAFETY: as above; nobody else has the address.
        (0..info.seed_bytes as usize).for_each(|place| unsafe { seed.add(place).write_volatile(0) });
    }
    random
}

/// A fresh key from the processor.
pub fn fresh(features: Features) -> Option<[u8; KEY_BYTES]> {
    let mut key = [0; KEY_BYTES];
    fill(features, &mut key).then_some(key)
}

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
