//! The statuses of the ring, each in the situations of which the documentation says that they end so.
//!
//! Entries are written by hand: no client would send most of these.

use crate::desk::{ACCEPTED, Desk, INTERFACE, MESSAGE_BYTES, RESULT_BYTES, next};
use crate::ledger::{LIMITS, part, reclaim_all};
use crate::puppet::{Puppet, exiting};
use crate::verify::holds;
use crate::{Check, session};
use campaign::{capability, wire};
use capnp::capability::FromClientHook;
use capos_abi::handle::{Handle, NULL};
use capos_abi::interface::{
    clock as clock_abi, entropy, ledger as ledger_abi, notification as notification_abi, process as process_abi,
    virtual_memory,
};
use capos_abi::layout::Shape;
use capos_abi::message::{CapDescriptor, mode};
use capos_abi::ring::{Completion, Submission, flag, op};
use capos_abi::status::{self, Status, resource, transfer};
use capos_rt::raw::{self, Message};
use capos_rt::{ring, startup};
use capos_service::spawn::Spawn;
use capos_service::{CallFailure, Failure, RingCall, block_on, handle, slot};
use schema::clock_capnp::clock;
use schema::memory_object_capnp::memory_reader;
use schema::process_capnp::process;
use schema::session_capnp::session_control::Progress;
use schema::virtual_memory_capnp::virtual_memory::Access;
use std::process::ExitCode;

pub const CHECKS: &[Check] = &[
    ("OK", ok),
    ("BAD_OPCODE", bad_opcode),
    ("BAD_FLAGS", bad_flags),
    ("BAD_RANGE", bad_range),
    ("BAD_TAG", bad_tag),
    ("BAD_MESSAGE", bad_message),
    ("BAD_ARGUMENT", bad_argument),
    ("STALE", stale),
    ("WRONG_INTERFACE", wrong_interface),
    ("UNIMPLEMENTED", unimplemented),
    ("BAD_CAPABILITY", bad_capability),
    ("transfer::STALE", stale_capability),
    ("transfer::MOVED_TWICE", moved_twice),
    ("transfer::UNKNOWN_MODE", unknown_mode),
    ("transfer::CONFINED", confined),
    ("NOT_ACCEPTED", not_accepted),
    ("EXHAUSTED", exhausted),
    ("resource::FRAMES", frames),
    ("resource::HANDLES", handles),
    ("resource::OBJECTS", objects),
    ("resource::THREADS", threads),
    ("TOO_BIG", too_big),
    ("BAD_STATE", bad_state),
    ("CANCELLED", cancelled),
    ("DEADLINE", deadline),
    ("SERVER_DIED", server_died),
    ("CALLER_GONE", caller_gone),
    ("TOO_LATE", too_late),
    ("SESSION_ENDED", session_ended),
    ("EXCEPTION", exception),
];

/// Needs a machine that does not know the date.
pub const ALONE: &[Check] = &[("UNAVAILABLE", unavailable)];

/// The argument of this program as one that calls in a session.
pub const CALLER: &str = "caller";

/// A bit that nobody else sets.
const BIT: u64 = 1;
/// `user_data` of entries that are not the desk's.
const OWN: u64 = 9;
/// A deadline that has passed.
const PAST: u64 = 1;
/// No interface has so many methods.
const NO_METHOD: u16 = 999;
/// A slot that was never used.
const NEVER: Handle = 1 << 32 | 0xffff;
/// A flag that does not exist.
const NO_FLAG: u16 = 1 << 15;
/// The message of a method without parameters.
const NOTHING: Shape = Shape { data_words: 0, pointers: 0 };

/// An error unless the entry ends with this status.
fn ends(entry: Submission, wanted: Status) -> Result<Completion, Failure> {
    let done = wire::run(entry);
    let same = done.status == wanted;
    if same { Ok(done) } else { Err(format!("status {} where {wanted} was due: {entry:?}", done.status).into()) }
}

