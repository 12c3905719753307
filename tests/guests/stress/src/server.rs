//! A server that answers when it likes and in any order, signals with what it was sent, and is killed at any moment.

use crate::protocol::{INTERFACE, SLOTS, method};
use crate::reception::{Delivery, Event, Reception, release_object};
use crate::wire;
use capos_abi::handle::{Handle, NULL};
use capos_abi::interface::endpoint_server;
use capos_abi::message::{CapDescriptor, mode};
use capos_abi::status;
use capos_rt::raw::{self, Message};
use capos_service::Failure;
use fastrand::Rng;

/// Nanoseconds that a call is held at least, as long as others don't come.
const PAUSE: u64 = 100_000;
/// The server, and the calls that it holds.
struct Server {
    reception: Reception,
    held: Vec<Held>,
    notices: u64,
    callers_gone: u64,
    answered: u64,
    stopping: bool,
    random: Rng,
}

/// A call that was delivered and not answered.
struct Held {
    token: u64,
    method: u16,
    capabilities: Vec<Handle>,
    /// Its caller is gone.
    abandoned: bool,
}

/// Serves until it is told to stop. An error if something came that cannot be, or if the kernel's notices don't add up.
pub fn run() -> Result<(), Failure> {
    let mut server = Server::open()?;
    while !(server.stopping && server.held.is_empty()) {
        wire::wait(server.deadline());
        server.listen()?;
        server.act()?;
    }
    server.listen()?;
    let Server { notices, callers_gone, answered, .. } = server;
    println!("server: {answered} calls answered, {callers_gone} callers gone");
    if notices != callers_gone {
        return Err(format!("{notices} notices came, but {callers_gone} callers were gone").into());
    }
    Ok(())
}

impl Server {
    fn open() -> Result<Server, Failure> {
        Ok(Server {
            reception: Reception::open(SLOTS).heed(),
            held: Vec::new(),
            notices: 0,
            callers_gone: 0,
            answered: 0,
            stopping: false,
            random: Rng::with_seed(campaign::argument("seed")?.unwrap_or_default()),
        })
    }

    /// When to act even if nothing comes; 0: never.
    fn deadline(&self) -> u64 {
        if self.held.iter().any(|held| self.may_answer(held)) { wire::now() + PAUSE } else { 0 }
    }

    fn listen(&mut self) -> Result<(), Failure> {
        while let Some(event) = self.reception.next()? {
            match event {
                Event::Call(delivery) => self.receive(delivery),
                Event::Gone(token) => self.note(token)?,
                Event::Unreferenced(origin) => release_object(origin),
                Event::Stop => self.stopping = true,
            }
        }
        Ok(())
    }

    fn receive(&mut self, Delivery { token, header, capabilities, .. }: Delivery) {
        self.held.push(Held { token, method: header.method, capabilities, abandoned: false });
        if self.held.iter().filter(|held| held.method == method::GATHER).count() == SLOTS {
            self.held.iter_mut().for_each(|held| held.method = method::ECHO);
        }
    }

    /// A caller is gone. Its call may have been answered just before the notice was read.
    fn note(&mut self, token: u64) -> Result<(), Failure> {
        self.notices += 1;
        if let Some(held) = self.held.iter_mut().find(|held| held.token == token)
            && std::mem::replace(&mut held.abandoned, true)
        {
            return Err("a caller is gone twice".into());
        }
        Ok(())
    }

    fn may_answer(&self, held: &Held) -> bool {
        held.abandoned || self.stopping || !matches!(held.method, method::HOLD | method::GATHER)
    }

    /// Answers some calls, and uses what came with others.
    fn act(&mut self) -> Result<(), Failure> {
        let mut ready: Vec<u64> =
            self.held.iter().filter(|held| self.may_answer(held)).map(|held| held.token).collect();
        self.random.shuffle(&mut ready);
        for token in ready {
            let Some(at) = self.held.iter().position(|held| held.token == token) else { continue };
            match self.random.u8(0..3) {
                0 if !self.stopping => self.held[at].capabilities.iter().for_each(|&handle| raw::signal(handle, 1)),
                _ => {
                    let held = self.held.swap_remove(at);
                    self.answer(held)?;
                }
            }
        }
        Ok(())
    }

    fn answer(&mut self, held: Held) -> Result<(), Failure> {
        let opened = if held.method == method::OPEN { self.mint()? } else { NULL };
        let sent: Vec<CapDescriptor> = match held.method {
            method::ECHO => {
                held.capabilities.iter().map(|&handle| CapDescriptor { handle, mode: mode::MOVE }).collect()
            }
            method::OPEN => vec![CapDescriptor { handle: opened, mode: mode::COPY }],
            _ => Vec::new(),
        };
        if held.method != method::ECHO {
            held.capabilities.iter().for_each(|&handle| raw::release(handle));
        }
        match self.give_back(held.token, &sent) {
            status::OK => self.answered += 1,
            status::CALLER_GONE => self.forget(&held, opened),
            // It was revoked meanwhile; nothing has moved, and the call is still open.
            status::BAD_CAPABILITY => {
                held.capabilities.iter().for_each(|&handle| raw::release(handle));
                match self.give_back(held.token, &[]) {
                    status::OK => self.answered += 1,
                    status::CALLER_GONE => self.forget(&held, NULL),
                    other => return Err(format!("an empty answer is refused with {other}").into()),
                }
            }
            other => return Err(format!("an answer is refused with {other}").into()),
        }
        Ok(())
    }

    /// The caller was gone: what was to be sent has stayed here.
    fn forget(&mut self, held: &Held, opened: Handle) {
        self.callers_gone += 1;
        if held.method == method::ECHO {
            held.capabilities.iter().for_each(|&handle| raw::release(handle));
        }
        if opened != NULL {
            raw::release(opened);
        }
    }

    fn give_back(&self, token: u64, sent: &[CapDescriptor]) -> i32 {
        self.reception.answer(token, sent, if sent.is_empty() { &wire::EMPTY } else { &wire::ONE_CAPABILITY })
    }

    fn mint(&self) -> Result<Handle, Failure> {
        use endpoint_server::{ID, mint::*};
        let message = Message::new(params::SHAPE).set(params::INTERFACE_ID, INTERFACE).set(params::KEY, 1);
        match raw::call(wire::given("endpoint"), ID, METHOD, &message, 1) {
            Ok(reply) => Ok(reply.capability(results::OBJECT)),
            Err(failure) => Err(format!("minting fails with status {}", failure.status).into()),
        }
    }
}
