//! `Ledger`: what is made is charged to it, and given back when it is reclaimed.

use crate::Check;
use crate::verify::{comes, holds, refused};
use capnp::capability::FromClientHook;
use capos_abi::PAGE_BYTES;
use capos_abi::ring::{MAX_AREA_BYTES, MIN_AREA_BYTES};
use capos_abi::status;
use capos_service::{Failure, RingCall, slot};
use schema::ledger_capnp::ledger;
use schema::memory_object_capnp::{memory_object, memory_reader};
use schema::process_capnp::process::{self, State};

pub const CHECKS: &[Check] = &[
    ("Ledger.createLedger", create_ledger),
    ("Ledger.createProcess", create_process),
    ("Ledger.createThread", create_thread),
    ("Ledger.createEndpoint", create_endpoint),
    ("Ledger.createMemoryObject", create_memory_object),
    ("Ledger.createNotification", create_notification),
    ("Ledger.inspect", inspect),
    ("Ledger.reclaim", reclaim),
];

/// Frames, handles, objects and threads.
type Amounts = [u64; 4];

/// What the part of a ledger has that a check uses up.
pub const LIMITS: Amounts = [512, 32, 16, 4];
/// Bytes of a name at most, and of a message of an endpoint.
const NAME_BYTES: usize = 32;
const MESSAGE_BYTES: u32 = 64 << 10;

/// A part of a ledger.
pub fn part(of: &ledger::Client, [frames, handles, objects, threads]: Amounts) -> capnp::Result<ledger::Client> {
    let mut request = of.create_ledger_request();
    let mut limits = request.get();
    limits.set_frames(frames);
    limits.set_handles(handles);
    limits.set_objects(objects);
    limits.set_threads(threads);
    request.call()?.get()?.get_ledger()
}

/// What is used of a ledger, and what it may use.
pub fn used_and_limits(ledger: &ledger::Client) -> capnp::Result<(Amounts, Amounts)> {
    let reply = ledger.inspect_request().call()?;
    let found = reply.get()?;
    Ok((
        [found.get_frames_used(), found.get_handles_used(), found.get_objects_used(), found.get_threads_used()],
        [found.get_frames_limit(), found.get_handles_limit(), found.get_objects_limit(), found.get_threads_limit()],
    ))
}

/// Ends what a ledger has paid for.
pub fn reclaim_all(ledger: &ledger::Client) -> Result<(), Failure> {
    while ledger.reclaim_request().call()?.get()?.get_progress()? != ledger::Progress::Done {}
    Ok(())
}

fn used(ledger: &ledger::Client) -> capnp::Result<Amounts> {
    used_and_limits(ledger).map(|(used, _)| used)
}

/// Memory of so many bytes on a ledger.
pub fn memory(ledger: &ledger::Client, bytes: u64) -> capnp::Result<memory_object::Client> {
    let mut request = ledger.create_memory_object_request();
    request.get().set_bytes(bytes);
    request.call()?.get()?.get_memory()
}

fn fresh() -> capnp::Result<ledger::Client> {
    part(&slot("ledger")?, LIMITS)
}

fn create_ledger() -> Result<(), Failure> {
    let own: ledger::Client = slot("ledger")?;
    let before = used(&own)?;
    let mut request = own.create_ledger_request();
    request.get().set_frames(100);
    request.get().set_threads(3);
    let made = request.call()?.get()?.get_ledger()?;
    holds("it has what it was given", used_and_limits(&made)? == ([0; 4], [100, 0, 0, 3]))?;
    let taken = used(&own)?;
    holds("which the other no longer has", taken[0] == before[0] + 100 && taken[3] == before[3] + 3)?;
    refused(part(&made, [101, 0, 0, 0]), status::EXHAUSTED)?;
    drop(made);
    comes("when it is gone, it is given back", || Ok(used(&own)?[0] == before[0] && used(&own)?[3] == before[3]))
}

fn create_process() -> Result<(), Failure> {
    let ledger = fresh()?;
    let create = |name: &str| {
        let mut request = ledger.create_process_request();
        request.get().set_name(name);
        request.call()
    };
    let reply = create("just made")?;
    let made = reply.get()?;
    let process: process::Client = made.get_process()?;
    let facts = process.inspect_request().call()?;
    let facts = facts.get()?;
    holds("it is empty", facts.get_threads() == 0 && facts.get_handles() == 0 && facts.get_state()? == State::Created)?;
    holds("it is called so", facts.get_name()?.to_str()? == "just made")?;
    let mut request = made.get_memory()?.reserve_request();
    request.get().set_bytes(PAGE_BYTES);
    holds("its addresses are free", request.call()?.get()?.get_address() > 0)?;
    let handles = made.get_handles()?;
    refused(handles.inspect_request().call(), status::STALE)?;
    holds("the ledger has paid", used(&ledger)?[2] == 1 && used(&ledger)?[0] > 0)?;
    refused(create(&"n".repeat(NAME_BYTES + 1)), status::BAD_ARGUMENT)?;
    process.kill_request().call()?;
    Ok(())
}

