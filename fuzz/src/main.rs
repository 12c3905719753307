//! The program that libFuzzer drives; `CAPOS_FUZZ_TARGET` says which target it searches. `capos fuzz` builds and starts it.
#![no_main]

use fuzz::Target;
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

static TARGET: OnceLock<&Target> = OnceLock::new();

/// The target that was asked for.
fn target() -> &'static Target {
    let name = std::env::var("CAPOS_FUZZ_TARGET").expect("CAPOS_FUZZ_TARGET names the target");
    Target::named(&name).unwrap_or_else(|| panic!("there is no target {name}"))
}

fuzz_target!(|bytes: &[u8]| (TARGET.get_or_init(target).run)(bytes));
