//! Calls made by this thread: from the request that is being built to the answer that is being read.
//!
//! A call is a record; hooks are integers that name it. The message is built in a range of the arena, and the answer
//! lands in the same range.
use crate::arena::{Range, USUAL_BYTES};
use crate::errors;
use crate::hooks::builder::MessageBuilder;
use crate::hooks::pipeline::Promised;
use crate::hooks::reader::MessageReader;
use crate::hooks::transfer::{self, Outgoing};
use crate::large::{self, INLINE_BYTES, Packed, Received};
use crate::ring::{self, Ring};
use crate::runtime::{RUNTIME, class};
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use capnp::capability::Response;
use capnp::private::layout::CapTable;
use capnp::traits::{Imbue, ImbueMut};
use capnp::{Error, Result, any_pointer};
use capos_abi::handle::{Handle, NULL};
use capos_abi::message::{CapDescriptor, MAX_CAPS};
use capos_abi::ring::{Completion, MAX_MESSAGE_BYTES, Submission, completion_flag, flag, op};
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
    /// Sent by the program, but the ring or the arena has no room for it.
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

/// Status of a call whose answer did not come over the ring.
const ELSEWHERE: Status = Status::MAX;

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
    waker: Cell<Option<Waker>>,
    other_wakers: RefCell<Vec<Waker>>,
    range: Cell<Option<Range>>,
    tag: Cell<u16>,
    status: Cell<Status>,
    value: Cell<u64>,
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
            waker: Cell::new(None),
            other_wakers: RefCell::new(Vec::new()),
            range: Cell::new(None),
            tag: Cell::new(0),
            status: Cell::new(status::OK),
            value: Cell::new(0),
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
    /// Whether the answer is a reply that came over the ring.
    #[inline]
    fn has_reply(&self) -> bool {
        self.status.get() == status::OK && self.error.borrow().is_none()
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

/// Starts a message in a range, behind the room for descriptors.
#[inline]
pub fn start_in(message: &mut MessageBuilder, range: Range) {
    let base = ring::with(|ring| ring.message(range)).wrapping_byte_add(HEAD_BYTES as usize);
    // SAFETY: the range was taken from the arena for this message and is longer than its head.
    unsafe { message.start(base, (range.bytes - HEAD_BYTES) / 8) };
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

/// Sends the request, now or as soon as its target is known and there is room.
#[inline]
pub fn submit(index: u32) {
    let call = get(index);
    if call.target.get() == NULL {
        return crate::hooks::pipeline::submit_promised(index);
    }
    match try_send(index, call) {
        Ok(true) => {}
        Ok(false) => {
            call.state.set(State::Backlog);
            RUNTIME.backlog.borrow_mut().push_back(index);
        }
        Err(error) => fail(index, error),
    }
}

/// Puts the call into the ring; false if there is no room yet.
#[inline]
fn try_send(index: u32, call: &'static Call) -> Result<bool> {
    // SAFETY: the request was given up by its holder to be sent.
    let (message, sent) = unsafe { (&mut *call.message.get(), &mut *call.sent.get()) };
    if message.has_spilled() && message.total_words() * 8 > INLINE_BYTES {
        return send_large(index, call, message, sent);
    }
    let crowded = sent.len() as u32 > USUAL_DESCRIPTORS;
    if (message.has_spilled() || crowded || call.result_bytes.get() > USUAL_BYTES) && !gather(call, message, sent)? {
        return Ok(false);
    }
    let Some(range) = call.range.get() else { return Ok(false) };
    if !RUNTIME.reserve(1) {
        return Ok(false);
    }
    let outgoing = transfer::describe(message, sent, range).inspect_err(|_| RUNTIME.unreserve(1))?;
    push(index, call, range, &outgoing, 0);
    Ok(true)
}

/// Puts the call's entry into the ring; its completion was reserved.
#[inline]
fn push(index: u32, call: &Call, range: Range, outgoing: &Outgoing, flags: u16) {
    RUNTIME.calls_in_flight.set(RUNTIME.calls_in_flight.get() + 1);
    // One more than asked for: a large answer comes as memory.
    let accepted = (call.accepted.get() + 1).min(MAX_CAPS as u8);
    ring::with(|ring| {
        let tag = ring.take_tag().expect("there are more tags than completions");
        call.tag.set(tag);
        call.state.set(State::Sent);
        ring.push(Submission {
            op: op::CALL,
            caps: outgoing.caps | accepted << 4,
            flags,
            method: call.method.get(),
            tag,
            handle: call.target.get(),
            interface: call.interface.get(),
            user_data: class::CALL | u64::from(index),
            message_offset: outgoing.offset,
            message_bytes: outgoing.bytes,
            result_offset: Ring::message_offset(range),
            result_bytes: range.bytes.min(MAX_MESSAGE_BYTES),
            deadline: call.deadline.get(),
            arg: call.disclosing.get().into(),
        });
    });
}

/// Sends a message that does not fit as memory; false if the ring or its arena has no room yet.
#[cold]
fn send_large(index: u32, call: &'static Call, message: &mut MessageBuilder, sent: &mut CapTable) -> Result<bool> {
    let wanted = call.result_bytes.get().max(USUAL_BYTES);
    let range = match call.range.get().filter(|range| range.bytes >= wanted) {
        Some(range) => range,
        None => {
            let Some(range) = ring::with(|ring| ring.arena.take(wanted)) else { return Ok(false) };
            if let Some(old) = call.range.replace(Some(range)) {
                ring::with(|ring| ring.arena.give(old));
            }
            range
        }
    };
    if !RUNTIME.reserve(1) {
        return Ok(false);
    }
    let packed = Packed::new(message, sent).inspect_err(|_| RUNTIME.unreserve(1))?;
    // SAFETY: the range belongs to this call, and what was built in it is in memory of its own now.
    let (caps, bytes) = unsafe { packed.write(ring::with(|ring| ring.message(range))) };
    call.large_bytes.set(packed.bytes());
    call.large.set(packed.into_memory());
    let outgoing = Outgoing { caps, offset: Ring::message_offset(range), bytes };
    push(index, call, range, &outgoing, flag::SPILLED);
    *message = MessageBuilder::new();
    Ok(true)
}

/// Makes the message one piece in a range that is large enough; false if the arena has no room now.
#[cold]
fn gather(call: &Call, message: &mut MessageBuilder, sent: &mut CapTable) -> Result<bool> {
    let Some(range) = larger_range(message, sent, call.result_bytes.get())? else { return Ok(false) };
    copy(message, sent, range)?;
    if let Some(old) = call.range.replace(Some(range)) {
        ring::with(|ring| ring.arena.give(old));
    }
    call.result_bytes.set(0);
    Ok(true)
}

/// A range for the whole message and at least `bytes`; `None` if the arena has no room now.
pub fn larger_range(message: &MessageBuilder, caps: &CapTable, bytes: u32) -> Result<Option<Range>> {
    let needed = needed_bytes(message, caps);
    ring::with(|ring| {
        let limit = ring.arena.bytes().min(MAX_MESSAGE_BYTES);
        if needed > limit {
            return Err(Error::overloaded(format!(
                "the message has {needed} bytes, more than the {limit} that the ring can carry"
            )));
        }
        Ok(ring.arena.take(needed.max(bytes.min(limit))))
    })
}

/// Bytes of a range for the whole message and its descriptors, at most.
pub fn needed_bytes(message: &MessageBuilder, caps: &CapTable) -> u32 {
    let descriptors = (caps.len() as u32).max(USUAL_DESCRIPTORS) * size_of::<CapDescriptor>() as u32;
    descriptors + message.total_words() * 8
}

/// Copies a message, with what its capability pointers name, into a range.
pub fn copy(message: &mut MessageBuilder, caps: &mut CapTable, range: Range) -> Result<()> {
    let mut whole = MessageBuilder::new();
    start_in(&mut whole, range);
    copy_to(message, caps, &mut whole).inspect_err(|_| ring::with(|ring| ring.arena.give(range)))?;
    *message = whole;
    Ok(())
}

/// Copies a message, with what its capability pointers name, to where `whole` starts.
pub fn copy_to(message: &mut MessageBuilder, caps: &mut CapTable, whole: &mut MessageBuilder) -> Result<()> {
    let mut named = CapTable::new();
    let mut from = message.root().into_reader();
    from.imbue(caps);
    let mut to = whole.root();
    to.imbue_mut(&mut named);
    to.set_as(from)?;
    if whole.has_spilled() {
        return Err(Error::failed("the message grew while it was copied".into()));
    }
    *caps = named;
    Ok(())
}

/// Tries again to send the calls for which there was no room.
#[cold]
pub fn retry_backlog() {
    let waiting = RUNTIME.backlog.take();
    for index in waiting {
        let call = get(index);
        match call.state.get() {
            State::Backlog => submit(index),
            _ => free(index, call),
        }
    }
}

/// The call's completion.
#[inline]
pub fn finish(index: u32, completion: &Completion) {
    let call = get(index);
    RUNTIME.unreserve(1);
    RUNTIME.calls_in_flight.set(RUNTIME.calls_in_flight.get() - 1);
    ring::with(|ring| ring.give_tag(completion.tag));
    forget_target(call);
    // SAFETY: the message was sent; nobody else uses its table.
    let sent = unsafe { &mut *call.sent.get() };
    if !sent.is_empty() {
        sent.clear();
    }
    if call.large.get() != NULL {
        large::release(call.large.replace(NULL));
    }
    call.status.set(completion.status);
    call.value.set(completion.value);
    if matches!(completion.status, status::OK | status::EXCEPTION) {
        read_reply(call, completion);
    }
    if call.state.get() == State::Orphan {
        free(index, call);
    } else {
        done(call);
    }
}

#[inline]
fn read_reply(call: &Call, completion: &Completion) {
    let Some(range) = call.range.get() else { return };
    let base = ring::with(|ring| ring.message(range));
    let caps = usize::from(completion.caps);
    let own = completion.flags & completion_flag::OWN_OBJECT != 0;
    if completion.flags & completion_flag::SPILLED != 0 {
        return read_large_reply(call, base, caps, own);
    }
    // SAFETY: the kernel has written so many bytes to the range (it checked them against its length) and is done with it.
    unsafe { call.reply.start(base.add(caps), (completion.bytes / 8).saturating_sub(caps as u32)) };
    if caps != 0 {
        // SAFETY: nobody reads the capabilities of an answer before it is there; the handles stand before the message.
        unsafe { transfer::receive(base, caps, own, &mut *call.received.get()) };
    }
}

/// The answer lies in the memory that is the first of its capabilities.
#[cold]
fn read_large_reply(call: &Call, base: *const u64, caps: usize, own: bool) {
    // SAFETY: a result that was sent so has a capability at least, then a word; nobody reads an answer before it is there.
    let (memory, bytes) = unsafe { (base.read(), base.add(caps).read()) };
    // SAFETY: as above.
    unsafe { transfer::receive(base.add(1), caps - 1, own, &mut *call.received.get()) };
    match Received::new(memory, bytes) {
        Ok(received) => {
            // SAFETY: nobody can write sealed memory, and it stays mapped until the record is freed.
            unsafe { call.reply.start(received.base(), received.words()) };
            call.large_reply.set(Some(received));
        }
        Err(error) => *call.error.borrow_mut() = Some(error),
    }
}

/// Tells those who wait that the answer is there.
#[inline]
fn done(call: &Call) {
    call.state.set(State::Done);
    if let Some(waker) = call.waker.take() {
        waker.wake();
    }
    if !call.other_wakers.borrow().is_empty() {
        call.other_wakers.take().into_iter().for_each(Waker::wake);
    }
    if !call.waiters.borrow().is_empty() {
        call.waiters.take().into_iter().for_each(crate::hooks::pipeline::submit_promised);
    }
}

/// Ends the call with an error of this side.
#[cold]
pub fn fail(index: u32, error: Error) {
    let call = get(index);
    *call.error.borrow_mut() = Some(error);
    done(call);
}

/// Ends a call that was passed on.
pub fn answer_with(index: u32, outcome: Result<Response<any_pointer::Owned>>) {
    let call = get(index);
    match outcome {
        Ok(response) => {
            // SAFETY: nobody reads an answer before it is there.
            unsafe { *call.elsewhere.get() = Some(response) };
            call.status.set(ELSEWHERE);
            done(call);
        }
        Err(error) => fail(index, error),
    }
}

/// Wakes `waker` when the answer is there.
#[inline]
pub fn wake_when_done(index: u32, waker: &Waker) {
    let call = get(index);
    match call.waker.replace(Some(waker.clone())) {
        Some(other) if !other.will_wake(waker) => call.other_wakers.borrow_mut().push(other),
        _ => {}
    }
}

/// Whether the answer is there.
#[inline]
pub fn is_done(index: u32) -> bool {
    get(index).state.get() == State::Done
}

/// Whether the call succeeded, or why it did not. The answer is there.
#[inline]
pub fn outcome(index: u32) -> Result<()> {
    let call = get(index);
    if call.has_reply() { Ok(()) } else { without_reply(call).map(drop) }
}

/// The answer's root pointer, or why there is none.
///
/// # Safety
/// The caller holds a reference to the call for as long as the reader lives, and the answer is there.
#[inline]
pub unsafe fn answer<'a>(index: u32) -> Result<any_pointer::Reader<'a>> {
    let call = get(index);
    if !call.has_reply() {
        return without_reply(call);
    }
    let mut root = call.reply.root()?;
    // SAFETY: the table does not change while a reference to the answered call exists.
    root.imbue(unsafe { &*call.received.get() });
    Ok(root)
}

/// What stands in the place of a reply that came over the ring.
#[cold]
fn without_reply<'a>(call: &'static Call) -> Result<any_pointer::Reader<'a>> {
    // SAFETY: the answer is there and stays as it is until nobody refers to the call.
    match unsafe { &*call.elsewhere.get() } {
        Some(response) if call.status.get() == ELSEWHERE => response.hook.get(),
        _ => Err(failure(call)),
    }
}

