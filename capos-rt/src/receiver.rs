//! Endpoints that this thread serves: a multishot RECV into a pool of slots, and the objects behind it.
use crate::arena::Range;
use crate::errors;
use crate::incoming::{self, Incoming, Place};
use crate::load::Load;
use crate::object::{self, Dispatch, FIRST_OWN_KEY};
use crate::raw::Failure;
use crate::ring::{self, Ring};
use crate::runtime::{RUNTIME, class};
use alloc::format;
use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::vec::Vec;
use capnp::{Error, Result};
use capos_abi::handle::{Handle, NULL};
use capos_abi::message::{DeliveryHeader, MAX_CAPS};
use capos_abi::ring::{Completion, Submission, completion_flag, flag, kind, op};
use capos_abi::status;
use core::cell::{Cell, RefCell, UnsafeCell};
use core::future::poll_fn;
use core::task::{Poll, Waker};

/// Slots of a pool at most: calls that are served at the same time.
pub const MAX_SLOTS: u32 = 24;
/// Key of the objects by which a service is supervised. Calls of them are served whatever the limit.
pub const CONTROL_KEY: u64 = FIRST_OWN_KEY - 1;
/// What a call is told that comes after [`stop`]: it was not executed.
pub const STOPPING: &str = "the service is stopping";
/// Capabilities accepted with a call.
const ACCEPTED: u8 = MAX_CAPS as u8;

