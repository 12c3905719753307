//! Page tables of a process. Each is charged and noted before it is used, and goes with the process.
//!
//! Whoever commits or maps memory makes the tables for all of it, so that its first touch needs no memory that was not paid for.
use crate::Kernel;
use crate::execution::process::Process;
use crate::execution::stay::cost;
use crate::heap::{self, Payer, grow, has_room};
use crate::ipc::operation::Refusal;
use crate::ledger::{Ledger, Resource};
use crate::memory::frame::{Frame, FrameAllocator, OutOfFrames};
use crate::platform::{Platform, Space};
use crate::slab::Id;
use alloc::vec::Vec;

/// Where the page tables of one process come from.
pub struct PageTables<'a> {
    frames: &'a mut FrameAllocator,
    ledger: &'a mut Ledger,
    taken: &'a mut Vec<Frame>,
    refusal: Option<Refusal>,
}

impl<'a> PageTables<'a> {
    /// Tables that this ledger pays for, beside those taken before.
    pub(crate) fn new(frames: &'a mut FrameAllocator, ledger: &'a mut Ledger, taken: &'a mut Vec<Frame>) -> Self {
        Self { frames, ledger, taken, refusal: None }
    }

    /// A frame for one more table, zeroed: by `zero`, unless it was before.
    pub fn take(&mut self, zero: impl FnOnce(Frame)) -> Result<Frame, OutOfFrames> {
        self.take_charged(zero).map_err(|refusal| {
            self.refusal = Some(refusal);
            OutOfFrames { requested: 1, remaining: 0 }
        })
    }

    fn take_charged(&mut self, zero: impl FnOnce(Frame)) -> Result<Frame, Refusal> {
        if !has_room(self.taken, 1) {
            grow(self.taken, 1, self.ledger)?;
        }
        self.ledger.charge(Resource::Frames, 1)?;
        let frame = self.frames.allocate_zeroed(zero);
        let frame = frame.inspect_err(|_| self.ledger.refund(Resource::Frames, 1))?;
        self.taken.push(frame);
        Ok(frame)
    }

    /// What came of an attempt to use these tables: the reason why [`Self::take`] failed, if it did.
    pub(crate) fn explain<T>(&self, outcome: Result<T, OutOfFrames>) -> Result<T, Refusal> {
        outcome.map_err(|out_of_frames| self.refusal.unwrap_or(out_of_frames.into()))
    }
}

impl<P: Platform> Kernel<P> {
    /// An address space on a ledger, and the table that it takes.
    pub(crate) fn new_space(&mut self, ledger: Id<Ledger>) -> Result<(Space, Vec<Frame>), Refusal> {
        let mut taken = Vec::new();
        let mut tables = PageTables::new(&mut self.frames, &mut self.ledgers[ledger], &mut taken);
        let made = self.platform.create_space(&mut tables);
        let made = tables.explain(made);
        let space = made.inspect_err(|_| heap::free(&mut taken, &mut self.ledgers[ledger]))?;
        Ok((space, taken))
    }

    /// Makes room for one change that adds something to a process's address map at an address.
    pub(crate) fn prepare_ranges(&mut self, process: Id<Process>, address: u64) -> Result<(), Refusal> {
        let process = &mut self.processes[process];
        process
            .ranges
            .prepare(address, Payer { ledgers: &mut self.ledgers, ledger: process.ledger, stay: &mut self.stay })
    }

    /// Makes room for one change that takes something out of a process's address map at an address.
    pub(crate) fn prepare_removal(&mut self, process: Id<Process>, address: u64) -> Result<(), Refusal> {
        let process = &mut self.processes[process];
        process.ranges.prepare_to_remove(
            address,
            Payer { ledgers: &mut self.ledgers, ledger: process.ledger, stay: &mut self.stay },
        )
    }

    /// Makes the tables for the first addresses of `start..end`, at least one, and as many as the stay allows; the address
    /// behind what they cover.
    pub(crate) fn make_tables(&mut self, process: Id<Process>, start: u64, end: u64) -> Result<u64, Refusal> {
        let mut at = start;
        while at < end {
            at = self.make_table(process, at)?;
            if self.stay.is_over() {
                break;
            }
        }
        Ok(at.min(end))
    }

    fn make_table(&mut self, process: Id<Process>, address: u64) -> Result<u64, Refusal> {
        let entry = &mut self.processes[process];
        let Some(space) = entry.space else { return Ok(u64::MAX) };
        let before = entry.tables.len();
        let mut tables = PageTables::new(&mut self.frames, &mut self.ledgers[entry.ledger], &mut entry.tables);
        let made = self.platform.make_table(space, &mut tables, address);
        let behind = tables.explain(made)?;
        let new = self.processes[process].tables.len() - before;
        self.stay.spend(cost::TABLE + new as u32 * cost::NEW_TABLE);
        Ok(behind)
    }

    /// Frees and refunds the tables of a process that no thread will enter again, as far as the stay allows; whether all are free.
    pub(crate) fn free_tables(&mut self, process: Id<Process>) -> bool {
        let entry = &mut self.processes[process];
        if let Some(space) = entry.space.take() {
            self.platform.leave_space(space);
        }
        while !self.stay.is_over() {
            let Some(table) = entry.tables.pop() else { return true };
            self.frames.free(table);
            self.ledgers[entry.ledger].refund(Resource::Frames, 1);
            self.stay.spend(cost::FREED_TABLE);
        }
        entry.tables.is_empty()
    }
}
