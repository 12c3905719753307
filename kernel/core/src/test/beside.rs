//! Beside other processors: what is usual comes to the same as alone, and what is not is left as it was for who is alone.
use super::audit;
use super::calls::{call, pair, receive, reply};
use super::places::reserved;
use super::world::{Actor, PLENTY, World};
use crate::Next;
use crate::authority::capability::Object;
use crate::execution::process::Outcome;
use crate::execution::thread::State;
use crate::ledger::Resource;
use crate::lifecycle::chore::Chore;
use crate::shared::Alone;
use capos_abi::interface::{clock, ledger, process};
use capos_abi::message::{attribute, mode};
use capos_abi::ring::{Completion, Submission, flag, op};
use capos_abi::status::{self, Status};

/// Bytes of a message that the endpoint takes.
const MESSAGE_BYTES: u32 = 4096;

/// A server that waits, and a client that runs, on one processor. The client has called before.
struct Scene {
    world: World,
    server: Actor,
    own: u64,
    client: Actor,
    object: u64,
    bell: u64,
    /// The call that the server was given last.
    token: u64,
}

impl Scene {
    fn new() -> Self {
        let mut scene = Self::before_server_waits();
        scene.let_server_wait();
        scene
    }

    fn before_server_waits() -> Self {
        let mut world = World::new();
        world.kernel.platform.processors = 1;
        let (server, own, client, object) = pair(&mut world);
        let paying = world.ledger(client);
        let bell = world.call_kernel(client, paying, ledger::ID, ledger::create_notification::METHOD, &[]).1[0];
        world.run(server, receive(own));
        let mut scene = Self { world, server, own, client, object, bell, token: 0 };
        // What these operations need of the kernel's memory is there then.
        let (wait, signal) =
            (scene.wait(), Submission { op: op::SIGNAL, handle: bell, arg: 6, ..Submission::default() });
        scene.world.run(client, wait);
        scene.world.run(client, signal);
        scene.world.kernel.reserve_handles(client.process, 20).expect("room");
        scene.world.kernel.unreserve_handles(client.process, 20);
        scene.take_call();
        scene.world.run(server, reply(scene.token));
        scene.world.completions(client);
        scene
    }

    /// Waits for bits of the notification.
    fn wait(&self) -> Submission {
        Submission { op: op::WAIT, handle: self.bell, arg: 6, tag: 5, user_data: 8, ..Submission::default() }
    }

    /// The client calls, and the server takes the call.
    fn take_call(&mut self) {
        self.take_call_by(|scene| call(scene.object));
    }

    fn take_call_by(&mut self, call: impl FnOnce(&mut Self) -> Submission) {
        let entry = call(self);
        self.world.run(self.client, entry);
        self.world.enter(self.server, 0);
        self.token = self.world.completions(self.server)[0].value;
    }

    fn let_server_wait(&mut self) {
        self.world.submit(self.server, Submission::default());
        self.world.enter(self.server, 0);
        self.world.completions(self.server);
        self.world.enter(self.server, 1);
        assert_eq!(self.world.kernel.threads[self.server.thread].state, State::Blocked(1));
        self.run_by_itself(self.client);
    }

    /// Lets an actor run on the processor.
    fn run_by_itself(&mut self, actor: Actor) {
        self.world.enter(actor, 0);
        self.world.settle();
        assert_eq!(self.world.kernel.current(0), Some(actor.thread));
    }

    /// One entry beside others, behind which the actor waits for so many completions; what came of it.
    fn beside(&mut self, actor: Actor, entry: Submission, wanted: u32) -> Result<Next, Alone> {
        self.world.submit(actor, entry);
        self.world.kernel.lend().enter(0, wanted, 0)
    }

    fn started(&self, actor: Actor) -> u32 {
        self.world.kernel.threads[actor.thread].ring.positions.submission_head
    }

