//! Interrupt lines: who may have one.
use super::world::{PLENTY, World};
use crate::authority::capability::Object;
use capos_abi::interface::interrupt_lines::{ID, open};
use capos_abi::ring::{Submission, op};
use capos_abi::status;

#[test]
fn an_interrupt_line_has_one_holder_at_a_time() {
    let mut world = World::new();
    let actor = world.actor("a", PLENTY);
    let lines = world.give(actor, Object::InterruptLines, ID);
    let open = |world: &mut World, line| {
        let (done, words) = world.call_kernel(actor, lines, ID, open::METHOD, &[line]);
        (done.status, words.first().copied().unwrap_or(0))
    };
    let (opened, interrupt) = open(&mut world, 4);
    assert_eq!(opened, status::OK);
    assert_eq!(open(&mut world, 4).0, status::BAD_STATE);
    assert_eq!(open(&mut world, 5).0, status::OK, "another line is free");
    assert_eq!(open(&mut world, 16).0, status::BAD_ARGUMENT, "there is no such line");
    let release = Submission { op: op::RELEASE, handle: interrupt, ..Submission::default() };
    assert_eq!(world.run(actor, release)[0].status, status::OK);
    assert_eq!(open(&mut world, 4).0, status::OK, "it was given back");
}
