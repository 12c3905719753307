//! capnp's hooks over the ring: what stock generated clients and servers stand on.
//!
//! A hook that stands for a handle, a call or a received call is an integer or an address in the shape of a box ([`tag`]). Messages
//! are built and read in place ([`builder`], [`reader`]).

pub mod answer;
pub mod blocking;
pub mod broken;
pub mod builder;
pub mod capability;
pub mod foreign;
pub mod heap;
pub mod local;
pub mod moving;
pub mod params;
pub mod pipeline;
pub mod reach;
pub mod reader;
pub mod request;
pub mod response;
pub mod results;
pub(crate) mod tag;
pub mod transfer;
pub mod unsent;

/// Brand of capabilities and requests that are handles of this process.
pub const RING_BRAND: usize = usize::from_be_bytes(*b"caposrin");
/// Brand of capabilities that leave with the message they are sent in.
pub const MOVING_BRAND: usize = usize::from_be_bytes(*b"caposmov");
/// Brand of capabilities that are objects of this thread.
pub const LOCAL_BRAND: usize = usize::from_be_bytes(*b"caposloc");
/// Brand of capabilities that will be in the answer of a call.
pub const PROMISE_BRAND: usize = usize::from_be_bytes(*b"caposprm");
/// Brand of requests whose message lies on the heap.
pub const HEAP_BRAND: usize = usize::from_be_bytes(*b"caposhea");
