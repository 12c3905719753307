//! What kernel objects refuse, and what they keep.
use super::audit;
use super::reclaim::{below, reclaim};
use super::sessions::enter_session;
use super::world::{Actor, PLENTY, World};
use crate::authority::capability::Object;
use crate::execution::process::Outcome;
use crate::execution::schedule::account::Numbers;
use crate::memory::range::LAST_ADDRESS;
use capos_abi::interface::{
    clock, endpoint, endpoint_server, fault_handler, handle_manager, interrupt, interrupt_lines, ledger, memory_object,
    memory_reader, null, process, scheduling_context, session, session_control, thread, virtual_memory,
};
use capos_abi::ring::{MIN_AREA_BYTES, Submission, flag, op};
use capos_abi::status::{self, Status};

const PAGE: u64 = capos_abi::PAGE_BYTES;

/// Somebody who holds its own ledger, addresses and process.
struct Holder {
    world: World,
    actor: Actor,
    own: u64,
}

impl Holder {
    fn new() -> Self {
        let mut world = World::new();
        let actor = world.actor("holder", PLENTY);
        let own = world.ledger(actor);
        Self { world, actor, own }
    }

    fn call(&mut self, handle: u64, interface: u64, method: u16, data: &[u64]) -> (Status, Vec<u64>) {
        let (done, words) = self.world.call_kernel(self.actor, handle, interface, method, data);
        (done.status, words)
    }

    fn call_with(&mut self, handle: u64, interface: u64, method: u16, capability: u64, data: &[u64]) -> Status {
        self.world.call_with(self.actor, handle, interface, method, capability, data).0.status
    }

    fn give(&mut self, object: Object, interface: u64) -> u64 {
        self.world.give(self.actor, object, interface)
    }

    fn make(&mut self, method: u16, data: &[u64]) -> u64 {
        let (made, words) = self.call(self.own, ledger::ID, method, data);
        assert_eq!(made, status::OK);
        words[0]
    }

    /// Somebody else, and the holder's capability to its process.
    fn other(&mut self) -> (Actor, u64) {
        let other = self.world.actor("other", PLENTY);
        (other, self.give(Object::Process(other.process), process::ID))
    }

    fn kill(&mut self, actor: Actor) {
        self.world.kernel.end_process(actor.process, Outcome::Killed);
        self.world.settle();
    }
}

#[test]
fn nothing_is_done_to_a_process_that_has_ended() {
    let mut holder = Holder::new();
    let (other, control) = holder.other();
    let space = holder.give(Object::VirtualMemory(other.process), virtual_memory::ID);
    let null = holder.give(Object::Null, null::ID);
    holder.kill(other);
    let grant = process::grant::METHOD;
    assert_eq!(holder.call_with(control, process::ID, grant, null, &[]), status::BAD_STATE);
    for method in [process::handle_faults::METHOD, process::suspend::METHOD, process::resume::METHOD] {
        assert_eq!(holder.call(control, process::ID, method, &[]).0, status::BAD_STATE, "method {method}");
    }
    let reserve = virtual_memory::reserve::METHOD;
    assert_eq!(holder.call(space, virtual_memory::ID, reserve, &[PAGE]).0, status::STALE);
    audit::check(&holder.world);
}

#[test]
fn a_handler_answers_the_faults_of_its_process_alone() {
    use fault_handler::{ID, fail, next, resume};
    let mut holder = Holder::new();
    let [one, other] = [0, 1].map(|_| {
        let (actor, control) = holder.other();
        (actor, holder.call(control, process::ID, process::handle_faults::METHOD, &[]).1[0])
    });
    super::process::fault(&mut holder.world, one.0);
    let faulted = u64::from(one.0.thread.index());
    assert_eq!(holder.call(other.1, ID, resume::METHOD, &[faulted]).0, status::BAD_STATE);
    assert_eq!(holder.call(other.1, ID, fail::METHOD, &[faulted]).0, status::BAD_STATE);
    assert_eq!(holder.call(one.1, ID, next::METHOD, &[]).0, status::OK);
    for (instruction, wanted) in [(LAST_ADDRESS, status::BAD_ARGUMENT), (LAST_ADDRESS - 1, status::OK)] {
        assert_eq!(holder.call(one.1, ID, resume::METHOD, &[faulted, instruction]).0, wanted, "{instruction:#x}");
    }
    // One ends with a fault that is open, the other without one.
    super::process::fault(&mut holder.world, one.0);
    for (actor, handler) in [one, other] {
        holder.kill(actor);
        assert_eq!(holder.call(handler, ID, next::METHOD, &[]).0, status::STALE);
        let release = Submission { op: op::RELEASE, handle: handler, ..Submission::default() };
        assert_eq!(holder.world.run(holder.actor, release)[0].status, status::OK);
    }
}