/// An error unless a call was refused with this status; its `value`.
fn refused<T>(outcome: Result<T, raw::Failure>, wanted: Status) -> Result<u64, Failure> {
    match outcome {
        Err(failure) if failure.status == wanted => Ok(failure.value),
        Err(failure) => Err(format!("status {} where {wanted} was due", failure.status).into()),
        Ok(_) => Err(format!("accepted where status {wanted} was due").into()),
    }
}

fn is(what: &str, completion: &Completion, wanted: Status) -> Result<(), Failure> {
    holds(&format!("{what} ends with status {wanted}, not {}", completion.status), completion.status == wanted)
}

fn operation(op: u8, handle: Handle) -> Submission {
    Submission { op, handle, user_data: OWN, result_bytes: 64, arg: BIT, ..Submission::default() }
}

fn clock() -> Handle {
    wire::given("clock")
}

fn copied(handle: Handle) -> Result<Handle, Failure> {
    capability::copy(handle).map_err(|failure| capability::refused("a copy", failure).into())
}

fn notification() -> Result<Handle, Failure> {
    capability::create_notification().map_err(|failure| capability::refused("a notification", failure).into())
}

fn ok() -> Result<(), Failure> {
    let own = notification()?;
    ends(operation(op::NOP, NULL), status::OK)?;
    ends(operation(op::SIGNAL, own), status::OK)?;
    let taken = ends(operation(op::WAIT, own), status::OK)?;
    holds("the bits are in the completion", taken.value == BIT)?;
    ends(operation(op::RELEASE, own), status::OK).map(drop)
}

fn bad_opcode() -> Result<(), Failure> {
    for unknown in [op::SIGNAL + 1, u8::MAX] {
        ends(operation(unknown, NULL), status::BAD_OPCODE)?;
    }
    Ok(())
}

fn bad_flags() -> Result<(), Failure> {
    for op in [op::CALL, op::RECV, op::RETURN, op::CANCEL, op::RELEASE, op::WAIT, op::SIGNAL] {
        ends(Submission { flags: NO_FLAG, ..operation(op, NULL) }, status::BAD_FLAGS)?;
    }
    let not_of_this =
        [(op::CALL, flag::EXCEPTION), (op::RECV, flag::QUIET), (op::WAIT, flag::QUIET), (op::SIGNAL, flag::SPILLED)];
    for (op, flags) in not_of_this {
        ends(Submission { flags, ..operation(op, NULL) }, status::BAD_FLAGS)?;
    }
    Ok(())
}

fn bad_range() -> Result<(), Failure> {
    let desk = Desk::open()?;
    let call = desk.calling(&[])?;
    for message_offset in [call.message_offset + 4, u32::MAX - 7, 1 << 20] {
        ends(Submission { message_offset, ..call }, status::BAD_RANGE)?;
    }
    for message_bytes in [12, 1 << 17, !7] {
        ends(Submission { message_bytes, ..call }, status::BAD_RANGE)?;
    }
    ends(Submission { result_offset: 1 << 20, ..call }, status::BAD_RANGE)?;
    ends(Submission { result_bytes: 12, ..call }, status::BAD_RANGE)?;
    // Capabilities that the message has no room for.
    ends(Submission { caps: 15, ..call }, status::BAD_RANGE)?;
    ends(Submission { message_offset: 1 << 20, ..desk.reception()? }, status::BAD_RANGE)?;
    ends(Submission { message_offset: 4, ..operation(op::RETURN, NULL) }, status::BAD_RANGE).map(drop)
}

/// Runs an entry under a tag of its own choice, which is given back to nobody.
fn under_tag(entry: Submission, tag: u16) -> Option<Status> {
    ring::with(|ring| {
        ring.push(Submission { tag, user_data: OWN, ..entry });
        ring.enter(0, 0);
        ring.next().map(|completion| completion.status)
    })
}

