//! Calls made by this thread: from the request that is being built to the answer that is being read.
//!
//! A call is a record; hooks are integers that name it. The message is built in a range of the arena, and the answer
//! lands in the same range.
mod answer;
mod end;
mod expiry;
mod send;

pub use answer::{answer, answer_with, fail, finish, is_done, outcome, wake_when_done};
pub use end::{add_reference, drop_reference, free};
pub use expiry::Alarm;
pub use send::{copy, copy_to, is_held_up, larger_range, needed_bytes, retry_backlog, start_in, submit};

use crate::arena::{Range, USUAL_BYTES};
use crate::executor::WakeCell;
use crate::hooks::blocking::Wish;
use crate::hooks::builder::MessageBuilder;
use crate::hooks::pipeline::Promised;
use crate::hooks::reader::MessageReader;
use crate::large::Received;
use crate::ring;
use crate::runtime::RUNTIME;
use alloc::boxed::Box;
use alloc::vec::Vec;
use capnp::capability::{Promise, Response};
use capnp::private::layout::CapTable;
use capnp::traits::ImbueMut;
use capnp::{Error, any_pointer};
use capos_abi::handle::{Handle, NULL};
use capos_abi::message::CapDescriptor;
use capos_abi::status::{self, Status};
use core::cell::{Cell, RefCell, UnsafeCell};
use core::task::Waker;

/// Capabilities accepted in a result unless the caller says otherwise.
pub const USUAL_ACCEPTED: u8 = 4;
/// Descriptors for which every message leaves room in front.
pub const USUAL_DESCRIPTORS: u32 = 4;
/// Bytes of that room.
pub const HEAD_BYTES: u32 = USUAL_DESCRIPTORS * size_of::<CapDescriptor>() as u32;

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The request is being built, or nobody uses the record.
    Building,
    /// Sent by the program, but the ring or the arena has no room for it, a capability that it carries is still promised, or an
    /// earlier call of the same capability waits so.
    Backlog,
    /// Waits for the answer of the call that is to give its target.
    Promised,
    /// Goes to a capability that is not called over the ring.
    PassedOn,
    /// In the ring.
    Sent,
    /// Answered.
    Done,
    /// In the ring, and nobody wants the answer any more.
    Orphan,
    /// Given up before it was sent; whoever has it in a list frees it.
    Abandoned,
}

/// A call.
pub struct Call {
    /// Where it stands.
    pub state: Cell<State>,
    /// Promise, pipeline and response that refer to it.
    pub references: Cell<u32>,
    /// Handle called, referenced until the call is answered; 0: `promised`.
    pub target: Cell<Handle>,
    /// The capability of a later answer that is to be called.
    pub promised: Cell<Option<Box<Promised>>>,
    /// Calls that wait for this one's answer.
    pub waiters: RefCell<Vec<u32>>,
    /// Interface called.
    pub interface: Cell<u64>,
    /// Method called.
    pub method: Cell<u16>,
    /// Absolute deadline in nanoseconds, 0 = none.
    pub deadline: Cell<u64>,
    /// Bytes wanted for the result.
    pub result_bytes: Cell<u32>,
    /// Capabilities accepted in the result.
    pub accepted: Cell<u8>,
    /// Attributes of the own session that may be disclosed.
    pub disclosing: Cell<u32>,
    /// What the capabilities wait for that it carries.
    parameters: Cell<Option<Promise<(), Error>>>,
    /// Wakes the backlog.
    wake: WakeCell,
    waker: Cell<Option<Waker>>,
    other_wakers: RefCell<Vec<Waker>>,
    range: Cell<Option<Range>>,
    tag: Cell<u16>,
    status: Cell<Status>,
    /// The completion's `value`, and its `bytes` if the call failed.
    value: Cell<u64>,
    bytes: Cell<u32>,
    error: RefCell<Option<Error>>,
    message: UnsafeCell<MessageBuilder>,
    sent: UnsafeCell<CapTable>,
    /// Memory that the request lies in, if it is large.
    large: Cell<Handle>,
    /// Bytes of a large request.
    large_bytes: Cell<u32>,
    /// Memory that the answer lies in, if it is large.
    large_reply: Cell<Option<Received>>,
    reply: MessageReader,
    received: UnsafeCell<CapTable>,
    /// The answer of a call that was passed on.
    elsewhere: UnsafeCell<Option<Response<any_pointer::Owned>>>,
}

impl Default for Call {
    fn default() -> Self {
        Self {
            state: Cell::new(State::Building),
            references: Cell::new(0),
            target: Cell::new(NULL),
            promised: Cell::new(None),
            waiters: RefCell::new(Vec::new()),
            interface: Cell::new(0),
            method: Cell::new(0),
            deadline: Cell::new(0),
            result_bytes: Cell::new(0),
            accepted: Cell::new(0),
            disclosing: Cell::new(0),
            parameters: Cell::new(None),
            wake: WakeCell::default(),
            waker: Cell::new(None),
            other_wakers: RefCell::new(Vec::new()),
            range: Cell::new(None),
            tag: Cell::new(0),
            status: Cell::new(status::OK),
            value: Cell::new(0),
            bytes: Cell::new(0),
            error: RefCell::new(None),
            message: UnsafeCell::new(MessageBuilder::new()),
            sent: UnsafeCell::new(Vec::new()),
            large: Cell::new(NULL),
            large_bytes: Cell::new(0),
            large_reply: Cell::new(None),
            reply: MessageReader::new(),
            received: UnsafeCell::new(Vec::new()),
            elsewhere: UnsafeCell::new(None),
        }
    }
}

impl Call {
    /// What was asked for besides the message.
    pub fn wishes(&self) -> [Wish; 4] {
        [
            Wish::Deadline(self.deadline.get()),
            Wish::ResultBytes(self.result_bytes.get()),
            Wish::Accepting(self.accepted.get()),
            Wish::Disclosing(self.disclosing.get()),
        ]
    }
}

/// The call with this number.
#[inline]
pub fn get(index: u32) -> &'static Call {
    RUNTIME.calls.get(index)
}

/// Begins a request to `target` (referenced here; 0 if it is promised).
#[inline]
pub fn begin(target: Handle, interface: u64, method: u16) -> u32 {
    let index = RUNTIME.calls.take();
    let call = get(index);
    if target != NULL {
        RUNTIME.handles.add(target);
    }
    call.target.set(target);
    call.state.set(State::Building);
    call.references.set(1);
    call.interface.set(interface);
    call.method.set(method);
    call.deadline.set(0);
    call.result_bytes.set(USUAL_BYTES);
    call.accepted.set(USUAL_ACCEPTED);
    call.disclosing.set(0);
    let range = ring::with(|ring| ring.arena.take_usual());
    call.range.set(range);
    // SAFETY: nobody else uses a record that was just taken.
    let message = unsafe { &mut *call.message.get() };
    match range {
        Some(range) => start_in(message, range),
        None => message.start_on_heap(),
    }
    index
}

/// The request's root pointer.
///
/// # Safety
/// The caller holds the request, and lends it out for as long as the builder lives.
#[inline]
pub unsafe fn request<'a>(index: u32) -> any_pointer::Builder<'a> {
    let call = get(index);
    // SAFETY: promised by the caller: nobody else uses message and table of a request.
    let (message, sent) = unsafe { (&mut *call.message.get(), &mut *call.sent.get()) };
    let mut root = message.root();
    root.imbue_mut(sent);
    root
}