#[test]
fn a_context_is_bound_to_one_thread_and_a_thread_to_one_context() {
    use scheduling_context::{ID, bind, inspect};
    let mut holder = Holder::new();
    let ((one, _), (other, _)) = (holder.other(), holder.other());
    let numbers = |weight| Numbers { weight, ..Numbers::ORDINARY };
    let first = super::scheduling::bind(&mut holder.world, holder.actor, one.thread, numbers(300));
    let second = super::scheduling::bind(&mut holder.world, holder.actor, other.thread, numbers(500));
    let [of_one, of_other] = [one, other].map(|actor| holder.give(Object::Thread(actor.thread), thread::ID));
    let weight = |holder: &Holder, actor: Actor| holder.world.kernel.threads[actor.thread].account.numbers.weight;
    assert_eq!(holder.call_with(first, ID, bind::METHOD, of_other, &[]), status::BAD_STATE, "it is bound elsewhere");
    assert_eq!((weight(&holder, one), weight(&holder, other)), (300, 500));
    assert_eq!(holder.call(second, ID, scheduling_context::unbind::METHOD, &[]).0, status::OK);
    assert_eq!(holder.call_with(second, ID, bind::METHOD, of_one, &[]), status::OK, "instead of the first one");
    assert_eq!((weight(&holder, one), weight(&holder, other)), (500, Numbers::ORDINARY.weight));
    assert_eq!(holder.call_with(first, ID, bind::METHOD, of_other, &[]), status::OK, "which is free");
    holder.kill(one);
    assert_eq!(holder.call(second, ID, inspect::METHOD, &[]).0, status::OK);
    assert_eq!(holder.call_with(second, ID, bind::METHOD, of_one, &[]), status::BAD_STATE, "it has ended");
    let (newcomer, _) = holder.other();
    let of_newcomer = holder.give(Object::Thread(newcomer.thread), thread::ID);
    assert_eq!(holder.call_with(second, ID, bind::METHOD, of_newcomer, &[]), status::OK, "it was bound to nobody");
    holder.world.run(holder.actor, Submission { op: op::RELEASE, handle: second, ..Submission::default() });
    assert_eq!(weight(&holder, newcomer), Numbers::ORDINARY.weight, "it goes with its last capability");
}

#[test]
fn what_is_derived_from_what_is_confined_is_confined() {
    let mut holder = Holder::new();
    let (stranger, control) = holder.other();
    enter_session(&mut holder.world, stranger);
    let memory = holder.make(ledger::create_memory_object::METHOD, &[PAGE]);
    holder.world.kernel.processes[holder.actor.process].handles.confine(memory as u32);
    let (made, words) = holder.call(memory, memory_object::ID, memory_object::reader::METHOD, &[]);
    assert_eq!(made, status::OK);
    let reader = words[0];
    assert_eq!(holder.call(reader, memory_reader::ID, memory_reader::size::METHOD, &[]).0, status::OK);
    let space = holder.give(Object::VirtualMemory(stranger.process), virtual_memory::ID);
    for confined in [memory, reader] {
        let grant = process::grant::METHOD;
        assert_eq!(holder.call_with(control, process::ID, grant, confined, &[]), status::BAD_CAPABILITY);
        let (map, data) = (virtual_memory::map::METHOD, [0, PAGE, 0, virtual_memory::access::READ.into()]);
        assert_eq!(holder.call_with(space, virtual_memory::ID, map, confined, &data), status::BAD_CAPABILITY);
    }
    let (friend, control) = holder.other();
    assert_eq!(holder.call_with(control, process::ID, process::grant::METHOD, memory, &[]), status::OK);
    let handles = &holder.world.kernel.processes[friend.process].handles;
    let arrived = (0..handles.len()).filter_map(|index| handles.slot(index)?.capability());
    assert!(arrived.into_iter().all(|held| held.confined), "in the same session, and no further");
}