/// A served endpoint.
#[derive(Default)]
pub struct Receiver {
    tag: Cell<u16>,
    slots: Cell<u32>,
    slot_bytes: Cell<u32>,
    pool: Cell<Option<Range>>,
    bindings: RefCell<Vec<Binding>>,
    /// Tokens of the calls that were delivered to the slots of the pool, and their records as long as they are not answered.
    tokens: [Cell<u64>; MAX_SLOTS as usize],
    calls: [Cell<Option<&'static Incoming>>; MAX_SLOTS as usize],
    /// Slots whose calls are not answered.
    busy: Cell<u32>,
    load: UnsafeCell<Arc<Load>>,
    stopping: Cell<bool>,
    ended: Cell<Option<core::result::Result<u64, Failure>>>,
    waker: Cell<Option<Waker>>,
}

/// An object minted by the endpoint's owner, and who serves it.
struct Binding {
    interface: u64,
    /// `None`: every key of the owner.
    key: Option<u64>,
    server: Rc<dyn Dispatch>,
}

/// Starts to receive calls of `endpoint`, whose messages have at most `message_bytes`. Objects that this thread passes
/// out are minted there from now on. The caller keeps the handle.
pub fn open(endpoint: Handle, message_bytes: u32) -> Result<u32> {
    let slot_bytes = size_of::<DeliveryHeader>() as u32 + u32::from(ACCEPTED) * 8 + message_bytes.next_multiple_of(8);
    let (pool, slots) = take_pool(slot_bytes)?;
    if !RUNTIME.reserve(2 * slots + 1) {
        ring::with(|ring| ring.arena.give(pool));
        return Err(Error::overloaded("the ring has too many operations in flight to serve an endpoint".into()));
    }
    let index = RUNTIME.receivers.take();
    let receiver = RUNTIME.receivers.get(index);
    receiver.slots.set(slots);
    receiver.slot_bytes.set(slot_bytes);
    receiver.pool.set(Some(pool));
    receiver.ended.set(None);
    receiver.bindings.borrow_mut().clear();
    receiver.stopping.set(false);
    receiver.busy.set(0);
    share(index, Arc::default());
    RUNTIME.endpoint.set(endpoint);
    if RUNTIME.spare.get().is_none() {
        RUNTIME.spare.set(ring::with(|ring| ring.arena.take_usual().map(|range| (ring.position(), range))));
    }
    ring::with(|ring| {
        let tag = ring.take_tag().expect("there are more tags than completions");
        receiver.tag.set(tag);
        ring.push(Submission {
            op: op::RECV,
            caps: ACCEPTED << 4,
            tag,
            handle: endpoint,
            user_data: class::RECEIVE | u64::from(index),
            message_offset: Ring::message_offset(pool),
            result_bytes: slot_bytes,
            arg: slots.into(),
            ..Submission::default()
        });
    });
    Ok(index)
}

/// As many slots as half of the longest free piece of the arena holds, but at least one.
fn take_pool(slot_bytes: u32) -> Result<(Range, u32)> {
    ring::with(|ring| {
        let room = ring.arena.longest_free() / 2;
        let slots = (room / slot_bytes).clamp(1, MAX_SLOTS);
        let pool = ring.arena.take(slots * slot_bytes);
        pool.map(|pool| (pool, slots))
            .ok_or_else(|| Error::overloaded("the message arena has no room to receive calls".into()))
    })
}

/// Counts the calls of this receiver with those of others that share `load`.
pub fn share(index: u32, load: Arc<Load>) {
    // SAFETY: nothing that counts calls this: see `Receiver::count`.
    unsafe { *RUNTIME.receivers.get(index).load.get() = load };
}

/// Serves the owner's objects of an interface, of one key or of all, by `server`.
pub fn bind(index: u32, interface: u64, key: Option<u64>, server: Rc<dyn Dispatch>) {
    RUNTIME.receivers.get(index).bindings.borrow_mut().push(Binding { interface, key, server });
}

/// Refuses new calls, and stops receiving when those that were delivered are answered.
pub fn stop(index: u32) {
    let receiver = RUNTIME.receivers.get(index);
    receiver.stopping.set(true);
    receiver.cancel_if_idle();
}

/// Waits until nothing is received any more.
pub async fn ended(index: u32) -> Result<()> {
    let receiver = RUNTIME.receivers.get(index);
    let end = poll_fn(|context| match receiver.ended.get() {
        Some(end) => Poll::Ready(end),
        None => {
            receiver.waker.set(Some(context.waker().clone()));
            Poll::Pending
        }
    });
    match end.await {
        Ok(_) | Err(Failure { status: status::CANCELLED, .. }) => Ok(()),
        Err(failure) => Err(errors::from_failure(failure)),
    }
}

/// Handles a completion of a RECV. Server methods run here.
#[inline]
pub fn handle(completion: &Completion) {
    let receiver = RUNTIME.receivers.get(completion.user_data as u32);
    match completion.kind {
        kind::DELIVERY => receiver.deliver(completion.user_data as u32, completion),
        kind::CANCEL_NOTICE => receiver.cancel(completion.value),
        kind::UNREFERENCED => object::unreferenced(completion.value),
        _ => receiver.end(completion),
    }
}

/// Where the call in this place was delivered to, if the endpoint is still served.
pub fn delivery(place: Place) -> Option<*const u64> {
    let receiver = RUNTIME.receivers.get(place.receiver);
    let pool = receiver.pool.get()?;
    Some(ring::with(|ring| ring.message(pool)).wrapping_byte_add(receiver.offset(place.slot)))
}

/// A RETURN has failed. If the call is still open, it is answered with the reason.
#[cold]
pub fn answer_refused(completion: &Completion) {
    let Err(failure) = Failure::check(completion) else { return };
    if failure.status == status::CALLER_GONE {
        return;
    }
    let place = Place::from_bits(completion.user_data & !class::MASK);
    let token = &RUNTIME.receivers.get(place.receiver).tokens[usize::from(place.slot)];
    incoming::give_back_error(token.get(), &errors::from_failure(failure));
}

/// The answer to a call that comes while so many others of the same service or object are in flight.
#[cold]
pub fn over_limit(whose: &str, limit: u32) -> Error {
    Error::overloaded(format!("the {whose} works on at most {limit} calls at the same time"))
}

impl Receiver {
    /// Looks at the counters, or adds to them what happens to a call.
    #[inline]
    pub(crate) fn count<T>(&self, what: impl FnOnce(&Load) -> T) -> T {
        // SAFETY: only `share` changes it, and no counter calls that.
        what(unsafe { &*self.load.get() })
    }

