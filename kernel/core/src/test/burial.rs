//! What ended is put away in steps, however much it is.
use super::world::{Actor, PLENTY, World};
use crate::authority::capability::Object;
use crate::execution::process::{Outcome, State as ProcessState};
use crate::ledger::Amounts;

/// Ends a process, and counts the stays until nothing of it is left.
fn stays_of_burial(world: &mut World, actor: Actor) -> u32 {
    world.kernel.end_process(actor.process, Outcome::Killed);
    let mut stays = 0;
    while !world.kernel.chores.is_empty() || world.kernel.platform.has_interrupted() {
        world.stay();
        stays += 1;
    }
    stays
}

#[test]
fn the_slots_of_a_process_end_in_steps() {
    const SLOTS: u32 = 3000;
    const SLOTS_IN_A_STAY: u32 = 150;
    let mut world = World::new();
    let actor = world.actor("a", Amounts::new([1000, 2 * u64::from(SLOTS), 100, 1]));
    world.kernel.begin_stay(0);
    world.kernel.reserve_handles(actor.process, SLOTS).expect("room");
    assert!(world.kernel.stay.is_over(), "making them is not for nothing");
    world.kernel.unreserve_handles(actor.process, SLOTS);
    let stays = stays_of_burial(&mut world, actor);
    assert!(stays > SLOTS / SLOTS_IN_A_STAY, "{stays} stays");
}

#[test]
fn many_small_ends_go_in_steps() {
    const PROCESSES: usize = 100;
    const ENDS_IN_A_STAY: usize = 15;
    let mut world = World::new();
    let actor = world.actor("a", PLENTY);
    let (ledger, session) = (world.kernel.processes[actor.process].ledger, world.kernel.sessions.system);
    let made: Vec<_> = (0..PROCESSES)
        .map(|_| {
            let process = world.kernel.new_process(ledger, session, "empty").expect("room");
            world.kernel.retain(Object::Process(process));
            process
        })
        .collect();
    made.iter().for_each(|&process| world.kernel.end_process(process, Outcome::Killed));
    let mut ended = 0;
    while !world.kernel.chores.is_empty() {
        world.stay();
        let now = made.iter().filter(|&&id| matches!(world.kernel.processes[id].state, ProcessState::Ended(_))).count();
        assert!(now - ended <= ENDS_IN_A_STAY, "{} in one stay", now - ended);
        ended = now;
    }
    assert_eq!(ended, PROCESSES);
}

#[test]
fn what_ends_meanwhile_is_put_away_behind_what_is_not_put_away_yet() {
    let mut world = World::new();
    let before = world.footprint();
    let actors = [0, 1, 2].map(|_| world.actor("one of three", Amounts::new([1000, 1000, 100, 1])));
    for actor in actors {
        world.kernel.begin_stay(0);
        world.kernel.reserve_handles(actor.process, 800).expect("room");
        world.kernel.unreserve_handles(actor.process, 800);
    }
    for actor in actors {
        world.kernel.begin_stay(0);
        world.kernel.end_process(actor.process, Outcome::Killed);
        for _ in 0..3 {
            world.stay();
        }
        assert!(!world.kernel.chores.is_empty(), "that takes longer");
    }
    world.settle();
    assert_eq!(world.footprint(), before);
}
