//! Sessions: what a server sees of its caller, what it cannot be made to see, and how a session ends.
use super::calls::{POOL, SLOT_BYTES, call, pair, receive, reply};
use super::world::{Actor, PLENTY, World};
use crate::authority::capability::Object;
use crate::authority::session::{Attributes, Session};
use crate::slab::Id;
use capos_abi::interface::process::{grant, reach, set_session};
use capos_abi::interface::{endpoint_server, null, process, session, session_authority, session_control};
use capos_abi::message::{attribute, mode};
use capos_abi::ring::{Completion, Submission, kind, op};
use capos_abi::status::{self, transfer};
use proptest::prelude::*;

const PERSON: Attributes = Attributes { principal: 1, strength: 1, profile: 9 };

fn only(completions: Vec<Completion>) -> Completion {
    let [completion] = completions[..] else { panic!("one completion, not {completions:?}") };
    completion
}

/// Lets an actor act in a new session.
pub fn enter_session(world: &mut World, actor: Actor) -> Id<Session> {
    let ledger = world.kernel.processes[actor.process].ledger;
    world.kernel.ledgers[ledger].charge(crate::ledger::Resource::Objects, 1).expect("room");
    world.kernel.ledgers[ledger].references += 1;
    let session = world.kernel.sessions.insert(ledger, PERSON).expect("heap");
    let left = world.kernel.processes[actor.process].session;
    world.kernel.join_session(actor.process, session);
    world.kernel.release_session(left);
    session
}

/// What the server sees of a call: reference and disclosed attributes. The call is answered.
fn seen(world: &mut World, server: Actor, client: Actor, entry: Submission) -> ([u64; 2], u32) {
    world.run(client, entry);
    world.enter(server, 0);
    let delivery = only(world.completions(server));
    assert_eq!(delivery.kind, kind::DELIVERY);
    let header = world.read(server, POOL + u32::from(delivery.slot) * SLOT_BYTES, 8);
    world.run(server, reply(delivery.value));
    world.completions(client);
    ([header[6], header[7]], (header[4] >> 32) as u32)
}

/// The end of a call that the server does not get to see.
fn send(world: &mut World, server: Actor, client: Actor, entry: Submission) -> Completion {
    assert_eq!(world.run(client, entry), []);
    world.enter(server, 0);
    assert_eq!(world.completions(server), []);
    only(world.completions(client))
}

fn state_of(world: &mut World, server: Actor, endpoint: u64, reference: [u64; 2]) -> u64 {
    let method = endpoint_server::session_state::METHOD;
    let (done, words) = world.call_kernel(server, endpoint, endpoint_server::ID, method, &reference);
    assert_eq!(done.status, status::OK);
    words[1]
}

#[test]
fn a_reference_is_one_session_at_one_endpoint() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    let (friend, stranger) = (world.actor("friend", PLENTY), world.actor("stranger", PLENTY));
    let session = enter_session(&mut world, client);
    world.kernel.join_session(friend.process, session);
    enter_session(&mut world, stranger);
    let (of_friend, of_stranger) = (world.copy(client, object, friend), world.copy(client, object, stranger));
    world.run(server, receive(own));
    let (first, _) = seen(&mut world, server, client, call(object));
    assert_eq!(seen(&mut world, server, client, call(object)).0, first, "each call of a session shows the same");
    assert_eq!(seen(&mut world, server, friend, call(of_friend)).0, first, "and each of its processes");
    assert_ne!(seen(&mut world, server, stranger, call(of_stranger)).0, first);

    let (other_server, other_own, other_client, other_object) = pair(&mut world);
    world.kernel.join_session(other_client.process, session);
    world.run(other_server, receive(other_own));
    let (elsewhere, _) = seen(&mut world, other_server, other_client, call(other_object));
    assert_ne!(elsewhere, first, "another service knows the session by another reference");
    assert_eq!(state_of(&mut world, server, own, first), u64::from(endpoint_server::state::LIVE));
    let foreign = state_of(&mut world, other_server, other_own, first);
    assert_eq!(foreign, u64::from(endpoint_server::state::ENDED), "which means nothing there");
}

