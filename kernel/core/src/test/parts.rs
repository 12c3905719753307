//! More parts held against models: handle table, ledgers, ring positions, run queues, the life of calls.
use super::calls::{SLOT_BYTES, call, pair, receive, reply};
use super::world::{Actor, World, endless_ledger};
use crate::authority::capability::{Capability, Object};
use crate::authority::handle::HandleTable;
use crate::execution::thread::State;
use crate::ipc::positions::Positions;
use crate::ipc::ring::Ring;
use crate::ledger::{Amounts, Ledger, Resource};
use crate::memory::frame::Frame;
use crate::platform::{Platform, RingArea};
use crate::slab::Slab;
use capos_abi::interface::thread;
use capos_abi::ring::{COMPLETION_ENTRIES, SUBMISSION_ENTRIES, Submission, kind, op};
use capos_abi::status;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const FEW: Amounts = Amounts::new([200, 50, 50, 4]);
/// Threads of the run queue's test; more than processors.
const THREADS: usize = 11;
/// Tags that the calls of one client use.
const CALLS: u16 = 6;

#[derive(Clone, Copy, Debug)]
enum CallStep {
    Call(u16),
    Answer(usize),
    AnswerTwice(usize),
    Cancel(u16),
    StopReceiving,
    Receive,
}

