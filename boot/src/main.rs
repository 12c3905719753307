//! The UEFI loader: puts the kernel and the boot package into memory and enters the kernel by the Limine boot protocol.
//!
//! It reads from the file system that it was loaded from itself:
//! ```text
//! \capos\kernel         the kernel
//! \capos\package        the boot package
//! \capos\command-line   the kernel's command line, one line (optional)
//! \capos\checksums      CRC-32 and name of each of the others (optional; `make image` writes it)
//! ```
//! Whatever is wrong with them ends in one sentence on the console and a refusal, before anything is left behind.
//! Read [`files`], [`random`], [`kernel`], [`relocations`], [`answers`], [`tables`], [`memory`], [`handoff`], in the order of the boot.
#![no_std]
#![no_main]

extern crate alloc;

mod answers;
mod end;
mod files;
mod handoff;
mod kernel;
mod memory;
mod random;
mod refusal;
mod relocations;
mod screen;
mod tables;

use answers::Answers;
use files::Files;
use handoff::Handoff;
use kernel::Kernel;
use memory::{Arena, MODULE, Map};
use refusal::Refusal;
use screen::Screen;
use tables::Tables;
use uefi::prelude::*;
use uefi::println;

/// Bytes of the stack that the kernel is entered on; the protocol asks for 64 KiB.
const STACK_BYTES: u64 = 64 << 10;

#[entry]
fn main() -> Status {
    let refusal = match prepare() {
        Ok(handoff) => handoff.enter(),
        Err(refusal) => refusal,
    };
    end::refuse(refusal)
}

/// Everything that can fail, while the firmware can still say so.
fn prepare() -> Result<Handoff, Refusal> {
    println!("capOS loader {}", env!("CARGO_PKG_VERSION"));
    let mut files = Files::open()?;
    let command_line = files.command_line()?;
    let file = files.read("kernel")?;
    let mut kernel =
        Kernel::load(&file, |bytes| memory::pages(bytes, MODULE), |end| random::slide(&command_line, end))?;
    let package = files.load("package")?;
    let mut arena = Arena::new()?;
    let screen = Screen::find();
    let map = Map::reserve(&mut arena, screen)?;
    let stack = arena.reserve(STACK_BYTES)? + STACK_BYTES;
    let seed = random::seed()?;
    Answers { kernel: &mut kernel, arena: &mut arena, map: &map, package, seed, command_line: &command_line, screen }
        .give()?;
    let tables = Tables::new(&kernel, screen)?;
    let descriptors = arena.place(handoff::DESCRIPTORS)?;
    Ok(Handoff { root: tables.root(), stack, entry: kernel.entry(), descriptors, map })
}