fn create_thread() -> Result<(), Failure> {
    let ledger = fresh()?;
    let mut request = ledger.create_process_request();
    request.get().set_name("with threads");
    let process = request.call()?.get()?.get_process()?;
    let create = |ring_bytes, entry| {
        let mut request = ledger.create_thread_request();
        request.get().set_process(process.clone());
        request.get().set_entry(entry);
        request.get().set_ring_bytes(ring_bytes);
        request.call()
    };
    let before = used(&ledger)?;
    let reply = create(MIN_AREA_BYTES, PAGE_BYTES)?;
    let address = reply.get()?.get_ring_address();
    holds("its ring has a place", address > 0 && address.is_multiple_of(PAGE_BYTES))?;
    let after = used(&ledger)?;
    holds("thread and ring are charged", after[3] == before[3] + 1)?;
    holds("with every page", after[0] >= before[0] + u64::from(MIN_AREA_BYTES) / PAGE_BYTES)?;
    for wrong in [MIN_AREA_BYTES / 2, MIN_AREA_BYTES + 4096, MAX_AREA_BYTES * 2] {
        refused(create(wrong, PAGE_BYTES), status::BAD_ARGUMENT)?;
    }
    refused(create(MIN_AREA_BYTES, u64::MAX), status::BAD_ARGUMENT)?;
    holds("what is refused costs nothing", used(&ledger)? == after)?;
    process.kill_request().call()?;
    process.wait_request().call()?;
    refused(create(MIN_AREA_BYTES, PAGE_BYTES), status::BAD_STATE)
}

fn create_endpoint() -> Result<(), Failure> {
    let ledger = fresh()?;
    let create = |bytes| {
        let mut request = ledger.create_endpoint_request();
        request.get().set_max_message_bytes(bytes);
        request.call()?.get()?.get_endpoint()
    };
    let endpoint = create(MESSAGE_BYTES)?;
    holds("it is charged", used(&ledger)?[2] == 1)?;
    endpoint.server_request().call()?;
    refused(create(MESSAGE_BYTES + 1), status::BAD_ARGUMENT)?;
    drop(endpoint);
    comes("and given back", || Ok(used(&ledger)?[2] == 0))
}

fn create_memory_object() -> Result<(), Failure> {
    let ledger = fresh()?;
    let create = |bytes| {
        let mut request = ledger.create_memory_object_request();
        request.get().set_bytes(bytes);
        request.call()?.get()?.get_memory()
    };
    let memory = create(PAGE_BYTES + 1)?;
    holds("whole pages are charged at once", used(&ledger)? == [2, 0, 1, 0])?;
    refused(create(0), status::BAD_ARGUMENT)?;
    refused(create(LIMITS[0] * PAGE_BYTES), status::EXHAUSTED)?;
    drop(memory);
    comes("and given back", || Ok(used(&ledger)? == [0; 4]))
}

fn create_notification() -> Result<(), Failure> {
    let ledger = fresh()?;
    let made: Vec<_> = (0..LIMITS[2])
        .map(|_| ledger.create_notification_request().call()?.get()?.get_notification())
        .collect::<capnp::Result<_>>()?;
    holds("each is charged", used(&ledger)? == [0, 0, LIMITS[2], 0])?;
    refused(ledger.create_notification_request().call(), status::EXHAUSTED)?;
    drop(made);
    comes("and given back", || Ok(used(&ledger)? == [0; 4]))
}

fn inspect() -> Result<(), Failure> {
    let ledger = fresh()?;
    let reply = ledger.inspect_request().call()?;
    let empty = reply.get()?;
    holds("nothing is used", empty.get_frames_used() == 0 && empty.get_objects_used() == 0)?;
    holds("of what may be", used_and_limits(&ledger)?.1 == LIMITS)?;
    let below = part(&ledger, [1, 2, 3, 4])?;
    let number = below.inspect_request().call()?.get()?.get_number();
    holds("each has a number", number != 0 && number != empty.get_number())?;
    // The ledger below counts as an object, too.
    holds("what ledgers below may use is used", used(&ledger)? == [1, 2, 4, 4])
}

fn reclaim() -> Result<(), Failure> {
    let own: ledger::Client = slot("ledger")?;
    let ledger = fresh()?;
    let memory = memory(&ledger, PAGE_BYTES)?;
    let below = part(&ledger, [1, 1, 1, 1])?;
    let notification = ledger.create_notification_request().call()?.get()?.get_notification()?;
    while ledger.reclaim_request().call()?.get()?.get_progress()? != ledger::Progress::Done {}
    holds("nothing is charged", used(&ledger)? == [0; 4])?;
    refused(memory.cast_to::<memory_reader::Client>().size_request().call(), status::STALE)?;
    refused(crate::notification::set(&notification, 1), status::STALE)?;
    refused(part(&below, [0; 4]), status::EXHAUSTED)?;
    self::memory(&ledger, PAGE_BYTES)?;
    holds("it can be used again", used(&own)?[0] > 0)
}
