//! Changes of many ranges of an address map, in steps. All of them are looked at before the first one is changed.
use crate::Kernel;
use crate::execution::process::Process;
use crate::execution::stay::cost;
use crate::execution::thread::Thread;
use crate::ipc::operation::Refusal;
use crate::memory::Access;
use crate::memory::frame::FRAME_BYTES;
use crate::memory::range::{Kind, Piece, Range};
use crate::platform::Platform;
use crate::slab::Id;
use capos_abi::status;

/// Pages whose access changes in one step.
const PROTECT_PAGES: u64 = 32;

/// In the cursor of a thread, beside an address: all ranges were looked at, and so far they are changed.
const CHECKED: u64 = 1;

impl<P: Platform> Kernel<P> {
    /// Changes each part of a range in `start..end`, as far as the stay allows; whether that was all. They must satisfy the condition,
    /// and leave no hole. A change says how far it came.
    ///
    /// Where it stopped stands in the cursor of the thread. A program that gives the thread another entry meanwhile is wrong about
    /// its own memory alone: each range is looked at again before it is changed.
    pub(crate) fn change_all(
        &mut self,
        thread: Id<Thread>,
        process: Id<Process>,
        (start, end): (u64, u64),
        may: impl Fn(&Kind) -> bool,
        change: impl Fn(&mut Self, Id<Process>, Range) -> Result<u64, Refusal>,
    ) -> Result<bool, Refusal> {
        let (from, is_checked) = self.take_cursor(thread, start, end);
        let mut next = self.processes[process].ranges.first(from, end);
        // One range alone is looked at as it is changed.
        let is_alone = next.is_some_and(|part| part.start == start && part.end == end);
        if !is_checked && !is_alone {
            if !self.check_all(thread, process, (from, end), &may)? {
                return Ok(false);
            }
            next = self.processes[process].ranges.first(start, end);
        }
        while let Some(part) = next {
            if self.stay.is_over() {
                self.threads[thread].cursor = part.start | CHECKED;
                return Ok(false);
            }
            self.stay.spend(cost::LOOK_UP);
            if !may(&part.kind) {
                return Err(status::BAD_STATE.into());
            }
            let reached = change(self, process, part)?;
            next = if reached < end { self.processes[process].ranges.first(reached, end) } else { None };
        }
        Ok(true)
    }

    /// How far an entry has come with these addresses, and whether it has looked at all of them.
    fn take_cursor(&mut self, thread: Id<Thread>, start: u64, end: u64) -> (u64, bool) {
        let cursor = core::mem::take(&mut self.threads[thread].cursor);
        let at = cursor & !CHECKED;
        if (start..end).contains(&at) { (at, cursor & CHECKED != 0) } else { (start, false) }
    }

    /// Looks at the ranges of `at..end`, as far as the stay allows; whether at all.
    fn check_all(
        &mut self,
        thread: Id<Thread>,
        process: Id<Process>,
        (mut at, end): (u64, u64),
        may: impl Fn(&Kind) -> bool,
    ) -> Result<bool, Refusal> {
        while at < end {
            if self.stay.is_over() {
                self.threads[thread].cursor = at;
                return Ok(false);
            }
            self.stay.spend(cost::LOOK_UP);
            let range = self.processes[process].ranges.find(at).filter(|range| may(&range.kind));
            at = range.ok_or(status::BAD_STATE)?.end;
        }
        Ok(true)
    }

    /// Makes the page tables of `start..end` as far as the stay allows; whether there are all.
    pub(crate) fn make_all_tables(
        &mut self,
        thread: Id<Thread>,
        process: Id<Process>,
        start: u64,
        end: u64,
    ) -> Result<bool, Refusal> {
        let (from, _) = self.take_cursor(thread, start, end);
        let reached = self.make_tables(process, from, end)?;
        if reached < end {
            self.threads[thread].cursor = reached;
        }
        Ok(reached == end)
    }

    /// A range of this map will be changed.
    pub(crate) fn spend_on_range(&mut self, process: Id<Process>) {
        self.stay.spend(cost::RANGE + self.processes[process].ranges.moved() * cost::MOVED_RANGE);
    }

    /// Changes the access to the first pages of a part of a range.
    pub(crate) fn protect_part(
        &mut self,
        process: Id<Process>,
        mut part: Range,
        wanted: Access,
    ) -> Result<u64, Refusal> {
        let kind = part.kind.with_access(wanted);
        if kind == part.kind {
            return Ok(part.end);
        }
        self.spend_on_range(process);
        self.prepare_ranges(process, part.start)?;
        part.end = part.end.min(part.start + PROTECT_PAGES * FRAME_BYTES);
        self.split_mapping(process, &part);
        self.processes[process].ranges.set(part.start, part.end, kind);
        self.protect_pages(process, &part, wanted);
        Ok(part.end)
    }

    fn protect_pages(&mut self, process: Id<Process>, part: &Range, access: Access) {
        let Some(space) = self.processes[process].space else { return };
        self.stay.spend(part.pages() as u32 * cost::PAGE);
        (0..part.pages()).for_each(|page| self.platform.protect(space, part.start + page * FRAME_BYTES, access));
        self.platform.flush(space, part.start, part.pages());
    }

    /// Holds what a part of a mapping stands for.
    pub(crate) fn hold_part(&mut self, process: Id<Process>, part: Range) -> Result<u64, Refusal> {
        let Kind::Mapped { piece, offset, access } = part.kind else { return Ok(part.end) };
        if piece.held {
            return Ok(part.end);
        }
        self.spend_on_range(process);
        self.prepare_ranges(process, part.start)?;
        self.hold_object(process, piece.object)?;
        self.split_mapping(process, &part);
        let kind = Kind::Mapped { piece: Piece { mapping: None, held: true, ..piece }, offset, access };
        self.processes[process].ranges.set(part.start, part.end, kind);
        self.leave_mapping(process, piece.mapping);
        Ok(part.end)
    }

    /// Each range of a mapping holds a reference to its object: splitting one adds a reference for each new piece.
    pub(crate) fn split_mapping(&mut self, process: Id<Process>, part: &Range) {
        let Some(whole) = self.processes[process].ranges.find(part.start).copied() else { return };
        if let Some(piece) = whole.kind.piece() {
            let more = u32::from(whole.start < part.start) + u32::from(whole.end > part.end);
            (0..more).for_each(|_| self.add_piece(process, piece));
        }
    }
}
