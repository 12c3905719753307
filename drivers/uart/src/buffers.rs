//! Bytes on their way: received ones wait for a reader, sent ones for the line.
use std::collections::VecDeque;

/// Received bytes that wait for a reader at most. Later ones are lost, and counted.
pub const RECEIVE_BYTES: usize = 4096;
/// Bytes that wait for the line before writers do.
pub const TRANSMIT_BYTES: usize = 4096;

/// What was received.
#[derive(Default)]
pub struct Received {
    bytes: VecDeque<u8>,
    lost: u32,
}

impl Received {
    /// Keeps a byte, or counts it as lost.
    pub fn push(&mut self, byte: u8) {
        if self.bytes.len() < RECEIVE_BYTES {
            self.bytes.push_back(byte);
        } else {
            self.count_lost();
        }
    }

    /// Counts a byte that the chip itself has lost.
    pub fn count_lost(&mut self) {
        self.lost = self.lost.saturating_add(1);
    }

    /// True if a reader would have to wait.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Up to `max` bytes, and how many were lost since the last call.
    pub fn take(&mut self, max: usize) -> (Vec<u8>, u32) {
        let count = max.min(self.bytes.len());
        (self.bytes.drain(..count).collect(), std::mem::take(&mut self.lost))
    }
}

/// What is to be sent.
#[derive(Default)]
pub struct Outgoing {
    bytes: VecDeque<u8>,
}

impl Outgoing {
    /// Takes as many bytes as fit and says how many.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(TRANSMIT_BYTES - self.bytes.len());
        self.bytes.extend(&bytes[..count]);
        count
    }

    /// The next bytes for the line, at most `max`.
    pub fn take(&mut self, max: usize) -> Vec<u8> {
        let count = max.min(self.bytes.len());
        self.bytes.drain(..count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn received_bytes_come_in_order_or_are_counted(chunks in prop::collection::vec((0usize..3000, 0usize..3000), 0..20)) {
            let (mut received, mut kept, mut got, mut dropped, mut reported) = (Received::default(), Vec::new(), Vec::new(), 0, 0);
            for (arrive, read) in chunks {
                for byte in 0..arrive {
                    if received.bytes.len() < RECEIVE_BYTES { kept.push(byte as u8) } else { dropped += 1 }
                    received.push(byte as u8);
                }
                let (bytes, lost) = received.take(read);
                got.extend(bytes);
                reported += lost;
            }
            got.extend(received.take(usize::MAX).0);
            prop_assert_eq!(got, kept);
            prop_assert_eq!(reported, dropped);
        }

        #[test]
        fn outgoing_takes_what_fits(first in 0usize..6000, second in 0usize..6000) {
            let mut outgoing = Outgoing::default();
            prop_assert_eq!(outgoing.push(&vec![1; first]), first.min(TRANSMIT_BYTES));
            let space = TRANSMIT_BYTES - first.min(TRANSMIT_BYTES);
            prop_assert_eq!(outgoing.push(&vec![2; second]), second.min(space));
        }
    }
}
