//! Programs that write anything into their rings: the kernel stands, the others go on, nothing leaks.
use super::audit;
use super::calls::{call, pair, receive, reply};
use super::dice::choose;
use super::exhaustion::said;
use super::world::World;
use crate::authority::capability::Object;
use crate::execution::process::Outcome;
use crate::execution::thread::State;
use capos_abi::interface::{self, virtual_memory};
use capos_abi::ring::Submission;
use capos_abi::status;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Interfaces that a hostile program tries.
const INTERFACES: [u64; 9] = [
    interface::handle_manager::ID,
    interface::ledger::ID,
    interface::process::ID,
    interface::thread::ID,
    virtual_memory::ID,
    interface::memory_object::ID,
    interface::endpoint_server::ID,
    interface::notification::ID,
    super::calls::SERVED_INTERFACE,
];

prop_compose! {
    /// An entry whose fields are mostly plausible.
    fn entry()(
        op in 0u8..10, caps in any::<u8>(), flags in prop_oneof![4 => Just(0u16), 1 => any::<u16>()], method in 0u16..9,
        tag in 0u16..260, handle in 0u64..24, generation in 1u64..4, interface in 0usize..9,
        message_offset in 0u32..600, message_bytes in 0u32..40, result_bytes in 0u32..2000,
        deadline in prop_oneof![3 => Just(0u64), 1 => 1u64..100_000], arg in prop_oneof![0u64..8, any::<u64>()],
    ) -> Submission {
        Submission {
            op, caps, flags, method, tag, handle: generation << 32 | handle, interface: INTERFACES[interface], user_data: arg,
            message_offset: message_offset * 8, message_bytes: message_bytes * 8,
            result_offset: message_offset * 8, result_bytes: result_bytes * 8, deadline, arg,
        }
    }
}

/// Words that look like pointers, handles, sizes and addresses.
fn word() -> impl Strategy<Value = u64> {
    prop_oneof![
        0u64..8,
        (0u64..3, 0u64..3).prop_map(|(data, pointers)| data << 32 | pointers << 48),
        (0u64..4).prop_map(|i| 3 | i << 32),
        (0u64..32, 1u64..4).prop_map(|(index, generation)| generation << 32 | index),
        (1u64..64).prop_map(|pages| pages * 4096),
        any::<u64>(),
    ]
}

fn rounds() -> u32 {
    choose(400, 20_000)
}

#[test]
fn random_entries_hurt_nobody_else() {
    let mut runner = TestRunner::new(Config { cases: rounds(), failure_persistence: None, ..Config::default() });
    let input = (proptest::collection::vec((entry(), 0usize..2), 1..120), proptest::collection::vec(word(), 64));
    let outcome = runner.run(&input, |(entries, words)| {
        let mut world = World::new();
        let before = world.footprint();
        let (server, own, client, _) = pair(&mut world);
        let paying = world.ledger(client);
        world.give(client, Object::Process(client.process), interface::process::ID);
        world.give(client, Object::Handles(client.process), interface::handle_manager::ID);
        world.give(client, Object::Thread(client.thread), interface::thread::ID);
        world.give(client, Object::VirtualMemory(client.process), virtual_memory::ID);
        world.copy(server, own, client);
        world.call_kernel(
            client,
            paying,
            interface::ledger::ID,
            interface::ledger::create_memory_object::METHOD,
            &[9000],
        );
        world.run(server, receive(own));
        for (entry, who) in entries {
            let actor = [client, server][who];
            if !matches!(
                world.kernel.threads.get(actor.thread).map(|t| t.state),
                Some(State::Running(_) | State::Ready)
            ) {
                continue;
            }
            world.write(actor, 0, &words);
            world.submit(actor, entry);
            world.enter(actor, 0);
            world.kernel.platform.now += 1000;
            world.completions(actor).iter().filter(|it| it.status == status::EXHAUSTED).for_each(|it| _ = said(it));
        }
        audit::check(&world);
        check_still_served(&mut world);
        for actor in [client, server] {
            if world.kernel.processes.get(actor.process).is_some() {
                world.kernel.end_process(actor.process, Outcome::Killed);
                world.settle();
            }
        }
        end_survivors(&mut world);
        prop_assert_eq!(world.footprint(), before);
        Ok(())
    });
    outcome.unwrap();
}

/// Two more processes find each other as if nothing had happened.
fn check_still_served(world: &mut World) {
    let before = world.footprint();
    let (server, own, client, object) = pair(world);
    world.run(server, receive(own));
    world.run(client, call(object));
    world.enter(server, 0);
    let delivery = world.completions(server)[0];
    world.run(server, reply(delivery.value));
    assert_eq!(world.completions(client)[0].status, 0);
    for actor in [client, server] {
        world.kernel.end_process(actor.process, Outcome::Killed);
        world.settle();
    }
    assert_eq!(world.footprint(), before);
}

/// Processes that the hostile ones made.
fn end_survivors(world: &mut World) {
    for index in 0..world.kernel.processes.len() + 64 {
        if let Some(process) = world.kernel.processes.id_at(index) {
            world.kernel.end_process(process, Outcome::Killed);
            world.settle();
        }
    }
}

#[test]
fn the_token_of_a_call_that_is_over_names_no_later_one() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    world.run(server, receive(own));
    let deliver = |world: &mut World| {
        world.run(client, call(object));
        world.enter(server, 0);
        world.completions(server)[0]
    };
    let first = deliver(&mut world);
    assert_eq!(world.run(server, reply(first.value))[0].status, status::OK);
    assert_eq!(world.completions(client)[0].status, status::OK);
    let second = deliver(&mut world);
    assert_eq!(second.slot, first.slot, "it lies where the first one lay");
    assert_eq!(world.run(server, reply(first.value))[0].status, status::TOO_LATE);
    assert!(world.completions(client).is_empty(), "the second call is open");
    assert_eq!(world.run(server, reply(second.value))[0].status, status::OK);
    assert_eq!(world.completions(client)[0].status, status::OK);
}

#[test]
fn a_message_may_name_no_capability_and_nothing_stays_set_aside_for_it() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    world.run(server, receive(own));
    world.write(client, 0, &[0, 0, 1 << 48, 3]);
    world.run(client, Submission { caps: 0x21, message_bytes: 32, ..call(object) });
    world.enter(server, 0);
    let delivery = world.completions(server)[0];
    assert_eq!(delivery.caps, 1);
    assert_eq!(world.kernel.processes[server.process].handles.reserved(), 0);
    audit::check(&world);
}
