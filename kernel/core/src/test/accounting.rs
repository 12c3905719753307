//! Three programs do whatever they may: after each step the books are right, and in the end nothing is left.
use super::audit;
use super::calls::{SERVED_INTERFACE, call, receive};
use super::world::{Actor, PLENTY, World};
use crate::authority::capability::Object;
use crate::execution::process::Outcome;
use crate::execution::thread::State;
use capos_abi::PAGE_BYTES;
use capos_abi::interface::virtual_memory::{access, commit, decommit, hold, protect, reserve, unmap};
use capos_abi::interface::{endpoint_server, ledger, process, virtual_memory};
use capos_abi::ring::{Submission, op};
use proptest::prelude::*;

/// Programs.
const PLAYERS: usize = 3;
/// Pages of addresses that each uses: few, so that ranges meet.
const PAGES: u64 = 8;
/// Where they lie.
const PLACE: u64 = 0x10_0000_0000;
/// The tag of `receive`.
const RECEIVE_TAG: u64 = 200;
/// A tag that nothing else uses.
const FREE_TAG: u16 = 250;

#[derive(Clone, Copy, Debug)]
enum Make {
    Notification,
    Endpoint,
    Memory,
    Process,
    Ledger,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A ledger, the own one or the one below it, makes something.
    Make(bool, Make),
    /// A method of `VirtualMemory`, at this page, of so many.
    Addresses(u16, u64, u64),
    Map(usize),
    /// Changes what was mapped last.
    Mapped(u16),
    Mint(usize),
    Receive(usize),
    Call(usize, u16),
    Wait(usize, u16),
    Join(usize, u16),
    Cancel(u64),
    Copy(usize, usize),
    Release(usize),
    Reclaim,
    End,
}

fn step() -> impl Strategy<Value = Step> {
    let make =
        prop::sample::select(vec![Make::Notification, Make::Endpoint, Make::Memory, Make::Process, Make::Ledger]);
    let change = [
        reserve::METHOD,
        reserve::METHOD,
        commit::METHOD,
        commit::METHOD,
        decommit::METHOD,
        protect::METHOD,
        unmap::METHOD,
    ];
    let change = prop::sample::select(change.to_vec());
    let mapped = prop::sample::select(vec![hold::METHOD, hold::METHOD, unmap::METHOD, decommit::METHOD]);
    let (which, tag) = (0usize..64, 0u16..40);
    let tagged = (which.clone(), tag.clone());
    prop_oneof![
        8 => (any::<bool>(), make).prop_map(|(own, what)| Step::Make(own, what)),
        6 => (change, 0..PAGES, 1u64..4).prop_map(|(what, at, pages)| Step::Addresses(what, at, pages)),
        3 => which.clone().prop_map(Step::Map),
        2 => mapped.prop_map(Step::Mapped),
        2 => which.clone().prop_map(Step::Mint),
        2 => which.clone().prop_map(Step::Receive),
        2 => tagged.clone().prop_map(|(which, tag)| Step::Call(which, tag)),
        2 => tagged.clone().prop_map(|(which, tag)| Step::Wait(which, tag)),
        2 => tagged.prop_map(|(which, tag)| Step::Join(which, tag)),
        2 => prop_oneof![Just(RECEIVE_TAG), tag.prop_map(u64::from)].prop_map(Step::Cancel),
        3 => (which.clone(), 0..PLAYERS).prop_map(|(which, to)| Step::Copy(which, to)),
        3 => which.prop_map(Step::Release),
        1 => Just(Step::Reclaim),
        1 => prop::bool::weighted(0.2).prop_map(|ends| if ends { Step::End } else { Step::Reclaim }),
    ]
}

/// A program, and every handle that it ever had.
struct Player {
    actor: Actor,
    own: u64,
    below: u64,
    space: u64,
    handles: Vec<u64>,
    /// Where it has mapped something last.
    mapped: u64,
}

impl Player {
    fn new(world: &mut World) -> Self {
        let actor = world.actor("player", PLENTY);
        let own = world.ledger(actor);
        let limits = [300, 60, 30, 4];
        let (_, made) = world.call_kernel(actor, own, ledger::ID, ledger::create_ledger::METHOD, &limits);
        let space = world.give(actor, Object::VirtualMemory(actor.process), virtual_memory::ID);
        Self { actor, own, below: made[0], space, handles: Vec::new(), mapped: 0 }
    }

    fn is_running(&self, world: &World) -> bool {
        let thread = world.kernel.threads.get(self.actor.thread);
        thread.is_some_and(|thread| matches!(thread.state, State::Running(_) | State::Ready))
    }

    /// One of its capabilities to such an object; no handle if it has none.
    fn pick(&self, world: &World, which: usize, is_wanted: fn(&Object) -> bool) -> u64 {
        let table = &world.kernel.processes[self.actor.process].handles;
        let is_fit = |handle: &&u64| table.get(**handle).is_some_and(|held| is_wanted(&held.object));
        let fitting: Vec<u64> = self.handles.iter().filter(is_fit).copied().collect();
        fitting.get(which % fitting.len().max(1)).copied().unwrap_or(0)
    }