fn bad_tag() -> Result<(), Failure> {
    let own = notification()?;
    let waiting = operation(op::WAIT, own);
    holds("no record has this tag", under_tag(waiting, 256) == Some(status::BAD_TAG))?;
    let tag = wire::start(waiting);
    holds("this one is in use", under_tag(waiting, tag) == Some(status::BAD_TAG))?;
    for none in [256, 1 << 40] {
        ends(Submission { arg: none, ..operation(op::CANCEL, NULL) }, status::BAD_TAG)?;
    }
    ends(operation(op::SIGNAL, own), status::OK)?;
    is("who waited first", &next()?, status::OK)
}

fn bad_message() -> Result<(), Failure> {
    let range = wire::take(1024);
    let call = |message: &[u64], flags| {
        wire::write(range, 0, message);
        Submission {
            op: op::CALL,
            flags,
            method: entropy::fill::METHOD,
            handle: wire::given("entropy"),
            interface: entropy::ID,
            message_offset: wire::offset(range),
            message_bytes: message.len() as u32 * 8,
            result_offset: wire::offset(range),
            result_bytes: 1024,
            ..Submission::default()
        }
    };
    let (a_list, far, beyond) = ([1, 0], [2, 0], [9 << 32 | 0xfc, 0]);
    for message in [a_list, far, beyond] {
        ends(call(&message, 0), status::BAD_MESSAGE)?;
    }
    // More than the 512 bytes that kernel objects take.
    ends(call(&[0; 65], 0), status::BAD_MESSAGE)?;
    // They take no large messages.
    ends(call(&wire::EMPTY, flag::SPILLED), status::BAD_MESSAGE)?;
    let without_end = [1 << 48, 1 | 2 << 32 | 4 << 35, u64::from_le_bytes(*b"nameless")];
    let create = Submission {
        caps: 3 << 4,
        method: ledger_abi::create_process::METHOD,
        handle: startup::ledger(),
        interface: ledger_abi::ID,
        ..call(&without_end, 0)
    };
    ends(create, status::BAD_MESSAGE).map(drop)
}

fn bad_argument() -> Result<(), Failure> {
    use process_abi::grant;
    let nothing = Message::new(grant::params::SHAPE);
    refused(raw::call(startup::process(), process_abi::ID, grant::METHOD, &nothing, 0), status::BAD_ARGUMENT)?;
    let wrong_kind = Message::new(ledger_abi::create_thread::params::SHAPE)
        .set_capability(ledger_abi::create_thread::params::PROCESS, clock());
    let create = raw::call(startup::ledger(), ledger_abi::ID, ledger_abi::create_thread::METHOD, &wrong_kind, 1);
    refused(create, status::BAD_ARGUMENT)?;
    let no_access = Message::new(virtual_memory::commit::params::SHAPE)
        .set(virtual_memory::commit::params::ADDRESS, 0x5000_0000_0000)
        .set(virtual_memory::commit::params::BYTES, 4096)
        .set(virtual_memory::commit::params::ACCESS, 9);
    let commit = raw::call(startup::memory(), virtual_memory::ID, virtual_memory::commit::METHOD, &no_access, 0);
    refused(commit, status::BAD_ARGUMENT)?;
    // Neither bits nor a deadline.
    ends(Submission { arg: 0, ..operation(op::WAIT, NULL) }, status::BAD_ARGUMENT)?;
    let desk = Desk::open()?;
    for slots in [0, 49] {
        ends(Submission { arg: slots, ..desk.reception()? }, status::BAD_ARGUMENT)?;
    }
    Ok(())
}

fn stale() -> Result<(), Failure> {
    let released = notification()?;
    ends(operation(op::RELEASE, released), status::OK)?;
    let again = notification()?;
    holds("a slot that is used again has another generation", again != released)?;
    for handle in [released, NEVER, u64::MAX] {
        for op in [op::CALL, op::RECV, op::RELEASE, op::WAIT, op::SIGNAL] {
            ends(operation(op, handle), status::STALE)?;
        }
    }
    // Objects that have ended.
    let payer = part(&slot("ledger")?, LIMITS)?;
    let ended = payer.create_notification_request().call()?.get()?.get_notification()?;
    let desk = Desk::open()?;
    let object = copied(desk.object()?)?;
    reclaim_all(&payer)?;
    ends(operation(op::WAIT, handle(ended.as_client_hook())?), status::STALE)?;
    let call = Submission { handle: object, ..desk.calling(&[])? };
    drop(desk);
    ends(call, status::STALE).map(drop)
}

