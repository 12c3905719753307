//! Answers: what fits where the caller wants it, and what does not.
use super::calls::{call, pair, receive, reply};
use super::large::{memory, seal};
use super::world::{Actor, World};
use crate::authority::capability::Object;
use capos_abi::interface::null;
use capos_abi::message::mode;
use capos_abi::ring::{Completion, Submission, completion_flag, flag};
use capos_abi::status;

/// Bytes for a result, and capabilities that are taken with it, as [`call`] has it.
const ROOM: u32 = 64;
const ACCEPTED: u64 = 2;
/// Bytes of what tells of a capability in a message.
const DESCRIPTOR_BYTES: u32 = 16;

/// A call that was delivered: its server, its caller, and its token.
struct Open {
    world: World,
    server: Actor,
    client: Actor,
    token: u64,
}

impl Open {
    fn new() -> Self {
        let mut world = World::new();
        let (server, own, client, object) = pair(&mut world);
        world.run(server, receive(own));
        world.run(client, call(object));
        world.enter(server, 0);
        let token = world.completions(server)[0].value;
        Self { world, server, client, token }
    }

    /// The end of a RETURN.
    fn answer(&mut self, entry: Submission) -> Completion {
        let [end] = self.world.run(self.server, entry)[..] else { panic!("one end") };
        end
    }

    /// The end of the call.
    fn end(&mut self) -> Completion {
        let [end] = self.world.completions(self.client)[..] else { panic!("one end") };
        end
    }
}

#[test]
fn an_answer_is_as_long_as_its_caller_has_room() {
    let mut open = Open::new();
    let long = Submission { message_bytes: ROOM + 8, ..reply(open.token) };
    let refused = open.answer(long);
    assert_eq!((refused.status, refused.value), (status::TOO_BIG, ROOM.into()));
    let fits = Submission { message_bytes: ROOM, ..reply(open.token) };
    assert_eq!(open.answer(fits).status, status::OK);
    assert_eq!(open.end().bytes, ROOM);
}

#[test]
fn the_handles_of_an_answer_take_room_and_no_more_come_than_are_accepted() {
    let mut open = Open::new();
    let null = open.world.give(open.server, Object::Null, null::ID);
    open.world.write(open.server, 0, &[null, mode::COPY, null, mode::COPY, null, mode::COPY]);
    let with = |caps: u8, segment: u32| Submission {
        caps,
        message_bytes: u32::from(caps) * DESCRIPTOR_BYTES + segment,
        ..reply(open.token)
    };
    let (many, long, fits) = (with(3, 8), with(2, ROOM - 8), with(2, ROOM - 16));
    let refused = open.answer(many);
    assert_eq!((refused.status, refused.value), (status::NOT_ACCEPTED, ACCEPTED));
    assert_eq!(open.answer(long).status, status::TOO_BIG);
    assert_eq!(open.answer(fits).status, status::OK);
    let end = open.end();
    assert_eq!((end.status, end.caps, end.bytes), (status::OK, 2, ROOM));
}

#[test]
fn an_exception_that_is_too_long_arrives_without_its_message() {
    for (bytes, arrive) in [(ROOM, ROOM), (ROOM + 8, 0)] {
        let mut open = Open::new();
        let exception = Submission { flags: flag::EXCEPTION, message_bytes: bytes, ..reply(open.token) };
        assert_eq!(open.answer(exception).status, status::OK);
        let end = open.end();
        assert_eq!((end.status, end.bytes), (status::EXCEPTION, arrive));
    }
}

#[test]
fn a_large_answer_lies_in_memory_that_nobody_writes() {
    let mut open = Open::new();
    let memory = memory(&mut open.world, open.server, 8192);
    open.world.write(open.server, 512, &[memory, mode::COPY, 4000]);
    let large =
        Submission { caps: 1, flags: flag::SPILLED, message_offset: 512, message_bytes: 24, ..reply(open.token) };
    assert_eq!(open.answer(large).status, status::BAD_STATE, "the server could still write it");
    assert_eq!(seal(&mut open.world, open.server, memory), status::OK);
    assert_eq!(open.answer(large).status, status::OK);
    let end = open.end();
    assert_eq!((end.status, end.caps, end.flags), (status::OK, 1, completion_flag::SPILLED));
}