    /// Calls a method; keeps what comes.
    fn call(&mut self, world: &mut World, handle: u64, interface: u64, method: u16, data: &[u64]) {
        if handle != 0 {
            let (done, words) = world.call_kernel(self.actor, handle, interface, method, data);
            self.handles.extend(words.iter().take(done.caps.into()));
        }
    }

    fn make(&mut self, world: &mut World, payer: u64, what: Make) {
        let (method, data): (u16, &[u64]) = match what {
            Make::Notification => (ledger::create_notification::METHOD, &[]),
            Make::Endpoint => (ledger::create_endpoint::METHOD, &[]),
            Make::Memory => (ledger::create_memory_object::METHOD, &[3 * PAGE_BYTES]),
            Make::Process => (ledger::create_process::METHOD, &[]),
            Make::Ledger => (ledger::create_ledger::METHOD, &[20, 5, 5, 1]),
        };
        self.call(world, payer, ledger::ID, method, data);
    }

    /// Takes a step; what comes of it does not matter here.
    fn take(&mut self, world: &mut World, step: Step) {
        let actor = self.actor;
        match step {
            Step::Make(own, what) => self.make(world, if own { self.own } else { self.below }, what),
            Step::Addresses(method, page, pages) => {
                let (at, bytes) = (PLACE + page * PAGE_BYTES, pages * PAGE_BYTES);
                let rest = u64::from(access::READ_WRITE);
                let data = if method == reserve::METHOD { [bytes, at, 0] } else { [at, bytes, rest] };
                self.call(world, self.space, virtual_memory::ID, method, &data);
            }
            Step::Map(which) => {
                let memory = self.pick(world, which, |object| matches!(object, Object::Memory(_)));
                self.mapped = world.map(actor, memory, 2 * PAGE_BYTES, access::READ_WRITE).unwrap_or(self.mapped);
            }
            Step::Mapped(method) => {
                self.call(world, self.space, virtual_memory::ID, method, &[self.mapped, PAGE_BYTES]);
            }
            Step::Mint(which) => {
                let endpoint = self.pick(world, which, |object| matches!(object, Object::Endpoint(_)));
                let (interface, method) = (endpoint_server::ID, endpoint_server::mint::METHOD);
                self.call(world, endpoint, interface, method, &[SERVED_INTERFACE, 1]);
            }
            Step::Receive(which) => {
                let endpoint = self.pick(world, which, |object| matches!(object, Object::Endpoint(_)));
                world.run(actor, receive(endpoint));
            }
            Step::Call(which, tag) => {
                let object = self.pick(world, which, |object| matches!(object, Object::Served(_)));
                world.run(actor, Submission { tag, ..call(object) });
            }
            Step::Wait(which, tag) => {
                let handle = self.pick(world, which, |object| matches!(object, Object::Notification(_)));
                world.run(actor, Submission { op: op::WAIT, tag, handle, arg: 1, ..Submission::default() });
            }
            Step::Join(which, tag) => {
                let handle = self.pick(world, which, |object| matches!(object, Object::Process(_)));
                let (interface, method) = (process::ID, process::wait::METHOD);
                let wait = Submission { op: op::CALL, tag, handle, interface, method, ..Submission::default() };
                world.run(actor, Submission { result_offset: 1024, result_bytes: 64, ..wait });
            }
            Step::Cancel(arg) => {
                world.run(actor, Submission { op: op::CANCEL, tag: FREE_TAG, arg, ..Submission::default() });
            }
            Step::Release(which) => {
                let handle = self.pick(world, which, |_| true);
                world.run(actor, Submission { op: op::RELEASE, handle, ..Submission::default() });
            }
            Step::Reclaim => {
                let more = u64::from(ledger::progress::MORE);
                let (below, method) = (self.below, ledger::reclaim::METHOD);
                while world.call_kernel(actor, below, ledger::ID, method, &[]).1.get(1) == Some(&more) {
                    world.settle();
                }
            }
            Step::End => world.kernel.end_process(actor.process, Outcome::Killed),
            Step::Copy(..) => {}
        }
    }
}

fn copy(world: &mut World, players: &mut [Player], from: usize, which: usize, to: usize) {
    let handle = players[from].pick(world, which, |_| true);
    if handle != 0 && players[to].is_running(world) {
        let copy = world.copy(players[from].actor, handle, players[to].actor);
        players[to].handles.push(copy);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_charge_is_for_something_that_exists(steps in proptest::collection::vec((0..PLAYERS, step()), 1..150)) {
        let mut world = World::new();
        let before = world.footprint();
        let mut players: Vec<Player> = (0..PLAYERS).map(|_| Player::new(&mut world)).collect();
        for (who, step) in steps {
            if !players[who].is_running(&world) {
                continue;
            }
            match step {
                Step::Copy(which, to) => copy(&mut world, &mut players, who, which, to),
                step => players[who].take(&mut world, step),
            }
            world.settle();
            audit::check(&world);
            players.iter().filter(|player| player.is_running(&world)).map(|player| player.actor).collect::<Vec<_>>()
                .into_iter().for_each(|actor| drop(world.completions(actor)));
        }
        for index in 0..world.kernel.processes.slots() {
            if let Some(process) = world.kernel.processes.id_at(index) {
                world.kernel.end_process(process, Outcome::Killed);
                world.settle();
            }
        }
        audit::check(&world);
        prop_assert_eq!(world.footprint(), before, "nothing is left");
    }
}
