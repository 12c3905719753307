//! What an attacker has come to know: handles, with the interface that they had, and tokens of calls. It forgets none when it
//! gives it up, so that what is used is often stale.

use capos_abi::handle::Handle;
use capos_abi::interface::{
    clock, endpoint, endpoint_server, handle_manager, ledger, memory_object, memory_reader, notification, process,
    thread, virtual_memory,
};
use capos_abi::message::MAX_CAPS;
use fastrand::Rng;

/// Interface of the objects that attackers serve each other.
pub const SERVED: u64 = 0x5e4d;

/// Handles and tokens that are remembered.
const HANDLES: usize = 64;
const TOKENS: usize = 32;

/// A handle, and what is called on it.
#[derive(Clone, Copy, Default)]
pub struct Known {
    /// The handle.
    pub handle: Handle,
    /// Its interface.
    pub interface: u64,
}

/// The memory of an attacker.
pub struct Memory {
    handles: [Known; HANDLES],
    next_handle: usize,
    tokens: [u64; TOKENS],
    next_token: usize,
    /// How many handles stay for good.
    kept: usize,
    /// Whether it may end by what it does.
    lethal: bool,
}

impl Memory {
    /// Knows these for good, and what it could end by only if it has it already.
    pub fn of(given: &[Known]) -> Memory {
        let lethal = given.iter().any(|known| is_lethal(known.interface));
        let mut handles = [Known::default(); HANDLES];
        handles.iter_mut().zip(given).for_each(|(to, from)| *to = *from);
        let kept = given.len().min(HANDLES - 1);
        Memory { handles, next_handle: kept, tokens: [0; TOKENS], next_token: 0, kept, lethal }
    }

    /// Remembers a handle, in place of the one that is known for longest.
    pub fn learn(&mut self, handle: Handle, interface: u64) {
        if is_lethal(interface) && !self.lethal {
            return;
        }
        self.handles[self.next_handle] = Known { handle, interface };
        self.next_handle = if self.next_handle + 1 < HANDLES { self.next_handle + 1 } else { self.kept };
    }

    /// Remembers the token of a call.
    pub fn learn_token(&mut self, token: u64) {
        self.tokens[self.next_token % TOKENS] = token;
        self.next_token += 1;
    }

    /// Any handle.
    pub fn any(&self, random: &mut Rng) -> Known {
        self.handles[random.usize(..HANDLES)]
    }

    /// A handle of this interface, or any if there is none.
    pub fn of_interface(&self, interface: u64, random: &mut Rng) -> Known {
        let start = random.usize(..HANDLES);
        let mut all = (0..HANDLES).map(|index| self.handles[(start + index) % HANDLES]);
        all.find(|known| known.interface == interface).unwrap_or(self.handles[start])
    }

    /// Any token.
    pub fn token(&self, random: &mut Rng) -> u64 {
        self.tokens[random.usize(..TOKENS)]
    }
}

/// Whether who holds this can end the process that it stands for: an attacker that is to live does not learn it.
fn is_lethal(interface: u64) -> bool {
    matches!(interface, process::ID | virtual_memory::ID | handle_manager::ID)
}

/// Whether this ends a program that does it to itself.
pub fn is_end(interface: u64, method: u16) -> bool {
    match interface {
        process::ID => matches!(method, process::kill::METHOD | process::exit::METHOD),
        ledger::ID => method == ledger::reclaim::METHOD,
        _ => false,
    }
}

/// How many methods an interface has.
pub fn methods(interface: u64) -> u16 {
    match interface {
        process::ID => 12,
        ledger::ID => 8,
        virtual_memory::ID => 8,
        endpoint_server::ID => 3,
        endpoint::ID | memory_object::ID | handle_manager::ID | clock::ID => 2,
        _ => 1,
    }
}

/// The interfaces of the capabilities that a method answers with.
pub fn made_by(interface: u64, method: u16) -> &'static [u64] {
    match (interface, method) {
        (ledger::ID, ledger::create_ledger::METHOD) => &[ledger::ID],
        (ledger::ID, ledger::create_process::METHOD) => &[process::ID, virtual_memory::ID, handle_manager::ID],
        (ledger::ID, ledger::create_thread::METHOD) => &[thread::ID],
        (ledger::ID, ledger::create_endpoint::METHOD) => &[endpoint::ID],
        (ledger::ID, ledger::create_memory_object::METHOD) => &[memory_object::ID],
        (ledger::ID, ledger::create_notification::METHOD) => &[notification::ID],
        (endpoint::ID, endpoint::server::METHOD) => &[endpoint_server::ID],
        (endpoint::ID, endpoint::mint_durable::METHOD) | (endpoint_server::ID, endpoint_server::mint::METHOD) => {
            &[SERVED]
        }
        (memory_object::ID, memory_object::reader::METHOD) => &[memory_reader::ID],
        // From another attacker, who may have sent anything.
        _ => &[SERVED; MAX_CAPS],
    }
}
