//! What is long goes on in later stays, and others come in between.
use super::calls::{SERVED_INTERFACE, call, pair, receive, reply};
use super::world::{Actor, PLENTY, World};
use crate::authority::capability::Object;
use crate::authority::revoke::Uses;
use crate::console::MAX_BEHIND;
use crate::execution::process::Outcome;
use crate::execution::stay::STAY_BUDGET;
use crate::execution::thread::State;
use crate::ipc::notification::MAX_WAITERS;
use crate::lifecycle::chore::Chore;
use crate::platform::Registers;
use capos_abi::interface::{endpoint_server, ledger, log_sink, null, process};
use capos_abi::message::mode;
use capos_abi::ring::{Completion, DEFAULT_AREA_BYTES, SUBMISSION_ENTRIES, Submission, op};
use capos_abi::status;

/// Operations that end in one stay at most.
const OPERATIONS_IN_A_STAY: usize = 20;
/// Processors of the test's machine.
const PROCESSORS: usize = 8;
/// Calls of one client that wait at once.
const CALLS: u16 = 100;

/// A client whose calls wait at an endpoint that nobody receives from.
fn queue(world: &mut World) -> (Actor, u64, Actor) {
    let (server, own, client, object) = pair(world);
    for tag in 0..CALLS {
        world.submit(client, Submission { caps: 0, tag, user_data: tag.into(), ..call(object) });
        world.enter(client, 0);
    }
    assert!(world.completions(client).is_empty(), "all wait");
    (server, own, client)
}

/// Statuses of what has completed until nothing more does, a list for each stay.
fn by_stay(world: &mut World, client: Actor) -> Vec<Vec<i32>> {
    let mut stays = Vec::new();
    while !world.kernel.chores.is_empty() {
        world.stay();
        stays.push(world.completions(client).iter().map(|c| c.status).collect::<Vec<_>>());
    }
    stays.retain(|stay| !stay.is_empty());
    stays
}

#[test]
fn calls_queued_at_an_endpoint_end_in_steps() {
    let mut world = World::new();
    let (server, own, client) = queue(&mut world);
    world.submit(server, Submission { op: op::RELEASE, handle: own, ..Submission::default() });
    let State::Running(processor) = world.kernel.threads[server.thread].state else { panic!("the server runs") };
    let _ = world.kernel.enter(processor, 0, 0);
    let mut stays = vec![world.completions(client).iter().map(|c| c.status).collect::<Vec<_>>()];
    stays.extend(by_stay(&mut world, client));
    assert!(stays.len() > 3, "{stays:?}");
    assert_eq!(stays.concat(), vec![status::STALE; CALLS.into()]);
}

#[test]
fn the_search_for_calls_of_a_dead_minter_goes_on_behind_a_cancelled_call() {
    let mut world = World::new();
    let (server, _, client) = queue(&mut world);
    let endpoint = world.kernel.endpoints.id_at(0).expect("the endpoint");
    world.kernel.end_process(server.process, Outcome::Killed);
    while world.kernel.endpoints.get(endpoint).is_some_and(|e| e.sweep.is_none()) {
        world.stay();
    }
    let cursor = world.kernel.endpoints[endpoint].sweep.expect("the search stands still");
    let ended = world.completions(client).len();
    world.kernel.begin_stay(7);
    world.kernel.abort(cursor, status::CANCELLED);
    assert_eq!(world.completions(client)[0].status, status::CANCELLED);
    let rest = by_stay(&mut world, client).concat();
    assert_eq!(rest, vec![status::STALE; usize::from(CALLS) - 1 - ended]);
}

/// The actor enters the kernel once; its completions, a list for that stay and each that follows until nothing is left to do.
fn enter_by_stays(world: &mut World, actor: Actor, watched: Actor) -> Vec<Vec<Completion>> {
    let State::Running(processor) = world.kernel.threads[actor.thread].state else { panic!("the actor runs") };
    let _ = world.kernel.enter(processor, 0, 0);
    let mut stays = vec![world.completions(watched)];
    while !world.kernel.chores.is_empty() {
        world.stay();
        stays.push(world.completions(watched));
    }
    stays
}

