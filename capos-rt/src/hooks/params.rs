//! The parameters of a call that came over the ring.
use super::tag::StandsFor;
use crate::incoming::{self, Incoming, live};
use capnp::private::capability::ParamsHook;
use capnp::{Result, any_pointer};

/// Stands for a received call.
pub struct RingParams(());

// SAFETY: nothing here makes one but `stand_for`.
unsafe impl StandsFor for RingParams {
    type Record = Incoming;
}

impl ParamsHook for RingParams {
    #[inline]
    fn get(&self) -> Result<any_pointer::Reader<'_>> {
        // SAFETY: these are the call's only parameters, borrowed while the reader lives.
        unsafe { incoming::params(self.record()) }
    }
}

impl Drop for RingParams {
    #[inline]
    fn drop(&mut self) {
        incoming::dropped(self.record(), live::PARAMS);
    }
}
