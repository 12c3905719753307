//! Which capabilities a message really contains.
//!
//! Setting a capability field twice leaves both capabilities in capnp's table. Only those that a pointer of the message
//! names may travel: anything else would give away authority by accident.
use capnp::{Error, Result};

/// Pointers that lead to a capability in a row, at most.
const DEPTH_LIMIT: u32 = 64;

/// Calls `visit` with the table index of every capability pointer below the root, and stores the index it gives.
pub fn capabilities(segment: &mut [u64], visit: &mut dyn FnMut(u32) -> Result<u32>) -> Result<()> {
    pointer(segment, 0, DEPTH_LIMIT, visit)
}

fn pointer(segment: &mut [u64], at: usize, depth: u32, visit: &mut dyn FnMut(u32) -> Result<u32>) -> Result<()> {
    let Some(&word) = segment.get(at) else { return Ok(()) };
    if word == 0 {
        return Ok(());
    }
    let depth =
        depth.checked_sub(1).ok_or_else(|| Error::failed("the message is nested too deeply to be sent".into()))?;
    let target = (at as i64 + 1 + i64::from((word as i32) >> 2)) as usize;
    match word & 3 {
        0 => fields(segment, target, word, depth, visit),
        1 => list(segment, target, word, depth, visit),
        3 if word as u32 == 3 => {
            segment[at] = 3 | u64::from(visit((word >> 32) as u32)?) << 32;
            Ok(())
        }
        _ => Err(Error::failed("the message is not in one segment".into())),
    }
}

/// The pointers of a struct at `target` whose sizes stand in `shape`.
fn fields(
    segment: &mut [u64],
    target: usize,
    shape: u64,
    depth: u32,
    visit: &mut dyn FnMut(u32) -> Result<u32>,
) -> Result<()> {
    let first = target + (shape >> 32 & 0xffff) as usize;
    (first..first + (shape >> 48) as usize).try_for_each(|at| pointer(segment, at, depth, visit))
}

fn list(
    segment: &mut [u64],
    target: usize,
    word: u64,
    depth: u32,
    visit: &mut dyn FnMut(u32) -> Result<u32>,
) -> Result<()> {
    const POINTERS: u64 = 6;
    const STRUCTS: u64 = 7;
    match word >> 32 & 7 {
        POINTERS => (target..target + (word >> 35) as usize).try_for_each(|at| pointer(segment, at, depth, visit)),
        STRUCTS => {
            let shape = segment.get(target).copied().unwrap_or(0);
            let stride = (shape >> 32 & 0xffff) as usize + (shape >> 48) as usize;
            let count = if shape >> 48 == 0 { 0 } else { (shape as u32 >> 2) as usize };
            (0..count).try_for_each(|index| fields(segment, target + 1 + index * stride, shape, depth, visit))
        }
        _ => Ok(()),
    }
}
