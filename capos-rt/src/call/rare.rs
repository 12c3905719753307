//! What few calls have, apart from the rest: of all others only whether there is any of it is looked at.
use super::Call;
use crate::hooks::pipeline::Promised;
use crate::large::Received;
use alloc::boxed::Box;
use alloc::vec::Vec;
use capnp::capability::{Promise, Response};
use capnp::{Error, any_pointer};
use capos_abi::handle::Handle;
use core::cell::{Cell, RefCell, UnsafeCell};
use core::task::Waker;

/// All of it.
#[derive(Default)]
pub struct Rare {
    is_used: Cell<bool>,
    parts: Parts,
}

/// Each of it.
#[derive(Default)]
pub struct Parts {
    /// The capability of a later answer that is to be called.
    pub promised: Cell<Option<Box<Promised>>>,
    /// Calls that wait for this one's answer.
    pub waiters: RefCell<Vec<&'static Call>>,
    /// What the capabilities wait for that it carries.
    pub parameters: Cell<Option<Promise<(), Error>>>,
    /// Who waits for the answer besides the first.
    pub other_wakers: RefCell<Vec<Waker>>,
    /// Why there is no answer, if it is not the completion that tells.
    pub error: RefCell<Option<Error>>,
    /// The completion's `value`, and its `bytes`, if it tells of a failure.
    pub figures: Cell<(u64, u32)>,
    /// Memory that the request lies in, if it is large.
    pub large: Cell<Handle>,
    /// Bytes of a large request.
    pub large_bytes: Cell<u32>,
    /// Memory that the answer lies in, if it is large.
    pub large_reply: Cell<Option<Received>>,
    /// The answer of a call that was passed on.
    pub elsewhere: UnsafeCell<Option<Response<any_pointer::Owned>>>,
}

impl Rare {
    /// What there is, if there may be any.
    #[inline(always)]
    pub fn get(&self) -> Option<&Parts> {
        self.is_used.get().then_some(&self.parts)
    }

    /// To add something.
    #[inline]
    pub fn add(&self) -> &Parts {
        self.is_used.set(true);
        &self.parts
    }

    /// Drops all of it.
    ///
    /// # Safety
    /// Nobody reads an answer from elsewhere any more.
    #[cold]
    pub unsafe fn clear(&self) {
        let Parts {
            promised,
            waiters,
            parameters,
            other_wakers,
            error,
            figures,
            large,
            large_bytes,
            large_reply,
            elsewhere,
        } = &self.parts;
        self.is_used.set(false);
        drop((
            promised.take(),
            waiters.take(),
            parameters.take(),
            other_wakers.take(),
            error.take(),
            large_reply.take(),
        ));
        figures.take();
        large.take();
        large_bytes.take();
        // SAFETY: promised by the caller.
        drop(unsafe { (*elsewhere.get()).take() });
    }
}
