//! The ways into the kernel. Each ends in [`crate::start`] with a `BootInfo`.

pub mod command_line;
mod limine;
mod memory_map;
mod pvh;
mod slide;

use capos_abi::boot::BootInfo;

/// Notes the seed, or the first module that is none: the boot package.
fn store_module(info: &mut BootInfo, is_seed: bool, address: u64, bytes: u64) {
    if is_seed {
        (info.seed, info.seed_bytes) = (address, bytes);
    } else if info.package == 0 {
        (info.package, info.package_bytes) = (address, bytes);
    }
}

/// Notes as much of the command line as there is room for.
fn store_command_line(info: &mut BootInfo, line: &[u8]) {
    info.command_line.iter_mut().zip(line).for_each(|(place, byte)| *place = *byte);
    info.command_line_bytes = line.len().min(info.command_line.len()) as u64;
}
