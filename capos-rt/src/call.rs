//! Calls made by this thread: from the request that is being built to the answer that is being read.
//!
//! A call is a record; hooks stand for it. The message is built in a range of the arena, and the answer
//! lands in the same range.
mod answer;
mod end;
mod expiry;
mod rare;
mod send;

pub use answer::{answer, answer_with, fail, finish, is_done, outcome, wake_when_done};
pub use end::{add_reference, drop_reference, free};
pub use expiry::Alarm;
pub use send::{copy, copy_to, is_held_up, larger_range, needed_bytes, retry_backlog, start_in, submit};

use crate::arena::{Range, USUAL_BYTES};
use crate::executor::WakeCell;
use crate::hooks::blocking::Wish;
use crate::hooks::builder::MessageBuilder;
use crate::hooks::reader::MessageReader;
use crate::ring;
use crate::runtime::RUNTIME;
use alloc::vec::Vec;
use capnp::any_pointer;
use capnp::private::layout::CapTable;
use capnp::traits::ImbueMut;
use capos_abi::handle::{Handle, NULL};
use capos_abi::message::CapDescriptor;
use capos_abi::status::{self, Status};
use core::cell::{Cell, UnsafeCell};
use core::task::Waker;
use rare::Rare;

/// Capabilities accepted in a result unless the caller says otherwise.
pub const USUAL_ACCEPTED: u8 = 4;
/// Descriptors for which every message leaves room in front.
pub const USUAL_DESCRIPTORS: u32 = 8;
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
    /// Handle called, referenced until the call is answered; 0: the capability of a later answer.
    pub target: Cell<Handle>,
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
    /// What few calls have.
    pub rare: Rare,
    /// Wakes the backlog.
    wake: WakeCell,
    waker: Cell<Option<Waker>>,
    range: Cell<Option<Range>>,
    tag: Cell<u16>,
    status: Cell<Status>,
    message: UnsafeCell<MessageBuilder>,
    sent: UnsafeCell<CapTable>,
    reply: MessageReader,
    received: UnsafeCell<CapTable>,
}

impl Default for Call {
    fn default() -> Self {
        Self {
            state: Cell::new(State::Building),
            references: Cell::new(0),
            target: Cell::new(NULL),
            interface: Cell::new(0),
            method: Cell::new(0),
            deadline: Cell::new(0),
            result_bytes: Cell::new(0),
            accepted: Cell::new(0),
            disclosing: Cell::new(0),
            rare: Rare::default(),
            wake: WakeCell::default(),
            waker: Cell::new(None),
            range: Cell::new(None),
            tag: Cell::new(0),
            status: Cell::new(status::OK),
            message: UnsafeCell::new(MessageBuilder::new()),
            sent: UnsafeCell::new(Vec::new()),
            reply: MessageReader::new(),
            received: UnsafeCell::new(Vec::new()),
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

/// Begins a request to `target` (referenced here; 0 if it is promised).
#[inline]
pub fn begin(target: Handle, interface: u64, method: u16) -> &'static Call {
    let call = RUNTIME.calls.take();
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
    call
}

/// The request's root pointer.
///
/// # Safety
/// The caller holds the request, and lends it out for as long as the builder lives.
#[inline]
pub unsafe fn request<'a>(call: &'static Call) -> any_pointer::Builder<'a> {
    // SAFETY: promised by the caller: nobody else uses message and table of a request.
    let (message, sent) = unsafe { (&mut *call.message.get(), &mut *call.sent.get()) };
    let mut root = message.root();
    root.imbue_mut(sent);
    root
}

/// Empties a table of capabilities.
#[inline(always)]
pub fn empty(table: &mut CapTable) {
    #[cold]
    #[inline(never)]
    fn drop_all(table: &mut CapTable) {
        table.clear();
    }
    if !table.is_empty() {
        drop_all(table);
    }
}