    /// Beside others nothing comes of an entry; alone it ends so, or is under way.
    fn needs_to_be_alone(&mut self, actor: Actor, entry: Submission, end: Option<Status>, what: &str) {
        let before = (self.started(actor), reserved(&self.world, actor));
        assert_eq!(self.beside(actor, entry, 0), Err(Alone::Again), "{what}");
        assert_eq!((self.started(actor), reserved(&self.world, actor)), before, "{what}");
        assert_eq!(self.world.completions(actor), [], "{what}");
        let _ = self.world.kernel.enter(0, 0, 0);
        assert_eq!(self.started(actor), before.0 + 1, "{what}");
        let ends = self.world.completions(actor);
        assert_eq!(ends.first().map(|done: &Completion| done.status), end, "{what}");
    }
}

/// One entry, beside others or alone, behind which the actor waits for so many completions.
fn enter(scene: &mut Scene, is_beside: bool, actor: Actor, entry: Submission, wanted: u32) {
    if is_beside {
        assert!(scene.beside(actor, entry, wanted).is_ok(), "{entry:?}");
    } else {
        scene.world.submit(actor, entry);
        let _ = scene.world.kernel.enter(0, wanted, 0);
    }
}

/// What is set aside and referred to.
fn account(scene: &Scene) -> (u32, u32, u32, [u32; 2]) {
    audit::check(&scene.world);
    let k = &scene.world.kernel;
    let handles = &k.processes[scene.client.process].handles;
    let references = |handle| match handles.get(handle).map(|held| held.object) {
        Some(Object::Served(served)) => k.endpoints[served.endpoint].references,
        Some(Object::Notification(id)) => k.notifications[id].references,
        _ => 0,
    };
    let places = [scene.client, scene.server].map(|actor| reserved(&scene.world, actor));
    (references(scene.object), references(scene.bell), handles.reserved(), places)
}

#[test]
fn a_usual_call_and_its_answer_come_to_the_same_as_alone() {
    let call = |is_beside| {
        let mut scene = Scene::new();
        let (client, server, entry) = (scene.client, scene.server, call(scene.object));
        enter(&mut scene, is_beside, client, entry, 1);
        assert_eq!(scene.world.kernel.current(0), Some(server.thread), "the caller waits, and the server runs");
        let under_way = account(&scene);
        let delivery = scene.world.completions(server)[0];
        scene.world.write(server, 0, &[1 << 32, 42]);
        enter(&mut scene, is_beside, server, reply(delivery.value), 2);
        assert_eq!(scene.world.kernel.current(0), Some(client.thread), "the server waits, and the caller runs");
        (under_way, account(&scene), scene.world.completions(client), scene.world.read(client, 4096, 2))
    };
    assert_eq!(call(true), call(false));
}

#[test]
fn usual_signals_and_waits_come_to_the_same_as_alone() {
    let signals = |is_beside| {
        let mut scene = Scene::before_server_waits();
        let (client, server) = (scene.client, scene.server);
        let bell = scene.world.copy(client, scene.bell, server);
        let others = Submission { handle: bell, ..scene.wait() };
        scene.world.run(server, others);
        scene.let_server_wait();
        let signal = |arg| Submission { op: op::SIGNAL, handle: scene.bell, arg, ..Submission::default() };
        // For nobody, then for the server.
        let (nobodys, servers, wait) = (signal(1), signal(2), Submission { arg: 9, ..scene.wait() });
        enter(&mut scene, is_beside, client, nobodys, 0);
        enter(&mut scene, is_beside, client, Submission { flags: flag::QUIET, ..nobodys }, 0);
        enter(&mut scene, is_beside, client, wait, 0);
        enter(&mut scene, is_beside, client, wait, 0);
        let under_way = account(&scene);
        enter(&mut scene, is_beside, client, servers, 9);
        assert_eq!(scene.world.kernel.current(0), Some(server.thread));
        (under_way, account(&scene), scene.world.completions(client), scene.world.completions(server))
    };
    assert_eq!(signals(true), signals(false));
}

