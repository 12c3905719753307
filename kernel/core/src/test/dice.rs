//! Chance that repeats, and how much of it: little in `cargo test`, much with `CAPOS_SOAK`.

/// Repeatable numbers: xorshift.
#[derive(Clone, Copy)]
pub struct Dice(pub u64);

impl Dice {
    /// A number below the limit.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// How often something is tried.
pub fn choose(quick: u32, soak: u32) -> u32 {
    if std::env::var_os("CAPOS_SOAK").is_some() { soak } else { quick }
}