/// Waits of an actor for one bit each, under the tags from 0 on.
fn wait_for_bits(world: &mut World, actor: Actor, handle: u64, bits: u16) {
    for tag in 0..bits {
        let entry =
            Submission { op: op::WAIT, tag, handle, user_data: tag.into(), arg: 1 << tag, ..Submission::default() };
        world.submit(actor, entry);
        world.enter(actor, 0);
    }
    assert!(world.completions(actor).is_empty(), "all wait");
}

#[test]
fn many_who_wait_for_one_signal_are_answered_in_steps() {
    let mut world = World::new();
    let (waiter, signaller) = (world.actor("waiter", PLENTY), world.actor("signaller", PLENTY));
    let paying = world.ledger(waiter);
    let (_, made) = world.call_kernel(waiter, paying, ledger::ID, ledger::create_notification::METHOD, &[]);
    let handle = world.copy(waiter, made[0], signaller);
    wait_for_bits(&mut world, waiter, made[0], 64);
    world.submit(signaller, Submission { op: op::SIGNAL, handle, arg: u64::MAX, ..Submission::default() });
    let stays = enter_by_stays(&mut world, signaller, waiter);
    let longest = stays.iter().map(Vec::len).max();
    assert!(longest <= Some(OPERATIONS_IN_A_STAY), "{longest:?}");
    let taken: Vec<_> = stays.concat().iter().map(|done| (done.user_data, done.status, done.value)).collect();
    assert_eq!(taken, (0..64).map(|bit| (bit, status::OK, 1 << bit)).collect::<Vec<_>>(), "each once, in order");
}

#[test]
fn what_a_sender_did_with_a_moved_capability_ends_in_steps() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    world.run(server, receive(own));
    let paying = world.ledger(client);
    let (_, made) = world.call_kernel(client, paying, ledger::ID, ledger::create_notification::METHOD, &[]);
    wait_for_bits(&mut world, client, made[0], 60);
    world.write(client, 0, &[made[0], mode::MOVE, 0, 0]);
    world.submit(client, Submission { caps: 0x21, tag: 100, message_bytes: 32, result_offset: 2048, ..call(object) });
    world.enter(server, 1);
    let stays = enter_by_stays(&mut world, client, client);
    let longest = stays.iter().map(Vec::len).max();
    assert!(longest <= Some(OPERATIONS_IN_A_STAY), "{longest:?}");
    let ended: Vec<_> = stays.concat().iter().map(|done| (done.user_data, done.status)).collect();
    assert_eq!(ended, (0..60).map(|tag| (tag, status::STALE)).collect::<Vec<_>>());
}

#[test]
fn a_reception_with_many_calls_ends_in_steps() {
    use ledger::create_endpoint;
    const CALLS: u16 = 40;
    const MESSAGE_BYTES: u64 = 64;
    let mut world = World::new();
    let (server, client) = (world.actor("server", PLENTY), world.actor("client", PLENTY));
    let paying = world.ledger(server);
    let limit = MESSAGE_BYTES ^ create_endpoint::params::MAX_MESSAGE_BYTES.default;
    let (_, made) = world.call_kernel(server, paying, ledger::ID, create_endpoint::METHOD, &[limit]);
    let mint = endpoint_server::mint::METHOD;
    let (_, minted) = world.call_kernel(server, made[0], endpoint_server::ID, mint, &[SERVED_INTERFACE, 7]);
    let object = world.copy(server, minted[0], client);
    world.run(server, Submission { result_bytes: 256, arg: CALLS.into(), ..receive(made[0]) });
    for tag in 0..CALLS {
        world.submit(client, Submission { caps: 0, tag, user_data: tag.into(), ..call(object) });
        world.enter(client, 0);
    }
    let mut delivered = 0;
    while delivered < CALLS.into() {
        world.enter(server, 1);
        delivered += world.completions(server).len();
    }
    world.submit(server, Submission { op: op::CANCEL, arg: 200, user_data: 5, ..Submission::default() });
    let State::Running(processor) = world.kernel.threads[server.thread].state else { panic!("the server runs") };
    let mut ended = Vec::new();
    while world.completions(server).iter().all(|done| done.user_data != 5) {
        let _ = world.kernel.enter(processor, 0, 0);
        let completions = world.completions(client);
        assert!(completions.len() <= OPERATIONS_IN_A_STAY, "{}", completions.len());
        ended.extend(completions.iter().map(|done| (done.user_data, done.status)));
    }
    assert_eq!(ended, (0..CALLS).map(|tag| (tag.into(), status::SERVER_DIED)).collect::<Vec<_>>());
}

