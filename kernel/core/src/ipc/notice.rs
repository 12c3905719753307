//! Notices: a minter learns when the last capability derived from an origin is gone.
//!
//! 1. An endpoint knows its minters: the processes that hold origins which they minted there. There is room for a new one before it
//!    mints.
//! 2. Origins whose notices wait form a list through their own slots, one for each minter of an endpoint. So every notice has its
//!    place since its origin was minted, and comes, leaves and is withdrawn without a look at the others.
//! 3. The minter's receptions take the notices, the oldest first.
use crate::Kernel;
use crate::authority::capability::{Object, Served};
use crate::authority::handle::{HandleTable, SlotRef};
use crate::execution::process::Process;
use crate::execution::stay::cost;
use crate::execution::thread::State;
use crate::heap::{Payer, make_room};
use crate::ipc::endpoint::Endpoint;
use crate::ipc::operation::Refusal;
use crate::ipc::record::{Record, Waiter};
use crate::list::{Links, List, Members};
use crate::platform::Platform;
use crate::slab::Id;
use capos_abi::ring::{Completion, RECEIVE_HEADROOM, kind};
use capos_abi::status;

/// Processes with origins at one endpoint at most.
pub const MAX_MINTERS: usize = 256;

/// What a slot's holder is to learn of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Nothing: it holds no origin that its holder minted.
    Never,
    /// Nothing as yet.
    Quiet,
    /// Nothing refers to the origin any more: it is in the list of its minter.
    Waiting(Links<u32>),
}

/// Origins whose notices wait, by their slots.
impl Members<u32> for HandleTable {
    fn links(&mut self, origin: u32) -> Option<&mut Links<u32>> {
        match &mut self.slot_mut(origin)?.notice {
            Notice::Waiting(links) => Some(links),
            Notice::Never | Notice::Quiet => None,
        }
    }
}

/// A process with origins at an endpoint.
pub struct Minter {
    process: Id<Process>,
    /// How many.
    origins: u32,
    /// Those whose notices wait.
    waiting: List<u32>,
}

impl Minter {
    /// The notice of an origin comes behind the others.
    fn push(&mut self, handles: &mut HandleTable, origin: u32) {
        set_notice(handles, origin, Notice::Waiting(Links::NONE));
        self.waiting.push(handles, origin);
    }

    /// The notice of an origin leaves the list, if it is there.
    fn remove(&mut self, handles: &mut HandleTable, origin: u32) {
        if let Notice::Waiting(_) = notice_of(handles, origin) {
            self.waiting.remove(handles, origin);
            set_notice(handles, origin, Notice::Quiet);
        }
    }
}

fn notice_of(handles: &HandleTable, slot: u32) -> Notice {
    handles.slot(slot).map_or(Notice::Never, |slot| slot.notice)
}

fn set_notice(handles: &mut HandleTable, slot: u32, notice: Notice) {
    if let Some(slot) = handles.slot_mut(slot) {
        slot.notice = notice;
    }
}

impl Endpoint {
    fn minter(&self, process: Id<Process>) -> Option<&Minter> {
        self.minters.iter().find(|minter| minter.process == process)
    }

    fn minter_mut(&mut self, process: Id<Process>) -> Option<&mut Minter> {
        self.minters.iter_mut().find(|minter| minter.process == process)
    }

    /// Whether notices wait for this process.
    pub fn has_notices(&self, process: Id<Process>) -> bool {
        self.minter(process).is_some_and(|minter| minter.waiting.first().is_some())
    }

    /// Counts one more origin of a process. There is room: [`Kernel::prepare_to_mint`] came before.
    fn add_origin(&mut self, process: Id<Process>) {
        match self.minter_mut(process) {
            Some(minter) => minter.origins += 1,
            None => self.minters.push(Minter { process, origins: 1, waiting: List::EMPTY }),
        }
    }

    /// An origin of a process is gone, and its notice with it; with the last one its minter is forgotten.
    fn remove_origin(&mut self, process: Id<Process>, handles: &mut HandleTable, origin: u32) {
        let Some(minter) = self.minter_mut(process) else { return };
        minter.remove(handles, origin);
        minter.origins -= 1;
        if minter.origins == 0 {
            self.minters.retain(|minter| minter.process != process);
        }
    }
}

