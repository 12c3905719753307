//! `VirtualMemory`: addresses, what they stand for, and what may be done there. What may not is tried by puppets.

use crate::Check;
use crate::ledger::{LIMITS, memory, part, reclaim_all, used_and_limits};
use crate::puppet::{CODE, DATA, Puppet, code, exiting};
use crate::verify::{comes, holds, refused};
use capnp::capability::FromClientHook;
use capos_abi::PAGE_BYTES;
use capos_abi::status;
use capos_service::{Failure, RingCall, slot};
use schema::memory_object_capnp::memory_object;
use schema::process_capnp::process::{Fault, Outcome};
use schema::virtual_memory_capnp::virtual_memory::{self, Access};

pub const CHECKS: &[Check] = &[
    ("VirtualMemory.reserve", reserve),
    ("VirtualMemory.commit", commit),
    ("VirtualMemory.decommit", decommit),
    ("VirtualMemory.protect", protect),
    ("VirtualMemory.map", map),
    ("VirtualMemory.unmap", unmap),
    ("VirtualMemory.hold", hold),
    ("VirtualMemory.write", write_words),
];

/// Pages of a range, and an address where nothing of this program lies.
const PAGES: u64 = 4;
const FAR: u64 = 0x5000_0000_0000;
/// Bytes of the range.
const BYTES: u64 = PAGES * PAGE_BYTES;

fn own() -> capnp::Result<virtual_memory::Client> {
    slot("memory")
}

fn reserve_at(address: u64, bytes: u64) -> capnp::Result<u64> {
    let mut request = own()?.reserve_request();
    request.get().set_address(address);
    request.get().set_bytes(bytes);
    Ok(request.call()?.get()?.get_address())
}

fn commit_at(address: u64, bytes: u64, access: Access) -> capnp::Result<()> {
    commit_behind(address, 0, bytes, access).map(drop)
}

/// The same behind a guard; where the memory starts.
fn commit_behind(address: u64, guard_bytes: u64, bytes: u64, access: Access) -> capnp::Result<u64> {
    let mut request = own()?.commit_request();
    request.get().set_address(address);
    request.get().set_guard_bytes(guard_bytes);
    request.get().set_bytes(bytes);
    request.get().set_access(access);
    Ok(request.call()?.get()?.get_address())
}

fn unmap_at(address: u64, bytes: u64) -> capnp::Result<()> {
    let mut request = own()?.unmap_request();
    request.get().set_address(address);
    request.get().set_bytes(bytes);
    request.call().map(drop)
}

fn map_at(object: &memory_object::Client, address: u64, access: Access) -> capnp::Result<u64> {
    let mut request = own()?.map_request();
    let mut place = request.get();
    place.set_object(object.clone().cast_to());
    place.set_bytes(PAGE_BYTES);
    place.set_address(address);
    place.set_access(access);
    Ok(request.call()?.get()?.get_address())
}

/// Frames that this program uses.
fn frames() -> Result<u64, Failure> {
    Ok(used_and_limits(&slot("ledger")?)?.0[0])
}

fn read(address: u64) -> u8 {
    // SAFETY: the checks read only where they have memory.
    unsafe { std::ptr::with_exposed_provenance::<u8>(address as usize).read_volatile() }
}

fn write(address: u64, value: u8) {
    // SAFETY: the checks write only where they have memory of their own.
    unsafe { std::ptr::with_exposed_provenance_mut::<u8>(address as usize).write_volatile(value) }
}

fn write_words() -> Result<(), Failure> {
    let puppet = Puppet::new(exiting())?;
    let put = |address: u64, words: &[u64]| {
        let mut request = puppet.memory.write_request();
        request.get().set_address(address);
        let mut list = request.get().init_words(words.len() as u32);
        (0..).zip(words).for_each(|(index, word)| list.set(index, *word));
        request.call()
    };
    put(DATA + PAGE_BYTES - 16, &[1 << 40, 7])?;
    let last = [puppet.word(DATA + PAGE_BYTES - 16), puppet.word(DATA + PAGE_BYTES - 8)];
    holds("the words are there", last == [1 << 40, 7])?;
    put(DATA, &(0..256).collect::<Vec<u64>>())?;
    holds("many at a time", puppet.word(DATA + 255 * 8) == 255)?;
    refused(put(DATA, &[0; 257]), status::BAD_ARGUMENT)?;
    refused(put(DATA + 4, &[1]), status::BAD_ARGUMENT)?;
    refused(put(DATA + PAGE_BYTES - 8, &[1, 2]), status::BAD_STATE)?;
    refused(put(CODE, &[1]), status::BAD_STATE)
}