fn failure(call: &Call) -> Error {
    if let Some(error) = &*call.error.borrow() {
        return error.clone();
    }
    match call.status.get() {
        status::EXCEPTION => call.reply.root().map_or_else(|error| error, errors::from_exception),
        status::TOO_BIG => errors::too_big(sent_bytes(call), call.value.get()),
        status => errors::from_status(status, call.value.get()),
    }
}

/// Bytes of a request that was sent.
fn sent_bytes(call: &Call) -> u32 {
    // SAFETY: nobody builds in a request that was sent.
    let inline = unsafe { &*call.message.get() }.words() * 8;
    if call.large_bytes.get() > 0 { call.large_bytes.get() } else { inline }
}

/// Adds a reference.
#[inline]
pub fn add_reference(index: u32) {
    let references = &get(index).references;
    references.set(references.get() + 1);
}

/// Takes a reference away; without any, the call is cancelled or its answer forgotten.
#[inline]
pub fn drop_reference(index: u32) {
    let call = get(index);
    let left = call.references.get() - 1;
    call.references.set(left);
    if left == 0 {
        match call.state.get() {
            State::Sent => cancel(call),
            State::Backlog | State::Promised => call.state.set(State::Abandoned),
            State::PassedOn => abandon(call),
            _ => free(index, call),
        }
    }
}

