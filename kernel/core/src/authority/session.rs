//! Sessions: on whose behalf a process acts, and what servers learn of it.
//!
//! Every process has one session. A server never sees it: it gets a reference, the session and its own endpoint in cipher, which is
//! the same for every call of the session and means nothing to anybody else. It is made at the first call through a slot and
//! kept there. Only the kernel can read it: so it finds the session that a server asks about.
use crate::Kernel;
use crate::execution::process::Process;
use crate::execution::stay::cost;
use crate::heap::OutOfHeap;
use crate::ipc::endpoint::Endpoint;
use crate::ipc::record::{Record, Waiter};
use crate::ipc::sent::SentCaps;
use crate::ledger::Ledger;
use crate::lifecycle::chore::Chore;
use crate::platform::Platform;
use crate::slab::{Id, Slab};
use capos_abi::handle::Handle;
use capos_abi::interface::session::{principal, strength};
use capos_abi::message::attribute;
use capos_abi::status;
use core::hash::Hasher;
use core::ops::{Index, IndexMut};
use siphasher::sip::SipHasher24;

/// A session as one endpoint knows it.
pub type Reference = [u64; 2];

/// Rounds of the cipher of references: four of a Feistel network whose round function is pseudorandom make a strong pseudorandom
/// permutation (Luby and Rackoff).
const ROUNDS: u64 = 4;

/// No reference was made yet.
pub const NO_REFERENCE: Reference = [0; 2];

/// Every attribute that a call can disclose.
pub const ALL_ATTRIBUTES: u8 = (attribute::PRINCIPAL | attribute::STRENGTH | attribute::PROFILE) as u8;

/// What a call tells its server about the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The caller's session.
    pub session: Reference,
    /// Which attributes count, and their values: `DeliveryHeader::disclosed`.
    pub disclosed: u32,
}

/// Who somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// `Session.Principal`.
    pub principal: u8,
    /// `Session.Strength`.
    pub strength: u8,
    /// Agreed between login and services.
    pub profile: u8,
}

/// One session.
pub struct Session {
    /// Slots and processes that refer to it.
    pub references: u32,
    /// Slots of those who can end it; without any it is over.
    pub controls: u32,
    /// Who pays; nobody for the system's own, and for one whose ledger was reclaimed.
    pub ledger: Option<Id<Ledger>>,
    /// Its calls are refused.
    pub ended: bool,
    /// Places of the table of processes, and of that of threads, that its end has come to.
    marked: u32,
    quieted: u32,
    /// Who acts.
    pub attributes: Attributes,
}

/// All sessions, and the secret behind their references.
pub struct Sessions {
    /// The session of init and of whatever was started without another one.
    pub system: Id<Session>,
    all: Slab<Session>,
    secret: [u8; 16],
    next_scope: u64,
}

impl Sessions {
    /// The system's session alone. A machine without a source of randomness has no secret: there, services that work together
    /// can compute each other's references.
    pub fn new(platform: &mut impl Platform) -> Result<Self, OutOfHeap> {
        let mut secret = [0; 16];
        if !platform.entropy(&mut secret) {
            secret = u128::from(platform.now()).to_le_bytes();
        }
        let attributes = Attributes { principal: principal::SYSTEM as u8, strength: strength::NONE as u8, profile: 0 };
        let mut all = Slab::new();
        let system = all.insert(Session { references: 1, controls: 1, ..Session::new(None, attributes) })?;
        Ok(Self { system, all, secret, next_scope: 0 })
    }

    /// Adds a session to which nothing refers yet.
    pub fn insert(&mut self, ledger: Id<Ledger>, attributes: Attributes) -> Result<Id<Session>, OutOfHeap> {
        self.all.insert(Session::new(Some(ledger), attributes))
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        self.all.len()
    }

    /// Number of places; ids have smaller indexes.
    pub fn places(&self) -> u32 {
        self.all.slots()
    }

    /// The session in a place.
    pub fn id_at(&self, place: u32) -> Option<Id<Session>> {
        self.all.id_at(place)
    }

    /// A number for a new endpoint.
    pub fn new_scope(&mut self) -> u64 {
        self.next_scope += 1;
        self.next_scope
    }

    /// The session in the eyes of the endpoint with this number.
    pub fn reference(&self, session: Id<Session>, scope: u64) -> Reference {
        (0..ROUNDS).fold([scope, session.word()], |[left, right], round| [right, left ^ self.mix(round, right)])
    }

    /// The session that a reference of the endpoint with this number stands for, if it exists.
    pub fn find(&self, reference: Reference, scope: u64) -> Option<Id<Session>> {
        let rounds = (0..ROUNDS).rev();
        let [known_by, word] = rounds.fold(reference, |[left, right], round| [right ^ self.mix(round, left), left]);
        self.all.find(word).filter(|_| known_by == scope)
    }

    /// The round function of the cipher: a keyed hash.
    fn mix(&self, round: u64, half: u64) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.secret);
        hasher.write_u64(round);
        hasher.write_u64(half);
        hasher.finish()
    }
}

impl Session {
    /// A session to which nothing refers yet.
    fn new(ledger: Option<Id<Ledger>>, attributes: Attributes) -> Self {
        Self { references: 0, controls: 0, ledger, ended: false, marked: 0, quieted: 0, attributes }
    }
}

impl Index<Id<Session>> for Sessions {
    type Output = Session;
    fn index(&self, id: Id<Session>) -> &Session {
        &self.all[id]
    }
}