/// What a puppet faults by that does this where its data is, after something was done to that.
fn fault_of(
    crime: &[u8],
    prepare: impl FnOnce(&virtual_memory::Client) -> capnp::Result<()>,
) -> Result<Fault, Failure> {
    let puppet = Puppet::new(crime)?;
    prepare(&puppet.memory)?;
    puppet.process.start_request().call()?;
    holds("it faults", puppet.outcome()?.0 == Outcome::Faulted)?;
    let reply = puppet.process.crash_request().call()?;
    holds("at its data", reply.get()?.get_address() == DATA)?;
    Ok(reply.get()?.get_fault()?)
}

fn reserve() -> Result<(), Failure> {
    let before = frames()?;
    let mut request = own()?.reserve_request();
    request.get().set_bytes(BYTES);
    let anywhere = request.call()?.get()?.get_address();
    holds("at the address that was asked for", reserve_at(FAR, BYTES)? == FAR)?;
    holds("it costs no frames", frames()? == before)?;
    refused(reserve_at(FAR + PAGE_BYTES, PAGE_BYTES), status::BAD_STATE)?;
    for (address, bytes) in [(FAR + 1, PAGE_BYTES), (0, 0), (0, PAGE_BYTES + 1), (0x1000, PAGE_BYTES), (FAR, 1 << 62)] {
        refused(reserve_at(address, bytes), status::BAD_ARGUMENT)?;
    }
    let reserving = |memory: &virtual_memory::Client| {
        let mut request = memory.unmap_request();
        request.get().set_address(DATA);
        request.get().set_bytes(PAGE_BYTES);
        request.call()?;
        let mut request = memory.reserve_request();
        request.get().set_address(DATA);
        request.get().set_bytes(PAGE_BYTES);
        request.call().map(drop)
    };
    holds("it cannot be accessed", fault_of(code!("mov rax, [rsi]"), reserving)? == Fault::Read)?;
    unmap_at(anywhere, BYTES)?;
    Ok(unmap_at(FAR, BYTES)?)
}

fn commit() -> Result<(), Failure> {
    reserve_at(FAR, BYTES)?;
    let before = frames()?;
    let mut request = own()?.commit_request();
    request.get().set_address(FAR);
    request.get().set_bytes(BYTES);
    request.get().set_access(Access::ReadWrite);
    request.call()?;
    let charged = frames()?;
    holds("every page is charged at once, and page tables", charged >= before + PAGES)?;
    for page in 0..PAGES {
        holds("it is zero", read(FAR + page * PAGE_BYTES) == 0)?;
        write(FAR + page * PAGE_BYTES, 1);
    }
    holds("touching it costs no more", frames()? == charged)?;
    refused(commit_at(FAR, PAGE_BYTES, Access::Read), status::BAD_STATE)?;
    refused(commit_at(FAR + BYTES - PAGE_BYTES, 2 * PAGE_BYTES, Access::Read), status::BAD_STATE)?;
    unmap_at(FAR, BYTES)?;
    let start = commit_behind(0, PAGE_BYTES, PAGE_BYTES, Access::ReadWrite)?;
    write(start, 1);
    refused(reserve_at(start - PAGE_BYTES, PAGE_BYTES).map(drop), status::BAD_STATE)?;
    unmap_at(start - PAGE_BYTES, 2 * PAGE_BYTES)?;
    Ok(reserve_at(start - PAGE_BYTES, 2 * PAGE_BYTES).and_then(|start| unmap_at(start, 2 * PAGE_BYTES))?)
}

fn decommit() -> Result<(), Failure> {
    reserve_at(FAR, BYTES)?;
    commit_at(FAR, BYTES, Access::ReadWrite)?;
    write(FAR + PAGE_BYTES, 9);
    let before = frames()?;
    let mut request = own()?.decommit_request();
    request.get().set_address(FAR + PAGE_BYTES);
    request.get().set_bytes(2 * PAGE_BYTES);
    request.call()?;
    comes("the frames are given back", || Ok(frames()? == before - 2))?;
    commit_at(FAR + PAGE_BYTES, PAGE_BYTES, Access::ReadWrite)?;
    holds("what was there is gone", read(FAR + PAGE_BYTES) == 0)?;
    Ok(unmap_at(FAR, BYTES)?)
}

