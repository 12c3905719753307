//! What init decides, apart from what it does: the manifest that it believes, and when a program starts again.
#![forbid(unsafe_code)]

pub mod manifest;
pub mod restart;
#[cfg(test)]
mod test;
