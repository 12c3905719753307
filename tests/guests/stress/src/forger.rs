//! What a hostile caller writes: entries, descriptors and messages that pretend to be what they are not.

use crate::protocol::INTERFACE;
use crate::{capability, wire};
use capos_abi::handle::Handle;
use capos_abi::interface::{endpoint_server, system_control};
use capos_abi::message::{DeliveryHeader, mode};
use capos_abi::ring::{Submission, flag, op};
use capos_abi::status;
use capos_rt::arena::Range;
use capos_rt::startup;
use capos_service::Failure;
use fastrand::Rng;

/// Bytes of the range that everything is written to.
const RANGE_BYTES: u32 = 4096;
/// Bytes from its start on for messages; behind them lie results.
const MESSAGES: u32 = 2048;
/// Words of the longest message.
const LONGEST: usize = 80;
/// Nanoseconds of the longest deadline.
const LONGEST_DEADLINE: u64 = 1_000_000;

/// The caller.
pub struct Forger {
    object: Handle,
    range: Range,
    own: Vec<Handle>,
    random: Rng,
}

impl Forger {
    /// Attacks by these random numbers.
    pub fn new(seed: u64) -> Result<Forger, Failure> {
        let memory = capability::sealed(&[8]).map_err(|failure| capability::refused("memory", failure))?;
        let given = startup::capabilities().map(|(_, capability)| capability.handle);
        Ok(Forger {
            object: wire::given("object"),
            range: wire::take(RANGE_BYTES),
            own: given.chain([memory]).collect(),
            random: Rng::with_seed(seed),
        })
    }

    /// Tries so many times. An error if something succeeds that cannot, or if too few calls get through to try the server at all.
    pub fn attack(mut self, count: u32) -> Result<(), Failure> {
        // An honest call, so that the server knows this caller.
        let mut answered = u32::from(wire::run(Submission { message_bytes: 8, ..self.entry() }).status == status::OK);
        for _ in 0..count {
            match self.random.u8(0..16) {
                0 => self.answer_for_others()?,
                1 => self.serve_for_others()?,
                _ => {
                    let entry = self.forge();
                    answered += u32::from(wire::run(entry).status == status::OK);
                }
            }
        }
        println!("{answered} of {count} attempts were answered");
        if answered < count / 8 { Err("too few attempts get through".into()) } else { Ok(()) }
    }

    /// A call as it should be.
    fn entry(&self) -> Submission {
        Submission {
            op: op::CALL,
            handle: self.object,
            interface: INTERFACE,
            message_offset: wire::offset(self.range),
            result_offset: wire::offset(self.range) + MESSAGES,
            result_bytes: 256,
            ..Submission::default()
        }
    }

    /// A call whose claims are false, in some of its fields.
    fn forge(&mut self) -> Submission {
        let caps = if self.random.bool() { 0 } else { self.random.u8(0..6) };
        let words = self.write(usize::from(caps));
        let entry = self.entry();
        let interfaces = [INTERFACE, system_control::ID, endpoint_server::ID, self.random.u64(..)];
        let deadline = wire::now() + self.random.u64(0..LONGEST_DEADLINE);
        Submission {
            caps: caps | self.random.u8(0..3) << 4,
            flags: self.flags(),
            method: self.random.u16(..),
            handle: if self.random.u8(0..8) == 0 { self.handle() } else { entry.handle },
            interface: self.one_of(interfaces),
            user_data: 0,
            message_bytes: words as u32 * 8 + u32::from(self.random.u8(0..64) == 0) * self.random.u32(0..4096),
            result_offset: entry.result_offset + self.random.u32(0..64) * 8,
            deadline: if self.random.u8(0..8) == 0 { deadline } else { 0 },
            arg: self.random.u64(..) >> self.random.u32(0..64),
            ..entry
        }
    }

    /// Descriptors of capabilities, and a message that looks like a delivery's header; how many words.
    fn write(&mut self, caps: usize) -> usize {
        let mut words = Vec::new();
        for _ in 0..caps {
            let handle = self.handle();
            words.extend([handle, self.mode(handle)]);
        }
        let header_words = size_of::<DeliveryHeader>() / 8;
        for _ in 0..header_words {
            let random = self.random.u64(..);
            words.push(self.one_of([INTERFACE, system_control::ID, 7, 8, random]));
        }
        let more = self.random.usize(0..=LONGEST - words.len());
        words.extend((0..more).map(|_| self.random.u64(..)));
        wire::write(self.range, 0, &words);
        words.len()
    }

    /// A handle of the own, nearly one, or none at all.
    fn handle(&mut self) -> Handle {
        let own = self.random.choice(&self.own).copied().unwrap_or_default();
        match self.random.u8(0..8) {
            0 => self.random.u64(..),
            1 => own ^ 1 << self.random.u32(0..64),
            2 => 0,
            _ => own,
        }
    }

    /// Quiet calls are not among them: nobody would see their end.
    fn flags(&mut self) -> u16 {
        match self.random.u8(0..16) {
            0 => self.random.u16(..) & !flag::QUIET,
            1 | 2 => flag::SPILLED,
            _ => 0,
        }
    }

    /// How to send it. What the forger lives on is copied, so that it can go on.
    fn mode(&mut self, handle: Handle) -> u64 {
        match self.random.u8(0..8) {
            0 => mode::CONFINED,
            1 if !self.own.iter().any(|own| *own as u32 == handle as u32) => mode::MOVE,
            2 => self.random.u64(..) & !mode::MOVE,
            _ => mode::COPY,
        }
    }

    /// There is no call that this program could answer.
    fn answer_for_others(&mut self) -> Result<(), Failure> {
        let arg = [self.random.u64(..), self.random.u64(0..1 << 40), 1 << 32 | self.random.u64(0..8)];
        let arg = self.one_of(arg);
        match wire::run(Submission { op: op::RETURN, arg, message_bytes: 8, ..self.entry() }).status {
            status::TOO_LATE => Ok(()),
            other => Err(format!("an answer to a call of others ends with status {other}").into()),
        }
    }

    /// Nothing that it holds lets it receive.
    fn serve_for_others(&mut self) -> Result<(), Failure> {
        let handle = self.handle();
        match wire::run(Submission { op: op::RECV, handle, arg: 1, result_bytes: 1024, ..self.entry() }).status {
            status::WRONG_INTERFACE | status::STALE => Ok(()),
            other => Err(format!("receiving the calls of others ends with status {other}").into()),
        }
    }

    fn one_of<T: Copy, const N: usize>(&mut self, choices: [T; N]) -> T {
        choices[self.random.usize(0..N)]
    }
}
