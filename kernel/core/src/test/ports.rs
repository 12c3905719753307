//! Ranges of I/O ports: nothing beyond them, and who may have the console's.
use super::world::{Actor, PLENTY, World};
use crate::authority::capability::Object;
use capos_abi::interface::io_ports::{self, narrow, read};
use capos_abi::status::{self, Status};

/// Where the test machine's console lies, and its ports.
const CONSOLE: u64 = 0x3f8;
const CONSOLE_PORTS: u64 = 8;

fn take(world: &mut World, actor: Actor, ports: u64, first: u64, count: u64) -> (Status, u64) {
    let (done, words) = world.call_kernel(actor, ports, io_ports::ID, narrow::METHOD, &[first | count << 16]);
    (done.status, words.first().copied().unwrap_or(0))
}

#[test]
fn a_range_of_ports_ends_where_it_ends() {
    let mut world = World::new();
    let actor = world.actor("a", PLENTY);
    let all = world.give(actor, Object::IoPorts(0, 1 << 16), io_ports::ID);
    let (made, some) = take(&mut world, actor, all, 0x80, 4);
    assert_eq!(made, status::OK);
    for (first, count, wanted) in
        [(0, 0, status::BAD_ARGUMENT), (0, 5, status::BAD_ARGUMENT), (3, 2, status::BAD_ARGUMENT), (3, 1, status::OK)]
    {
        assert_eq!(take(&mut world, actor, some, first, count).0, wanted, "{first}, {count}");
    }
    for (port, wanted) in [(3, status::OK), (4, status::BAD_ARGUMENT)] {
        assert_eq!(world.call_kernel(actor, some, io_ports::ID, read::METHOD, &[port]).0.status, wanted, "{port}");
    }
}

#[test]
fn who_takes_all_ports_of_the_console_has_it() {
    let mut world = World::new();
    let actor = world.actor("a", PLENTY);
    let all = world.give(actor, Object::IoPorts(0, 1 << 16), io_ports::ID);
    // Some of its ports are not the console.
    assert_eq!(take(&mut world, actor, all, CONSOLE, CONSOLE_PORTS - 1).0, status::OK);
    assert_eq!(take(&mut world, actor, all, CONSOLE + 1, CONSOLE_PORTS).0, status::OK);
    assert!(!world.kernel.platform.console_is_released);
    assert_eq!(take(&mut world, actor, all, CONSOLE, CONSOLE_PORTS).0, status::OK);
    assert!(world.kernel.platform.console_is_released);
}
