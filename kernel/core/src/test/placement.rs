//! Who runs where, and whom that disturbs: masks, idle processors, timers, interrupts.
use super::scheduling::bind;
use super::world::{Actor, PLENTY, World};
use crate::authority::capability::Object;
use crate::execution::schedule::account::{Numbers, SLICE_NANOSECONDS};
use crate::execution::thread::State;
use crate::ledger::Amounts;
use capos_abi::interface::{process, thread};
use capos_abi::ring::{Submission, flag, op};
use capos_abi::status;
use proptest::prelude::*;

const FEW: Amounts = Amounts::new([200, 50, 50, 4]);
/// Threads that wait and are woken.
const THREADS: usize = 6;
/// Fewer processors than threads.
const PROCESSORS: usize = 3;
/// Nanoseconds; longer than a slice.
const LONG: u64 = 2 * SLICE_NANOSECONDS;

/// A WAIT for a bit of the thread's own, until then (0: for ever).
fn wait_until(deadline: u64) -> Submission {
    Submission { op: op::WAIT, tag: 3, arg: 1, deadline, ..Submission::default() }
}

/// Those who wait and are woken, and who wakes them.
struct Crew {
    world: World,
    conductor: Actor,
    actors: Vec<Actor>,
    /// The conductor's handle of each.
    handles: Vec<u64>,
    /// Each one's handle of the next.
    next: Vec<u64>,
}

impl Crew {
    fn new(processors: usize) -> Self {
        let mut world = World::new();
        world.kernel.platform.processors = processors;
        let conductor = world.actor("conductor", PLENTY);
        let actors: Vec<Actor> = (0..THREADS).map(|_| world.actor("thread", FEW)).collect();
        let give = |actor: &Actor| world.give(conductor, Object::Thread(actor.thread), thread::ID);
        let handles = actors.iter().map(give).collect();
        let mut give_next =
            |which: usize| world.give(actors[which], Object::Thread(actors[(which + 1) % THREADS].thread), thread::ID);
        let next = (0..THREADS).map(&mut give_next).collect();
        world.settle();
        Self { world, conductor, actors, handles, next }
    }

    fn state(&self, which: usize) -> State {
        self.world.kernel.threads[self.actors[which].thread].state
    }

    fn is_blocked(&self, which: usize) -> bool {
        matches!(self.state(which), State::Blocked(_))
    }

    fn block(&mut self, which: usize, deadline: u64) {
        let actor = self.actors[which];
        self.world.completions(actor);
        self.world.submit(actor, wait_until(deadline));
        self.world.enter(actor, 1);
    }

    fn wake(&mut self, which: usize) {
        let signal = Submission { op: op::SIGNAL, handle: self.handles[which], arg: 1, ..Submission::default() };
        assert_eq!(self.world.run(self.conductor, signal)[0].status, status::OK);
    }

    /// One wakes the next and waits: the processor goes from one to the other.
    fn hand_over(&mut self, which: usize) {
        let signal = Submission { op: op::SIGNAL, handle: self.next[which], arg: 1, ..Submission::default() };
        let actor = self.actors[which];
        self.world.completions(actor);
        self.world.submit(actor, Submission { flags: flag::QUIET, ..signal });
        self.world.submit(actor, wait_until(0));
        self.world.enter(actor, 1);
    }

    /// Submits as the conductor and enters, but no interrupted processor has looked yet: those that were interrupted.
    fn disturbs(&mut self, entry: Submission) -> Vec<usize> {
        let State::Running(here) = self.world.kernel.threads[self.conductor.thread].state else { panic!("it runs") };
        self.world.submit(self.conductor, entry);
        let _ = self.world.kernel.enter(here, 0, 0);
        let mut disturbed = self.world.kernel.platform.all_interrupted();
        disturbed.sort_unstable();
        disturbed.dedup();
        disturbed
    }

    /// Each runs where it may, and nobody waits while a processor is idle that could run it.
    fn check_masks(&self, masks: &[u64]) {
        let kernel = &self.world.kernel;
        let idle = (0..PROCESSORS).filter(|&p| kernel.current(p).is_none()).fold(0, |idle, p| idle | 1 << p);
        for (which, mask) in masks.iter().enumerate() {
            match self.state(which) {
                State::Running(processor) => assert!(mask >> processor & 1 == 1, "{which} runs on {processor}"),
                State::Ready => assert_eq!(mask & idle, 0, "{which} waits beside an idle processor"),
                _ => {}
            }
        }
    }