proptest! {
    #[test]
    fn a_reference_leads_back_to_its_session(scope in any::<u64>(), other in any::<u64>(), noise in any::<[u64; 2]>()) {
        let mut world = World::new();
        let sessions = &mut world.kernel.sessions;
        let made: Vec<Id<Session>> = (0..4).map(|_| sessions.insert(world.root, PERSON).expect("heap")).collect();
        let references: Vec<[u64; 2]> = made.iter().map(|&id| sessions.reference(id, scope)).collect();
        for (&id, &reference) in made.iter().zip(&references) {
            prop_assert_eq!(sessions.find(reference, scope), Some(id));
            prop_assert_eq!(sessions.find(reference, other), (other == scope).then_some(id));
            let [first, second] = reference;
            prop_assert_eq!(sessions.find([first ^ noise[0], second ^ noise[1]], scope), (noise == [0; 2]).then_some(id));
        }
        prop_assert!((1..4).all(|at| !references[..at].contains(&references[at])));
    }
}

#[test]
fn the_reference_of_a_session_that_is_gone_stands_for_no_later_one() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    world.run(server, receive(own));
    let first = enter_session(&mut world, client);
    let (reference, _) = seen(&mut world, server, client, call(object));
    let second = enter_session(&mut world, client);
    let another = world.actor("another", PLENTY);
    let third = enter_session(&mut world, another);
    assert_ne!(first.index(), second.index());
    assert_eq!(first.index(), third.index(), "its place is used again");
    assert_eq!(state_of(&mut world, server, own, reference), u64::from(endpoint_server::state::ENDED));
}

/// Each makes a whole system.
const FORGERIES: u32 = 48;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(FORGERIES))]
    #[test]
    fn no_bytes_of_a_caller_change_what_the_server_sees_of_it(
        words in proptest::collection::vec(any::<u64>(), 16),
        mut entry in any::<[u64; 4]>(),
    ) {
        let mut world = World::new();
        let (server, own, client, object) = pair(&mut world);
        enter_session(&mut world, client);
        world.run(server, receive(own));
        let (expected, _) = seen(&mut world, server, client, call(object));
        world.write(client, 0, &words);
        entry[1] &= !0x3f;
        let forged = Submission {
            method: entry[0] as u16,
            interface: entry[0],
            user_data: entry[2],
            arg: entry[3],
            message_bytes: 128,
            deadline: entry[1] | 1 << 62,
            ..call(object)
        };
        world.run(client, forged);
        world.enter(server, 0);
        let delivery = only(world.completions(server));
        let header = world.read(server, POOL + u32::from(delivery.slot) * SLOT_BYTES, 8);
        prop_assert_eq!([header[6], header[7]], expected);
        prop_assert_eq!([header[0], header[1]], [super::calls::SERVED_INTERFACE, 7]);
        let disclosed = (header[4] >> 32) as u32;
        let asked = (entry[3] & 7) as u32;
        prop_assert_eq!(disclosed & 7, asked);
        for (bit, shift, value) in [(1, 8, 1), (2, 16, 1), (4, 24, 9)] {
            prop_assert_eq!(disclosed >> shift & 0xff, if asked & bit != 0 { value } else { 0 });
        }
    }
}

#[test]
fn only_what_caller_and_grant_agree_on_is_disclosed() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    let narrowed = world.actor("narrowed", PLENTY);
    world.run(server, receive(own));
    let control = world.give(client, Object::Process(narrowed.process), process::ID);
    let strength = u64::from(attribute::STRENGTH);
    // Data of `grant`: reach u16, disclosable u8 (default 7).
    let handle = grant_to(&mut world, client, control, object, u64::from(reach::OPEN) | (strength ^ 7) << 16)
        .expect("a narrower copy");
    enter_session(&mut world, narrowed);
    for (asked, disclosed) in [(0, 0), (strength, 0x1_0002), (7, 0x1_0002), (1, 0)] {
        let entry = Submission { arg: asked, ..call(handle) };
        assert_eq!(seen(&mut world, server, narrowed, entry).1, disclosed, "asked {asked}");
    }
}

/// `Process.grant` of a capability that `holder` holds.
fn grant_to(world: &mut World, holder: Actor, control: u64, handle: u64, data: u64) -> Result<u64, Completion> {
    world.write(holder, 0, &[handle, 0, 1 << 32 | 1 << 48, data, 3]);
    let entry = Submission {
        op: op::CALL,
        caps: 1,
        handle: control,
        interface: process::ID,
        method: grant::METHOD,
        message_bytes: 40,
        result_offset: 1024,
        result_bytes: 64,
        ..Submission::default()
    };
    let done = only(world.run(holder, entry));
    if done.status == status::OK { Ok(world.read(holder, 1024, 2)[1]) } else { Err(done) }
}

