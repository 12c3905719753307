//! Capabilities in transit against a model: copied, moved and confined by calls and answers that are cancelled, while they are given
//! up and revoked. Nothing is lost, nothing is there twice, and the grant tree is what the model says.
use super::audit;
use super::calls::{POOL, SLOT_BYTES, call, pair, receive, reply};
use super::places::reserved;
use super::world::{Actor, World};
use crate::authority::capability::Object;
use crate::authority::grant;
use crate::authority::handle::SlotRef;
use crate::execution::process::Outcome;
use capos_abi::interface::null;
use capos_abi::message::mode;
use capos_abi::ring::{Completion, Submission, kind, op};
use capos_abi::status::{self, Status};
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};

/// Slots of the server's pool, as [`receive`] has it.
const SLOTS: usize = 4;
/// Calls that are under way at most.
const CALLS: u16 = 6;
/// The server among the actors; the others call. The last one acts in a session of its own.
const SERVER: usize = 0;
/// A message of one struct that points to the one capability that is sent along.
const ONE_CAPABILITY: [u64; 2] = [1 << 48, 3];

#[derive(Clone, Copy, Debug)]
enum Step {
    Send(usize, u64),
    Take,
    Answer(usize, usize, u64),
    Cancel(usize),
    Release(usize),
    Revoke(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (any::<usize>(), 0u64..4).prop_map(|(at, mode)| Step::Send(at, mode)),
        4 => Just(Step::Take),
        4 => (any::<usize>(), any::<usize>(), 0u64..4).prop_map(|(call, at, mode)| Step::Answer(call, at, mode)),
        1 => any::<usize>().prop_map(Step::Cancel),
        1 => any::<usize>().prop_map(Step::Release),
        1 => any::<usize>().prop_map(Step::Revoke),
    ]
}

/// A capability that somebody holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    holder: usize,
    handle: u64,
    parent: Option<usize>,
    confined: bool,
    /// It is on its way.
    locked: bool,
}

/// A call under way.
#[derive(Clone, Copy, Debug)]
struct Sent {
    client: usize,
    tag: u16,
    name: usize,
    mode: u64,
    /// Names the call once it was delivered.
    token: Option<u64>,
    cancelled: bool,
}

/// The world, and what must be true of it.
struct Transit {
    world: World,
    actors: [Actor; 3],
    objects: [u64; 3],
    held: BTreeMap<usize, Held>,
    sent: Vec<Sent>,
    next_name: usize,
    others: u32,
    /// Completions that were not looked at, by actor.
    unread: [VecDeque<Completion>; 3],
}

