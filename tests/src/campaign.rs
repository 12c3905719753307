//! How much a test does: little in `make test`, much in `make soak`.

/// `quick` repetitions, or `soak` if the variable `CAPOS_SOAK` is set.
pub fn count(quick: u64, soak: u64) -> u64 {
    if std::env::var_os("CAPOS_SOAK").is_some() { soak } else { quick }
}