/// `Process.grantAll` of capabilities that `holder` holds, each with its reach; their handles.
fn grant_all_to(world: &mut World, holder: Actor, control: u64, grants: &[(u64, u16)]) -> Result<Vec<u64>, Completion> {
    let mut message: Vec<u64> = grants.iter().flat_map(|(handle, _)| [*handle, mode::COPY]).collect();
    // The root has one pointer, to a list of structs of a data word and a pointer, whose first word says so.
    let (words, count) = (2 * grants.len() as u64, grants.len() as u64);
    message.extend([1 << 48, 1 | 7 << 32 | words << 35, count << 2 | 1 << 32 | 1 << 48]);
    message.extend((0..).zip(grants).flat_map(|(index, (_, reach))| [u64::from(*reach), 3 | index << 32]));
    world.write(holder, 0, &message);
    let entry = Submission {
        op: op::CALL,
        caps: grants.len() as u8,
        handle: control,
        interface: process::ID,
        method: process::grant_all::METHOD,
        message_bytes: message.len() as u32 * 8,
        result_offset: 1024,
        result_bytes: 256,
        ..Submission::default()
    };
    let done = only(world.run(holder, entry));
    if done.status != status::OK {
        return Err(done);
    }
    let words = world.read(holder, 1024, done.bytes as usize / 8);
    assert_eq!(words[..2], [1 << 48, 1 | 5 << 32 | count << 35]);
    Ok(words[2..].to_vec())
}

#[test]
fn several_capabilities_are_granted_all_or_none() {
    let mut world = World::new();
    let (giver, child) = (world.actor("giver", PLENTY), world.actor("child", PLENTY));
    let control = world.give(giver, Object::Process(child.process), process::ID);
    let null = world.give(giver, Object::Null, null::ID);
    let ledger = world.ledger(giver);
    let held = |world: &World| world.kernel.processes[child.process].handles.used();
    let handles =
        grant_all_to(&mut world, giver, control, &[(null, reach::OPEN), (ledger, reach::SESSION)]).expect("granted");
    let slots = &world.kernel.processes[child.process].handles;
    let given: Vec<_> = handles.iter().map(|handle| *slots.get(*handle).expect("held")).collect();
    assert!(given[0].object == Object::Null && matches!(given[1].object, Object::Ledger(_)));
    assert_eq!(given.iter().map(|capability| capability.confined).collect::<Vec<_>>(), [false, true]);
    assert_eq!(held(&world), 2);
    let refused =
        grant_all_to(&mut world, giver, control, &[(null, reach::OPEN), (null, 9)]).expect_err("no such reach");
    assert_eq!((refused.status, held(&world)), (status::BAD_ARGUMENT, 2), "not even the first one is given");
    assert_eq!(grant_all_to(&mut world, giver, control, &[]), Ok(vec![]));
    assert_eq!(grant_all_to(&mut world, giver, control, &[(null, reach::OPEN); 15]).expect("room").len(), 15);
}

#[test]
fn an_ended_session_fails_closed() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    let session = enter_session(&mut world, client);
    let login = world.actor("login", PLENTY);
    let control = world.give(login, Object::SessionControl(session), session_control::ID);
    world.run(server, receive(own));
    let (reference, _) = seen(&mut world, server, client, call(object));
    world.run(client, call(object));
    world.enter(server, 0);
    let delivered = only(world.completions(server));
    world.run(client, Submission { tag: 2, user_data: 100, ..call(object) });

    let (done, words) = world.call_kernel(login, control, session_control::ID, session_control::end::METHOD, &[]);
    assert_eq!((done.status, words[1]), (status::OK, u64::from(session_control::progress::DONE)));
    let ends: Vec<_> = world.completions(client).iter().map(|c| (c.user_data, c.status)).collect();
    assert_eq!(ends, [(99, status::SESSION_ENDED), (100, status::SESSION_ENDED)], "each call ends once");
    let notice = only(world.completions(server));
    assert_eq!((notice.kind, notice.value), (kind::CANCEL_NOTICE, delivered.value));
    assert_eq!(only(world.run(server, reply(delivered.value))).status, status::CALLER_GONE);
    assert_eq!(only(world.run(client, call(object))).status, status::SESSION_ENDED, "nothing new succeeds");
    assert_eq!(state_of(&mut world, server, own, reference), u64::from(endpoint_server::state::ENDED));
    let child = world.actor("child", PLENTY);
    world.kernel.join_session(child.process, session);
    let inherited = world.copy(client, object, child);
    assert_eq!(only(world.run(child, call(inherited))).status, status::SESSION_ENDED, "nor do those who come later");
}

