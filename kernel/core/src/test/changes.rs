//! Changes of addresses that take several stays: each goes on where it stopped.
use super::ranges::Owner;
use super::world::World;
use crate::ledger::{Amounts, Resource};
use crate::memory::range::Range;
use capos_abi::PAGE_BYTES;
use capos_abi::interface::virtual_memory::{self, access, commit, decommit, protect, reserve};
use capos_abi::status::{self, Status};

/// Where the ranges begin.
const START: u64 = 0x2_0000_0000;
/// Bytes that the lowest page table covers.
const TABLE_BYTES: u64 = 2 << 20;

fn call(owner: &mut Owner, method: u16, data: &[u64]) -> Status {
    owner.world.call_kernel(owner.actor, owner.space, virtual_memory::ID, method, data).0.status
}

#[test]
fn wherever_a_hole_lies_nothing_is_changed() {
    const PAGES: u64 = 200;
    let mut owner = Owner::of(World::new(), Amounts::new([2000, 500, 200, 16]));
    assert_eq!(call(&mut owner, reserve::METHOD, &[PAGES * PAGE_BYTES, START]), status::OK);
    let page = |number: u64| START + number * PAGE_BYTES;
    // Neighbours differ, so that each page is a range of its own.
    let access = |number: u64| u64::from(if number.is_multiple_of(2) { access::READ } else { access::READ_WRITE });
    for number in 0..PAGES {
        assert_eq!(call(&mut owner, commit::METHOD, &[page(number), PAGE_BYTES, access(number)]), status::OK);
    }
    let map = |owner: &Owner| -> Vec<Range> {
        owner.world.kernel.processes[owner.actor.process].ranges.iter_from(START).copied().collect()
    };
    for hole in 0..PAGES {
        assert_eq!(call(&mut owner, decommit::METHOD, &[page(hole), PAGE_BYTES]), status::OK);
        let before = map(&owner);
        let data = [START, PAGES * PAGE_BYTES, access::NONE.into()];
        assert_eq!(call(&mut owner, protect::METHOD, &data), status::BAD_STATE, "the hole is page {hole}");
        assert!(map(&owner) == before, "the hole is page {hole}");
        assert_eq!(call(&mut owner, commit::METHOD, &[page(hole), PAGE_BYTES, access(hole)]), status::OK);
    }
}

#[test]
fn every_page_table_of_what_is_committed_is_there_and_paid_for() {
    const TABLES: u64 = 25;
    let frames = TABLES * TABLE_BYTES / PAGE_BYTES;
    let mut owner = Owner::of(World::with_frames(2 * frames), Amounts::new([frames + 200, 50, 50, 4]));
    let bytes = TABLES * TABLE_BYTES;
    assert_eq!(call(&mut owner, reserve::METHOD, &[bytes, START]), status::OK);
    let stays = owner.world.kernel.stay.seen.stays;
    assert_eq!(call(&mut owner, commit::METHOD, &[START, bytes, access::READ_WRITE.into()]), status::OK);
    assert!(owner.world.kernel.stay.seen.stays - stays > 2, "it has taken several stays");
    let payer = owner.world.kernel.processes[owner.actor.process].ledger;
    let used = |owner: &Owner| owner.world.kernel.ledgers[payer].used().of(Resource::Frames);
    let before = used(&owner);
    for table in 0..TABLES {
        owner.world.touch(owner.actor, START + table * TABLE_BYTES);
    }
    let filled = owner.world.kernel.platform.pages.keys().filter(|(_, page)| *page >= START).count();
    assert_eq!(filled as u64, TABLES, "each page was filled");
    assert_eq!(used(&owner), before, "a first touch costs nothing");
}
