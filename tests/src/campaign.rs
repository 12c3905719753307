//! How much a test does: little in `make test`, much in `make soak`.

/// `quick`, or `soak` if the variable `CAPOS_SOAK` is set.
pub fn choose<T>(quick: T, soak: T) -> T {
    if std::env::var_os("CAPOS_SOAK").is_some() { soak } else { quick }
}
