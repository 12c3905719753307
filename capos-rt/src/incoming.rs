//! Calls received by this thread: from the delivery in a pool's slot to the RETURN that frees the slot.
//!
//! The parameters are read where they were delivered. The answer leaves when the method has ended and has dropped its
//! parameters and results: until then the slot belongs to it.
mod answer;

use crate::arena::Range;
use crate::call::{empty, start_in};
use crate::executor::{WakeCell, Wakes};
use crate::hooks::builder::MessageBuilder;
use crate::hooks::params::RingParams;
use crate::hooks::reader::MessageReader;
use crate::hooks::results::RingResults;
use crate::hooks::tag::{number_of, stand_for};
use crate::hooks::transfer;
use crate::large::Received;
use crate::object::Dispatch;
use crate::receiver::{self, Receiver};
use crate::ring;
use crate::runtime::RUNTIME;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
pub use answer::give_back_error;
use answer::{end, settle};
use capnp::capability::{Params, Promise, Results};
use capnp::private::layout::CapTable;
use capnp::traits::{Imbue, ImbueMut};
use capnp::{Error, Result, any_pointer};
use capos_abi::message::{DeliveryHeader, delivery_flag};
use core::cell::{Cell, RefCell, UnsafeCell};
use core::pin::Pin;
use core::task::{Context, Poll};

/// What of an [`Incoming`] is in use.
pub mod live {
    /// The parameters.
    pub const PARAMS: u8 = 1;
    /// The results.
    pub const RESULTS: u8 = 2;
    /// The method has ended and waits for the others to be dropped.
    pub const ENDED: u8 = 4;
}

/// What the kernel tells about a call that is being served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The caller's session as this endpoint knows it.
    pub session: [u64; 2],
    /// Attributes of the session that are disclosed: `DeliveryHeader::disclosed`.
    pub disclosed: u32,
    /// Interface of the capability that was called through.
    pub granted_interface: u64,
    /// Key of the object.
    pub key: u64,
    /// Absolute deadline in nanoseconds, 0 = none.
    pub deadline: u64,
}

/// Who called the method that is running; `None` outside of methods, and in one called by this very thread.
pub fn caller() -> Option<Caller> {
    let base = receiver::delivery(RUNTIME.serving.get()?.place.get())?;
    // SAFETY: the slot holds the delivery of a call that is not answered, which starts with its header.
    let header = unsafe { base.cast::<DeliveryHeader>().read() };
    let DeliveryHeader { session, disclosed, granted_interface, key, deadline, .. } = header;
    Some(Caller { session, disclosed, granted_interface, key, deadline })
}

/// Where a call was delivered to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// The receiver.
    pub receiver: u32,
    /// Slot of its pool.
    pub slot: u16,
}

impl Place {
    /// The place as bits of `user_data`.
    fn bits(self) -> u64 {
        u64::from(self.receiver) << 16 | u64::from(self.slot)
    }

    /// The place from these bits.
    pub fn from_bits(bits: u64) -> Self {
        Self { receiver: (bits >> 16) as u32, slot: bits as u16 }
    }
}

/// A received call.
pub struct Incoming {
    token: Cell<u64>,
    place: Cell<Place>,
    result_bytes: Cell<u32>,
    live: Cell<u8>,
    outcome: RefCell<Option<Result<()>>>,
    task: Cell<Option<Promise<(), Error>>>,
    wake: WakeCell,
    params: MessageReader,
    received: UnsafeCell<CapTable>,
    /// Memory that the parameters lie in, if they are large.
    large: Cell<Option<Box<Received>>>,
    range: Cell<Option<Range>>,
    results: UnsafeCell<MessageBuilder>,
    sent: UnsafeCell<CapTable>,
}

impl Default for Incoming {
    fn default() -> Self {
        Self {
            token: Cell::new(0),
            place: Cell::new(Place::default()),
            result_bytes: Cell::new(0),
            live: Cell::new(0),
            outcome: RefCell::new(None),
            task: Cell::new(None),
            wake: WakeCell::default(),
            params: MessageReader::new(),
            received: UnsafeCell::new(Vec::new()),
            large: Cell::new(None),
            range: Cell::new(None),
            results: UnsafeCell::new(MessageBuilder::new()),
            sent: UnsafeCell::new(Vec::new()),
        }
    }
}

impl Incoming {
    /// The receiver that it came to.
    #[inline]
    fn receiver(&self) -> &'static Receiver {
        RUNTIME.receivers.get(self.place.get().receiver)
    }
}

/// A record for a delivered call.
#[inline]
pub fn begin(token: u64, place: Place) -> &'static Incoming {
    let incoming = RUNTIME.incoming.take();
    incoming.token.set(token);
    incoming.place.set(place);
    incoming
}