#[test]
fn memory_that_is_about_to_end_is_not_mapped() {
    let mut holder = Holder::new();
    let (below, id) = below(&mut holder.world, holder.actor, holder.own, &[10, 10, 10, 1]);
    let create = ledger::create_memory_object::METHOD;
    let memory = holder.call(below, ledger::ID, create, &[PAGE]).1[0];
    // As after the first pass of `reclaim`.
    holder.world.kernel.ledgers[id].closed = true;
    let read = virtual_memory::access::READ;
    assert_eq!(holder.world.map(holder.actor, memory, PAGE, read), Err(status::BAD_CAPABILITY));
    reclaim(&mut holder.world, holder.actor, below);
    assert_eq!(holder.world.map(holder.actor, memory, PAGE, read), Err(status::BAD_CAPABILITY));
}

#[test]
fn nothing_is_mapped_over_something() {
    let mut holder = Holder::new();
    let memory = holder.make(ledger::create_memory_object::METHOD, &[2 * PAGE]);
    let space = holder.give(Object::VirtualMemory(holder.actor.process), virtual_memory::ID);
    let (id, access) = (virtual_memory::ID, virtual_memory::access::READ_WRITE);
    let place = holder.call(space, id, virtual_memory::reserve::METHOD, &[3 * PAGE]).1[1];
    let commit = virtual_memory::commit::METHOD;
    assert_eq!(holder.call(space, id, commit, &[place + PAGE, PAGE, access.into()]).0, status::OK);
    let mut map = |place, bytes| holder.world.map_at(holder.actor, space, memory, place, bytes, access);
    assert_eq!(map(place, 2 * PAGE), Err(status::BAD_STATE));
    assert_eq!(map(place + PAGE, PAGE), Err(status::BAD_STATE));
    assert_eq!(map(place, PAGE), Ok(place), "what is reserved may be mapped over");
    assert_eq!(map(place, PAGE), Err(status::BAD_STATE));
    audit::check(&holder.world);
}

#[test]
fn a_line_gives_its_notification_up_when_it_is_bound_to_another() {
    use interrupt::{ID, acknowledge, bind};
    let mut holder = Holder::new();
    let lines = holder.give(Object::InterruptLines, interrupt_lines::ID);
    let line = holder.call(lines, interrupt_lines::ID, interrupt_lines::open::METHOD, &[4]).1[0];
    assert_eq!(holder.call(line, ID, acknowledge::METHOD, &[]).0, status::OK);
    assert!(!holder.world.kernel.platform.enabled_lines.contains(&4), "it is bound to nothing");
    let before = holder.world.kernel.notifications.len();
    for _ in 0..2 {
        let bell = holder.make(ledger::create_notification::METHOD, &[]);
        assert_eq!(holder.call_with(line, ID, bind::METHOD, bell, &[1]), status::OK);
        holder.world.run(holder.actor, Submission { op: op::RELEASE, handle: bell, ..Submission::default() });
    }
    assert!(holder.world.kernel.platform.enabled_lines.contains(&4));
    assert_eq!(holder.world.kernel.notifications.len(), before + 1, "the line alone refers to the second one");
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    let mut holder = Holder::new();
    let own = holder.own;
    let create = |holder: &mut Holder, method, data: &[u64]| holder.call(own, ledger::ID, method, data).0;
    assert_eq!(create(&mut holder, ledger::create_memory_object::METHOD, &[0]), status::BAD_ARGUMENT);
    let control = holder.give(Object::Process(holder.actor.process), process::ID);
    let ring = |bytes: u64| bytes ^ ledger::create_thread::params::RING_BYTES.default;
    let smallest = u64::from(MIN_AREA_BYTES);
    let far = LAST_ADDRESS + 1;
    for data in [
        [0, 0, 0, 0, ring(smallest + PAGE)],
        [0, 0, 0, 0, ring(smallest / 2)],
        [far, 0, 0, 0, ring(smallest)],
        [0, far, 0, 0, ring(smallest)],
        [0, 0, far, 0, ring(smallest)],
    ] {
        let method = ledger::create_thread::METHOD;
        assert_eq!(holder.call_with(own, ledger::ID, method, control, &data), status::BAD_ARGUMENT, "{data:x?}");
    }
    let served = holder.make(ledger::create_endpoint::METHOD, &[]);
    let (mint, durable) = (endpoint_server::mint::METHOD, endpoint::mint_durable::METHOD);
    assert_eq!(holder.call(served, endpoint_server::ID, mint, &[0, 1]).0, status::BAD_ARGUMENT);
    assert_eq!(holder.call(served, endpoint::ID, durable, &[0, 1]).0, status::BAD_ARGUMENT);
}

