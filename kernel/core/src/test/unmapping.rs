//! Mappings that are taken away from a process, several at the same time: each goes in steps, and needs no memory of that process.
use super::ranges::{Owner, check_stays};
use super::reclaim::below;
use super::world::{Actor, PLENTY, World};
use super::{audit, exhaustion};
use crate::authority::handle::SlotRef;
use crate::execution::process::{Outcome, Process};
use crate::execution::stay::{STAY_BUDGET, Seen};
use crate::execution::thread::State;
use crate::execution::trap::FaultAccess;
use crate::ledger::{Amounts, Ledger};
use crate::memory::mapping::Mapping;
use crate::memory::range::Kind;
use crate::slab::Id;
use capos_abi::interface::ledger;
use capos_abi::interface::virtual_memory::{self, access, commit, decommit, hold, protect, reserve, unmap};
use capos_abi::status::{self, resource};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;

const PAGE: u64 = 4096;
/// Where mappings lie. They do not meet.
const START: u64 = 0x4_0000_0000;
const DISTANCE: u64 = 0x20_0000;
/// What suffices for a thread and its mappings.
const PAUPER: Amounts = Amounts::new([40, 20, 2, 1]);
/// Mappings that go at the same time, and the pages of each.
const MAPPINGS: u64 = 8;
const PAGES: u64 = 200;
/// Pages that one stay unmaps at most.
const PAGES_IN_A_STAY: u64 = 80;
/// Mappings among which much happens, and the pages of each.
const SOME: u64 = 4;
const FEW: u64 = 20;

/// Memory that somebody lends to a process, which has mapped it.
struct Loan {
    user: Owner,
    lender: Actor,
    /// Who pays for each memory object.
    payers: Vec<Id<Ledger>>,
    /// The capabilities that they were lent from.
    lent: Vec<SlotRef>,
    pages: u64,
}

impl Loan {
    /// So many mappings, each of memory of its own with so many pages, which are all filled.
    fn new(mappings: u64, pages: u64) -> Self {
        Self::to(PLENTY, mappings, pages)
    }

    fn to(limits: Amounts, mappings: u64, pages: u64) -> Self {
        let mut user = Owner::of(World::new(), limits);
        let Owner { world, actor, space } = &mut user;
        let lender = world.actor("lender", PLENTY);
        let own = world.ledger(lender);
        let (mut payers, mut lent) = (Vec::new(), Vec::new());
        for start in (START..).step_by(DISTANCE as usize).take(mappings as usize) {
            let (account, payer) = below(world, lender, own, &[pages, 0, 2, 0]);
            let data = [pages * PAGE];
            let memory =
                world.call_kernel(lender, account, ledger::ID, ledger::create_memory_object::METHOD, &data).1[0];
            let copy = world.copy(lender, memory, *actor);
            let mapped = world.map_at(*actor, *space, copy, start, pages * PAGE, access::READ_WRITE);
            assert_eq!(mapped, Ok(start));
            (0..pages).for_each(|page| world.touch(*actor, start + page * PAGE));
            payers.push(payer);
            lent.push(SlotRef { process: lender.process, index: memory as u32 });
        }
        let loan = Self { user, lender, payers, lent, pages };
        assert_eq!(loan.filled().len() as u64, mappings * pages);
        loan
    }

    /// The process has used up its kernel memory, and all room in its map.
    fn to_a_pauper(mappings: u64, pages: u64) -> Self {
        let mut loan = Self::to(PAUPER, mappings, pages);
        let Owner { world, actor, space } = &mut loan.user;
        let refused = (1..)
            .map(|page| [PAGE, START - 2 * page * PAGE])
            .map(|data| world.call_kernel(*actor, *space, virtual_memory::ID, reserve::METHOD, &data).0)
            .find(|done| done.status != status::OK);
        assert_eq!(exhaustion::said(&refused.expect("room has an end")).0, resource::KERNEL_MEMORY);
        loan
    }

    fn process(&self) -> &Process {
        &self.user.world.kernel.processes[self.user.actor.process]
    }