    /// Time goes on until a timer fires; how many do.
    fn fire_timers(&mut self) -> usize {
        let fired = self.world.kernel.platform.fire_timers();
        for &processor in &fired {
            let _ = self.world.kernel.timer(processor);
        }
        self.world.settle();
        fired.len()
    }

    /// Every thread that runs enters beside others and goes on.
    fn enter_beside(&mut self) {
        for processor in 0..8 {
            if self.world.kernel.current(processor).is_some() {
                let _ = self.world.kernel.lend().enter(processor, 0, 0);
            }
        }
    }

    /// A timer is set, not later than the first deadline.
    fn check_timers(&self, deadlines: &[u64]) {
        let alarms: Vec<u64> = (0..8).map(|p| self.world.kernel.platform.alarm(p)).collect();
        let sleeping = (0..THREADS).filter(|&which| self.is_blocked(which) && deadlines[which] != 0);
        let first = sleeping.map(|which| deadlines[which]).min().unwrap_or(u64::MAX);
        assert!(alarms.iter().any(|&alarm| alarm <= first), "nobody looks at {first}: {alarms:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn threads_run_only_where_their_masks_say_and_no_processor_is_idle_that_could_run_one(
        masks in proptest::collection::vec(1u64..1 << PROCESSORS, THREADS),
        steps in proptest::collection::vec((0u8..4, 0..THREADS), 1..60),
    ) {
        let mut crew = Crew::new(PROCESSORS);
        for (which, &processors) in masks.iter().enumerate() {
            let (conductor, thread) = (crew.conductor, crew.actors[which].thread);
            bind(&mut crew.world, conductor, thread, Numbers { processors, ..Numbers::ORDINARY });
            crew.check_masks(&masks[..=which]);
        }
        for (what, which) in steps {
            match what {
                0 if !crew.is_blocked(which) => crew.block(which, 0),
                1 if crew.is_blocked(which) => crew.wake(which),
                2 if !crew.is_blocked(which) && crew.is_blocked((which + 1) % THREADS) => crew.hand_over(which),
                _ => {
                    crew.world.kernel.platform.now += LONG;
                    let _ = crew.world.kernel.timer(which % PROCESSORS);
                    crew.world.settle();
                }
            }
            crew.check_masks(&masks);
        }
    }

    #[test]
    fn every_deadline_is_met_and_disturbs_not_every_processor(
        steps in proptest::collection::vec((0u8..4, 0..THREADS, 1u64..1000), 1..60),
    ) {
        let mut crew = Crew::new(8);
        let (mut deadlines, mut sleeps, mut disturbed) = ([0; THREADS], 0, 0);
        // Timers that were set while others came and went.
        while crew.fire_timers() > 0 {}
        for (what, which, span) in steps {
            match what {
                0 if !crew.is_blocked(which) => {
                    deadlines[which] = crew.world.kernel.platform.now + span;
                    crew.block(which, deadlines[which]);
                    sleeps += 1;
                }
                1 if crew.is_blocked(which) => crew.wake(which),
                2 => crew.enter_beside(),
                _ => {
                    disturbed += crew.fire_timers();
                }
            }
            let now = crew.world.kernel.platform.now;
            prop_assert!((0..THREADS).all(|it| !crew.is_blocked(it) || deadlines[it] > now), "{now}: {deadlines:?}");
            crew.check_timers(&deadlines);
        }
        // An earlier deadline that comes later has two timers set for the later one.
        prop_assert!(disturbed <= 2 * sleeps, "{disturbed} for {sleeps}");
    }
}

#[test]
fn no_timer_is_set_for_who_is_idle_or_runs_alone() {
    let mut crew = Crew::new(8);
    crew.block(0, 0);
    crew.fire_timers();
    assert!((0..8).all(|processor| crew.world.kernel.platform.alarm(processor) == u64::MAX));
    // With the conductor and the five others that run, nine threads for eight processors.
    for _ in 0..3 {
        crew.world.actor("newcomer", FEW);
    }
    crew.world.settle();
    let alarms = (0..8).filter(|&processor| crew.world.kernel.platform.alarm(processor) != u64::MAX).count();
    assert_eq!(alarms, 1, "of those processors one is shared");
}

#[test]
fn only_the_processor_that_a_thread_goes_to_is_interrupted() {
    let mut crew = Crew::new(8);
    let State::Running(home) = crew.state(2) else { panic!("it runs") };
    (0..THREADS).for_each(|which| crew.block(which, 0));
    let signal = Submission { op: op::SIGNAL, handle: crew.handles[2], arg: 1, ..Submission::default() };
    assert_eq!(crew.disturbs(signal), [home], "where it ran last");
    crew.world.settle();
    assert_eq!(crew.disturbs(signal), [], "it runs already");
}

#[test]
fn nobody_is_interrupted_for_a_thread_that_waits_for_its_turn() {
    let mut crew = Crew::new(2);
    crew.block(0, 0);
    let signal = Submission { op: op::SIGNAL, handle: crew.handles[0], arg: 1, ..Submission::default() };
    assert_eq!(crew.disturbs(signal), [], "three others wait for two busy processors, and had no more than this one");
    assert_eq!(crew.state(0), State::Ready);
}

#[test]
fn a_thread_that_changes_its_processor_gets_the_share_of_the_others_there() {
    let mut world = World::new();
    world.kernel.platform.processors = 2;
    let holder = world.actor("holder", PLENTY);
    let actors = [world.actor("a", FEW), world.actor("b", FEW), world.actor("c", FEW)];
    let on = |world: &mut World, which: usize, processors| {
        bind(world, holder, actors[which].thread, Numbers { processors, ..Numbers::ORDINARY });
    };
    (0..2).for_each(|which| on(&mut world, which, 1));
    on(&mut world, 2, 2);
    world.submit(holder, wait_until(0));
    world.enter(holder, 1);
    // Who has a processor for itself has had as much as the two others together.
    run_slices(&mut world, 200);
    let used = |world: &World| actors.map(|actor| world.kernel.threads[actor.thread].account.consumed);
    let thread = actors[2].thread;
    world.kernel.threads[thread].account.numbers.processors = 1;
    world.kernel.reconsider(thread);
    world.settle();
    let before = used(&world);
    run_slices(&mut world, 30);
    for (after, before) in used(&world).into_iter().zip(before) {
        assert!((after - before).abs_diff(10 * SLICE_NANOSECONDS) <= 2 * SLICE_NANOSECONDS, "{after} - {before}");
    }
}

/// Lets so many slices go by on both processors.
fn run_slices(world: &mut World, count: u32) {
    for _ in 0..count {
        world.kernel.platform.now += SLICE_NANOSECONDS;
        for processor in 0..2 {
            let _ = world.kernel.timer(processor);
        }
        world.settle();
    }
}

#[test]
fn only_processors_that_run_a_process_are_interrupted_when_it_stands_still_or_ends() {
    for (number, method) in [process::suspend::METHOD, process::kill::METHOD].into_iter().enumerate() {
        let mut crew = Crew::new(8);
        let State::Running(processor) = crew.state(number) else { panic!("it runs") };
        let target = crew.actors[number].process;
        let handle = crew.world.give(crew.conductor, Object::Process(target), process::ID);
        crew.world.write(crew.conductor, 0, &[0]);
        let call = Submission {
            op: op::CALL,
            handle,
            interface: process::ID,
            method,
            message_bytes: 8,
            result_offset: 1024,
            result_bytes: 64,
            ..Submission::default()
        };
        assert_eq!(crew.disturbs(call), [processor]);
    }
}

#[test]
fn an_idle_processor_takes_one_out_of_the_longest_line() {
    let mut world = World::new();
    world.kernel.platform.processors = 3;
    let alone = world.actor("alone", FEW);
    let threads: Vec<Actor> = (0..6).map(|_| world.actor("one of many", FEW)).collect();
    let pin = |world: &mut World, actor: Actor, processors: u64| {
        world.kernel.threads[actor.thread].account.numbers.processors = processors;
        world.kernel.reconsider(actor.thread);
        world.settle();
    };
    pin(&mut world, alone, 0b100);
    // Two on the first processor, four on the second.
    for (which, &actor) in threads.iter().enumerate() {
        pin(&mut world, actor, if which < 2 { 0b001 } else { 0b010 });
    }
    run_slices(&mut world, 3);
    // From now on all may run on the third one, too, which becomes idle.
    for &actor in &threads {
        world.kernel.threads[actor.thread].account.numbers.processors |= 0b100;
    }
    let State::Running(2) = world.kernel.threads[alone.thread].state else { panic!("it runs there alone") };
    let _ = world.kernel.enter(2, 1, 0);
    let taken = world.kernel.current(2).expect("somebody runs there");
    assert!(threads[2..].iter().any(|actor| actor.thread == taken), "one of four, not one of two");
}