#[test]
fn an_endpoint_tells_of_objects_only_to_who_minted_them() {
    let mut holder = Holder::new();
    let served = holder.make(ledger::create_endpoint::METHOD, &[]);
    let mint = endpoint_server::mint::METHOD;
    let object = holder.call(served, endpoint_server::ID, mint, &[5, 6]).1[0];
    let (other, _) = holder.other();
    let [lent, copy] = [served, object].map(|handle| holder.world.copy(holder.actor, handle, other));
    let identify = endpoint_server::identify::METHOD;
    for (actor, served, object, key) in [(holder.actor, served, object, 6), (other, lent, copy, 0)] {
        let (done, words) = holder.world.call_with(actor, served, endpoint_server::ID, identify, object, &[]);
        assert_eq!((done.status, words[3]), (status::OK, key));
    }
}

#[test]
fn a_result_comes_only_where_it_has_room() {
    let mut holder = Holder::new();
    let (other, control) = holder.other();
    let clock = holder.give(Object::Clock, clock::ID);
    let call = |handle, interface, method| Submission {
        op: op::CALL,
        handle,
        interface,
        method,
        message_bytes: 8,
        result_offset: 1024,
        ..Submission::default()
    };
    holder.world.write(holder.actor, 0, &[0]);
    let now = call(clock, clock::ID, clock::now::METHOD);
    let inspect = call(control, process::ID, process::inspect::METHOD);
    for entry in [now, inspect] {
        // The first refusal says how much it takes.
        let [refused] = holder.world.run(holder.actor, entry)[..] else { panic!("one end") };
        assert_eq!(refused.status, status::TOO_BIG);
        for (result_bytes, wanted) in [(refused.value as u32 - 8, status::TOO_BIG), (refused.value as u32, status::OK)]
        {
            let done = holder.world.run(holder.actor, Submission { result_bytes, ..entry })[0];
            assert_eq!(done.status, wanted, "{result_bytes} bytes");
        }
    }
    let notification = call(holder.own, ledger::ID, ledger::create_notification::METHOD);
    for (caps, wanted) in [(0, status::NOT_ACCEPTED), (0x10, status::OK)] {
        let entry = Submission { caps, result_bytes: 64, ..notification };
        assert_eq!(holder.world.run(holder.actor, entry)[0].status, wanted);
    }
    holder.kill(other);
}

#[test]
fn what_others_refer_to_is_not_released_by_who_asks_for_that() {
    let mut holder = Holder::new();
    let null = holder.give(Object::Null, null::ID);
    let (other, _) = holder.other();
    let copy = holder.world.copy(holder.actor, null, other);
    let release = |handle, flags| Submission { op: op::RELEASE, handle, flags, ..Submission::default() };
    let lonely = release(null, flag::IF_UNREFERENCED);
    assert_eq!(holder.world.run(holder.actor, lonely)[0].status, status::BAD_STATE);
    assert_eq!(holder.call(null, null::ID, 0, &[]).0, status::OK, "it is still there");
    holder.world.run(other, release(copy, 0));
    assert_eq!(holder.world.run(holder.actor, lonely)[0].status, status::OK);
}

#[test]
fn a_process_gets_no_session_that_has_ended() {
    use session_control::end;
    let mut holder = Holder::new();
    let control = holder.make(ledger::create_process::METHOD, &[]);
    let made = enter_session(&mut holder.world, holder.actor);
    let (live, ender) = (holder.give(Object::Session(made), session::ID), made);
    let ends = holder.give(Object::SessionControl(ender), session_control::ID);
    while holder.call(ends, session_control::ID, end::METHOD, &[]).1[1] != u64::from(session_control::progress::DONE) {}
    let set = process::set_session::METHOD;
    assert_eq!(holder.call_with(control, process::ID, set, live, &[]), status::BAD_STATE);
    let manager = holder.give(Object::Handles(holder.actor.process), handle_manager::ID);
    assert_eq!(holder.call(manager, handle_manager::ID, handle_manager::inspect::METHOD, &[live]).0, status::OK);
}