    /// Addresses of pages that the process reaches in its mappings.
    fn filled(&self) -> Vec<u64> {
        let space = self.process().space.expect("alive").0.0;
        let pages = self.user.world.kernel.platform.pages.keys();
        let end = START + DISTANCE * self.lent.len().max(1) as u64;
        pages.filter(|(at, page)| *at == space && (START..end).contains(page)).map(|(_, page)| *page).collect()
    }

    /// One stay that has so much left for this.
    fn stay<T>(&mut self, left: u32, act: impl FnOnce(&mut Self) -> T) -> T {
        self.user.world.kernel.begin_stay(0);
        self.user.world.kernel.stay.spend(STAY_BUDGET - left);
        act(self)
    }

    fn revoke(&mut self, which: usize) -> bool {
        self.user.world.kernel.revoke_step(self.lent[which])
    }

    fn revoke_all(&mut self, which: usize) {
        while !self.stay(STAY_BUDGET, |loan| loan.revoke(which)) {}
    }

    fn reclaim(&mut self, which: usize) -> bool {
        self.user.world.kernel.reclaim_step(self.payers[which])
    }

    /// Takes all of them away, a stay for each in turn, none of which is long.
    fn end_together(&mut self, end: impl Fn(&mut Self, usize) -> bool) {
        let mut left: Vec<_> = (0..self.lent.len()).collect();
        self.user.world.kernel.stay.seen = Seen::default();
        while !left.is_empty() {
            left.retain(|&which| !self.stay(STAY_BUDGET, |loan| end(loan, which)));
        }
        let stays = self.lent.len() as u64 * self.pages / PAGES_IN_A_STAY;
        check_stays(&self.user.world, stays as u32);
        self.check();
        assert!(self.filled().is_empty());
    }

    /// What is taken away is neither filled nor forgotten.
    fn check(&self) {
        let ranges = &self.process().ranges;
        for page in self.filled() {
            match ranges.find(page).map(|range| range.kind) {
                Some(Kind::Mapped { .. }) => {}
                Some(Kind::Unmapping { reached, .. }) => assert!(reached <= page),
                other => panic!("a page of {other:?}"),
            }
        }
        let pieces = ranges.iter().filter_map(|range| range.kind.piece());
        let mut mappings = BTreeMap::new();
        pieces.filter_map(|piece| piece.mapping).for_each(|place| *mappings.entry(place).or_insert(0) += 1);
        for place in 0..self.lent.len() as u32 {
            let counted = self.process().mappings.get(place).map(Mapping::pieces);
            assert_eq!(counted, mappings.get(&place).copied());
        }
    }

    /// Both processes end.
    fn end(&mut self) {
        let world = &mut self.user.world;
        for it in [self.user.actor, self.lender] {
            if world.kernel.processes.get(it.process).is_some() {
                world.kernel.end_process(it.process, Outcome::Killed);
            }
        }
        world.settle();
        assert_eq!((world.kernel.memory.len(), world.kernel.platform.pages.len()), (0, 0));
        audit::check(world);
    }
}

#[test]
fn mappings_of_a_pauper_are_revoked_together_in_steps() {
    let mut loan = Loan::to_a_pauper(MAPPINGS, PAGES);
    loan.end_together(Loan::revoke);
    audit::check(&loan.user.world);
    assert!(loan.process().ranges.iter_from(START).all(|range| range.kind == Kind::Reserved));
}

#[test]
fn memory_of_a_pauper_is_reclaimed_together_in_steps() {
    let mut loan = Loan::to_a_pauper(MAPPINGS, PAGES);
    loan.end_together(Loan::reclaim);
    audit::check(&loan.user.world);
}