fn protect() -> Result<(), Failure> {
    let protecting = |access| {
        move |memory: &virtual_memory::Client| {
            let mut request = memory.protect_request();
            request.get().set_address(DATA);
            request.get().set_bytes(PAGE_BYTES);
            request.get().set_access(access);
            request.call().map(drop)
        }
    };
    let (reads, writes, jumps) = (code!("mov rax, [rsi]"), code!("mov [rsi], rax"), code!("jmp rsi"));
    holds("without any access, reading faults", fault_of(reads, protecting(Access::None))? == Fault::Read)?;
    holds("readable, writing faults", fault_of(writes, protecting(Access::Read))? == Fault::Write)?;
    holds("executable, writing faults", fault_of(writes, protecting(Access::ReadExecute))? == Fault::Write)?;
    holds("writable, executing faults", fault_of(jumps, protecting(Access::ReadWrite))? == Fault::Execute)?;
    reserve_at(FAR, PAGE_BYTES)?;
    let mut request = own()?.protect_request();
    request.get().set_address(FAR);
    request.get().set_bytes(PAGE_BYTES);
    refused(request.call(), status::BAD_STATE)?;
    Ok(unmap_at(FAR, PAGE_BYTES)?)
}

fn map() -> Result<(), Failure> {
    let object = memory(&slot("ledger")?, 2 * PAGE_BYTES)?;
    let mut request = own()?.map_request();
    let mut place = request.get();
    place.set_object(object.clone().cast_to());
    place.set_offset(PAGE_BYTES);
    place.set_bytes(PAGE_BYTES);
    place.set_access(Access::ReadWrite);
    let second = request.call()?.get()?.get_address();
    let first = map_at(&object, FAR, Access::ReadWrite)?;
    let again = map_at(&object, 0, Access::Read)?;
    write(first, 1);
    write(second, 2);
    holds("both mappings are the same memory", first == FAR && read(again) == 1 && read(second) == 2)?;
    refused(map_at(&object, FAR, Access::Read), status::BAD_STATE)?;
    let mut behind = own()?.map_request();
    behind.get().set_object(object.clone().cast_to());
    behind.get().set_offset(2 * PAGE_BYTES);
    behind.get().set_bytes(PAGE_BYTES);
    refused(behind.call(), status::BAD_ARGUMENT)?;
    for address in [first, second, again] {
        unmap_at(address, PAGE_BYTES)?;
    }
    reserve_at(FAR, BYTES)?;
    holds("reserved addresses take it", map_at(&object, FAR + PAGE_BYTES, Access::Read)? == FAR + PAGE_BYTES)?;
    holds("what was written stays", read(FAR + PAGE_BYTES) == 1)?;
    Ok(unmap_at(FAR, BYTES)?)
}

fn unmap() -> Result<(), Failure> {
    let unmapping = |memory: &virtual_memory::Client| {
        let mut request = memory.unmap_request();
        request.get().set_address(DATA);
        request.get().set_bytes(PAGE_BYTES);
        request.call().map(drop)
    };
    holds("nothing is there any more", fault_of(code!("mov rax, [rsi]"), unmapping)? == Fault::Read)?;
    reserve_at(FAR, BYTES)?;
    commit_at(FAR + PAGE_BYTES, PAGE_BYTES, Access::ReadWrite)?;
    let before = frames()?;
    unmap_at(FAR, BYTES)?;
    comes("the frames are given back", || Ok(frames()? < before))?;
    refused(unmap_at(FAR, BYTES), status::BAD_STATE)?;
    holds("the addresses are free", reserve_at(FAR, BYTES)? == FAR)?;
    Ok(unmap_at(FAR, BYTES)?)
}

fn hold() -> Result<(), Failure> {
    let payer = part(&slot("ledger")?, LIMITS)?;
    let object = memory(&payer, PAGE_BYTES)?;
    let held = map_at(&object, 0, Access::ReadWrite)?;
    write(held, 77);
    let before = frames()?;
    let mut request = own()?.hold_request();
    request.get().set_address(held);
    request.get().set_bytes(PAGE_BYTES);
    request.call()?;
    holds("who holds it pays for it, too", frames()? == before + 1)?;
    reclaim_all(&payer)?;
    drop((payer, object));
    holds("it stays when its ledger and its capability are gone", read(held) == 77)?;
    unmap_at(held, PAGE_BYTES)?;
    reserve_at(FAR, PAGE_BYTES)?;
    let mut nothing = own()?.hold_request();
    nothing.get().set_address(FAR);
    nothing.get().set_bytes(PAGE_BYTES);
    refused(nothing.call(), status::BAD_STATE)?;
    Ok(unmap_at(FAR, PAGE_BYTES)?)
}