fn wrong_interface() -> Result<(), Failure> {
    for op in [op::RECV, op::WAIT, op::SIGNAL] {
        ends(operation(op, clock()), status::WRONG_INTERFACE)?;
    }
    for interface in [0, ledger_abi::ID] {
        let call = raw::call(clock(), interface, 0, &Message::new(NOTHING), 0);
        refused(call, status::WRONG_INTERFACE)?;
    }
    Ok(())
}

fn unimplemented() -> Result<(), Failure> {
    let made = notification()?;
    let own = startup::capabilities().map(|(name, capability)| (name, capability.handle, capability.interface));
    for (name, handle, interface) in own.chain([("a notification", made, notification_abi::ID)]) {
        let call = raw::call(handle, interface, NO_METHOD, &Message::new(NOTHING), 0);
        refused(call, status::UNIMPLEMENTED).map_err(|failure| format!("{name}: {}", failure.text()))?;
    }
    Ok(())
}

/// What a call says to which these capabilities are given: which one is refused, and why.
fn refused_capability(sent: &[CapDescriptor]) -> Result<(u64, u8), Failure> {
    let desk = Desk::open()?;
    let done = ends(desk.calling(sent)?, status::BAD_CAPABILITY)?;
    Ok((done.value & 0xff, (done.value >> transfer::WHY_SHIFT) as u8))
}

fn bad_capability() -> Result<(), Failure> {
    let (own, mode) = (notification()?, mode::COPY);
    let sent = [CapDescriptor { handle: own, mode }, CapDescriptor { handle: NEVER, mode }];
    holds("the second one is to blame", refused_capability(&sent)? == (1, transfer::STALE))?;
    // Nothing has moved: the first one is still here.
    ends(operation(op::SIGNAL, own), status::OK)?;
    // The same in an answer, which leaves the call open.
    let desk = Desk::open()?;
    let reception = desk.receive()?;
    wire::start(Submission { caps: 2 << 4, ..desk.calling(&[])? });
    let token = desk.delivery()?.token;
    ends(desk.answering(token, &sent), status::BAD_CAPABILITY)?;
    ends(desk.answering(token, &[]), status::OK)?;
    is("the call", &desk.end()?, status::OK)?;
    desk.close(reception)
}

fn stale_capability() -> Result<(), Failure> {
    let released = notification()?;
    ends(operation(op::RELEASE, released), status::OK)?;
    for mode in [mode::COPY, mode::MOVE] {
        let found = refused_capability(&[CapDescriptor { handle: released, mode }])?;
        holds("a handle that was given up", found == (0, transfer::STALE))?;
    }
    Ok(())
}

fn moved_twice() -> Result<(), Failure> {
    let own = notification()?;
    for modes in [[mode::MOVE; 2], [mode::COPY, mode::MOVE], [mode::MOVE, mode::COPY]] {
        let found = refused_capability(&modes.map(|mode| CapDescriptor { handle: own, mode }))?;
        holds("moved and sent once more", found == (1, transfer::MOVED_TWICE))?;
    }
    Ok(())
}

fn unknown_mode() -> Result<(), Failure> {
    let found = refused_capability(&[CapDescriptor { handle: notification()?, mode: 4 }])?;
    holds("a mode that does not exist", found == (0, transfer::UNKNOWN_MODE))
}

