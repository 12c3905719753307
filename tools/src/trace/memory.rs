//! Reads the trace rings out of a stopped machine: the static `TRACE` of the kernel says where they lie.

use crate::symbols;
use anyhow::{Result, ensure};
use capos_abi::trace::{MAGIC, RING_EVENTS, TraceCursor, TraceEvent, TraceHeader};
use std::path::Path;

/// Name of the kernel's static.
const SYMBOL: &str = "TRACE";

/// Events of each processor, oldest first.
pub struct Trace {
    /// Ticks of the stamps in a second.
    pub hertz: u64,
    /// By processor.
    pub processors: Vec<Vec<TraceEvent>>,
}

/// Reads the trace. `memory` copies bytes from a physical address of the machine.
pub fn read(kernel: &Path, mut memory: impl FnMut(u64, u64) -> Result<Vec<u8>>) -> Result<Trace> {
    let header = words(&memory(symbols::physical_address(kernel, SYMBOL)?, size_of::<TraceHeader>() as u64)?);
    let [magic, hertz, rings, processors] = header[..] else { unreachable!("the header has four words") };
    ensure!(magic == MAGIC, "the kernel does not trace: boot it with `trace` on its command line");
    let ring_bytes = size_of::<TraceCursor>() as u64 + RING_EVENTS * size_of::<TraceEvent>() as u64;
    let rings = (0..processors).map(|i| Ok(events(&words(&memory(rings + i * ring_bytes, ring_bytes)?))));
    Ok(Trace { hertz, processors: rings.collect::<Result<_>>()? })
}

fn words(bytes: &[u8]) -> Vec<u64> {
    bytes.chunks_exact(8).map(|w| u64::from_le_bytes(w.try_into().expect("eight bytes"))).collect()
}

/// The events of one ring, oldest first.
fn events(ring: &[u64]) -> Vec<TraceEvent> {
    let cursor_words = size_of::<TraceCursor>() / 8;
    let written = ring[0];
    let at = |index: u64| {
        let event = &ring[cursor_words + (index % RING_EVENTS) as usize * 3..][..3];
        TraceEvent { stamp: event[0], data: event[1], thread: event[2] as u32, kind: (event[2] >> 32) as u32 }
    };
    (written.saturating_sub(RING_EVENTS)..written).map(at).collect()
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn a_full_ring_is_read_from_its_oldest_event() {
        let mut ring = vec![RING_EVENTS + 2, 0, 0];
        (0..RING_EVENTS).for_each(|i| ring.extend([i, 0, 7 | 2 << 32]));
        let events = events(&ring);
        assert_eq!(events.len() as u64, RING_EVENTS);
        assert_eq!((events[0].stamp, events[0].thread, events[0].kind), (2, 7, 2));
        assert_eq!(events.last().map(|e| e.stamp), Some(1));
    }
}
