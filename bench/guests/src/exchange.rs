//! A call to the raw echo service on the raw ring: what is sent has to come back.

use capos_abi::handle::Handle;
use capos_abi::message::{CapDescriptor, mode};
use capos_abi::ring::{Submission, op};
use capos_abi::status;
use capos_rt::arena::Range;
use capos_rt::ring::Ring;
use capos_rt::startup;

/// Words of a capability's descriptor.
const DESCRIPTOR_WORDS: usize = size_of::<CapDescriptor>() / size_of::<u64>();

/// A call that gets back what it sends.
pub struct Exchange<'a> {
    ring: &'a Ring,
    call: Submission,
    /// Where the words are sent from, behind the descriptors, and where they arrive.
    sent: *mut u64,
    received: *mut u64,
    ranges: [Range; 2],
}

impl<'a> Exchange<'a> {
    /// A call with so many words, and with a copy of a capability.
    pub fn new<const WORDS: usize>(ring: &'a Ring, copied: Option<Handle>) -> Exchange<'a> {
        let server = startup::capability("echo-raw").expect("the manifest grants it");
        let bytes = (WORDS * size_of::<u64>()) as u32;
        let descriptors = copied.map_or(0, |_| DESCRIPTOR_WORDS);
        let descriptor_bytes = (descriptors * size_of::<u64>()) as u32;
        let ranges = [bytes + descriptor_bytes, bytes].map(|bytes| ring.arena.take(bytes).expect("space"));
        let [sent, received] = ranges.map(|range| ring.message(range));
        if let Some(handle) = copied {
            // SAFETY: the range was taken for this and has room for the descriptor in front of the words.
            unsafe { sent.cast::<CapDescriptor>().write_volatile(CapDescriptor { handle, mode: mode::COPY }) };
        }
        let call = Submission {
            op: op::CALL,
            caps: u8::from(copied.is_some()),
            tag: ring.take_tag().expect("no operation is pending"),
            handle: server.handle,
            interface: server.interface,
            user_data: 1,
            message_offset: Ring::message_offset(ranges[0]),
            message_bytes: descriptor_bytes + bytes,
            result_offset: Ring::message_offset(ranges[1]),
            result_bytes: bytes,
            ..Submission::default()
        };
        Exchange { ring, call, sent: sent.wrapping_add(descriptors), received, ranges }
    }

    /// Calls once. The first and last words are new in each round, and have to come back.
    pub fn exchange<const WORDS: usize>(&self, round: u64) -> bool {
        let ends = [0, WORDS - 1];
        for end in ends {
            // SAFETY: `new` made room for as many words, and no operation is using it.
            unsafe { self.sent.add(end).write_volatile(round * WORDS as u64 + end as u64) };
        }
        self.ring.push(self.call);
        self.ring.enter(1, 0);
        let whole = |bytes| bytes as usize == WORDS * size_of::<u64>();
        let done = self.ring.next().is_some_and(|done| done.status == status::OK && whole(done.bytes));
        // SAFETY: as before; the call is over.
        let word = |end| unsafe { self.received.add(end).read_volatile() };
        done && ends.into_iter().all(|end| word(end) == round * WORDS as u64 + end as u64)
    }
}

impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        self.ranges.into_iter().for_each(|range| self.ring.arena.give(range));
        self.ring.give_tag(self.call.tag);
    }
}