impl<P: Platform> Kernel<P> {
    /// Makes sure that the endpoint can know this process as a minter.
    pub(crate) fn prepare_to_mint(&mut self, id: Id<Endpoint>, process: Id<Process>) -> Result<(), Refusal> {
        let endpoint = &mut self.endpoints[id];
        self.stay.spend(endpoint.minters.len() as u32 * cost::LISTED);
        if endpoint.minter(process).is_some() {
            return Ok(());
        }
        if endpoint.minters.len() == MAX_MINTERS {
            return Err(status::BAD_STATE.into());
        }
        let ledger = endpoint.ledger.ok_or(status::STALE)?;
        make_room(&mut endpoint.minters, 1, Payer { ledgers: &mut self.ledgers, ledger, stay: &mut self.stay })
    }

    /// A slot holds what its process has just minted. There is room: [`Self::prepare_to_mint`] came before.
    pub(crate) fn add_origin(&mut self, slot: SlotRef) {
        let handles = &mut self.processes[slot.process].handles;
        if let Some(Served { endpoint, minter: Some(_), .. }) = served_in(handles, slot.index) {
            set_notice(handles, slot.index, Notice::Quiet);
            self.endpoints[endpoint].add_origin(slot.process);
        }
    }

    /// A slot is about to be emptied: nothing is to be learned of it.
    pub(crate) fn remove_origin(&mut self, slot: SlotRef) {
        let handles = &mut self.processes[slot.process].handles;
        if notice_of(handles, slot.index) == Notice::Never {
            return;
        }
        let Some(Served { endpoint, .. }) = served_in(handles, slot.index) else { return };
        let endpoint = &mut self.endpoints[endpoint];
        self.stay.spend(endpoint.minters.len() as u32 * cost::LISTED);
        endpoint.remove_origin(slot.process, handles, slot.index);
    }

    /// The last capability derived from a root is gone: its holder learns of it if it has minted it.
    pub(crate) fn notice_unreferenced(&mut self, root: SlotRef) {
        let handles = &mut self.processes[root.process].handles;
        if notice_of(handles, root.index) != Notice::Quiet {
            return;
        }
        let Some(Served { endpoint: id, .. }) = served_in(handles, root.index) else { return };
        let endpoint = &mut self.endpoints[id];
        // An endpoint that has ended has no minters.
        let Some(minter) = endpoint.minter_mut(root.process) else { return };
        minter.push(handles, root.index);
        let listed = endpoint.minters.len() + endpoint.receivers.len();
        self.stay.spend(cost::NOTICE + listed as u32 * cost::LISTED);
        self.tell_receivers(id);
        let waiting = self.endpoints[id].receivers.iter().copied().find(|r| {
            self.threads[r.thread].process == root.process && matches!(self.threads[r.thread].state, State::Blocked(_))
        });
        if let Some(receiver) = waiting {
            self.pull_notice(id, receiver);
        }
    }

    /// Posts the oldest notice for this receiver's process, if there is one and its ring has room.
    pub(crate) fn pull_notice(&mut self, endpoint: Id<Endpoint>, receiver: Waiter) -> bool {
        let server = &mut self.threads[receiver.thread];
        let process = server.process;
        let Some(minter) = self.endpoints[endpoint].minter_mut(process) else { return false };
        let Some(origin) = minter.waiting.first() else { return false };
        let Record::Receive(receive) = server.ring.record(receiver.tag) else { return false };
        let user_data = receive.user_data;
        let positions = &mut server.ring.positions;
        if !positions.has_free(RECEIVE_HEADROOM + 1) || !positions.reserve(1) {
            return false;
        }
        let handles = &mut self.processes[process].handles;
        minter.remove(handles, origin);
        let value = handles.handle_of(origin);
        let notice =
            Completion { user_data, kind: kind::UNREFERENCED, tag: receiver.tag, value, ..Completion::default() };
        self.stay.spend(cost::NOTICE);
        self.complete(receiver.thread, &notice);
        true
    }
}

/// The served object in a slot.
fn served_in(handles: &HandleTable, slot: u32) -> Option<Served> {
    match handles.slot(slot)?.capability()?.object {
        Object::Served(served) => Some(served),
        _ => None,
    }
}