    /// A call was answered.
    #[inline]
    pub fn answered(&self) {
        self.busy.set(self.busy.get() - 1);
        self.count(Load::end);
        if self.stopping.get() {
            self.cancel_if_idle();
        }
    }

    #[inline]
    fn deliver(&self, index: u32, delivery: &Completion) {
        let (Some(pool), slot) = (self.pool.get(), delivery.slot) else { return };
        let base = ring::with(|ring| ring.message(pool)).wrapping_byte_add(self.offset(slot));
        let call = incoming::begin(delivery.value, Place { receiver: index, slot });
        self.tokens[usize::from(slot)].set(delivery.value);
        self.calls[usize::from(slot)].set(Some(call));
        self.busy.set(self.busy.get() + 1);
        self.count(|load| load.begin(delivery.bytes));
        let own = delivery.flags & completion_flag::OWN_OBJECT != 0;
        // SAFETY: the slot lies in the pool and belongs to this call until its RETURN.
        unsafe { incoming::accept(call, base, own, |interface, key| self.select(interface, key)) };
    }

    /// Byte offset of a slot in the pool.
    #[inline]
    fn offset(&self, slot: u16) -> usize {
        (u32::from(slot) * self.slot_bytes.get()) as usize
    }

    /// The object is selected by what was granted, never by what was called: the holder of a narrow facet cannot reach
    /// the wide one.
    #[inline]
    fn select(&self, interface: u64, key: u64) -> Result<Rc<dyn Dispatch>> {
        if key != CONTROL_KEY {
            self.admit()?;
        }
        let found = match key >= FIRST_OWN_KEY {
            true => object::find(interface, key),
            false => self.bound(interface, key),
        };
        found.ok_or_else(|| Error::disconnected("this object is not served".into()))
    }

    /// Refuses a call before its object is asked.
    #[inline]
    fn admit(&self) -> Result<()> {
        if self.stopping.get() {
            return Err(Error::disconnected(STOPPING.into()));
        }
        match self.count(Load::exceeded) {
            None => Ok(()),
            Some(limit) => Err(over_limit("service", limit)),
        }
    }

    #[inline]
    fn bound(&self, interface: u64, key: u64) -> Option<Rc<dyn Dispatch>> {
        let bindings = self.bindings.borrow();
        let bound = bindings.iter().find(|b| b.interface == interface && b.key.is_none_or(|bound| bound == key));
        bound.map(|binding| binding.server.clone())
    }

    fn cancel(&self, token: u64) {
        let slot = self.tokens.iter().position(|delivered| delivered.get() == token);
        if let Some(call) = slot.and_then(|slot| self.calls[slot].get()) {
            incoming::cancel(call, token);
        }
    }

    /// Stops receiving if every call is answered.
    #[cold]
    fn cancel_if_idle(&self) {
        if self.busy.get() == 0 && self.ended.get().is_none() {
            let arg = self.tag.get().into();
            let entry = Submission { op: op::CANCEL, flags: flag::QUIET, arg, ..Submission::default() };
            ring::with(|ring| crate::raw::push_quiet(ring, entry));
        }
    }

    fn end(&self, completion: &Completion) {
        RUNTIME.unreserve(2 * self.slots.get() + 1);
        ring::with(|ring| ring.give_tag(completion.tag));
        RUNTIME.endpoint.set(NULL);
        if let Some(spare) = RUNTIME.take_spare() {
            ring::with(|ring| ring.arena.give(spare));
        }
        // What is still being served lies in the pool, which then stays as it is.
        if let Some(pool) = self.pool.take().filter(|_| self.busy.get() == 0) {
            ring::with(|ring| ring.arena.give(pool));
        }
        self.ended.set(Some(Failure::check(completion)));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}
