//! A program with an address map of tens of thousands of ranges, and memory of gigabytes.

use capos_abi::PAGE_BYTES;
use capos_abi::handle::Handle;
use capos_abi::interface::ledger::{self, create_memory_object};
use capos_abi::interface::virtual_memory::{
    self,
    access::{READ, READ_WRITE},
    commit, hold, map, protect,
};
use capos_abi::layout::{Scalar, Shape};
use capos_rt::raw::{self, Failure as Refused, Message};
use capos_rt::{errors, objects, startup};
use capos_service::Failure;
use capos_service::spawn::Quota;

/// Ranges that lie side by side.
const RANGES: u64 = 20_000;
/// Bytes of a large memory object.
const LARGE_BYTES: u64 = 2 << 30;
/// One of so many committed pages is touched.
const TOUCHED_EVERY: usize = 8;
/// What it may use.
pub const QUOTA: Quota = Quota { frames: LARGE_BYTES / PAGE_BYTES + 16_384, handles: 64, objects: 16, threads: 4 };

/// Changes all of them together, and exits with some.
pub fn run() -> Result<(), Failure> {
    sew().map_err(|refused| Failure::from(errors::from_failure(refused)))
}

fn sew() -> Result<(), Refused> {
    let start = objects::reserve(RANGES * PAGE_BYTES)?;
    let page = memory(PAGE_BYTES)?;
    map_pages(page, start)?;
    change(protect::METHOD, protect::params::SHAPE, start, Some((protect::params::ACCESS, READ.into())))?;
    change(hold::METHOD, hold::params::SHAPE, start, None)?;
    objects::unmap(start, RANGES * PAGE_BYTES)?;
    commit_pages(objects::reserve(RANGES * PAGE_BYTES)?)?;
    use_large_memory()?;
    map_pages(page, objects::reserve(RANGES * PAGE_BYTES)?)
}

fn memory(bytes: u64) -> Result<Handle, Refused> {
    use create_memory_object::*;
    let message = Message::new(params::SHAPE).set(params::BYTES, bytes);
    raw::call(startup::ledger(), ledger::ID, METHOD, &message, 1).map(|reply| reply.capability(results::MEMORY))
}

fn addresses() -> impl Iterator<Item = u64> {
    (0..RANGES).map(|page| page * PAGE_BYTES)
}

/// The same page at each address: a range of its own.
fn map_pages(page: Handle, start: u64) -> Result<(), Refused> {
    addresses().try_for_each(|offset| map(page, start + offset, PAGE_BYTES).map(drop))
}

fn map(memory: Handle, address: u64, bytes: u64) -> Result<u64, Refused> {
    use map::*;
    let message = Message::new(params::SHAPE)
        .set_capability(params::OBJECT, memory)
        .set(params::ADDRESS, address)
        .set(params::BYTES, bytes)
        .set(params::ACCESS, READ_WRITE.into());
    raw::call(startup::memory(), virtual_memory::ID, METHOD, &message, 0).map(|reply| reply.get(results::ADDRESS))
}

/// A method that changes all of the ranges.
fn change(method: u16, shape: Shape, start: u64, other: Option<(Scalar, u64)>) -> Result<(), Refused> {
    let message = Message::new(shape).set(hold::params::ADDRESS, start).set(hold::params::BYTES, RANGES * PAGE_BYTES);
    let message = other.into_iter().fold(message, |message, (field, value)| message.set(field, value));
    raw::call(startup::memory(), virtual_memory::ID, method, &message, 0).map(drop)
}

/// Pages that may be read, and every other one written; all are given back together.
fn commit_pages(start: u64) -> Result<(), Refused> {
    use commit::*;
    for (offset, access) in addresses().zip([READ, READ_WRITE].into_iter().cycle()) {
        let message = Message::new(params::SHAPE)
            .set(params::ADDRESS, start + offset)
            .set(params::BYTES, PAGE_BYTES)
            .set(params::ACCESS, access.into());
        raw::call(startup::memory(), virtual_memory::ID, METHOD, &message, 0)?;
    }
    addresses().step_by(TOUCHED_EVERY).for_each(|offset| read(start + offset));
    objects::decommit(start, RANGES * PAGE_BYTES)?;
    objects::unmap(start, RANGES * PAGE_BYTES)
}

/// The last page of it is the first one to be touched.
fn use_large_memory() -> Result<(), Refused> {
    let large = memory(LARGE_BYTES)?;
    let start = map(large, 0, LARGE_BYTES)?;
    read(start + LARGE_BYTES - PAGE_BYTES);
    objects::unmap(start, LARGE_BYTES)?;
    raw::release(large);
    Ok(())
}

fn read(address: u64) {
    // SAFETY: the caller has memory there that nobody writes.
    unsafe { std::ptr::with_exposed_provenance::<u8>(address as usize).read_volatile() };
}