fn confined() -> Result<(), Failure> {
    use process_abi::{ID, grant::*, reach};
    let message = Message::new(params::SHAPE).set_capability(params::CAPABILITY, notification()?);
    let message = message.set(params::REACH, reach::SESSION.into());
    let granted = raw::call(startup::process(), ID, METHOD, &message, 0);
    let confined = granted.map_err(|failure| capability::refused("a confined copy", failure))?.get(results::HANDLE);
    let elsewhere = Puppet::new(exiting())?;
    let mut request = elsewhere.process.set_session_request();
    request.get().set_session(session::opened()?.cast_to());
    request.call()?;
    let message = Message::new(params::SHAPE).set_capability(params::CAPABILITY, confined);
    let puppet = handle(elsewhere.process.as_client_hook())?;
    let why = refused(raw::call(puppet, ID, METHOD, &message, 0), status::BAD_CAPABILITY)?;
    holds("it may not leave its session", why == u64::from(transfer::CONFINED) << transfer::WHY_SHIFT)
}

fn not_accepted() -> Result<(), Failure> {
    use ledger_abi::create_notification;
    let message = Message::new(create_notification::params::SHAPE);
    // A kernel object's.
    let made = raw::call(startup::ledger(), ledger_abi::ID, create_notification::METHOD, &message, 0);
    refused(made, status::NOT_ACCEPTED)?;
    // A call's.
    let desk = Desk::open()?;
    let reception = desk.receive()?;
    let sent = [CapDescriptor { handle: notification()?, mode: mode::COPY }; ACCEPTED as usize + 1];
    let done = ends(desk.calling(&sent)?, status::NOT_ACCEPTED)?;
    holds("as many as the server accepts", done.value == ACCEPTED.into())?;
    // An answer's, which leaves the call open.
    desk.call()?;
    let token = desk.delivery()?.token;
    let done = ends(desk.answering(token, &sent[..1]), status::NOT_ACCEPTED)?;
    holds("as many as the caller accepts", done.value == 0)?;
    ends(desk.answering(token, &[]), status::OK)?;
    is("the call", &desk.end()?, status::OK)?;
    desk.close(reception)
}

/// One more than is left of a ledger is asked for: what is said is true.
fn one_too_many(resource: u8) -> Result<(), Failure> {
    use ledger_abi::create_ledger::{METHOD, params as p};
    let place = usize::from(resource) - 1;
    let payer = part(&slot("ledger")?, LIMITS)?;
    let number = payer.inspect_request().call()?.get()?.get_number();
    let asked = LIMITS[place] + 1;
    let field = [p::FRAMES, p::HANDLES, p::OBJECTS, p::THREADS][place];
    let message = Message::new(p::SHAPE).set(field, asked);
    let refused = raw::call(handle(payer.as_client_hook())?, ledger_abi::ID, METHOD, &message, 1).err();
    let said = refused.and_then(|refused| refused.exhausted()).ok_or("more was given than there is")?;
    holds("it names the resource and the ledger", said.resource == resource && said.ledger == Some(number))?;
    // The new ledger is an object itself.
    let left = if resource == resource::OBJECTS { LIMITS[place] - 1 } else { LIMITS[place] };
    let figures = (u64::from(said.requested), u64::from(said.remaining));
    holds("what was asked for, and what is left", figures == (asked, left))
}

fn exhausted() -> Result<(), Failure> {
    let payer = part(&slot("ledger")?, [0; 4])?;
    let error = payer.create_notification_request().call().err().ok_or("made without an object to spare")?;
    let failure = CallFailure::of(&error);
    holds("clients are told so, too", failure.status == Some(status::EXHAUSTED))?;
    let said = failure.exhausted().ok_or("but not of what")?;
    holds("of what", (said.resource, said.requested, said.remaining) == (resource::OBJECTS, 1, 0))
}

fn frames() -> Result<(), Failure> {
    one_too_many(resource::FRAMES)
}

fn handles() -> Result<(), Failure> {
    one_too_many(resource::HANDLES)
}

fn objects() -> Result<(), Failure> {
    one_too_many(resource::OBJECTS)
}

fn threads() -> Result<(), Failure> {
    one_too_many(resource::THREADS)
}