#[test]
fn a_session_ends_with_those_who_can_end_it() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    let session = enter_session(&mut world, client);
    let login = world.actor("login", PLENTY);
    world.give(login, Object::SessionControl(session), session_control::ID);
    world.run(server, receive(own));
    world.run(client, call(object));
    world.kernel.end_process(login.process, crate::execution::process::Outcome::Killed);
    world.settle();
    assert_eq!(only(world.completions(client)).status, status::SESSION_ENDED);
    assert_eq!(only(world.run(client, call(object))).status, status::SESSION_ENDED);
}

#[test]
fn a_session_ends_with_the_ledger_that_pays_for_it() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    let (holder, payer) = (world.actor("holder", PLENTY), world.actor("payer", PLENTY));
    let session = enter_session(&mut world, payer);
    world.kernel.join_session(client.process, session);
    world.give(holder, Object::SessionControl(session), session_control::ID);
    world.run(server, receive(own));
    world.run(client, call(object));
    let ledger = world.kernel.processes[payer.process].ledger;
    while !world.kernel.reclaim_step(ledger) {
        world.settle();
    }
    assert_eq!(only(world.completions(client)).status, status::SESSION_ENDED);
    world.kernel.end_process(holder.process, crate::execution::process::Outcome::Killed);
    world.settle();
    assert_eq!(only(world.run(client, call(object))).status, status::SESSION_ENDED);
}

#[test]
fn a_process_whose_ledger_was_reclaimed_leaves_its_session() {
    let mut world = World::new();
    let (holder, member) = (world.actor("holder", PLENTY), world.actor("member", PLENTY));
    let session = enter_session(&mut world, holder);
    world.kernel.join_session(member.process, session);
    let handle = world.give(holder, Object::Process(member.process), process::ID);
    let before = world.kernel.sessions[session].references;
    let ledger = world.kernel.processes[member.process].ledger;
    while !world.kernel.reclaim_step(ledger) {
        world.settle();
    }
    assert_eq!(world.kernel.sessions[session].references, before, "its outcome can still be asked for");
    world.run(holder, Submission { op: op::RELEASE, handle, ..Submission::default() });
    assert!(world.kernel.processes.get(member.process).is_none());
    assert_eq!(world.kernel.sessions[session].references, before - 1);
}

#[test]
fn a_confined_capability_stays_in_its_session() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    let session = enter_session(&mut world, client);
    let (friend, stranger) = (world.actor("friend", PLENTY), world.actor("stranger", PLENTY));
    world.kernel.join_session(friend.process, session);
    world.run(server, receive(own));
    let null = world.give(client, Object::Null, null::ID);
    world.kernel.processes[client.process].handles.confine(null as u32);

    for sent_mode in [mode::COPY, mode::MOVE] {
        world.write(client, 0, &[null, sent_mode, 1 << 48, 3]);
        let refused = send(&mut world, server, client, Submission { caps: 0x21, message_bytes: 32, ..call(object) });
        assert_eq!(refused.status, status::BAD_CAPABILITY, "not in a call");
        assert_eq!(refused.value, u64::from(transfer::CONFINED) << transfer::WHY_SHIFT);
    }
    let control = world.give(client, Object::Process(stranger.process), process::ID);
    let refused = grant_to(&mut world, client, control, null, 0).expect_err("not to a process of another session");
    assert_eq!(refused.status, status::BAD_CAPABILITY);
    let control = world.give(client, Object::Process(friend.process), process::ID);
    let copy = grant_to(&mut world, client, control, null, 0).expect("within the session it may go on");
    assert!(world.kernel.processes[friend.process].handles.get(copy).expect("held").confined, "and stays confined");
    assert_eq!(world.call_kernel(friend, copy, null::ID, 0, &[]).0.status, status::OK);
}

#[test]
fn a_sender_confines_what_it_passes_on() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    enter_session(&mut world, client);
    world.run(server, receive(own));
    world.run(client, Submission { caps: 0x21, ..call(object) });
    world.enter(server, 0);
    let delivery = only(world.completions(server));
    let null = world.give(server, Object::Null, null::ID);
    world.write(server, 0, &[null, mode::COPY | mode::CONFINED, 1 << 48, 3]);
    let back = Submission { caps: 1, message_bytes: 32, ..reply(delivery.value) };
    assert_eq!(only(world.run(server, back)).status, status::OK);
    assert_eq!(only(world.completions(client)).status, status::OK);
    let received = world.read(client, 4096, 1)[0];
    world.write(client, 0, &[received, mode::COPY, 1 << 48, 3]);
    let refused = send(&mut world, server, client, Submission { caps: 0x21, message_bytes: 32, ..call(object) });
    assert_eq!(refused.status, status::BAD_CAPABILITY, "not even to where it came from");
}

