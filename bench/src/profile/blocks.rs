//! What the plugin writes: sections of blocks that have run. `bench/profile/plugin.c` describes it.

use anyhow::{Context, Result};

/// A block of instructions that follow each other.
#[derive(Debug, PartialEq)]
pub struct Block {
    /// How often it has run.
    pub runs: u64,
    /// Address of its first instruction.
    pub address: u64,
    /// Number of its instructions.
    pub instructions: usize,
    /// Its code.
    pub bytes: Vec<u8>,
}

/// Reads the file.
pub fn read(text: &str) -> Result<Vec<Vec<Block>>> {
    let mut sections = Vec::new();
    for line in text.lines() {
        if line == "section" {
            sections.push(Vec::new());
        } else {
            let section = sections.last_mut().context("a block stands before the first section")?;
            section.push(block(line).with_context(|| format!("not a block: {line:?}"))?);
        }
    }
    Ok(sections)
}

fn block(line: &str) -> Option<Block> {
    let [runs, address, instructions, bytes] = line.split(' ').collect::<Vec<_>>().try_into().ok()?;
    let byte = |at| u8::from_str_radix(bytes.get(at..at + 2)?, 16).ok();
    Some(Block {
        runs: runs.parse().ok()?,
        address: u64::from_str_radix(address, 16).ok()?,
        instructions: instructions.parse().ok()?,
        bytes: (0..bytes.len()).step_by(2).map(byte).collect::<Option<_>>()?,
    })
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn sections_hold_their_blocks() {
        let sections = read("section\nsection\n3 ffff80 2 0f0590\n").unwrap();
        let block = Block { runs: 3, address: 0xffff80, instructions: 2, bytes: vec![0x0f, 0x05, 0x90] };
        assert_eq!(sections, [vec![], vec![block]]);
        assert!(read("3 ffff80 2 0f0590\n").is_err() && read("section\n3 x 2 0f\n").is_err());
    }
}
