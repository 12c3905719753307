//! The parameters of a call that came over the ring.
use super::tag::number;
use crate::incoming::{self, live};
use capnp::private::capability::ParamsHook;
use capnp::{Result, any_pointer};

/// Stands for a received call.
pub struct RingParams;

impl ParamsHook for RingParams {
    #[inline]
    fn get(&self) -> Result<any_pointer::Reader<'_>> {
        // SAFETY: these are the call's only parameters, borrowed while the reader lives.
        unsafe { incoming::params(number(self) as u32) }
    }
}

impl Drop for RingParams {
    #[inline]
    fn drop(&mut self) {
        incoming::dropped(number(self) as u32, live::PARAMS);
    }
}