#[test]
fn only_so_many_can_wait_for_the_end_of_a_process() {
    let mut world = World::new();
    let ended = world.actor("ended", PLENTY);
    let waiters: Vec<Actor> = (0..3).map(|_| world.actor("waiter", PLENTY)).collect();
    let mut refused = 0;
    for tag in 0..MAX_WAITERS as u16 {
        let actor = waiters[usize::from(tag) / 100];
        let handle = world.give(actor, Object::Process(ended.process), process::ID);
        world.write(actor, 0, &[0]);
        let wait = process::wait::METHOD;
        let entry = Submission { interface: process::ID, method: wait, tag: tag % 100, ..call(handle) };
        refused += world.run(actor, Submission { caps: 0, message_bytes: 8, ..entry }).len();
    }
    assert_eq!(refused, 0);
    let actor = waiters[2];
    let handle = world.give(actor, Object::Process(ended.process), process::ID);
    let entry = Submission { interface: process::ID, method: process::wait::METHOD, tag: 99, ..call(handle) };
    let done = world.run(actor, Submission { caps: 0, message_bytes: 8, ..entry });
    assert_eq!(done[0].status, status::BAD_STATE);
    world.kernel.end_process(ended.process, Outcome::Killed);
    while !world.kernel.chores.is_empty() || world.kernel.platform.has_interrupted() {
        world.stay();
        let answered: usize = waiters.iter().map(|&waiter| world.completions(waiter).len()).sum();
        assert!(answered <= OPERATIONS_IN_A_STAY, "{answered}");
        refused += answered;
    }
    assert_eq!(refused, MAX_WAITERS);
}

#[test]
fn a_console_that_takes_nothing_holds_up_only_who_writes_too_much() {
    let mut world = World::new();
    let (writer, other) = (world.actor("writer", PLENTY), world.actor("other", PLENTY));
    world.kernel.platform.console_is_busy = true;
    let handle = world.give(writer, Object::KernelLog, log_sink::ID);
    // The text of `write`: a pointer to a list of bytes, whose last one is zero.
    let mut message = vec![1 << 48, 1 | 2 << 32 | 400 << 35];
    message.extend([u64::from_le_bytes([b'x'; 8]); 49]);
    message.push(u64::from_le_bytes(*b"xxxxxxx\0"));
    world.write(writer, 0, &message);
    let write = Submission {
        op: op::CALL,
        handle,
        interface: log_sink::ID,
        method: log_sink::write::METHOD,
        message_bytes: message.len() as u32 * 8,
        result_offset: 1024,
        result_bytes: 64,
        ..Submission::default()
    };
    let State::Running(processor) = world.kernel.threads[writer.thread].state else { panic!("the writer runs") };
    let mut waits = 0;
    for _ in 0..40 {
        world.submit(writer, write);
        let _ = world.kernel.enter(processor, 0, 0);
        waits += u32::from(world.kernel.platform.takes_again(writer.thread.index()));
    }
    assert!(waits > 0 && world.kernel.log.behind() <= MAX_BEHIND + 512, "{waits} {}", world.kernel.log.behind());
    let handle = world.give(other, Object::Null, null::ID);
    let State::Running(processor) = world.kernel.threads[other.thread].state else { panic!("the other runs") };
    world.submit(other, Submission { op: op::RELEASE, handle, ..Submission::default() });
    let _ = world.kernel.enter(processor, 0, 0);
    assert_eq!(world.completions(other).len(), 1, "the other goes on");
    world.kernel.platform.console_is_busy = false;
    world.settle();
    assert_eq!(world.kernel.log.behind(), 0);
}

