//! The open faults of a process against a list in the order in which they came.
use super::world::{Actor, PLENTY, World};
use crate::authority::capability::Object;
use crate::execution::process::Outcome;
use crate::execution::thread::{State, Thread};
use crate::execution::trap::{Fault, FaultKind};
use crate::slab::Id;
use capos_abi::interface::{fault_handler, process};
use capos_abi::ring::{MIN_AREA_BYTES, Submission, op};
use capos_abi::status;
use proptest::prelude::*;

/// Threads of the process that fault; the test's machine runs all at once.
const THREADS: usize = 6;

#[derive(Clone, Debug)]
enum Step {
    Fault(usize),
    Next,
    Resume(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..THREADS).prop_map(Step::Fault),
        2 => Just(Step::Next),
        2 => (0..THREADS).prop_map(Step::Resume),
    ]
}

/// A program whose threads fault, and who answers for it.
struct Scene {
    world: World,
    holder: Actor,
    handler: u64,
    victim: Actor,
    threads: Vec<Id<Thread>>,
}

impl Scene {
    fn new() -> Self {
        let mut world = World::new();
        let (holder, victim) = (world.actor("holder", PLENTY), world.actor("victim", PLENTY));
        let control = world.give(holder, Object::Process(victim.process), process::ID);
        let method = process::handle_faults::METHOD;
        let handler = world.call_kernel(holder, control, process::ID, method, &[]).1[0];
        let ledger = world.kernel.processes[victim.process].ledger;
        let mut threads = vec![victim.thread];
        while threads.len() < THREADS {
            let made = world.kernel.new_thread(ledger, victim.process, Default::default(), MIN_AREA_BYTES);
            threads.push(made.expect("room"));
        }
        world.settle();
        Self { world, holder, handler, victim, threads }
    }

    fn answer(&mut self, method: u16, data: &[u64]) -> (i32, Vec<u64>) {
        let (done, words) = self.world.call_kernel(self.holder, self.handler, fault_handler::ID, method, data);
        self.world.settle();
        (done.status, words)
    }

    /// A thread that runs faults at this address.
    fn fault(&mut self, thread: Id<Thread>, address: u64) {
        let State::Running(processor) = self.world.kernel.threads[thread].state else { panic!("it does not run") };
        let _ = self.world.kernel.fault(processor, Fault { kind: FaultKind::Write, address, instruction: 0x20_0000 });
        self.world.settle();
    }
}

proptest! {
    #[test]
    fn faults_are_told_once_in_order_and_answered_in_any(steps in proptest::collection::vec(step(), 0..40)) {
        let mut scene = Scene::new();
        let number = |thread: Id<Thread>| u64::from(thread.index());
        let (mut untold, mut told): (Vec<Id<Thread>>, Vec<Id<Thread>>) = (Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Fault(index) => {
                    let thread = scene.threads[index];
                    if !untold.contains(&thread) && !told.contains(&thread) {
                        scene.fault(thread, 0x1000 + number(thread));
                        untold.push(thread);
                    }
                }
                Step::Next if untold.is_empty() => {
                    let next = fault_handler::next::METHOD;
                    let wait = Submission { op: op::CALL, tag: 1, handle: scene.handler, interface: fault_handler::ID, method: next, ..Submission::default() };
                    let cancel = Submission { op: op::CANCEL, tag: 2, arg: 1, ..Submission::default() };
                    prop_assert_eq!(scene.world.run(scene.holder, Submission { result_offset: 1024, result_bytes: 64, ..wait }), [], "the handler knows all");
                    prop_assert_eq!(scene.world.run(scene.holder, cancel)[0].status, status::CANCELLED);
                }
                Step::Next => {
                    let thread = untold.remove(0);
                    let (done, words) = scene.answer(fault_handler::next::METHOD, &[]);
                    let (who, address) = (u64::from(words[1] as u32), words[2]);
                    prop_assert_eq!((done, who, address), (status::OK, number(thread), 0x1000 + number(thread)));
                    told.push(thread);
                }
                Step::Resume(index) => {
                    let thread = scene.threads[index];
                    let is_open = untold.contains(&thread) || told.contains(&thread);
                    let (done, _) = scene.answer(fault_handler::resume::METHOD, &[number(thread), 0]);
                    prop_assert_eq!(done, if is_open { status::OK } else { status::BAD_STATE });
                    untold.retain(|other| *other != thread);
                    told.retain(|other| *other != thread);
                }
            }
            for thread in &scene.threads {
                let is_open = untold.contains(thread) || told.contains(thread);
                prop_assert_eq!(scene.world.kernel.threads[*thread].state == State::Faulted, is_open);
            }
        }
        // Nobody answers any more.
        let foreign = scene.answer(fault_handler::resume::METHOD, &[number(scene.holder.thread), 0]).0;
        prop_assert_eq!(foreign, status::BAD_STATE, "a thread of another process");
        scene.world.kernel.end_process(scene.holder.process, Outcome::Killed);
        scene.world.settle();
        let ended = !scene.world.kernel.processes.get(scene.victim.process).is_some_and(|entry| entry.is_alive());
        prop_assert_eq!(ended, !untold.is_empty() || !told.is_empty());
    }
}
