//! The kernel and the programs: which of them a block belongs to, and which function each of its instructions.

use super::blocks::Block;
use addr2line::Loader;
use anyhow::{Result, anyhow};
use object::{Object, ObjectSegment};
use std::path::{Path, PathBuf};
use tools::artifacts;

/// Where instructions were written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The kernel or a program.
    pub program: String,
    /// Function; the innermost one of ours, if it was inlined.
    pub function: String,
    /// Its file.
    pub file: String,
}

/// All of them.
pub struct Programs(Vec<Program>);

struct Program {
    name: String,
    /// Address and content of each segment.
    segments: Vec<(u64, Vec<u8>)>,
    symbols: Loader,
}

impl Programs {
    /// Opens the kernel and every program that was built.
    pub fn open() -> Result<Programs> {
        let files = std::fs::read_dir(artifacts::programs())?.map(|file| Ok(file?.path()));
        let files: Vec<PathBuf> = files.collect::<Result<_>>()?;
        std::iter::once(artifacts::kernel())
            .chain(files)
            .map(|path| Program::open(&path))
            .collect::<Result<_>>()
            .map(Programs)
    }

    /// The place of each instruction of a block.
    ///
    /// The bytes say where a block starts and ends, but not each of its instructions: they are taken to be equally long.
    pub fn places(&self, block: &Block) -> Vec<Place> {
        let Some(program) = self.0.iter().find(|program| program.holds(block)) else {
            let unknown = Place { program: "unknown".into(), function: String::new(), file: String::new() };
            return vec![unknown; block.instructions];
        };
        let address = |index| block.address + (index * block.bytes.len() / block.instructions) as u64;
        (0..block.instructions).map(|index| program.place(address(index))).collect()
    }
}

impl Program {
    fn open(path: &Path) -> Result<Program> {
        let content = std::fs::read(path)?;
        let file = object::File::parse(&*content)?;
        let segments =
            file.segments().map(|segment| Ok((segment.address(), segment.data()?.to_vec()))).collect::<Result<_>>()?;
        let symbols = Loader::new(path).map_err(|error| anyhow!("{}: {error}", path.display()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into();
        Ok(Program { name, segments, symbols })
    }

    fn holds(&self, block: &Block) -> bool {
        self.segments.iter().any(|(start, content)| {
            let offset = block.address.checked_sub(*start).and_then(|offset| usize::try_from(offset).ok());
            offset.and_then(|offset| content.get(offset..)).is_some_and(|rest| rest.starts_with(&block.bytes))
        })
    }

    fn place(&self, address: u64) -> Place {
        let mut places = Vec::new();
        if let Ok(mut frames) = self.symbols.find_frames(address) {
            while let Ok(Some(frame)) = frames.next() {
                let file = frame.location.and_then(|location| location.file).unwrap_or_default();
                let function = frame.function.and_then(|name| Some(name.demangle().ok()?.into_owned()));
                places.push((function.unwrap_or_default(), file.to_string()));
            }
        }
        let source = artifacts::source().to_string_lossy();
        let own = |file: &str| !file.starts_with('/') || file.starts_with(&*source) && !file.contains("/target/");
        let at = places.iter().position(|(_, file)| own(file)).unwrap_or(0);
        let (function, file) = if places.is_empty() { Default::default() } else { places.swap_remove(at) };
        let file = file.strip_prefix(&*source).map_or(file.clone(), |file| file.trim_start_matches('/').into());
        Place { program: self.name.clone(), function: short(&function), file }
    }
}

/// A function's name without what its types are made of.
fn short(name: &str) -> String {
    let (mut depth, mut text) = (0u32, String::new());
    for letter in name.chars() {
        match letter {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            _ if depth == 0 => text.push(letter),
            _ => {}
        }
    }
    let text = if text.trim_matches(':').is_empty() { name.to_string() } else { text };
    text.rsplit("::").take(2).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("::")
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn names_lose_their_types() {
        assert_eq!(short("kernel_core::Kernel<P>::operate"), "Kernel::operate");
        assert_eq!(short("main"), "main");
    }
}