#[test]
fn an_unusual_call_is_left_to_who_is_alone() {
    type Case = (&'static str, fn(&mut Scene) -> Submission, Option<Status>);
    let cases: [Case; 10] = [
        (
            "with unknown flags",
            |scene| Submission { flags: flag::EXCEPTION, ..call(scene.object) },
            Some(status::BAD_FLAGS),
        ),
        (
            "too long",
            |scene| Submission { message_bytes: MESSAGE_BYTES + 8, ..call(scene.object) },
            Some(status::TOO_BIG),
        ),
        ("with a deadline", |scene| Submission { deadline: 1 << 40, ..call(scene.object) }, None),
        ("disclosing", |scene| Submission { arg: attribute::PRINCIPAL.into(), ..call(scene.object) }, None),
        ("through a new handle", |scene| call(scene.world.copy(scene.client, scene.object, scene.client)), None),
        ("through no handle", |scene| call(scene.object ^ 1 << 32), Some(status::STALE)),
        (
            "of a session that has ended",
            |scene| {
                scene.world.kernel.processes[scene.client.process].session_ended = true;
                call(scene.object)
            },
            Some(status::SESSION_ENDED),
        ),
        (
            "under a tag in use",
            |scene| {
                let wait = Submission { op: op::WAIT, arg: 1, tag: 1, ..Submission::default() };
                assert_eq!(scene.world.run(scene.client, wait), []);
                call(scene.object)
            },
            Some(status::BAD_TAG),
        ),
        (
            "without handles for its result",
            |scene| {
                let ledger = scene.world.kernel.processes[scene.client.process].ledger;
                let ledger = &mut scene.world.kernel.ledgers[ledger];
                let left = ledger.limits().of(Resource::Handles) - ledger.used().of(Resource::Handles);
                ledger.charge(Resource::Handles, left - 1).expect("it is left");
                call(scene.object)
            },
            Some(status::EXHAUSTED),
        ),
        (
            "beside a deadline",
            |scene| {
                let wait = Submission { op: op::WAIT, arg: 1, tag: 2, deadline: 1 << 40, ..Submission::default() };
                assert_eq!(scene.world.run(scene.client, wait), []);
                call(scene.object)
            },
            None,
        ),
    ];
    for (what, prepare, end) in cases {
        let mut scene = Scene::new();
        let entry = prepare(&mut scene);
        let client = scene.client;
        scene.run_by_itself(client);
        scene.needs_to_be_alone(client, entry, end, what);
    }
    let mut scene = Scene::new();
    let (client, entry) = (scene.client, call(scene.object));
    assert!(scene.beside(client, entry, 1).is_ok());
}

#[test]
fn a_call_of_an_object_whose_minter_has_ended_is_left_to_who_is_alone() {
    for is_held in [false, true] {
        let mut scene = Scene::new();
        let other = scene.world.actor("other server", PLENTY);
        let lent = scene.world.copy(scene.server, scene.own, other);
        scene.world.run(other, receive(lent));
        scene.world.enter(other, 1);
        if is_held {
            scene.world.give(other, Object::Process(scene.server.process), process::ID);
        }
        scene.world.kernel.end_process(scene.server.process, Outcome::Killed);
        scene.world.settle();
        // Its place is used again, unless somebody may still ask how it has ended.
        let newcomer = scene.world.actor("newcomer", PLENTY);
        assert_eq!(newcomer.process.index() == scene.server.process.index(), !is_held);
        let (client, entry) = (scene.client, call(scene.object));
        scene.run_by_itself(client);
        scene.needs_to_be_alone(client, entry, Some(status::STALE), "its minter has ended");
    }
}

#[test]
fn receivers_take_turns_beside_others_too() {
    let mut scene = Scene::new();
    let other = scene.world.actor("other server", PLENTY);
    let lent = scene.world.copy(scene.server, scene.own, other);
    scene.world.run(other, receive(lent));
    scene.world.enter(other, 1);
    let (client, entry) = (scene.client, call(scene.object));
    scene.run_by_itself(client);
    let next = |scene: &Scene| {
        let endpoint = scene.world.kernel.endpoints.id_at(0).expect("the endpoint");
        scene.world.kernel.endpoints[endpoint].receivers[0].thread
    };
    let first = next(&scene);
    assert!(scene.beside(client, entry, 1).is_ok());
    assert_eq!(scene.world.kernel.current(0), Some(first));
    assert_ne!(next(&scene), first);
}

#[test]
fn unusual_waits_and_signals_are_left_to_who_is_alone() {
    let mut scene = Scene::new();
    let (client, bell) = (scene.client, scene.bell);
    let clock = scene.world.give(client, Object::Clock, clock::ID);
    let wait = Submission { op: op::WAIT, handle: bell, arg: 1, tag: 5, ..Submission::default() };
    let signal = Submission { op: op::SIGNAL, handle: bell, arg: 1, ..Submission::default() };
    for (what, entry, end) in [
        ("for nothing", Submission { arg: 0, ..wait }, status::BAD_ARGUMENT),
        ("with flags", Submission { flags: flag::QUIET, ..wait }, status::BAD_FLAGS),
        ("until now", Submission { arg: 0, deadline: 1, ..wait }, status::DEADLINE),
        ("of a clock", Submission { handle: clock, ..wait }, status::WRONG_INTERFACE),
        ("of a clock", Submission { handle: clock, ..signal }, status::WRONG_INTERFACE),
        ("with flags", Submission { flags: flag::EXCEPTION, ..signal }, status::BAD_FLAGS),
    ] {
        scene.world.kernel.platform.now = 2;
        scene.needs_to_be_alone(client, entry, Some(end), what);
    }
    scene.needs_to_be_alone(client, Submission { deadline: 1 << 40, ..wait }, None, "with a deadline");
    let cancel = Submission { op: op::CANCEL, arg: 5, tag: 9, ..Submission::default() };
    scene.world.run(client, cancel);
    assert_eq!(scene.world.run(client, Submission { arg: 4, ..wait }), []);
    scene.needs_to_be_alone(client, wait, Some(status::BAD_TAG), "under a tag in use");
    // Two who wait for the same.
    for tag in [10, 11] {
        assert_eq!(scene.world.run(client, Submission { tag, arg: 3, ..wait }), []);
    }
    scene.needs_to_be_alone(client, Submission { arg: 3, ..signal }, Some(status::OK), "for several");
}

#[test]
fn an_unusual_answer_is_left_to_who_is_alone() {
    type Case = (&'static str, fn(Submission) -> Submission, Status);
    let cases: [Case; 5] = [
        ("of an earlier call", |reply| Submission { arg: reply.arg - (1 << 32), ..reply }, status::TOO_LATE),
        ("an exception", |reply| Submission { flags: flag::EXCEPTION, ..reply }, status::OK),
        ("too long", |reply| Submission { message_bytes: 72, ..reply }, status::TOO_BIG),
        ("of no call", |reply| Submission { arg: reply.arg + 1, ..reply }, status::TOO_LATE),
        ("with unknown flags", |reply| Submission { flags: flag::IF_UNREFERENCED, ..reply }, status::BAD_FLAGS),
    ];
    for (what, change, end) in cases {
        let mut scene = Scene::new();
        scene.take_call();
        let (server, entry) = (scene.server, change(reply(scene.token)));
        scene.run_by_itself(server);
        scene.needs_to_be_alone(server, entry, Some(end), what);
    }
    let mut scene = Scene::new();
    scene.take_call_by(|scene| {
        scene.world.write(scene.client, 0, &[scene.bell, mode::MOVE, 1 << 48, 3]);
        Submission { caps: 0x21, message_bytes: 32, ..call(scene.object) }
    });
    let (server, entry) = (scene.server, reply(scene.token));
    scene.run_by_itself(server);
    scene.needs_to_be_alone(server, entry, Some(status::OK), "of a call that has moved a capability");
    let mut scene = Scene::new();
    scene.take_call();
    let cancel = Submission { op: op::CANCEL, arg: 1, tag: 9, ..Submission::default() };
    scene.world.run(scene.client, cancel);
    let (server, entry) = (scene.server, reply(scene.token));
    scene.run_by_itself(server);
    scene.world.completions(server);
    scene.needs_to_be_alone(server, entry, Some(status::CALLER_GONE), "of a call that was cancelled");
}

#[test]
fn who_has_calls_to_take_a_timer_or_somebody_to_give_way_to_is_alone() {
    let mut scene = Scene::new();
    scene.take_call();
    let server = scene.server;
    scene.run_by_itself(server);
    scene.world.kernel.threads[server.thread].has_work = true;
    assert_eq!(scene.beside(server, Submission::default(), 0), Err(Alone::Again));
    let _ = scene.world.kernel.enter(0, 0, 0);
    scene.world.completions(server);
    scene.world.kernel.threads[server.thread].timer_set = true;
    assert_eq!(scene.beside(server, Submission::default(), 0), Err(Alone::Again));
    let _ = scene.world.kernel.enter(0, 0, 0);
    assert!(!scene.world.kernel.threads[server.thread].timer_set, "nothing has a deadline");
    assert!(scene.beside(server, Submission::default(), 0).is_ok());
    let before = scene.started(server);
    scene.world.submit(server, Submission::default());
    assert_eq!(scene.world.kernel.lend().enter(0, 9, 1 << 40), Err(Alone::Again), "it waits until then");
    scene.world.actor("busy", PLENTY);
    scene.run_by_itself(server);
    let started = scene.started(server);
    assert!(started > before);
    scene.world.kernel.give_way(server.thread);
    assert_eq!(scene.beside(server, Submission::default(), 0), Err(Alone::Again), "somebody else's turn has come");
    assert_eq!(scene.started(server), started);
}

#[test]
fn while_something_is_to_be_put_away_nobody_is_beside_others() {
    let mut scene = Scene::new();
    scene.world.kernel.prepare_chore().expect("heap");
    scene.world.kernel.chores.push(Chore::Console);
    let client = scene.client;
    scene.needs_to_be_alone(client, Submission::default(), Some(status::OK), "a chore waits");
}

#[test]
fn who_blocks_beside_others_is_charged_and_the_first_in_line_runs() {
    let mut world = World::new();
    world.kernel.platform.processors = 1;
    let [blocks, waits] = ["blocks", "waits"].map(|name| world.actor(name, PLENTY));
    world.enter(blocks, 0);
    assert_eq!(world.kernel.current(0), Some(blocks.thread));
    world.kernel.settle_account(blocks.thread);
    let before = world.kernel.threads[blocks.thread].account.consumed;
    world.kernel.platform.now += 1000;
    assert_eq!(world.kernel.lend().enter(0, 1, 0), Ok(Next::Run(waits.thread.index())));
    assert_eq!(world.kernel.threads[blocks.thread].account.consumed, before + 1000);
}

#[test]
fn who_is_woken_for_another_processor_runs_there() {
    let mut world = World::new();
    world.kernel.platform.processors = 2;
    let (server, own, client, object) = pair(&mut world);
    for (actor, processor) in [(server, 1), (client, 0)] {
        world.kernel.threads[actor.thread].account.numbers.processors = 1 << processor;
        world.kernel.reconsider(actor.thread);
        world.settle();
    }
    world.run(server, receive(own));
    world.run(client, call(object));
    world.enter(server, 0);
    let token = world.completions(server)[0].value;
    world.run(server, reply(token));
    world.completions(server);
    world.enter(server, 1);
    world.enter(client, 0);
    world.completions(client);
    world.submit(client, call(object));
    let lent = world.kernel.lend();
    assert_eq!(lent.enter(0, 0, 0), Ok(Next::Run(client.thread.index())));
    assert_eq!(lent.reschedule(1), Some(Next::Run(server.thread.index())));
    assert_eq!(world.kernel.platform.all_interrupted(), [1]);
}
