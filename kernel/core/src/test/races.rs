//! Servers killed in the middle of everything, and large trees of grants: few in `cargo test`, many with `CAPOS_SOAK`.
use super::calls::{SERVED_INTERFACE, call, receive, reply};
use super::dice::{Dice, choose};
use super::world::{Actor, PLENTY, World};
use crate::authority::capability::Object;
use crate::authority::handle::SlotRef;
use crate::execution::process::Outcome;
use crate::ledger::{Amounts, Ledger};
use capos_abi::interface::{endpoint, ledger, null};
use capos_abi::ring::{Completion, Submission, kind, op};
use capos_abi::status;
use std::collections::BTreeSet;

/// Clients of a durable object, and the calls that they have not seen the end of.
struct Load {
    clients: Vec<(Actor, u64)>,
    open: BTreeSet<u64>,
    next: u64,
    ends: [u32; 3],
}

/// Tags of one client: 0 belongs to what ends at once.
const TAGS: u64 = 4;

impl Load {
    fn call(&mut self, world: &mut World, dice: &mut Dice) {
        let at = dice.below(self.clients.len());
        let (client, object) = self.clients[at];
        let tag = 1 + self.next % TAGS;
        let name = self.next * 64 + at as u64 * 8 + tag;
        let in_use = self.open.iter().any(|n| n % 64 == name % 64);
        if !in_use {
            self.next += 1;
            self.open.insert(name);
            let range = 4096 + tag as u32 * 64;
            let entry = Submission { tag: tag as u16, user_data: name, result_offset: range, ..call(object) };
            let done = world.run(client, entry);
            self.note(&done);
        } else if dice.below(4) == 0 {
            let cancel = Submission { op: op::CANCEL, arg: tag, user_data: 0, ..Submission::default() };
            let done = world.run(client, cancel);
            self.note(&done);
        }
    }

    fn collect(&mut self, world: &mut World) {
        for at in 0..self.clients.len() {
            let done = world.completions(self.clients[at].0);
            self.note(&done);
        }
    }

    fn note(&mut self, done: &[Completion]) {
        for completion in done.iter().filter(|c| c.user_data != 0) {
            assert!(self.open.remove(&completion.user_data), "a call ends once: {completion:?}");
            let end = [status::OK, status::SERVER_DIED, status::CANCELLED].iter().position(|s| *s == completion.status);
            self.ends[end.expect("one of three ends")] += 1;
        }
    }
}

#[test]
fn every_call_ends_once_whenever_its_server_is_killed() {
    let mut world = World::new();
    let owner = world.actor("owner", PLENTY);
    let paying = world.ledger(owner);
    let (_, made) = world.call_kernel(owner, paying, ledger::ID, ledger::create_endpoint::METHOD, &[]);
    let own = made[0];
    let mint = endpoint::mint_durable::METHOD;
    let (_, minted) = world.call_kernel(owner, own, endpoint::ID, mint, &[SERVED_INTERFACE, 7]);
    let mut load = Load { clients: Vec::new(), open: BTreeSet::new(), next: 1, ends: [0; 3] };
    for name in ["a", "b", "c"] {
        let client = world.actor(name, PLENTY);
        let object = world.copy(owner, minted[0], client);
        load.clients.push((client, object));
    }
    let before = world.footprint();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let kills = choose(200, 10_000);
    for life in 0..=kills {
        let server = world.actor("server", PLENTY);
        let lent = world.copy(owner, own, server);
        let mut tokens = Vec::new();
        world.run(server, receive(lent)).iter().for_each(|c| tokens.push(c.value));
        let last = life == kills;
        for _ in 0..dice.below(24) {
            match dice.below(4) {
                0 | 1 => load.call(&mut world, &mut dice),
                2 => serve(&mut world, server, &mut tokens, None),
                _ if tokens.is_empty() => {}
                _ => {
                    let token = tokens.swap_remove(dice.below(tokens.len()));
                    serve(&mut world, server, &mut tokens, Some(token));
                }
            }
            load.collect(&mut world);
        }
        while last && !load.open.is_empty() {
            serve(&mut world, server, &mut tokens, None);
            while let Some(token) = tokens.pop() {
                serve(&mut world, server, &mut tokens, Some(token));
            }
            load.collect(&mut world);
        }
        world.kernel.end_process(server.process, Outcome::Killed);
        world.settle();
        load.collect(&mut world);
    }
    assert!(load.ends.iter().all(|&count| count > 0), "each end was met: {:?}", load.ends);
    for _ in 0..64 {
        world.run(owner, Submission::default());
    }
    assert_eq!(world.footprint(), before, "nothing stays behind");
}

/// Lets the server answer a call, or look for new ones.
fn serve(world: &mut World, server: Actor, tokens: &mut Vec<u64>, answer: Option<u64>) {
    let done = match answer {
        Some(token) => world.run(server, reply(token)),
        None => world.run(server, Submission { user_data: 1, ..Submission::default() }),
    };
    tokens.extend(done.iter().filter(|c| c.kind == kind::DELIVERY).map(|c| c.value));
}

#[test]
fn a_huge_tree_is_revoked_in_steps_to_its_last_leaf() {
    let nodes = choose(50_000, 1_000_000);
    let mut world = World::new();
    let limits = Amounts::new([16_000, 1 << 22, 1 << 10, 64]);
    world.root = Ledger::root(&mut world.kernel.ledgers, limits).expect("heap");
    let holders = [(); 4].map(|()| world.actor("holder", Amounts::new([1000, u64::from(nodes), 10, 4])));
    let first = world.give(holders[0], Object::Null, null::ID);
    let slot = SlotRef { process: holders[0].process, index: first as u32 };
    let mut dice = Dice(7);
    // Each copy is made of one of the last hundred: a tree that is both deep and wide.
    let mut recent = vec![(holders[0], first)];
    for _ in 0..nodes {
        let (from, handle) = recent[dice.below(recent.len())];
        let to = holders[dice.below(holders.len())];
        let copy = (to, world.copy(from, handle, to));
        let place = dice.below(100);
        if place < recent.len() && recent.len() >= 100 { recent[place] = copy } else { recent.push(copy) }
    }
    let mut steps = 0;
    loop {
        world.kernel.begin_stay(0);
        steps += 1;
        if world.kernel.revoke_step(slot) {
            break;
        }
    }
    assert!(steps > nodes / 1000, "no step takes long: {steps}");
    for (holder, handle) in recent.into_iter().skip(1) {
        let copy = world.kernel.processes[holder.process].handles.get(handle);
        assert!(copy.is_none() || handle == first, "nothing derived is left");
    }
    assert_eq!(world.kernel.processes[holders[0].process].handles.used(), 1, "the handle itself stays");
}
