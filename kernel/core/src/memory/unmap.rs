//! Unmapping: what a range stands for is taken away in steps, each as long as its stay allows.
use crate::Kernel;
use crate::execution::process::Process;
use crate::execution::stay::cost;
use crate::ipc::operation::Refusal;
use crate::ledger::Resource;
use crate::memory::frame::{FRAME_BYTES, Frame};
use crate::memory::range::{Kind, Range};
use crate::platform::{Platform, Space};
use crate::slab::Id;

/// Pages unmapped between two flushes of stale translations.
pub const UNMAP_BATCH: usize = 32;

impl<P: Platform> Kernel<P> {
    /// Frees what a part of a range stands for, as far as the stay allows; it is reserved then. How far it came.
    pub(crate) fn vacate_part(&mut self, process: Id<Process>, part: Range) -> Result<u64, Refusal> {
        if part.kind == Kind::Reserved {
            return Ok(part.end);
        }
        self.prepare_removal(process, part.start)?;
        if part.kind.piece().is_some() {
            self.split_mapping(process, &part);
            return Ok(if self.unmap_piece(process, &part) { part.end } else { part.start });
        }
        self.spend_on_range(process);
        let reached = self.free_pages(process, &part);
        self.processes[process].ranges.set(part.start, reached, Kind::Reserved);
        Ok(reached)
    }

    /// Takes a piece of a mapping away, as far as the stay allows; its addresses are reserved then. Whether it is gone. A piece that is a
    /// range by itself needs no room in the map.
    pub(crate) fn unmap_piece(&mut self, process: Id<Process>, range: &Range) -> bool {
        let Some(piece) = range.kind.piece() else { return true };
        self.spend_on_range(process);
        let reached = self.free_pages(process, range);
        let is_gone = reached == range.end;
        let kind = if is_gone { Kind::Reserved } else { Kind::Unmapping { piece, reached } };
        self.processes[process].ranges.set(range.start, range.end, kind);
        if is_gone {
            self.remove_piece(process, piece);
        }
        is_gone
    }

    /// Unmaps the pages of a range, frees and refunds those of its own, as far as the stay allows; where it stopped.
    pub(crate) fn free_pages(&mut self, process: Id<Process>, range: &Range) -> u64 {
        let Some(space) = self.processes[process].space else { return range.end };
        let (mut at, is_private) = match range.kind {
            Kind::Reserved | Kind::Ring(_) => return range.end,
            Kind::Committed(_) => (range.start, true),
            Kind::Mapped { .. } => (range.start, false),
            // It may have been cut since.
            Kind::Unmapping { reached, .. } => (range.start.max(reached).min(range.end), false),
        };
        while at < range.end {
            let reached = self.unmap_batch(space, at, range.end, is_private);
            if is_private {
                let ledger = self.processes[process].ledger;
                self.ledgers[ledger].refund(Resource::Frames, (reached - at) / FRAME_BYTES);
            }
            at = reached;
            if self.stay.is_over() {
                break;
            }
        }
        at
    }

    /// Unmaps up to [`UNMAP_BATCH`] mapped pages; frees their frames if they are private, and the reservations of those that were never
    /// touched.
    fn unmap_batch(&mut self, space: Space, start: u64, end: u64, is_private: bool) -> u64 {
        let (mut batch, mut touched) = ([Frame(0); UNMAP_BATCH], 0);
        let (mut at, mut first, mut last) = (start, end, start);
        while let Some(place) = batch.get_mut(touched) {
            let (reached, frame) = self.platform.unmap_next(space, at, end);
            let looked_at = ((reached - at) / FRAME_BYTES).min(capos_abi::PAGE_BYTES / 8) as u32;
            self.stay.spend(cost::PAGE + looked_at * cost::TABLE_ENTRY);
            at = reached;
            if let Some(frame) = frame {
                (first, last) = (first.min(reached - FRAME_BYTES), reached);
                *place = frame;
                touched += 1;
            }
            if at >= end || self.stay.is_over() {
                break;
            }
        }
        // Pages that were never touched have no translation that could be stale.
        if first < last {
            self.platform.flush(space, first, (last - first) / FRAME_BYTES);
        }
        if is_private {
            batch.into_iter().take(touched).for_each(|frame| self.frames.free(frame));
            self.stay.spend(touched as u32 * cost::FREED_FRAME);
            self.frames.unreserve((at - start) / FRAME_BYTES - touched as u64);
        }
        at
    }

    /// Unmaps pages whose frames belong to something else.
    pub(crate) fn unmap_pages(&mut self, space: Space, start: u64, pages: u64) {
        for page in 0..pages {
            self.platform.unmap(space, start + page * FRAME_BYTES);
        }
        self.platform.flush(space, start, pages);
    }
}