#[test]
fn growing_a_ring_costs_the_copy_of_its_records() {
    let mut world = World::new();
    let actor = world.actor("a", PLENTY);
    for tag in 0..SUBMISSION_ENTRIES as u16 {
        let wait = Submission { op: op::WAIT, arg: 1, tag: 4 * tag, user_data: tag.into(), ..Submission::default() };
        world.submit(actor, wait);
    }
    let State::Running(processor) = world.kernel.threads[actor.thread].state else { panic!("the actor runs") };
    let _ = world.kernel.enter(processor, 0, 0);
    let waits = |world: &World| world.kernel.threads[actor.thread].bits.waiters();
    let first = waits(&world);
    assert!((1..SUBMISSION_ENTRIES / 2).contains(&first), "{first} in the first stay");
    while waits(&world) < SUBMISSION_ENTRIES {
        let before = waits(&world);
        let _ = world.kernel.enter(processor, 0, 0);
        assert!(waits(&world) > before, "it goes on");
    }
}

#[test]
fn frames_for_a_ring_area_are_gathered_in_steps() {
    let mut world = World::new();
    let actor = world.actor("a", PLENTY);
    // Every free frame passes through some processor's hands: each keeps pieces of the same memory.
    let frames = &mut world.kernel.frames;
    let all: Vec<_> = std::iter::from_fn(|| frames.allocate().ok()).collect();
    for (index, frame) in all.into_iter().enumerate() {
        frames.enter(index % PROCESSORS);
        frames.free(frame);
    }
    while frames.allocate_contiguous(1).is_ok() {}
    let ledger = world.kernel.processes[actor.process].ledger;
    // An entry that was given up has left an address there.
    world.kernel.threads[actor.thread].cursor = 0x1_0000_0000;
    world.kernel.begin_stay(0);
    world
        .kernel
        .new_thread(ledger, actor.process, Registers::default(), DEFAULT_AREA_BYTES)
        .expect_err("no neighbours");
    let mut stays = 1;
    while !world.kernel.gather_ring_frames(actor.thread, DEFAULT_AREA_BYTES) {
        world.kernel.begin_stay(0);
        stays += 1;
    }
    assert!(stays > 2, "{stays}");
    assert!(world.kernel.stay.seen.least > -i64::from(STAY_BUDGET));
    world.kernel.new_thread(ledger, actor.process, Registers::default(), DEFAULT_AREA_BYTES).expect("room");
}

#[test]
fn who_moves_capabilities_waits_while_too_much_follows_earlier_moves() {
    const BEHIND: usize = 300;
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    world.run(server, receive(own));
    let [first, second] = [0, 1].map(|_| world.give(client, Object::Null, null::ID));
    let fall_behind = |world: &mut World| {
        world.kernel.prepare_moves(BEHIND).expect("heap");
        let left = || Chore::Moved(Uses::of_moved(client.process, u64::MAX, None));
        (0..BEHIND).for_each(|_| world.kernel.chores.push(left()));
    };
    let started = |world: &World, actor: Actor| world.kernel.threads[actor.thread].ring.positions.submission_head;
    let waits = |world: &mut World, actor: Actor| {
        let before = started(world, actor);
        let State::Running(processor) = world.kernel.threads[actor.thread].state else { panic!("the actor runs") };
        let _ = world.kernel.enter(processor, 0, 0);
        started(world, actor) == before
    };
    // What the calls need of the ring areas is clear then.
    world.run(client, call(0));
    world.run(server, Submission { message_offset: 0, ..reply(0) });
    world.write(client, 0, &[first, mode::MOVE, 1 << 48, 3]);
    world.submit(client, Submission { caps: 0x21, message_bytes: 32, ..call(object) });
    fall_behind(&mut world);
    assert!(waits(&mut world, client));
    world.settle();
    assert!(!waits(&mut world, client));
    world.enter(server, 0);
    let [delivery] = world.completions(server)[..] else { panic!("one delivery") };
    let moved = world.copy(client, second, server);
    world.write(server, 0, &[moved, mode::MOVE, 1 << 48, 3]);
    world.submit(server, Submission { caps: 1, message_bytes: 32, ..reply(delivery.value) });
    fall_behind(&mut world);
    assert!(waits(&mut world, server));
    world.settle();
    assert!(!waits(&mut world, server));
    assert_eq!(world.completions(client)[0].status, status::OK);
}