#[test]
fn a_process_gets_its_session_before_anything_else() {
    let mut world = World::new();
    let login = world.actor("login", PLENTY);
    let authority = world.give(login, Object::SessionAuthority, session_authority::ID);
    let paying = world.ledger(login);
    let open = |world: &mut World, principal: u64| {
        // Data of `open`: principal u16, strength u16, profile u8.
        world.write(login, 0, &[paying, 0, 1 << 32 | 1 << 48, principal | 1 << 16 | 9 << 32, 3]);
        let entry = Submission {
            op: op::CALL,
            caps: 0x11,
            handle: authority,
            interface: session_authority::ID,
            method: session_authority::open::METHOD,
            message_bytes: 40,
            result_offset: 1024,
            result_bytes: 64,
            ..Submission::default()
        };
        let done = only(world.run(login, entry));
        (done.status, world.read(login, 1024, 1)[0])
    };
    assert_eq!(open(&mut world, 4).0, status::BAD_ARGUMENT, "there is no such principal");
    let (opened, control) = open(&mut world, 1);
    assert_eq!(opened, status::OK);
    let (_, words) = world.call_kernel(login, control, session::ID, session::inspect::METHOD, &[]);
    assert_eq!(words[1], 1 << 16 | 1 << 32 | 9 << 48, "live, a person, by password, profile 9");

    let make = capos_abi::interface::ledger::create_process::METHOD;
    let (_, made) = world.call_kernel(login, paying, capos_abi::interface::ledger::ID, make, &[]);
    let (child, null) = (made[0], world.give(login, Object::Null, null::ID));
    let set = Submission {
        op: op::CALL,
        caps: 1,
        handle: child,
        interface: process::ID,
        method: set_session::METHOD,
        message_bytes: 32,
        result_offset: 1024,
        result_bytes: 64,
        ..Submission::default()
    };
    let message = [control, 0, 1 << 48, 3];
    world.write(login, 0, &message);
    assert_eq!(only(world.run(login, set)).status, status::OK);
    grant_to(&mut world, login, child, null, 0).expect("room");
    world.write(login, 0, &message);
    assert_eq!(only(world.run(login, set)).status, status::BAD_STATE, "what it holds may be confined");
}

#[test]
fn a_session_that_ends_leaves_others_as_they_are() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    let others = world.actor("other", PLENTY);
    let others_object = world.copy(client, object, others);
    let (ended, other) = (enter_session(&mut world, client), enter_session(&mut world, others));
    assert_eq!(world.run(others, call(others_object)), [], "it waits for its server");
    world.kernel.begin_stay(0);
    while !world.kernel.end_session_step(ended) {
        world.kernel.begin_stay(0);
    }
    assert_eq!(world.completions(others), []);
    assert!(world.kernel.sessions[ended].ended && !world.kernel.sessions[other].ended);
    assert_eq!(only(world.run(client, call(object))).status, status::SESSION_ENDED);
    let delivery = only(world.run(server, receive(own)));
    world.run(server, reply(delivery.value));
    assert_eq!(only(world.completions(others)).status, status::OK);
    assert_eq!(world.run(others, call(others_object)), [], "it calls again");
}

#[test]
fn a_slot_that_is_used_again_shows_no_reference_of_before() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    let (other_server, other_own, other_client, other_object) = pair(&mut world);
    world.run(server, receive(own));
    world.run(other_server, receive(other_own));
    let (first, _) = seen(&mut world, server, client, call(object));
    let (expected, _) = seen(&mut world, other_server, other_client, call(other_object));
    world.run(client, Submission { op: op::RELEASE, handle: object, ..Submission::default() });
    world.enter(server, 0);
    world.completions(server);
    let again = loop {
        let copy = world.copy(other_client, other_object, client);
        if copy as u32 == object as u32 {
            break copy;
        }
    };
    let (shown, _) = seen(&mut world, other_server, client, call(again));
    assert_ne!(first, expected);
    assert_eq!(shown, expected, "both act in the system's session");
}
