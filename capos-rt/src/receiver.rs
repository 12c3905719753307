//! Endpoints that this thread serves: a multishot RECV into a pool of slots, and the objects behind it.
use crate::arena::Range;
use crate::errors;
use crate::incoming;
use crate::object::{self, Dispatch, FIRST_OWN_KEY};
use crate::ring::{self, Ring};
use crate::runtime::{RUNTIME, class};
use alloc::rc::Rc;
use alloc::vec::Vec;
use capnp::{Error, Result};
use capos_abi::handle::Handle;
use capos_abi::message::DeliveryHeader;
use capos_abi::ring::{Completion, Submission, flag, kind, op};
use capos_abi::status::{self, Status};
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::task::{Poll, Waker};

/// Slots of a pool at most: calls that are served at the same time.
pub const MAX_SLOTS: u32 = 16;
/// Capabilities accepted with a call.
const ACCEPTED: u8 = 4;

/// A served endpoint.
#[derive(Default)]
pub struct Receiver {
    tag: Cell<u16>,
    slots: Cell<u32>,
    slot_bytes: Cell<u32>,
    pool: Cell<Option<Range>>,
    bindings: RefCell<Vec<Binding>>,
    /// The received call that lies in each slot of the pool.
    calls: RefCell<Vec<Option<u32>>>,
    ended: Cell<Option<Status>>,
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
    let slot_bytes = message_bytes.next_multiple_of(8) + size_of::<DeliveryHeader>() as u32;
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
    *receiver.calls.borrow_mut() = alloc::vec![None; slots as usize];
    RUNTIME.endpoint.set(endpoint);
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

/// As many slots as half of the arena holds, but at least one.
fn take_pool(slot_bytes: u32) -> Result<(Range, u32)> {
    ring::with(|ring| {
        let slots = (ring.arena.bytes() / 2 / slot_bytes).clamp(1, MAX_SLOTS);
        let pool = ring.arena.take(slots * slot_bytes);
        pool.map(|pool| (pool, slots)).ok_or_else(|| Error::overloaded("the message arena has no room to receive calls".into()))
    })
}

/// Serves the owner's objects of an interface, of one key or of all, by `server`.
pub fn bind(index: u32, interface: u64, key: Option<u64>, server: Rc<dyn Dispatch>) {
    RUNTIME.receivers.get(index).bindings.borrow_mut().push(Binding { interface, key, server });
}

/// Stops receiving. Calls that were delivered are served to their end.
pub fn stop(index: u32) {
    let arg = RUNTIME.receivers.get(index).tag.get().into();
    ring::with(|ring| crate::raw::push_quiet(ring, Submission { op: op::CANCEL, flags: flag::QUIET, arg, ..Submission::default() }));
}

/// Waits until nothing is received any more.
pub async fn ended(index: u32) -> Result<()> {
    let receiver = RUNTIME.receivers.get(index);
    let status = poll_fn(|context| match receiver.ended.get() {
        Some(status) => Poll::Ready(status),
        None => {
            receiver.waker.set(Some(context.waker().clone()));
            Poll::Pending
        }
    });
    match status.await {
        status::OK | status::CANCELLED => Ok(()),
        status => Err(errors::from_status(status, 0)),
    }
}

/// Handles the oldest completion of a RECV; false if there is none. Server methods run here.
pub fn handle_arrival() -> bool {
    let Some(completion) = RUNTIME.arrivals.borrow_mut().pop_front() else { return false };
    let receiver = RUNTIME.receivers.get(completion.user_data as u32);
    match completion.kind {
        kind::DELIVERY => receiver.deliver(&completion),
        kind::CANCEL_NOTICE => receiver.cancel(completion.value),
        kind::UNREFERENCED => object::unreferenced(completion.value),
        _ => receiver.end(&completion),
    }
    true
}

/// A RETURN has failed.
pub fn answer_refused(completion: &Completion) {
    incoming::refused(completion);
}

impl Receiver {
    #[inline]
    fn deliver(&self, delivery: &Completion) {
        let Some(pool) = self.pool.get() else { return };
        let slot = u32::from(delivery.slot).min(self.slots.get() - 1);
        let base = ring::with(|ring| ring.message(pool)).wrapping_byte_add((slot * self.slot_bytes.get()) as usize);
        // SAFETY: the slot lies in the pool and belongs to this call until its RETURN.
        let call = unsafe { incoming::accept(base, delivery, |interface, key| self.select(interface, key)) };
        self.calls.borrow_mut()[slot as usize] = Some(call);
    }

    /// The object is selected by what was granted, never by what was called: the holder of a narrow facet cannot reach
    /// the wide one.
    #[inline]
    fn select(&self, interface: u64, key: u64) -> Option<Rc<dyn Dispatch>> {
        if key >= FIRST_OWN_KEY {
            return object::find(interface, key);
        }
        let bindings = self.bindings.borrow();
        let bound = bindings.iter().find(|b| b.interface == interface && b.key.is_none_or(|bound| bound == key));
        bound.map(|binding| binding.server.clone())
    }

    fn cancel(&self, token: u64) {
        let calls: Vec<u32> = self.calls.borrow().iter().flatten().copied().collect();
        calls.into_iter().for_each(|call| incoming::cancel(call, token));
    }

    fn end(&self, completion: &Completion) {
        RUNTIME.unreserve(2 * self.slots.get() + 1);
        ring::with(|ring| ring.give_tag(completion.tag));
        self.ended.set(Some(completion.status));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}
