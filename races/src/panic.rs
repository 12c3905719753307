//! The end of the kernel.

/// The kernel found itself in a state that cannot be.
pub fn bug(what: std::fmt::Arguments<'_>) -> ! {
    panic!("{what}")
}
