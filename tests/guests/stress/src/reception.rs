//! Calls that arrive at an endpoint, by hand: what is delivered, as the kernel says it, and answers.

use crate::protocol::{ACCEPTED, MESSAGE_BYTES, STOP};
use crate::wire;
use capos_abi::handle::Handle;
use capos_abi::message::{CapDescriptor, DeliveryHeader};
use capos_abi::ring::{Completion, Submission, flag, kind, op};
use capos_abi::status::Status;
use capos_rt::arena::Range;

/// Bytes of a slot of the pool.
const SLOT_BYTES: u32 = size_of::<DeliveryHeader>() as u32 + ACCEPTED as u32 * 8 + MESSAGE_BYTES;
/// Words of the delivery header.
const HEADER_WORDS: usize = size_of::<DeliveryHeader>() / 8;
/// Bytes of the range that answers are written to.
const ANSWER_BYTES: u32 = 1024;
/// `user_data` of the reception.
const RECEPTION: u64 = 1;
/// `user_data` of the wait for the order to stop.
const STOPPING: u64 = 2;

/// An endpoint that is served by this thread.
pub struct Reception {
    pool: Range,
    answer: Range,
}

/// A call that was delivered.
pub struct Delivery {
    /// Names the call in its answer.
    pub token: u64,
    /// What the kernel says of it.
    pub header: DeliveryHeader,
    /// What came along.
    pub capabilities: Vec<Handle>,
    /// The first words of the message, as far as there are any.
    pub words: [u64; 2],
}

/// What comes to a server.
pub enum Event {
    /// A call.
    Call(Delivery),
    /// The caller with this token is gone.
    Gone(u64),
    /// Nobody holds the object with this origin any more.
    Unreferenced(Handle),
    /// It is time to stop.
    Stop,
}

impl Reception {
    /// Receives up to so many calls at once, of the endpoint in the slot `endpoint`.
    pub fn open(slots: usize) -> Reception {
        let pool = wire::take(SLOT_BYTES * slots as u32);
        wire::start(Submission {
            op: op::RECV,
            caps: ACCEPTED << 4,
            handle: wire::given("endpoint"),
            user_data: RECEPTION,
            message_offset: wire::offset(pool),
            result_bytes: SLOT_BYTES,
            arg: slots as u64,
            ..Submission::default()
        });
        Reception { pool, answer: wire::take(ANSWER_BYTES) }
    }

    /// Listens to the order to stop, too, which comes by the notification in the slot `signals`.
    pub fn heed(self) -> Reception {
        wire::start(stop_order(STOPPING));
        self
    }

    /// What has come; an error if it cannot be.
    pub fn next(&self) -> Result<Option<Event>, String> {
        let Some(completion) = wire::next() else { return Ok(None) };
        Ok(Some(match (completion.user_data, completion.kind) {
            (RECEPTION, kind::DELIVERY) => Event::Call(self.delivery(&completion)),
            (RECEPTION, kind::CANCEL_NOTICE) => Event::Gone(completion.value),
            (RECEPTION, kind::UNREFERENCED) => Event::Unreferenced(completion.value),
            (STOPPING, kind::DONE) => Event::Stop,
            _ => return Err(format!("an unexpected completion: {completion:?}")),
        }))
    }

    fn delivery(&self, completion: &Completion) -> Delivery {
        let start = usize::from(completion.slot) * (SLOT_BYTES as usize / 8);
        let word = |at: usize| wire::read(self.pool, start + at);
        let header = DeliveryHeader {
            granted_interface: word(0),
            key: word(1),
            called_interface: word(2),
            segment_bytes: word(3) as u32,
            method: (word(3) >> 32) as u16,
            caps: (word(3) >> 48) as u8,
            flags: (word(3) >> 56) as u8,
            result_bytes: word(4) as u32,
            disclosed: (word(4) >> 32) as u32,
            deadline: word(5),
            session: [word(6), word(7)],
        };
        let behind = HEADER_WORDS + usize::from(header.caps);
        let said = |at: usize| if at * 8 < header.segment_bytes as usize { word(behind + at) } else { 0 };
        Delivery {
            token: completion.value,
            capabilities: (HEADER_WORDS..behind).map(word).collect(),
            words: [said(0), said(1)],
            header,
        }
    }

    /// Answers a call with these capabilities and this segment; how that went.
    pub fn answer(&self, token: u64, sent: &[CapDescriptor], segment: &[u64]) -> Status {
        self.answer_as(token, sent, segment, 0)
    }

    /// The same with flags of the entry.
    pub fn answer_as(&self, token: u64, sent: &[CapDescriptor], segment: &[u64], flags: u16) -> Status {
        let descriptors = sent.iter().flat_map(|sent| [sent.handle, sent.mode]);
        let words: Vec<u64> = descriptors.chain(segment.iter().copied()).collect();
        wire::write(self.answer, 0, &words);
        wire::run(Submission {
            op: op::RETURN,
            caps: sent.len() as u8,
            flags,
            message_offset: wire::offset(self.answer),
            message_bytes: words.len() as u32 * 8,
            arg: token,
            ..Submission::default()
        })
        .status
    }
}

/// A wait for the order to stop, which ends with this `user_data`.
pub fn stop_order(user_data: u64) -> Submission {
    Submission { op: op::WAIT, handle: wire::given("signals"), arg: STOP, user_data, ..Submission::default() }
}

/// Gives an object's origin up, unless somebody got a capability to it meanwhile.
pub fn release_object(origin: Handle) {
    wire::start_quietly(Submission {
        op: op::RELEASE,
        flags: flag::IF_UNREFERENCED,
        handle: origin,
        ..Submission::default()
    });
}
