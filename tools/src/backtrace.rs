//! What the addresses in the last words of a kernel or program mean: function, file and line, by the debug information of
//! what was built.
//!
//! The kernel prints `rip`, `callers may be:` and `slide 0x…`, how far it was moved, in a panic, and
//! `NAME faulted: … instruction 0x…` for a program.

use crate::artifacts;
use std::fmt::Write;
use std::path::{Path, PathBuf};

const PANIC: &str = "kernel panic";
const CALLERS: &str = "callers may be:";
const INSTRUCTION_POINTER: &str = "rip ";
const SLIDE: &str = "slide 0x";
const FAULT: &str = " faulted: ";
const INSTRUCTION: &str = "instruction 0x";

/// An address that was printed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mention {
    /// The file that holds the code.
    file: PathBuf,
    /// The address as the file knows it.
    address: u64,
    /// It is where a call returns to: the call stands before it.
    returns: bool,
}

/// The addresses in what a machine said, explained; `None` if it said of no panic or fault.
pub fn explain(said: &str) -> Option<String> {
    let mut text = String::new();
    let mut file: Option<(PathBuf, addr2line::Loader)> = None;
    for mention in mentions(said) {
        if file.as_ref().is_none_or(|(path, _)| *path != mention.file) {
            let Ok(loader) = addr2line::Loader::new(&mention.file) else { continue };
            file = Some((mention.file.clone(), loader));
        }
        if let Some((path, loader)) = &file {
            frames(&mut text, path, loader, &mention);
        }
    }
    (!text.is_empty()).then_some(text)
}

/// The functions at an address, the innermost first, one line each.
fn frames(text: &mut String, path: &Path, loader: &addr2line::Loader, mention: &Mention) {
    let Ok(mut frames) = loader.find_frames(mention.address - u64::from(mention.returns)) else { return };
    while let Ok(Some(frame)) = frames.next() {
        let function = frame.function.as_ref().and_then(|name| name.demangle().ok().map(|name| name.into_owned()));
        let place = frame.location.as_ref().and_then(|place| Some(format!("{}:{}", in_tree(place.file?), place.line?)));
        let name = path.file_name().unwrap_or_default().display();
        let (function, place) = (function.unwrap_or("?".into()), place.unwrap_or("?".into()));
        writeln!(text, "  {name} {:x} {function} at {place}", mention.address).expect("a string takes everything");
    }
}

/// A source path as it is written in the tree.
fn in_tree(path: &str) -> &str {
    let root = artifacts::source().to_str().unwrap_or_default();
    path.strip_prefix(root).map_or(path, |rest| rest.trim_start_matches('/'))
}

/// Every address that was printed, in order.
fn mentions(said: &str) -> Vec<Mention> {
    let slide = said.split_once(SLIDE).map_or(0, |(_, rest)| number(rest));
    let mut found = Vec::new();
    let mut in_kernel = |address: u64, returns| {
        found.push(Mention { file: artifacts::kernel(), address: address.wrapping_sub(slide), returns });
    };
    let panic = said.find(PANIC).map_or("", |at| &said[at..]);
    for line in panic.lines() {
        if let Some((_, rest)) = line.split_once(INSTRUCTION_POINTER) {
            in_kernel(number(rest), false);
        }
        if let Some((_, rest)) = line.split_once(CALLERS) {
            rest.split_whitespace().for_each(|word| in_kernel(number(word), true));
        }
    }
    for line in said.lines().filter(|line| line.contains(FAULT)) {
        let name = line.split_once(FAULT).and_then(|(before, _)| before.split_whitespace().last());
        if let (Some(name), Some((_, rest))) = (name, line.split_once(INSTRUCTION)) {
            found.push(Mention { file: artifacts::program(name), address: number(rest), returns: false });
        }
    }
    found
}

/// The hexadecimal number that a text starts with; 0 if it starts with none.
fn number(text: &str) -> u64 {
    let digits = text.split(|c: char| !c.is_ascii_hexdigit()).next().unwrap_or_default();
    u64::from_str_radix(digits, 16).unwrap_or(0)
}

#[cfg(test)]
mod test {
    use super::*;

    const SAID: &str = "std-check faulted: Read at 0x10, instruction 0x20f00d
kernel panic on processor 1: page fault
rip ffffffff80012345 rsp ffffffff80020000
callers may be: ffffffff80003000 ffffffff80004000
slide 0x1000
";

    #[test]
    fn addresses_are_found_and_moved_back() {
        let kernel = |address, returns| Mention { file: artifacts::kernel(), address, returns };
        let program = Mention { file: artifacts::program("std-check"), address: 0x20_f00d, returns: false };
        let wanted = [
            kernel(0xffff_ffff_8001_1345, false),
            kernel(0xffff_ffff_8000_2000, true),
            kernel(0xffff_ffff_8000_3000, true),
            program,
        ];
        assert_eq!(mentions(SAID), wanted);
    }

    #[test]
    fn nothing_is_said_of_a_machine_that_went_well() {
        assert_eq!(explain("rip 1234\nready\n"), None);
    }
}