fn call_step() -> impl Strategy<Value = CallStep> {
    prop_oneof![
        4 => (0..CALLS).prop_map(CallStep::Call),
        3 => any::<usize>().prop_map(CallStep::Answer),
        1 => any::<usize>().prop_map(CallStep::AnswerTwice),
        2 => (0..CALLS).prop_map(CallStep::Cancel),
        1 => Just(CallStep::StopReceiving),
        1 => Just(CallStep::Receive),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_handle_names_what_it_was_made_for_or_nothing(steps in proptest::collection::vec((0u8..4, any::<usize>()), 1..200)) {
        let (mut ledgers, ledger) = endless_ledger();
        let mut table = HandleTable::new();
        let (mut held, mut stale) = (BTreeMap::new(), BTreeSet::new());
        for (number, (what, which)) in (1u64..).zip(steps) {
            let chosen = held.keys().copied().nth(which % held.len().max(1));
            match (what, chosen) {
                (0 | 1, _) => {
                    prop_assert!(table.reserve(1, &mut ledgers[ledger]).is_ok());
                    let index = table.insert_reserved(Capability::new(Object::Null, number));
                    let handle = table.handle_of(index);
                    prop_assert!(!stale.contains(&handle) && held.insert(handle, number).is_none(), "a handle is new");
                }
                (2, Some(handle)) => {
                    let index = table.index_of(handle).expect("it is held");
                    prop_assert_eq!(table.remove(index).map(|c| c.interface), held.remove(&handle));
                    stale.insert(handle);
                }
                (3, _) => {
                    prop_assert!(table.reserve(2, &mut ledgers[ledger]).is_ok());
                    table.unreserve(2);
                }
                _ => {}
            }
            prop_assert_eq!(table.used() as usize, held.len());
            prop_assert!(held.iter().all(|(handle, number)| table.get(*handle).is_some_and(|c| c.interface == *number)));
            prop_assert!(stale.iter().all(|handle| table.get(*handle).is_none() && table.any_index_of(*handle).is_none()));
        }
    }

    #[test]
    fn ledgers_add_up(steps in proptest::collection::vec((0u8..4, any::<usize>(), 0u64..40), 1..120)) {
        let mut ledgers = Slab::new();
        let root = Ledger::root(&mut ledgers, Amounts::new([1000; 4])).expect("heap");
        // By ledger: what it may use and what it has charged, children aside.
        let mut model = vec![(root, None, 1000u64, 0u64)];
        for (what, which, amount) in steps {
            let at = which % model.len();
            let (id, _, limit, charged) = model[at];
            let given: u64 = model.iter().filter(|child| child.1 == Some(id)).map(|child| child.2).sum();
            let remaining = limit - charged - given;
            match what {
                0 => {
                    prop_assert_eq!(ledgers[id].charge(Resource::Frames, amount).is_ok(), amount <= remaining);
                    if amount <= remaining { model[at].3 += amount }
                }
                1 => {
                    let back = amount.min(charged);
                    ledgers[id].refund(Resource::Frames, back);
                    model[at].3 -= back;
                }
                2 if ledgers[id].can_have_children() => {
                    let made = Ledger::child(&mut ledgers, id, Amounts::new([amount, 0, 0, 0]));
                    prop_assert_eq!(made.is_ok(), amount <= remaining);
                    if let Ok(child) = made {
                        model.push((child, Some(id), amount, 0));
                    }
                }
                3 if at > 0 && charged == 0 && !model.iter().any(|child| child.1 == Some(id)) => {
                    prop_assert_eq!(Ledger::detach(&mut ledgers, id), model[at].1);
                    prop_assert!(ledgers[id].charge(Resource::Frames, 1).is_err(), "it pays no more");
                    prop_assert_eq!(*ledgers[id].limits(), Amounts::default());
                    model.remove(at);
                }
                _ => {}
            }
            for (id, _, limit, charged) in &model {
                let given: u64 = model.iter().filter(|child| child.1 == Some(*id)).map(|child| child.2).sum();
                prop_assert_eq!(ledgers[*id].used().of(Resource::Frames), charged + given);
                prop_assert!(charged + given <= *limit);
            }
        }
    }

    #[test]
    fn no_positions_of_a_program_overfill_a_ring(steps in proptest::collection::vec((0u8..4, any::<u32>()), 1..300)) {
        let mut world = World::new();
        let area = RingArea::new(Frame(9), 64 << 10);
        world.kernel.platform.init_ring(area);
        let mut ring = Ring::new(area.first_frame(), area.bytes);
        ring.area = area;
        let mut reserved = 0;
        for (what, number) in steps {
            match what {
                0 => {
                    let (wanted, free) = (1 + number % 8, ring.positions.free_completions());
                    prop_assert_eq!(ring.positions.reserve(wanted), wanted <= free);
                    reserved += if wanted <= free { wanted } else { 0 };
                }
                1 if reserved > 0 => {
                    ring.post(&world.kernel.platform, &Default::default());
                    reserved -= 1;
                }
                2 => ring.positions.see_completion_head(number),
                _ => ring.positions.see_completion_head(ring.positions.completion_tail.wrapping_sub(number % 8)),
            }
            prop_assert!(ring.positions.see_submission_tail(number).wrapping_sub(ring.positions.submission_head) <= SUBMISSION_ENTRIES);
            // A head that goes back costs the program its own completions.
            prop_assert!(reserved <= COMPLETION_ENTRIES && (what < 2 || ring.positions.unread() <= COMPLETION_ENTRIES));
            prop_assert_eq!(ring.positions.free_completions(), COMPLETION_ENTRIES.saturating_sub(ring.positions.unread() + reserved));
        }
    }

    #[test]
    fn who_can_run_runs(steps in proptest::collection::vec((any::<bool>(), 0..THREADS), 1..60)) {
        let mut world = World::new();
        let conductor = world.actor("conductor", FEW);
        let actors: Vec<Actor> = (0..THREADS).map(|_| world.actor("thread", FEW)).collect();
        let give = |actor: &Actor| world.give(conductor, Object::Thread(actor.thread), thread::ID);
        let handles: Vec<u64> = actors.iter().map(give).collect();
        let mut blocked = BTreeSet::new();
        for (wake, which) in steps {
            match wake {
                false if blocked.insert(which) => {
                    world.completions(actors[which]);
                    world.submit(actors[which], Submission { op: op::WAIT, arg: 1, tag: 3, ..Submission::default() });
                    world.enter(actors[which], 1);
                }
                true if blocked.remove(&which) => {
                    let signal = Submission { op: op::SIGNAL, handle: handles[which], arg: 1, ..Submission::default() };
                    world.run(conductor, signal);
                }
                _ => {}
            }
            check_queues(&world, &actors, &blocked);
        }
        // Everybody who can run gets a processor in time: `run` would not return otherwise.
        (0..THREADS).filter(|which| !blocked.contains(which)).for_each(|which| drop(world.run(actors[which], Submission::default())));
    }

    #[test]
    fn every_call_ends_once(steps in proptest::collection::vec(call_step(), 1..80)) {
        let mut world = World::new();
        let (server, own, client, object) = pair(&mut world);
        let (mut pending, mut delivered, mut receiving) = (BTreeSet::new(), Vec::new(), false);
        let ended = |world: &mut World, pending: &mut BTreeSet<u64>| {
            world.enter(client, 0);
            for done in world.completions(client).iter().filter(|done| done.user_data != 0) {
                assert!(pending.remove(&done.user_data), "{done:?} ended twice, or never began");
            }
        };
        for (number, step) in (1u64..).zip(steps) {
            match step {
                CallStep::Call(tag) => {
                    world.write(client, 0, &[1 << 32, number]);
                    pending.insert(number);
                    world.submit(client, Submission { tag, user_data: number, ..call(object) });
                }
                CallStep::Answer(which) | CallStep::AnswerTwice(which) if !delivered.is_empty() => {
                    let at = which % delivered.len();
                    let token: u64 = delivered[at];
                    if matches!(step, CallStep::Answer(_)) {
                        delivered.remove(at);
                    }
                    world.submit(server, reply(token));
                }
                CallStep::Cancel(tag) => {
                    world.submit(client, Submission { op: op::CANCEL, arg: tag.into(), tag: 20, ..Submission::default() });
                }
                CallStep::StopReceiving => {
                    world.submit(server, Submission { op: op::CANCEL, arg: 200, tag: 20, ..Submission::default() });
                    receiving = false;
                }
                CallStep::Receive if !receiving => {
                    world.submit(server, receive(own));
                    receiving = true;
                }
                _ => {}
            }
            ended(&mut world, &mut pending);
            world.enter(server, 0);
            let arrived = world.completions(server);
            delivered.extend(arrived.iter().filter(|it| it.kind == kind::DELIVERY).map(|it| it.value));
            prop_assert!(arrived.iter().all(|it| it.bytes <= SLOT_BYTES));
            ended(&mut world, &mut pending);
        }
        // Whatever is left ends with its cancellation.
        for tag in 0..CALLS {
            world.submit(client, Submission { op: op::CANCEL, arg: tag.into(), tag: 20, ..Submission::default() });
        }
        ended(&mut world, &mut pending);
        prop_assert_eq!(pending, BTreeSet::new());
        let stale = world.run(server, reply(u64::MAX));
        prop_assert!(stale.iter().any(|it| it.status == status::TOO_LATE || it.status == status::STALE), "{:?}", stale);
    }
}

/// Who is blocked is blocked; each processor runs the thread that says so; nobody waits while a processor is idle.
fn check_queues(world: &World, actors: &[Actor], blocked: &BTreeSet<usize>) {
    let mut waiting = 0;
    for (which, actor) in actors.iter().enumerate() {
        match world.kernel.threads[actor.thread].state {
            State::Blocked(_) => assert!(blocked.contains(&which), "{which} was woken"),
            State::Ready => waiting += usize::from(!blocked.contains(&which)),
            State::Running(processor) => {
                assert_eq!(world.kernel.current(processor), Some(actor.thread));
                assert!(!blocked.contains(&which), "{which} has blocked");
            }
            other => panic!("{which} is {other:?}"),
        }
    }
    let idle = (0..world.kernel.platform.processors()).filter(|p| world.kernel.current(*p).is_none()).count();
    assert!(waiting == 0 || idle == 0, "{waiting} wait beside {idle} idle processors");
}

#[test]
fn a_queue_may_be_full_and_not_one_entry_fuller() {
    for at in [0, 7, u32::MAX] {
        let mut positions = Positions::default();
        (positions.submission_head, positions.completion_tail) = (at, at);
        let full = at.wrapping_add(SUBMISSION_ENTRIES);
        assert_eq!(positions.see_submission_tail(full), full);
        assert_eq!(positions.see_submission_tail(full.wrapping_add(1)), at, "it counts as none");
        let full = at.wrapping_sub(COMPLETION_ENTRIES);
        for head in [full, full.wrapping_sub(1)] {
            positions.see_completion_head(head);
            assert_eq!(positions.unread(), COMPLETION_ENTRIES);
        }
    }
}

#[test]
fn an_id_names_what_it_was_made_for_or_nothing_lent_or_not() {
    let mut slab = Slab::new();
    let first = slab.insert(1).expect("heap");
    assert_eq!(slab.remove(first), Some(1));
    let second = slab.insert(2).expect("heap");
    assert_eq!(first.index(), second.index(), "the place is used again");
    assert_eq!((slab.get(first), slab.get(second)), (None, Some(&2)));
    assert_eq!((slab.find(first.word()), slab.find(second.word())), (None, Some(second)));
    assert_eq!(slab.remove(first), None);
    let lent = slab.lend();
    assert!(lent.take(first).is_none());
    assert!(lent.take(second).is_some_and(|taken| *taken == 2));
}
