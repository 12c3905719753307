//! Interrupt lines: who may have one, and for how long.
use super::grants::{manager, revoke};
use super::reclaim::{below, reclaim};
use super::world::{Actor, PLENTY, World};
use crate::authority::capability::Object;
use capos_abi::interface::interrupt_lines::{ID, open};
use capos_abi::interface::{interrupt, ledger};
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

fn notification(world: &mut World, actor: Actor, paying: u64) -> u64 {
    world.call_kernel(actor, paying, ledger::ID, ledger::create_notification::METHOD, &[]).1[0]
}

/// Binds a line to a new notification, of which an interrupt sets bit 0; the notification.
fn bind(world: &mut World, actor: Actor, paying: u64, line: u64) -> u64 {
    let made = notification(world, actor, paying);
    assert_eq!(bind_to(world, actor, made, line), status::OK);
    made
}

/// Binds a line to a notification; the status.
fn bind_to(world: &mut World, actor: Actor, notification: u64, line: u64) -> i32 {
    world.call_with(actor, line, interrupt::ID, interrupt::bind::METHOD, notification, &[1]).0.status
}

/// Begins to wait for a notification.
fn wait(world: &mut World, actor: Actor, notification: u64) {
    let entry = Submission { op: op::WAIT, tag: 3, handle: notification, arg: u64::MAX, ..Submission::default() };
    assert!(world.run(actor, entry).is_empty());
}

#[test]
fn a_revoked_interrupt_line_is_masked_and_wakes_nobody() {
    let mut world = World::new();
    let (owner, driver) = (world.actor("owner", PLENTY), world.actor("driver", PLENTY));
    let (lines, manager) = (world.give(owner, Object::InterruptLines, ID), manager(&mut world, owner));
    let (_, opened) = world.call_kernel(owner, lines, ID, open::METHOD, &[4]);
    let (line, own) = (world.copy(owner, opened[0], driver), world.ledger(driver));
    let notification = bind(&mut world, driver, own, line);
    wait(&mut world, driver, notification);
    assert!(world.kernel.platform.enabled_lines.contains(&4));
    let _ = world.kernel.interrupt(0, 4);
    assert_eq!(world.completions(driver)[0].value, 1);

    let notification = bind(&mut world, driver, own, line);
    wait(&mut world, driver, notification);
    revoke(&mut world, owner, manager, opened[0]);
    assert!(!world.kernel.platform.enabled_lines.contains(&4));
    let _ = world.kernel.interrupt(0, 4);
    assert!(world.completions(driver).is_empty());
}

#[test]
fn a_line_is_masked_when_the_ledger_of_its_notification_is_reclaimed() {
    let mut world = World::new();
    let driver = world.actor("driver", PLENTY);
    let (lines, own) = (world.give(driver, Object::InterruptLines, ID), world.ledger(driver));
    let (_, opened) = world.call_kernel(driver, lines, ID, open::METHOD, &[4]);
    let (paying, _) = below(&mut world, driver, own, &[0, 0, 1, 0]);
    bind(&mut world, driver, paying, opened[0]);
    assert!(world.kernel.platform.enabled_lines.contains(&4));
    reclaim(&mut world, driver, paying);
    assert!(!world.kernel.platform.enabled_lines.contains(&4));
}

#[test]
fn no_line_is_bound_to_a_notification_whose_ledger_was_reclaimed() {
    let mut world = World::new();
    let driver = world.actor("driver", PLENTY);
    let (lines, own) = (world.give(driver, Object::InterruptLines, ID), world.ledger(driver));
    let (_, opened) = world.call_kernel(driver, lines, ID, open::METHOD, &[4]);
    let (paying, _) = below(&mut world, driver, own, &[0, 0, 1, 0]);
    let (bound, gone) = (bind(&mut world, driver, own, opened[0]), notification(&mut world, driver, paying));
    reclaim(&mut world, driver, paying);
    assert_eq!(bind_to(&mut world, driver, gone, opened[0]), status::BAD_CAPABILITY);
    // The line does what it did.
    assert!(world.kernel.platform.enabled_lines.contains(&4));
    wait(&mut world, driver, bound);
    let _ = world.kernel.interrupt(0, 4);
    assert_eq!(world.completions(driver)[0].value, 1);
}
