//! An answer that came over the ring. It stays in its range of the arena until it is dropped.
use super::tag::StandsFor;
use crate::call::{self, Call};
use capnp::private::capability::ResponseHook;
use capnp::{Result, any_pointer};

/// Stands for an answered call.
pub struct RingResponse(());

// SAFETY: nothing here makes one but `stand_for`.
unsafe impl StandsFor for RingResponse {
    type Record = Call;
}

impl Drop for RingResponse {
    #[inline]
    fn drop(&mut self) {
        call::drop_reference(self.record());
    }
}

impl ResponseHook for RingResponse {
    #[inline]
    fn get(&self) -> Result<any_pointer::Reader<'_>> {
        // SAFETY: this response refers to the answered call for as long as it is borrowed.
        unsafe { call::answer(self.record()) }
    }
}