fn too_big() -> Result<(), Failure> {
    let desk = Desk::open()?;
    let call = desk.calling(&[])?;
    let done = ends(Submission { message_bytes: MESSAGE_BYTES + 8, ..call }, status::TOO_BIG)?;
    holds("the endpoint's limit", done.value == MESSAGE_BYTES.into())?;
    let reception = desk.reception()?;
    ends(Submission { result_bytes: reception.result_bytes - 8, ..reception }, status::TOO_BIG)?;
    let reception = desk.receive()?;
    desk.call()?;
    let token = desk.delivery()?.token;
    let answer = Submission { message_bytes: RESULT_BYTES + 8, ..desk.answering(token, &[]) };
    let done = ends(answer, status::TOO_BIG)?;
    holds("the caller's room", done.value == RESULT_BYTES.into())?;
    ends(desk.answering(token, &[]), status::OK)?;
    is("a call answered so stays open, and", &desk.end()?, status::OK)?;
    desk.close(reception)?;
    let now = Submission { op: op::CALL, handle: clock(), interface: clock_abi::ID, result_bytes: 8, ..call };
    ends(now, status::TOO_BIG).map(drop)
}

fn bad_state() -> Result<(), Failure> {
    let own = notification()?;
    let copy = copied(own)?;
    let release = Submission { flags: flag::IF_UNREFERENCED, ..operation(op::RELEASE, own) };
    ends(release, status::BAD_STATE)?;
    ends(operation(op::RELEASE, copy), status::OK)?;
    ends(release, status::OK)?;
    // Large messages travel in memory that nobody can write any more.
    let desk = Desk::open()?;
    let memory = crate::ledger::memory(&slot("ledger")?, 4096)?;
    let sent = [CapDescriptor { handle: handle(memory.as_client_hook())?, mode: mode::COPY }];
    ends(Submission { flags: flag::SPILLED, ..desk.calling(&sent)? }, status::BAD_STATE)?;
    let reader: memory_reader::Client = memory.clone().cast_to();
    let mapping = capos_service::mapping::Mapping::new(&slot("memory")?, reader, 4096, Access::ReadWrite)?;
    crate::verify::refused(memory.seal_request().call(), status::BAD_STATE)?;
    drop(mapping);
    crate::verify::refused(slot::<process::Client>("process")?.start_request().call(), status::BAD_STATE)
}

fn unavailable() -> Result<(), Failure> {
    crate::verify::refused(slot::<clock::Client>("clock")?.date_request().call(), status::UNAVAILABLE)
}

fn cancelled() -> Result<(), Failure> {
    let waiting = wire::start(operation(op::WAIT, NULL));
    holds("a wait is cancelled", wire::cancel(waiting) == status::OK)?;
    is("it", &next()?, status::CANCELLED)?;
    let desk = Desk::open()?;
    let queued = desk.call()?;
    wire::start_quietly(operation(op::NOP, NULL));
    ring::with(|ring| ring.enter(0, 0));
    holds("a queued call is cancelled", wire::cancel(queued) == status::OK)?;
    is("it", &desk.end()?, status::CANCELLED)?;
    let reception = desk.receive()?;
    let delivered = desk.call()?;
    let token = desk.delivery()?.token;
    holds("a delivered call is cancelled", wire::cancel(delivered) == status::OK)?;
    let told = [next()?, next()?].map(|came| (came.status, came.value));
    holds("caller and server are told", told.contains(&(status::CANCELLED, 0)) && told.contains(&(status::OK, token)))?;
    desk.close(reception)?;
    is("the reception", &next()?, status::CANCELLED)?;
    let puppet = Puppet::new(exiting())?;
    let join = Submission { handle: handle(puppet.process.as_client_hook())?, ..waiting_for_process() };
    let pending = wire::start(join);
    holds("a method that waits is cancelled", wire::cancel(pending) == status::OK)?;
    is("it", &next()?, status::CANCELLED)
}

/// An entry that waits for the end of a process.
fn waiting_for_process() -> Submission {
    Submission {
        op: op::CALL,
        method: process_abi::wait::METHOD,
        interface: process_abi::ID,
        user_data: OWN,
        result_bytes: 512,
        ..Submission::default()
    }
}