impl IndexMut<Id<Session>> for Sessions {
    fn index_mut(&mut self, id: Id<Session>) -> &mut Session {
        &mut self.all[id]
    }
}

impl Attributes {
    /// Those of `mask`, as a delivery carries them.
    fn disclose(self, mask: u8) -> u32 {
        [
            (attribute::PRINCIPAL, self.principal),
            (attribute::STRENGTH, self.strength),
            (attribute::PROFILE, self.profile),
        ]
        .iter()
        .enumerate()
        .filter(|(_, (bit, _))| u32::from(mask) & bit != 0)
        .fold(0, |word, (i, (bit, value))| word | bit | u32::from(*value) << (8 * (i + 1)))
    }
}

impl<P: Platform> Kernel<P> {
    /// The reference of a process's session for the endpoint of the served object behind a handle; its slot keeps it.
    #[cold]
    pub(crate) fn make_reference(&mut self, process: Id<Process>, handle: Handle, endpoint: Id<Endpoint>) -> Reference {
        let process = &mut self.processes[process];
        let reference = self.sessions.reference(process.session, self.endpoints[endpoint].scope);
        if let Some(slot) = process.handles.slot_mut(handle as u32) {
            slot.session = reference;
        }
        reference
    }

    /// The attributes of a process's session that are in `mask`, as a delivery carries them.
    #[cold]
    pub(crate) fn disclose(&self, process: Id<Process>, mask: u8) -> u32 {
        self.session_of(process).attributes.disclose(mask)
    }

    fn session_of(&self, process: Id<Process>) -> &Session {
        &self.sessions[self.processes[process].session]
    }

    /// Whether this endpoint's calls refer to a session that lasts by `reference`.
    pub(crate) fn knows_live_session(&self, endpoint: Id<Endpoint>, reference: Reference) -> bool {
        let session = self.sessions.find(reference, self.endpoints[endpoint].scope);
        session.is_some_and(|id| !self.sessions[id].ended)
    }

    /// Lets a process act in a session.
    pub(crate) fn join_session(&mut self, process: Id<Process>, session: Id<Session>) {
        self.sessions[session].references += 1;
        let ended = self.sessions[session].ended;
        let process = &mut self.processes[process];
        process.session = session;
        process.session_ended = ended;
    }

    /// Gives up a reference to a session.
    pub(crate) fn release_session(&mut self, id: Id<Session>) {
        self.sessions[id].references -= 1;
        if self.sessions[id].references == 0
            && let Some(session) = self.sessions.all.remove(id)
            && let Some(ledger) = session.ledger
        {
            self.refund_object(ledger);
        }
    }

    /// Gives up a reference to a session that makes it last.
    pub(crate) fn release_control(&mut self, id: Id<Session>) {
        self.sessions[id].controls -= 1;
        if self.sessions[id].controls == 0 {
            self.chores.push(Chore::Session(id));
        } else {
            self.release_session(id);
        }
    }

    /// Whether two processes act in the same session.
    #[inline]
    pub(crate) fn share_session(&self, one: Id<Process>, other: Id<Process>) -> bool {
        self.processes[one].session == self.processes[other].session
    }

    /// The first of these capabilities of `from` that may not go to `to`, because it has to stay in its session.
    pub(crate) fn confined_to(&self, from: Id<Process>, caps: &SentCaps, to: Id<Process>) -> Option<usize> {
        if caps.len() == 0 || self.share_session(from, to) {
            return None;
        }
        let handles = &self.processes[from].handles;
        caps.as_slice().iter().position(|&handle| handles.get_any(handle).is_some_and(|held| held.confined))
    }

    /// Ends a session: marks it, then its processes, then ends their calls, as far as the stay allows; whether none is left.
    pub(crate) fn end_session_step(&mut self, session: Id<Session>) -> bool {
        self.sessions[session].ended = true;
        while self.sessions[session].marked < self.processes.slots() {
            if self.stay.is_over() {
                return false;
            }
            self.stay.spend(cost::PLACE);
            self.mark_member(session, self.sessions[session].marked);
            self.sessions[session].marked += 1;
        }
        while self.sessions[session].quieted < self.threads.slots() {
            if !self.quiet_member(session, self.sessions[session].quieted) {
                return false;
            }
            self.sessions[session].quieted += 1;
        }
        true
    }

    fn mark_member(&mut self, session: Id<Session>, index: u32) {
        if let Some(id) = self.processes.id_at(index)
            && self.processes[id].session == session
        {
            self.processes[id].session_ended = true;
        }
    }

    /// Ends the calls of served objects that a thread of this session has in flight, as far as the stay allows; whether none is
    /// left.
    fn quiet_member(&mut self, session: Id<Session>, index: u32) -> bool {
        self.stay.spend(cost::PLACE);
        let Some(thread) = self.threads.id_at(index) else { return true };
        if self.processes.get(self.threads[thread].process).is_none_or(|p| p.session != session) {
            return true;
        }
        for tag in self.threads[thread].ring.tags() {
            if self.stay.is_over() {
                return false;
            }
            self.stay.spend(cost::RECORD);
            if matches!(self.threads[thread].ring.record(tag), Record::Call(_)) {
                self.abort(Waiter { thread, tag }, status::SESSION_ENDED);
            }
        }
        !self.stay.is_over()
    }
}
