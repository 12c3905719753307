//! Suspended processes: none of their threads runs, and none is forgotten, wherever it was.
use super::world::{Actor, PLENTY, World};
use crate::authority::capability::Object;
use crate::execution::schedule::account::SLICE_NANOSECONDS;
use crate::execution::thread::{State, Thread};
use crate::platform::Registers;
use crate::slab::Id;
use capos_abi::interface::process;
use capos_abi::ring::{Submission, op};
use capos_abi::status;

/// The smallest ring.
const RING_BYTES: u32 = 16 << 10;

/// Somebody who holds somebody else's process.
struct Pair {
    world: World,
    holder: Actor,
    victim: Actor,
    handle: u64,
}

impl Pair {
    fn new(processors: usize) -> Self {
        let mut world = World::new();
        world.kernel.platform.processors = processors;
        let (holder, victim) = (world.actor("holder", PLENTY), world.actor("victim", PLENTY));
        let handle = world.give(holder, Object::Process(victim.process), process::ID);
        world.settle();
        Self { world, holder, victim, handle }
    }

    fn call(&mut self, method: u16) {
        let (done, _) = self.world.call_kernel(self.holder, self.handle, process::ID, method, &[]);
        assert_eq!(done.status, status::OK);
        self.world.settle();
    }

    fn state(&self) -> State {
        self.world.kernel.threads[self.victim.thread].state
    }

    /// One more thread of the victim.
    fn add_thread(&mut self) -> Id<Thread> {
        let ledger = self.world.kernel.processes[self.victim.process].ledger;
        let registers = Registers { entry: 0x20_0000, ..Registers::default() };
        let made = self.world.kernel.new_thread(ledger, self.victim.process, registers, RING_BYTES).expect("room");
        self.world.settle();
        made
    }

    /// Lets the victim wait in the kernel until then.
    fn wait_until(&mut self, deadline: u64) {
        let State::Running(processor) = self.state() else { panic!("it runs") };
        let _ = self.world.kernel.enter(processor, 1, deadline);
        assert!(matches!(self.state(), State::Blocked(_)));
    }
}

#[test]
fn who_waits_for_a_processor_waits_no_more_and_gets_none() {
    let mut pair = Pair::new(1);
    let threads = [pair.add_thread(), pair.add_thread(), pair.victim.thread];
    pair.call(process::suspend::METHOD);
    for _ in 0..20 {
        pair.world.kernel.platform.now += 2 * SLICE_NANOSECONDS;
        let _ = pair.world.kernel.timer(0);
        let runs = pair.world.kernel.current(0);
        assert!(threads.iter().all(|&thread| runs != Some(thread)), "{runs:?}");
    }
    pair.call(process::resume::METHOD);
    assert!(threads.iter().all(|&thread| pair.world.kernel.threads[thread].state == State::Ready));
}

#[test]
fn a_deadline_of_who_stands_still_disturbs_nobody_until_it_goes_on() {
    let mut pair = Pair::new(2);
    let deadline = pair.world.kernel.platform.now + SLICE_NANOSECONDS;
    pair.wait_until(deadline);
    pair.call(process::suspend::METHOD);
    assert_eq!(pair.world.kernel.timers.earliest(), u64::MAX);
    pair.world.kernel.platform.now = 2 * deadline;
    pair.call(process::resume::METHOD);
    assert!(pair.world.kernel.platform.takes_again(pair.victim.thread.index()), "it enters again");
}

#[test]
fn who_is_stopped_at_the_door_of_the_kernel_enters_again() {
    let mut pair = Pair::new(2);
    let (State::Running(own), State::Running(other)) =
        (pair.world.kernel.threads[pair.holder.thread].state, pair.state())
    else {
        panic!("both run");
    };
    let entry = Submission {
        op: op::CALL,
        handle: pair.handle,
        interface: process::ID,
        method: process::suspend::METHOD,
        message_bytes: 8,
        result_offset: 1024,
        result_bytes: 64,
        ..Submission::default()
    };
    pair.world.write(pair.holder, 0, &[0]);
    pair.world.submit(pair.holder, entry);
    let _ = pair.world.kernel.enter(own, 0, 0);
    // The victim makes a system call before the interrupt has reached it.
    pair.world.submit(pair.victim, Submission::default());
    let _ = pair.world.kernel.enter(other, 1, 0);
    assert!(matches!(pair.state(), State::Suspended(_)));
    assert!(pair.world.completions(pair.victim).is_empty());
    pair.world.settle();
    pair.call(process::resume::METHOD);
    assert!(pair.world.kernel.platform.takes_again(pair.victim.thread.index()), "the call is made");
}

#[test]
fn a_thread_that_is_made_meanwhile_starts_with_the_others() {
    let mut pair = Pair::new(4);
    pair.call(process::suspend::METHOD);
    let made = pair.add_thread();
    assert_eq!(pair.world.kernel.threads[made].state, State::Created);
    pair.call(process::resume::METHOD);
    assert!(
        matches!(pair.world.kernel.threads[made].state, State::Running(_)),
        "on a processor that nobody else goes to"
    );
}