#[cold]
fn cancel(call: &Call) {
    call.state.set(State::Orphan);
    call.waker.take();
    let entry = Submission { op: op::CANCEL, flags: flag::QUIET, arg: call.tag.get().into(), ..Submission::default() };
    ring::with(|ring| crate::raw::push_quiet(ring, entry));
}

/// Tells who waits for the answer of a call that was passed on that nobody wants it.
#[cold]
fn abandon(call: &Call) {
    call.state.set(State::Abandoned);
    call.waker.take().into_iter().chain(call.other_wakers.take()).for_each(Waker::wake);
}

#[inline]
fn forget_target(call: &Call) {
    let target = call.target.replace(NULL);
    if target != NULL {
        RUNTIME.handles.drop(target);
    }
}

/// Gives the record back.
#[inline]
pub fn free(index: u32, call: &'static Call) {
    forget_target(call);
    if let Some(range) = call.range.take() {
        ring::with(|ring| ring.arena.give(range));
    }
    // SAFETY: nobody refers to the call any more.
    let (message, sent, received) =
        unsafe { (&mut *call.message.get(), &mut *call.sent.get(), &mut *call.received.get()) };
    if message.has_spilled() {
        *message = MessageBuilder::new();
    }
    if !sent.is_empty() {
        sent.clear();
    }
    drop(call.large_reply.take());
    call.large_bytes.set(0);
    if !received.is_empty() {
        received.clear();
    }
    if call.status.replace(status::OK) != status::OK || call.error.borrow().is_some() {
        call.error.borrow_mut().take();
        // SAFETY: as above.
        unsafe { *call.elsewhere.get() = None };
    }
    drop(call.waker.take());
    drop(call.promised.take());
    call.state.set(State::Building);
    RUNTIME.calls.give(index);
}