impl Transit {
    fn new() -> Self {
        let mut world = World::new();
        let (server, own, client, object) = pair(&mut world);
        let stranger = world.actor("stranger", super::world::PLENTY);
        super::sessions::enter_session(&mut world, stranger);
        let objects = [0, object, world.copy(client, object, stranger)];
        world.run(server, receive(own));
        let actors = [server, client, stranger];
        let others = actors.iter().map(|actor| world.kernel.processes[actor.process].handles.used()).sum();
        let mut held = BTreeMap::new();
        for (name, holder) in [1, 2].into_iter().enumerate() {
            let handle = world.give(actors[holder], Object::Null, null::ID);
            held.insert(name, Held { holder, handle, parent: None, confined: false, locked: false });
        }
        Self { world, actors, objects, held, sent: Vec::new(), next_name: 2, others, unread: Default::default() }
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Send(at, mode) => self.send(at, mode),
            Step::Take => self.take(),
            Step::Answer(call, at, mode) => self.answer(call, at, mode),
            Step::Cancel(call) => self.cancel(call),
            Step::Release(at) => self.release(at),
            Step::Revoke(at) => self.revoke(at),
        }
    }

    fn pick(&self, at: usize, holds: impl Fn(&Held) -> bool) -> Option<usize> {
        let names: Vec<usize> = self.held.iter().filter(|(_, held)| holds(held)).map(|(&name, _)| name).collect();
        (!names.is_empty()).then(|| names[at % names.len()])
    }

    fn pick_call(&self, at: usize, fits: impl Fn(&Sent) -> bool) -> Option<usize> {
        let calls: Vec<usize> = (0..self.sent.len()).filter(|&call| fits(&self.sent[call])).collect();
        (!calls.is_empty()).then(|| calls[at % calls.len()])
    }

    /// Has an actor start an entry and look at what completed.
    fn run(&mut self, actor: usize, entry: Submission) {
        let done = self.world.run(self.actors[actor], entry);
        self.unread[actor].extend(done);
    }

    /// The next end of an operation of this actor: what ended, and how.
    fn end(&mut self, actor: usize) -> Option<(u64, Status)> {
        let read = self.world.completions(self.actors[actor]);
        self.unread[actor].extend(read);
        let at = self.unread[actor].iter().position(|it| it.kind == kind::DONE)?;
        self.unread[actor].remove(at).map(|end| (end.user_data, end.status))
    }

    fn send(&mut self, at: usize, mode: u64) {
        let Some(name) = self.pick(at, |held| held.holder != SERVER) else { return };
        let Held { holder: client, handle, locked, .. } = self.held[&name];
        let free = |tag: &u16| !self.sent.iter().any(|sent| sent.client == client && sent.tag == *tag);
        let Some(tag) = (1..=CALLS).find(free) else { return };
        let offset = u32::from(tag) * 64;
        self.world.write(self.actors[client], offset, &[handle, mode]);
        self.world.write(self.actors[client], offset + 16, &ONE_CAPABILITY);
        let entry = Submission {
            tag,
            user_data: tag.into(),
            caps: 0x11,
            message_offset: offset,
            message_bytes: 32,
            result_offset: 4096 + offset,
            ..call(self.objects[client])
        };
        self.run(client, entry);
        if locked {
            return assert_eq!(
                self.end(client),
                Some((tag.into(), status::BAD_CAPABILITY)),
                "it is on its way already"
            );
        }
        assert_eq!(self.end(client), None, "it waits for its server");
        self.held.get_mut(&name).expect("picked").locked = mode & mode::MOVE != 0;
        self.sent.push(Sent { client, tag, name, mode, token: None, cancelled: false });
    }

    /// The server takes what has waited longest, as much as it has room for. It does so whenever it enters the kernel.
    fn take(&mut self) {
        let server = self.actors[SERVER];
        self.world.enter(server, 0);
        let arrived: Vec<_> = self.unread[SERVER].drain(..).chain(self.world.completions(server)).collect();
        let mut arrived = arrived.into_iter().filter(|it| it.kind == kind::DELIVERY);
        while self.sent.iter().filter(|sent| sent.token.is_some()).count() < SLOTS
            && let Some(at) = self.sent.iter().position(|sent| sent.token.is_none())
        {
            let sent = self.sent[at];
            let refused = self.held.get(&sent.name).is_none_or(|held| held.confined && !shares_session(sent.client));
            if refused {
                self.sent.remove(at);
                self.unlock(&sent);
                assert_eq!(self.end(sent.client), Some((sent.tag.into(), status::BAD_CAPABILITY)));
            } else {
                let delivery = arrived.next().expect("it is delivered");
                self.sent[at].token = Some(delivery.value);
                let handle = self.world.read(server, POOL + u32::from(delivery.slot) * SLOT_BYTES + 64, 1)[0];
                self.arrive(sent.name, sent.mode, SERVER, handle);
            }
        }
        assert_eq!(arrived.next(), None, "and nothing else");
    }

    /// A capability has come to somebody.
    fn arrive(&mut self, name: usize, sent_mode: u64, holder: usize, handle: u64) {
        let held = self.held[&name];
        let confined = held.confined || sent_mode & mode::CONFINED != 0;
        if sent_mode & mode::MOVE != 0 {
            self.held.insert(name, Held { holder, handle, confined, locked: false, ..held });
        } else {
            self.held.insert(self.next_name, Held { holder, handle, confined, locked: false, parent: Some(name) });
            self.next_name += 1;
        }
    }

    fn unlock(&mut self, sent: &Sent) {
        if sent.mode & mode::MOVE != 0
            && let Some(held) = self.held.get_mut(&sent.name)
        {
            held.locked = false;
        }
    }

    /// The server answers with something that it holds.
    fn answer(&mut self, call: usize, at: usize, sent_mode: u64) {
        let Some(call) = self.pick_call(call, |sent| sent.token.is_some()) else { return };
        let Some(name) = self.pick(at, |held| held.holder == SERVER) else { return };
        let (sent, held) = (self.sent[call], self.held[&name]);
        let server = self.actors[SERVER];
        self.world.write(server, 0, &[held.handle, sent_mode]);
        self.world.write(server, 16, &ONE_CAPABILITY);
        let token = sent.token.expect("picked");
        let entry = Submission { caps: 1, message_bytes: 32, ..reply(token) };
        self.run(SERVER, entry);
        let done = self.end(SERVER).expect("it is over at once").1;
        if held.confined && !shares_session(sent.client) && !sent.cancelled {
            assert_eq!(done, status::BAD_CAPABILITY, "the call stays open");
            return self.take();
        }
        if sent.cancelled {
            assert_eq!(done, status::CALLER_GONE);
        } else {
            assert_eq!((done, self.end(sent.client)), (status::OK, Some((sent.tag.into(), status::OK))));
            let handle = self.world.read(self.actors[sent.client], 4096 + u32::from(sent.tag) * 64, 1)[0];
            self.arrive(name, sent_mode, sent.client, handle);
        }
        self.sent.remove(call);
        self.take();
    }

    fn cancel(&mut self, call: usize) {
        let Some(call) = self.pick_call(call, |sent| !sent.cancelled) else { return };
        let sent = self.sent[call];
        let tag = CALLS + 1;
        let entry =
            Submission { op: op::CANCEL, arg: sent.tag.into(), tag, user_data: tag.into(), ..Submission::default() };
        self.run(sent.client, entry);
        assert_eq!(self.end(sent.client), Some((sent.tag.into(), status::CANCELLED)));
        assert_eq!(self.end(sent.client), Some((tag.into(), status::OK)));
        if sent.token.is_some() {
            self.sent[call].cancelled = true;
        } else {
            self.sent.remove(call);
            self.unlock(&sent);
        }
    }

    fn release(&mut self, at: usize) {
        let Some(name) = self.pick(at, |held| held.parent.is_some()) else { return };
        let Held { holder, handle, parent, locked, .. } = self.held[&name];
        self.run(holder, Submission { op: op::RELEASE, handle, ..Submission::default() });
        assert_eq!(self.end(holder), Some((0, if locked { status::STALE } else { status::OK })));
        if !locked {
            self.held.remove(&name);
            self.held.values_mut().filter(|held| held.parent == Some(name)).for_each(|held| held.parent = parent);
        }
        self.take();
    }

    fn revoke(&mut self, at: usize) {
        let Some(name) = self.pick(at, |_| true) else { return };
        let slot = self.slot(&self.held[&name]);
        self.world.kernel.begin_stay(0);
        while !self.world.kernel.revoke_step(slot) {
            self.world.kernel.begin_stay(0);
        }
        let mut gone = vec![name];
        while let Some(parent) = gone.pop() {
            let children = self.held.iter().filter(|(_, held)| held.parent == Some(parent));
            let children: Vec<usize> = children.map(|(&child, _)| child).collect();
            self.held.retain(|name, _| !children.contains(name));
            gone.extend(children);
        }
    }

    fn slot(&self, held: &Held) -> SlotRef {
        let process = self.actors[held.holder].process;
        let index = self.world.kernel.processes[process].handles.any_index_of(held.handle).expect("it is held");
        SlotRef { process, index }
    }

    /// Everybody holds what the model says, below what it says, and nothing else.
    fn check(&mut self) {
        (1..3).for_each(|client| assert_eq!(self.end(client), None, "every call ends once"));
        let used = |actor: &Actor| self.world.kernel.processes[actor.process].handles.used();
        assert_eq!(self.actors.iter().map(used).sum::<u32>() - self.others, self.held.len() as u32);
        self.check_places();
        for held in self.held.values() {
            let slot = self.slot(held);
            let table = &self.world.kernel.processes[slot.process].handles;
            assert_eq!(table.get(held.handle).is_none(), held.locked);
            assert_eq!(table.slot(slot.index).and_then(|s| s.capability()).map(|c| c.confined), Some(held.confined));
            let parent = held.parent.map(|parent| self.slot(&self.held[&parent]));
            assert_eq!(grant::parent(&mut self.world.kernel.processes, slot), parent.map(Into::into));
        }
    }

    /// A call has a place for its completion, a delivered one another for the notice that it was cancelled, and a RECV its own.
    fn check_places(&self) {
        let calls =
            |fits: &dyn Fn(&Sent) -> bool| self.sent.iter().filter(|sent| !sent.cancelled && fits(sent)).count();
        for (at, &actor) in self.actors.iter().enumerate() {
            let expected = match at {
                SERVER => 1 + calls(&|sent| sent.token.is_some()),
                client => calls(&|sent| sent.client == client),
            };
            assert_eq!(reserved(&self.world, actor), expected as u32);
        }
    }

    /// Everybody ends, whatever is under way.
    fn end_all(&mut self) {
        audit::check(&self.world);
        for actor in self.actors {
            // It is looked at when nobody else refers to it any more.
            let ledger = self.world.kernel.processes[actor.process].ledger;
            self.world.kernel.ledgers[ledger].references += 1;
            self.world.kernel.end_process(actor.process, Outcome::Killed);
            self.world.settle();
            audit::check(&self.world);
        }
    }
}

/// Whether a client acts in the server's session.
fn shares_session(client: usize) -> bool {
    client == 1
}

proptest! {
    #[test]
    fn what_is_in_transit_is_here_or_there(steps in proptest::collection::vec(step(), 1..100)) {
        let mut transit = Transit::new();
        for step in steps {
            transit.apply(step);
            transit.check();
        }
        transit.end_all();
    }
}