#[test]
fn what_is_half_taken_away_cannot_be_reached_or_changed() {
    let mut loan = Loan::new(1, PAGES);
    loan.stay(STAY_BUDGET, |loan| assert!(!loan.revoke(0)));
    let left = loan.filled();
    let (first, last) = (START, *left.iter().max().expect("some are left"));
    assert!(left.len() < PAGES as usize && !left.contains(&first));
    for (method, data) in [
        (protect::METHOD, &[last, PAGE, access::READ.into()][..]),
        (hold::METHOD, &[last, PAGE]),
        (decommit::METHOD, &[last, PAGE]),
        (commit::METHOD, &[first, PAGE, access::READ.into()]),
        (reserve::METHOD, &[PAGE, first]),
    ] {
        let Owner { world, actor, space } = &mut loan.user;
        let refused = world.call_kernel(*actor, *space, virtual_memory::ID, method, data).0;
        assert_eq!(refused.status, status::BAD_STATE, "method {method}");
    }
    // Its page is not there any more, and comes back no more.
    let State::Running(processor) = loan.user.world.kernel.threads[loan.user.actor.thread].state else {
        panic!("runs")
    };
    let _ = loan.user.world.kernel.page_fault(processor, first, FaultAccess::Read, false, 0);
    loan.user.world.settle();
    assert!(loan.user.world.kernel.platform.console.contains("faulted: Read"));
    loan.revoke_all(0);
    loan.end();
}

/// What happens to mappings: which one, or which pages, and how much the stay may do.
#[derive(Clone, Debug)]
enum Step {
    Revoke(usize, u32),
    Reclaim(usize, u32),
    /// A stay of an `unmap` that nobody goes on with.
    Unmap(Range<u64>, u32),
    Change(u16, Range<u64>),
}

fn step() -> impl Strategy<Value = Step> {
    let which = 0..SOME as usize;
    let left = 1..STAY_BUDGET / 4;
    let pages = (0..SOME, 0..FEW, 1..=FEW).prop_map(|(which, first, count)| {
        let start = START + which * DISTANCE;
        start + first * PAGE..start + (first + count).min(FEW) * PAGE
    });
    let method = prop::sample::select(vec![unmap::METHOD, protect::METHOD, hold::METHOD]);
    prop_oneof![
        3 => (which.clone(), left.clone()).prop_map(|(which, left)| Step::Revoke(which, left)),
        1 => (which, left.clone()).prop_map(|(which, left)| Step::Reclaim(which, left)),
        3 => (pages.clone(), left).prop_map(|(pages, left)| Step::Unmap(pages, left)),
        2 => (method, pages).prop_map(|(method, pages)| Step::Change(method, pages)),
    ]
}

impl Loan {
    fn apply(&mut self, step: Step) {
        match step {
            Step::Revoke(which, left) => drop(self.stay(left, |loan| loan.revoke(which))),
            Step::Reclaim(which, left) => drop(self.stay(left, |loan| loan.reclaim(which))),
            Step::Unmap(pages, left) => self.stay(left, |loan| loan.unmap(pages)),
            Step::Change(method, pages) => {
                let Owner { world, actor, space } = &mut self.user;
                let data = [pages.start, pages.end - pages.start, access::READ.into()];
                let done = world.call_kernel(*actor, *space, virtual_memory::ID, method, &data).0.status;
                assert!([status::OK, status::BAD_STATE].contains(&done));
            }
        }
    }

    fn unmap(&mut self, pages: Range<u64>) {
        let (kernel, process) = (&mut self.user.world.kernel, self.user.actor.process);
        let mut at = pages.start;
        while at < pages.end
            && !kernel.stay.is_over()
            && let Some(part) = kernel.processes[process].ranges.first(at, pages.end)
        {
            at = kernel.vacate_part(process, part).expect("room");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whoever_takes_mappings_away_and_stops_leaves_the_rest_to_others(steps in prop::collection::vec(step(), 1..40)) {
        let mut loan = Loan::new(SOME, FEW);
        for step in steps {
            loan.apply(step);
            loan.check();
        }
        (0..SOME as usize).for_each(|which| loan.revoke_all(which));
        loan.check();
        let ranges = &loan.process().ranges;
        assert!(ranges.iter().filter_map(|range| range.kind.piece()).all(|piece| piece.held));
        loan.end();
    }
}
