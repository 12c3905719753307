//! Who refers to a memory object by mapping it, and who holds it.
//!
//! A process that holds an object pays for it like the ledger that it was made by. Its mappings of it survive that ledger and the
//! capability that they were made with, so nobody's server faults because a client took its memory back.
use crate::Kernel;
use crate::authority::capability::Object;
use crate::execution::process::Process;
use crate::heap::{Payer, make_room};
use crate::ipc::operation::Refusal;
use crate::ledger::{Exhausted, Ledger, Resource};
use crate::lifecycle::chore::Chore;
use crate::memory::range::Kind;
use crate::memory::{Backing, MemoryObject};
use crate::platform::Platform;
use crate::slab::Id;

impl MemoryObject {
    /// Charges for its frames and the list of them once more.
    fn charge_to(&self, ledger: &mut Ledger) -> Result<(), Exhausted> {
        ledger.charge(Resource::Frames, self.pages())?;
        let listed = ledger.charge(Resource::KernelMemory, self.list_bytes());
        listed.inspect_err(|_| ledger.refund(Resource::Frames, self.pages()))
    }

    /// Takes such a charge back.
    pub(crate) fn refund_to(&self, ledger: &mut Ledger) {
        ledger.refund(Resource::Frames, self.pages());
        ledger.refund(Resource::KernelMemory, self.list_bytes());
    }
}

impl<P: Platform> Kernel<P> {
    /// Each piece of a mapping refers to its object, may be one through which that is written, and may be held.
    pub(crate) fn add_piece(&mut self, process: Id<Process>, kind: &Kind) {
        let &Kind::Mapped { object, writable, held, .. } = kind else { return };
        self.memory[object].writers += u32::from(writable);
        self.retain(Object::Memory(object));
        if held && let Some((_, pieces)) = self.processes[process].holds.iter_mut().find(|(o, _)| *o == object) {
            *pieces += 1;
        }
    }

    /// A piece of a mapping is gone.
    pub(crate) fn remove_piece(&mut self, process: Id<Process>, kind: &Kind) {
        let &Kind::Mapped { object, writable, held, .. } = kind else { return };
        self.memory[object].writers -= u32::from(writable);
        if held {
            self.drop_hold(process, object);
        }
        self.release(Object::Memory(object));
    }

    /// Charges a process for an object of which one more piece is held.
    pub(crate) fn hold_object(&mut self, process: Id<Process>, object: Id<MemoryObject>) -> Result<(), Refusal> {
        let entry = &mut self.processes[process];
        if let Some((_, pieces)) = entry.holds.iter_mut().find(|(held, _)| *held == object) {
            *pieces += 1;
            return Ok(());
        }
        make_room(&mut entry.holds, 1, Payer { ledgers: &mut self.ledgers, ledger: entry.ledger })?;
        self.memory[object].charge_to(&mut self.ledgers[entry.ledger])?;
        entry.holds.push((object, 1));
        self.memory[object].holders += 1;
        Ok(())
    }

    fn drop_hold(&mut self, process: Id<Process>, object: Id<MemoryObject>) {
        let entry = &mut self.processes[process];
        let Some(at) = entry.holds.iter().position(|(held, _)| *held == object) else { return };
        if let Some((_, pieces)) = entry.holds.get_mut(at)
            && *pieces > 1
        {
            *pieces -= 1;
            return;
        }
        entry.holds.swap_remove(at);
        let ledger = entry.ledger;
        let memory = &mut self.memory[object];
        memory.holders -= 1;
        let is_over = memory.holders == 0 && memory.ledger.is_none() && matches!(memory.backing, Backing::Anonymous(_));
        memory.refund_to(&mut self.ledgers[ledger]);
        if is_over {
            self.chores.push(Chore::Memory(object));
        }
    }
}