/// Starts to serve a call that has [begun](begin); `select` finds the object by granted interface and key. With `own` it
/// carries objects of this process.
///
/// # Safety
/// `base` is the pool's slot to which the call was delivered, and nothing writes it before the call is answered.
#[inline]
pub unsafe fn accept(
    incoming: &'static Incoming,
    base: *const u64,
    own: bool,
    select: impl FnOnce(u64, u64) -> Result<Rc<dyn Dispatch>>,
) {
    // SAFETY: every delivery starts with its header.
    let header = unsafe { base.cast::<DeliveryHeader>().read() };
    incoming.result_bytes.set(header.result_bytes);
    incoming.live.set(live::PARAMS | live::RESULTS);
    let caps = usize::from(header.caps);
    let handles = base.wrapping_byte_add(size_of::<DeliveryHeader>());
    let mut readable = Ok(());
    if header.flags & delivery_flag::SPILLED != 0 {
        readable = accept_large(incoming, handles, caps, own);
    } else {
        // SAFETY: behind the header follow the handles, then the segment; the caller keeps the slot as it is. The record was free.
        unsafe {
            incoming.params.start(handles.add(caps), header.segment_bytes / 8);
            if caps != 0 {
                transfer::receive(handles, caps, own, &mut *incoming.received.get());
            }
        }
    }
    reserve_results(incoming);
    let (params, results) =
        (Params::new(stand_for::<RingParams>(incoming)), Results::new(stand_for::<RingResults>(incoming)));
    match readable.and_then(|()| select(header.granted_interface, header.key)) {
        Ok(object) => {
            serve(incoming, || object.dispatch(header.called_interface, header.method, params, results).promise)
        }
        Err(error) => {
            drop((params, results));
            settle(incoming, Err(error));
        }
    }
}

/// The parameters lie in the memory that is the first of the capabilities.
#[cold]
fn accept_large(incoming: &Incoming, handles: *const u64, caps: usize, own: bool) -> Result<()> {
    // SAFETY: a call that was sent so has a capability at least, then a word. The record was free.
    let (memory, bytes) = unsafe {
        transfer::receive(handles.add(1), caps - 1, own, &mut *incoming.received.get());
        (handles.read(), handles.add(caps).read())
    };
    let received = Received::new(memory, bytes)?;
    // SAFETY: nobody can write sealed memory, and it stays mapped until the parameters are dropped.
    unsafe { incoming.params.start(received.base(), received.words()) };
    incoming.large.set(Some(Box::new(received)));
    Ok(())
}

/// The place of the result is there before the method runs: `Results::get` cannot fail.
#[inline]
fn reserve_results(incoming: &Incoming) {
    let range = RUNTIME.take_spare().or_else(|| ring::with(|ring| ring.arena.take_usual()));
    incoming.range.set(range);
    // SAFETY: the record was free; nobody else uses its results.
    let results = unsafe { &mut *incoming.results.get() };
    match range {
        Some(range) => start_in(results, range),
        None => results.start_on_heap(),
    }
}

/// The parameters' root pointer.
///
/// # Safety
/// The caller holds the parameters of this call while the reader lives.
#[inline]
pub unsafe fn params<'a>(incoming: &'static Incoming) -> Result<any_pointer::Reader<'a>> {
    let mut root = incoming.params.root()?;
    // SAFETY: the table does not change while the parameters are held.
    root.imbue(unsafe { &*incoming.received.get() });
    Ok(root)
}

/// The results' root pointer.
///
/// # Safety
/// The caller holds the results of this call and lends them out while the builder lives.
#[inline]
pub unsafe fn results<'a>(incoming: &'static Incoming) -> any_pointer::Builder<'a> {
    // SAFETY: promised by the caller: nobody else uses them.
    let (results, sent) = unsafe { (&mut *incoming.results.get(), &mut *incoming.sent.get()) };
    let mut root = results.root();
    root.imbue_mut(sent);
    root
}

/// The method has dropped its parameters or its results.
#[inline]
pub fn dropped(incoming: &'static Incoming, bit: u8) {
    let live = incoming.live.get() & !bit;
    incoming.live.set(live);
    if bit == live::PARAMS {
        // SAFETY: the holder of the parameters is gone.
        empty(unsafe { &mut *incoming.received.get() });
        drop(incoming.large.take());
    }
    if live == live::ENDED {
        end(incoming);
    }
}

/// Runs the method on as far as it gets.
#[inline]
pub fn poll(incoming: &'static Incoming) {
    if let Some(promise) = incoming.task.take() {
        serve(incoming, || promise);
    }
}

/// Runs a method, which `start` begins or goes on with, as far as it gets.
#[inline]
fn serve(incoming: &'static Incoming, start: impl FnOnce() -> Promise<(), Error>) {
    let waker = incoming.wake.waker(Wakes::Incoming, number_of(incoming));
    let outer = RUNTIME.serving.replace(Some(incoming));
    let outcome = {
        let mut promise = start();
        let polled = Pin::new(&mut promise).poll(&mut Context::from_waker(&waker));
        RUNTIME.serving.set(outer);
        match polled {
            Poll::Pending => return incoming.task.set(Some(promise)),
            Poll::Ready(outcome) => outcome,
        }
    };
    settle(incoming, outcome);
}

/// The caller has gone: the method is dropped where it stands.
pub fn cancel(incoming: &'static Incoming, token: u64) {
    if incoming.token.get() == token
        && let Some(promise) = incoming.task.take()
    {
        drop(promise);
        settle(incoming, Err(Error::disconnected("cancelled by the caller".into())));
    }
}
