//! `Entropy`: as many random bytes as were asked for, other ones each time.

use crate::Check;
use crate::verify::{holds, refused};
use capos_abi::status;
use capos_service::{Failure, RingCall, slot};
use schema::entropy_capnp::entropy;

pub const CHECKS: &[Check] = &[("Entropy.fill", fill)];

/// Bytes of one answer at most.
const MOST: u32 = 1024;

fn fill() -> Result<(), Failure> {
    let entropy: entropy::Client = slot("entropy")?;
    let bytes = |count| {
        let mut request = entropy.fill_request();
        request.get().set_bytes(count);
        request.call()?.get()?.get_data().map(<[u8]>::to_vec)
    };
    let (one, other) = (bytes(MOST)?, bytes(MOST)?);
    holds(
        "as many came as were asked for",
        one.len() == MOST as usize && bytes(0)?.is_empty() && bytes(3)?.len() == 3,
    )?;
    holds("they are other ones", one != other)?;
    holds("no value of a byte is missing for long", (0..=u8::MAX).filter(|value| one.contains(value)).count() > 200)?;
    refused(bytes(MOST + 1), status::BAD_ARGUMENT)
}
