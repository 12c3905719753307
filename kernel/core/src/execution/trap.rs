//! Faults of programs: memory filled at first touch, or the end of the process.
use crate::execution::process::Process;
use crate::execution::stay::cost;
use crate::ipc::operation::Refusal;
use crate::memory::frame::{FRAME_BYTES, Frame};
use crate::memory::page_table::PageTables;
use crate::memory::range::Kind;
use crate::memory::{Access, Backing, MemoryObject};
use crate::platform::Platform;
use crate::slab::Id;
use crate::{Kernel, Next};
use capos_abi::interface::process::fault as abi;
use capos_abi::status;

/// Pages of a memory object that are listed in one step.
const LISTED_PAGES: usize = 256;

/// What kind of fault it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum FaultKind {
    /// Read where it may not.
    Read = abi::READ,
    /// Wrote where it may not.
    Write = abi::WRITE,
    /// Executed where it may not.
    Execute = abi::EXECUTE,
    /// Divided by zero or overflowed.
    Divide = abi::DIVIDE,
    /// No such instruction.
    InvalidInstruction = abi::INVALID_INSTRUCTION,
    /// A privileged instruction or a non-canonical address.
    Protection = abi::PROTECTION,
    /// A breakpoint.
    Breakpoint = abi::BREAKPOINT,
    /// Misaligned access.
    Alignment = abi::ALIGNMENT,
    /// Floating point exception.
    FloatingPoint = abi::FLOATING_POINT,
    /// Anything else.
    Other = abi::OTHER,
}

/// A fault, as the crash record keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What kind.
    pub kind: FaultKind,
    /// Address accessed, for memory faults.
    pub address: u64,
    /// Instruction.
    pub instruction: u64,
}

/// How memory was accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultAccess {
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Execution.
    Execute,
}

impl FaultAccess {
    fn is_allowed(self, access: Access) -> bool {
        match self {
            Self::Read => access != Access::None,
            Self::Write => access == Access::ReadWrite,
            Self::Execute => access == Access::ReadExecute,
        }
    }

    fn kind(self) -> FaultKind {
        match self {
            Self::Read => FaultKind::Read,
            Self::Write => FaultKind::Write,
            Self::Execute => FaultKind::Execute,
        }
    }
}

impl<P: Platform> Kernel<P> {
    /// The current thread touched a page that is not mapped so. `present`: something is mapped there.
    pub fn page_fault(
        &mut self,
        processor: usize,
        address: u64,
        access: FaultAccess,
        present: bool,
        instruction: u64,
    ) -> Next {
        self.begin_stay(processor);
        let filled = self.runnable(processor).is_some_and(|thread| {
            let process = self.threads[thread].process;
            !present && self.fill(process, address & !(FRAME_BYTES - 1), access)
        });
        if filled {
            self.settle(processor)
        } else {
            self.fault(processor, Fault { kind: access.kind(), address, instruction })
        }
    }

    /// The current thread did what it may not.
    pub fn fault(&mut self, processor: usize, fault: Fault) -> Next {
        self.begin_stay(processor);
        if let Some(thread) = self.runnable(processor) {
            self.take_fault(thread, fault);
        }
        self.settle(processor)
    }

    pub(crate) fn log_fault(&mut self, process: Id<Process>, fault: &Fault) {
        use core::fmt::Write;
        let mut line = crate::log::Line::new();
        let name = self.processes[process].name();
        let _ = write!(
            line,
            "{name} faulted: {:?} at {:#x}, instruction {:#x}",
            fault.kind, fault.address, fault.instruction
        );
        self.log_line(line.as_str());
    }

    /// Maps the page that a first touch asks for, if the range there allows the access.
    #[inline]
    pub(crate) fn fill(&mut self, process: Id<Process>, page: u64, access: FaultAccess) -> bool {
        let Some(range) = self.processes[process].ranges.find(page) else { return false };
        let (allowed, shared) = match range.kind {
            Kind::Reserved | Kind::Unmapping { .. } => return false,
            Kind::Ring(thread) => return access != FaultAccess::Execute && self.touch_ring(thread, page),
            Kind::Committed(allowed) => (allowed, None),
            Kind::Mapped { piece, offset, access: allowed } => {
                (allowed, Some((piece.object, (offset + page - range.start) / FRAME_BYTES)))
            }
        };
        if !access.is_allowed(allowed) {
            return false;
        }
        let frame = match shared {
            None => self.zeroed_reserved_frame(),
            // The program touches the page again.
            Some((object, index)) if !self.list_page(object, index) => return true,
            Some((object, index)) => self.object_frame(object, index),
        };
        let Some(frame) = frame else { return false };
        let mapped = self.map_page(process, page, frame, allowed).is_ok();
        if !mapped && shared.is_none() {
            self.frames.free(frame);
            let _ = self.frames.reserve(1);
        }
        mapped
    }

    /// Maps one page, with the page tables that are missing.
    pub(crate) fn map_page(
        &mut self,
        process: Id<Process>,
        page: u64,
        frame: Frame,
        access: Access,
    ) -> Result<(), Refusal> {
        let entry = &mut self.processes[process];
        let space = entry.space.ok_or(status::STALE)?;
        let mut tables = PageTables::new(&mut self.frames, &mut self.ledgers[entry.ledger], &mut entry.tables);
        let mapped = self.platform.map(space, &mut tables, page, frame, access);
        tables.explain(mapped)
    }

    /// A zeroed frame out of those that were reserved when memory was committed.
    pub(crate) fn zeroed_reserved_frame(&mut self) -> Option<Frame> {
        self.frames.allocate_reserved(|frame| self.platform.zero_frame(frame))
    }

    /// For a processor that has nothing to do: zeroes one frame ahead of its use. False: there are enough.
    pub fn zero_ahead(&mut self) -> bool {
        self.frames.zero_ahead(|frame| self.platform.zero_frame(frame))
    }

    /// Lists the pages of a memory object up to this one, as far as the stay allows; whether all are.
    fn list_page(&mut self, object: Id<MemoryObject>, index: u64) -> bool {
        let Backing::Anonymous(pages) = &mut self.memory[object].backing else { return true };
        loop {
            let missing = pages.missing(index as usize);
            if missing == 0 || self.stay.is_over() {
                return missing == 0;
            }
            let more = missing.min(LISTED_PAGES);
            pages.extend(more);
            self.stay.spend(more as u32 * cost::LISTED);
        }
    }

    /// The frame of a memory object's page, made now if nobody has touched it yet.
    fn object_frame(&mut self, object: Id<MemoryObject>, index: u64) -> Option<Frame> {
        if let Some(frame) = self.memory[object].frame(index) {
            return Some(frame);
        }
        if index >= self.memory[object].pages() {
            return None;
        }
        let frame = self.zeroed_reserved_frame()?;
        match &mut self.memory[object].backing {
            Backing::Anonymous(pages) => pages.set(index as usize, frame).then_some(frame),
            Backing::Boot(_) | Backing::Gone => None,
        }
    }
}