fn deadline() -> Result<(), Failure> {
    let own = notification()?;
    ends(Submission { deadline: PAST, ..operation(op::WAIT, own) }, status::DEADLINE)?;
    // A timer: no bits, and a deadline.
    let soon = wire::now() + 1_000_000;
    ends(Submission { arg: 0, deadline: soon, ..operation(op::WAIT, NULL) }, status::DEADLINE)?;
    holds("not before its time", wire::now() >= soon)?;
    let desk = Desk::open()?;
    ends(Submission { deadline: wire::now() + 1_000_000, ..desk.calling(&[])? }, status::DEADLINE)?;
    let puppet = Puppet::new(exiting())?;
    let process = handle(puppet.process.as_client_hook())?;
    ends(Submission { handle: process, deadline: PAST, ..waiting_for_process() }, status::DEADLINE).map(drop)
}

fn server_died() -> Result<(), Failure> {
    let desk = Desk::open()?;
    let reception = desk.receive()?;
    desk.call()?;
    desk.delivery()?;
    // Whoever received the call will not answer it any more.
    desk.close(reception)?;
    let told = [next()?, next()?].map(|came| came.status);
    holds("the call may have been executed", told.contains(&status::SERVER_DIED))?;
    holds("the reception was cancelled", told.contains(&status::CANCELLED))
}

fn caller_gone() -> Result<(), Failure> {
    let desk = Desk::open()?;
    let reception = desk.receive()?;
    let call = desk.call()?;
    let token = desk.delivery()?.token;
    holds("the call is cancelled", wire::cancel(call) == status::OK)?;
    ends(desk.answering(token, &[]), status::CALLER_GONE)?;
    ends(desk.answering(token, &[]), status::TOO_LATE)?;
    desk.close(reception)
}

fn too_late() -> Result<(), Failure> {
    holds("there is nothing under this tag", wire::cancel(200) == status::TOO_LATE)?;
    let desk = Desk::open()?;
    let reception = desk.receive()?;
    desk.call()?;
    let token = desk.delivery()?.token;
    ends(desk.answering(token ^ 1 << 32, &[]), status::TOO_LATE)?;
    ends(desk.answering(token, &[]), status::OK)?;
    ends(desk.answering(token, &[]), status::TOO_LATE)?;
    is("the call", &desk.end()?, status::OK)?;
    desk.close(reception)
}

/// This program in a session: calls an object that nobody serves, twice. Its code is the status of both.
pub fn call_as_told() -> ExitCode {
    let call = || raw::call(wire::given("object"), INTERFACE, 0, &Message::new(NOTHING), 0);
    let ends = [call(), call()].map(|end| end.err().map(|failure| failure.status));
    match ends {
        [Some(first), Some(second)] if first == second => ExitCode::from(-first as u8),
        _ => ExitCode::FAILURE,
    }
}

fn session_ended() -> Result<(), Failure> {
    let (desk, control) = (Desk::open()?, session::opened()?);
    let spawn = Spawn::new(&slot("program")?, CALLER).argument(CALLER).session(control.clone().cast_to());
    let object = capos_service::import::<capnp::capability::Client>(copied(desk.object()?)?);
    let process = block_on(spawn.grant_as("object", INTERFACE, object.hook).start())?;
    while control.end_request().call()?.get()?.get_progress()? != Progress::Done {}
    let code = process.wait_request().call()?.get()?.get_code();
    holds("what was under way ends so, and what comes later", code == -status::SESSION_ENDED)
}

fn exception() -> Result<(), Failure> {
    let desk = Desk::open()?;
    let reception = desk.receive()?;
    for (bytes, arrive) in [(16, 16), (RESULT_BYTES + 8, 0)] {
        desk.call()?;
        let token = desk.delivery()?.token;
        let answer = desk.answering(token, &[]);
        ends(Submission { flags: flag::EXCEPTION, message_bytes: bytes, ..answer }, status::OK)?;
        let end = desk.end()?;
        is("the call", &end, status::EXCEPTION)?;
        holds("one that does not fit arrives without its message", end.bytes == arrive)?;
    }
    desk.close(reception)
}
