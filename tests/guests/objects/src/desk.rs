//! An endpoint that is served by the very thread that calls it: what the thread sends is delivered to it in the same entry.
//!
//! It is used by hand. Between [`Desk::receive`] and [`Desk::close`] no other completions come, so that clients can be called.

use campaign::{PATIENCE, wire};
use capnp::private::capability::ClientHook;
use capos_abi::handle::Handle;
use capos_abi::message::{CapDescriptor, DeliveryHeader};
use capos_abi::ring::{Completion, Submission, kind, op};
use capos_abi::status;
use capos_rt::arena::Range;
use capos_service::{Failure, RingCall, handle, slot};
use schema::endpoint_capnp::endpoint;
use schema::ledger_capnp::ledger;

/// The interface of its object, and the object's key.
pub const INTERFACE: u64 = 0xd2a1_f07c_5e8b_37fe;
pub const KEY: u64 = 77;
/// Bytes of a message at most.
pub const MESSAGE_BYTES: u32 = 64;
/// Bytes that a caller accepts.
pub const RESULT_BYTES: u32 = 32;
/// Capabilities that the server accepts.
pub const ACCEPTED: u8 = 2;

/// Calls that are received at a time.
const SLOTS: u32 = 2;
/// Bytes of a slot of the pool.
const SLOT_BYTES: u32 = size_of::<DeliveryHeader>() as u32 + ACCEPTED as u32 * 8 + MESSAGE_BYTES;
/// Bytes of each of the ranges for messages.
const RANGE_BYTES: u32 = 256;
/// `user_data` of the reception and of calls.
const RECEPTION: u64 = 1;
const CALL: u64 = 2;

/// See the head of this file.
pub struct Desk {
    /// The owner's side.
    pub endpoint: endpoint::Client,
    /// Its object.
    object: Box<dyn ClientHook>,
    pool: Range,
    message: Range,
    answer: Range,
    result: Range,
}

/// A call that was delivered.
pub struct Delivery {
    /// Names it in its answer.
    pub token: u64,
    /// The words of its header.
    pub header: [u64; size_of::<DeliveryHeader>() / 8],
}

impl Desk {
    /// A new endpoint with an object. Nobody receives yet.
    pub fn open() -> Result<Desk, Failure> {
        let mut request = slot::<ledger::Client>("ledger")?.create_endpoint_request();
        request.get().set_max_message_bytes(MESSAGE_BYTES);
        let endpoint = request.call()?.get()?.get_endpoint()?;
        let mut request = endpoint.mint_durable_request();
        request.get().set_interface_id(INTERFACE);
        request.get().set_key(KEY);
        let object = request.call()?.get()?.get_object().get_as_capability()?;
        let [message, answer, result] = [(); 3].map(|()| wire::take(RANGE_BYTES));
        Ok(Desk { endpoint, object, pool: wire::take(SLOT_BYTES * SLOTS), message, answer, result })
    }

    /// The handle of the endpoint.
    pub fn endpoint(&self) -> Result<Handle, Failure> {
        use capnp::capability::FromClientHook;
        Ok(handle(self.endpoint.as_client_hook())?)
    }

    /// The handle of the object.
    pub fn object(&self) -> Result<Handle, Failure> {
        Ok(handle(&*self.object)?)
    }

    /// An entry that receives.
    pub fn reception(&self) -> Result<Submission, Failure> {
        Ok(Submission {
            op: op::RECV,
            caps: ACCEPTED << 4,
            handle: self.endpoint()?,
            user_data: RECEPTION,
            message_offset: wire::offset(self.pool),
            result_bytes: SLOT_BYTES,
            arg: SLOTS.into(),
            ..Submission::default()
        })
    }

    /// Receives from now on; the tag of that.
    pub fn receive(&self) -> Result<u16, Failure> {
        Ok(wire::start(self.reception()?))
    }

    /// An entry that calls the object with these capabilities and without content.
    pub fn calling(&self, sent: &[CapDescriptor]) -> Result<Submission, Failure> {
        Ok(Submission {
            op: op::CALL,
            caps: sent.len() as u8,
            handle: self.object()?,
            interface: INTERFACE,
            user_data: CALL,
            message_offset: wire::offset(self.message),
            message_bytes: put(self.message, sent),
            result_offset: wire::offset(self.result),
            result_bytes: RESULT_BYTES,
            ..Submission::default()
        })
    }

    /// Calls the object; the tag of the call.
    pub fn call(&self) -> Result<u16, Failure> {
        Ok(wire::start(self.calling(&[])?))
    }

    /// The call that was delivered next.
    pub fn delivery(&self) -> Result<Delivery, Failure> {
        let came = next()?;
        if (came.kind, came.user_data, came.status) != (kind::DELIVERY, RECEPTION, status::OK) {
            return Err(format!("a delivery was due: {came:?}").into());
        }
        let start = usize::from(came.slot) * (SLOT_BYTES as usize / 8);
        let mut header = [0; size_of::<DeliveryHeader>() / 8];
        header.iter_mut().enumerate().for_each(|(at, word)| *word = wire::read(self.pool, start + at));
        Ok(Delivery { token: came.value, header })
    }

    /// An entry that answers a call with these capabilities and without content.
    pub fn answering(&self, token: u64, sent: &[CapDescriptor]) -> Submission {
        Submission {
            op: op::RETURN,
            caps: sent.len() as u8,
            message_offset: wire::offset(self.answer),
            message_bytes: put(self.answer, sent),
            arg: token,
            ..Submission::default()
        }
    }

    /// The end of the call, which must come next.
    pub fn end(&self) -> Result<Completion, Failure> {
        let came = next()?;
        let is_end = (came.kind, came.user_data) == (kind::DONE, CALL);
        if is_end { Ok(came) } else { Err(format!("the end of a call was due: {came:?}").into()) }
    }

    /// Receives no more; calls that were delivered end.
    pub fn close(&self, reception: u16) -> Result<(), Failure> {
        match wire::cancel(reception) {
            status::OK => Ok(()),
            status => Err(format!("a reception is cancelled with status {status}").into()),
        }
    }
}

/// Writes capabilities and an empty message; their bytes.
fn put(range: Range, sent: &[CapDescriptor]) -> u32 {
    let words: Vec<u64> = sent.iter().flat_map(|sent| [sent.handle, sent.mode]).chain(wire::EMPTY).collect();
    wire::write(range, 0, &words);
    words.len() as u32 * 8
}

/// The next completion, which must come in time.
pub fn next() -> Result<Completion, Failure> {
    let unread = wire::next();
    let came = unread.or_else(|| {
        wire::wait(wire::now() + PATIENCE.as_nanos() as u64);
        wire::next()
    });
    came.ok_or_else(|| "no completion comes".into())
}
