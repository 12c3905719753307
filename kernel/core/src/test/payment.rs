//! Whose account pays for what runs.
use super::calls::{call, pair, receive};
use super::scheduling::{bind, run_for, running};
use super::world::{Actor, PLENTY, World};
use crate::authority::capability::Object;
use crate::execution::process::Outcome;
use crate::execution::schedule::account::{Numbers, SLICE_NANOSECONDS};
use crate::execution::thread::State;
use capos_abi::interface::{process, scheduling_context};
use capos_abi::ring::{Submission, flag, op};
use capos_abi::status;

/// Who runs alone is interrupted by nothing: what it runs is known all the same, and charged to the account that it ran on.
#[test]
fn what_runs_now_is_consumed() {
    const SPAN: u64 = 100 * SLICE_NANOSECONDS;
    let mut world = World::new();
    let (holder, alone) = (world.actor("holder", PLENTY), world.actor("alone", PLENTY));
    let consumed = |world: &mut World, context| {
        let inspect = scheduling_context::inspect::METHOD;
        let (_, words) = world.call_kernel(holder, context, scheduling_context::ID, inspect, &[]);
        words[1 + scheduling_context::inspect::results::CONSUMED.offset as usize / 8]
    };
    world.kernel.platform.now += SPAN;
    let context = bind(&mut world, holder, alone.thread, Numbers::ORDINARY);
    assert_eq!(consumed(&mut world, context), 0, "what ran before is not its");
    world.kernel.platform.now += SPAN;
    assert_eq!(consumed(&mut world, context), SPAN);
    assert_eq!(consumed(&mut world, context), SPAN, "and but once");
    world.kernel.platform.now += SPAN;
    let unbind = scheduling_context::unbind::METHOD;
    assert_eq!(world.call_kernel(holder, context, scheduling_context::ID, unbind, &[]).0.status, status::OK);
    world.kernel.platform.now += SPAN;
    assert_eq!(consumed(&mut world, context), 2 * SPAN, "nor what ran behind");
}

#[test]
fn a_caller_pays_for_its_server() {
    let mut world = World::new();
    world.kernel.platform.processors = 1;
    let (server, own, client, object) = pair(&mut world);
    world.submit(server, receive(own));
    world.enter(server, 1);
    let before =
        (world.kernel.threads[server.thread].account.consumed, world.kernel.threads[client.thread].account.consumed);
    world.submit(client, call(object));
    world.enter(client, 1);
    assert_eq!(running(&world, 0), Some(server.thread));
    run_for(&mut world, 0, SLICE_NANOSECONDS / 2);
    let delivery = world.completions(server)[0];
    world.submit(server, Submission { flags: flag::QUIET, ..super::calls::reply(delivery.value) });
    world.enter(server, 1);
    assert_eq!(running(&world, 0), Some(client.thread));
    run_for(&mut world, 0, 2 * SLICE_NANOSECONDS);
    let after =
        (world.kernel.threads[server.thread].account.consumed, world.kernel.threads[client.thread].account.consumed);
    assert_eq!(after.0, before.0, "the server's own account is untouched");
    assert!(after.1 - before.1 >= SLICE_NANOSECONDS, "the caller has paid");
}

#[test]
fn a_caller_that_has_ended_pays_no_more() {
    let mut world = World::new();
    world.kernel.platform.processors = 1;
    let (server, own, client, object) = pair(&mut world);
    world.submit(server, receive(own));
    world.enter(server, 1);
    world.submit(client, call(object));
    world.enter(client, 1);
    assert_eq!(running(&world, 0), Some(server.thread));
    let before = world.kernel.threads[server.thread].account.consumed;
    world.kernel.platform.now += SLICE_NANOSECONDS / 8;
    world.kernel.end_process(client.process, Outcome::Killed);
    let _ = world.kernel.reschedule(0);
    world.kernel.platform.now += SLICE_NANOSECONDS / 2;
    world.kernel.settle_account(server.thread);
    assert_eq!(running(&world, 0), Some(server.thread));
    assert_eq!(world.kernel.threads[server.thread].account.consumed, before + SLICE_NANOSECONDS / 2);
}

#[test]
fn a_caller_pays_no_longer_than_it_waits() {
    let mut world = World::new();
    world.kernel.platform.processors = 1;
    let (server, own, client, object) = pair(&mut world);
    world.submit(server, receive(own));
    world.enter(server, 1);
    let deadline = world.kernel.platform.now + SLICE_NANOSECONDS / 8;
    world.submit(client, Submission { deadline, ..call(object) });
    world.enter(client, 1);
    assert_eq!(running(&world, 0), Some(server.thread));
    run_for(&mut world, 0, SLICE_NANOSECONDS / 8);
    assert_eq!(world.kernel.threads[client.thread].state, State::Ready, "its call has ended");
    let used = |world: &World, actor: Actor| world.kernel.threads[actor.thread].account.consumed;
    let before = (used(&world, client), used(&world, server));
    assert_eq!(running(&world, 0), Some(server.thread));
    world.kernel.platform.now += SLICE_NANOSECONDS;
    let _ = world.kernel.timer(0);
    assert_eq!(running(&world, 0), Some(client.thread));
    assert_eq!((used(&world, client), used(&world, server)), (before.0, before.1 + SLICE_NANOSECONDS));
}

/// Who blocks, and is woken in the same stay before another one, is in line when that one could run in its place.
#[test]
fn who_is_in_line_pays_for_nobody() {
    let mut world = World::new();
    world.kernel.platform.processors = 1;
    let [watcher, killer] = ["watcher", "killer"].map(|name| world.actor(name, PLENTY));
    let (payer, session) = (world.kernel.processes[killer.process].ledger, world.kernel.sessions.system);
    let victim = world.kernel.new_process(payer, session, "victim").expect("room");
    let on_victim = |world: &mut World, actor, tag, method| {
        let handle = world.give(actor, Object::Process(victim), process::ID);
        let (interface, result_bytes) = (process::ID, 128);
        let result_offset = 1024 + u32::from(tag) * result_bytes;
        let entry = Submission {
            op: op::CALL,
            tag,
            handle,
            interface,
            method,
            result_offset,
            result_bytes,
            ..Submission::default()
        };
        world.submit(actor, entry);
    };
    on_victim(&mut world, watcher, 1, process::wait::METHOD);
    world.enter(watcher, 1);
    while running(&world, 0) != Some(killer.thread) {
        run_for(&mut world, 0, SLICE_NANOSECONDS);
    }
    // It ends what both wait for, and the chores of that stay wake both.
    on_victim(&mut world, killer, 1, process::wait::METHOD);
    on_victim(&mut world, killer, 2, process::kill::METHOD);
    let _ = world.kernel.enter(0, 2, 0);
    let states = [watcher, killer].map(|actor| world.kernel.threads[actor.thread].state);
    assert!(states.contains(&State::Ready) && states.contains(&State::Running(0)), "both are awake: {states:?}");
    let used = |world: &World| [watcher, killer].map(|actor| world.kernel.threads[actor.thread].account.consumed);
    let before = used(&world);
    world.kernel.platform.now += SLICE_NANOSECONDS / 2;
    [watcher, killer].iter().for_each(|actor| world.kernel.settle_account(actor.thread));
    let paid = states.map(|state| if state == State::Ready { 0 } else { SLICE_NANOSECONDS / 2 });
    assert_eq!(used(&world), [before[0] + paid[0], before[1] + paid[1]]);
}
