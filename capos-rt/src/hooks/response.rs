//! An answer that came over the ring. It stays in its range of the arena until it is dropped.
use super::tag::number;
use crate::call;
use capnp::private::capability::ResponseHook;
use capnp::{Result, any_pointer};

/// Stands for an answered call.
pub struct RingResponse;

impl Drop for RingResponse {
    #[inline]
    fn drop(&mut self) {
        call::drop_reference(number(self) as u32);
    }
}

impl ResponseHook for RingResponse {
    #[inline]
    fn get(&self) -> Result<any_pointer::Reader<'_>> {
        // SAFETY: this response refers to the answered call for as long as it is borrowed.
        unsafe { call::answer(number(self) as u32) }
    }
}
