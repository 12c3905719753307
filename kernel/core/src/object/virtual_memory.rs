//! `VirtualMemory`: the addresses of a process.
use super::KernelCall;
use crate::Kernel;
use crate::authority::capability::Object;
use crate::execution::process::Process;
use crate::execution::stay::cost;
use crate::ipc::message::{Params, Reply};
use crate::ipc::operation::{Refusal, Step, refused};
use crate::ledger::Resource;
use crate::memory::Access;
use crate::memory::frame::FRAME_BYTES;
use crate::memory::range::{FIRST_ADDRESS, Kind, LAST_ADDRESS, Range};
use crate::platform::Platform;
use crate::slab::Id;
use capos_abi::interface::virtual_memory::{commit, decommit, hold, map, protect, reserve, unmap};
use capos_abi::interface::{memory_object, memory_reader};
use capos_abi::layout::{Scalar, Shape};
use capos_abi::status::{self, transfer};

/// Pages whose access changes in one step.
const PROTECT_PAGES: u64 = 128;

impl<P: Platform> Kernel<P> {
    pub(super) fn virtual_memory(
        &mut self,
        id: Id<Process>,
        call: &KernelCall<'_>,
        params: &Params<'_>,
    ) -> Result<Step, Refusal> {
        self.stay.spend(cost::METHOD);
        if self.processes[id].space.is_none() {
            return Err(status::STALE.into());
        }
        match call.entry.method {
            reserve::METHOD => self.reserve_addresses(id, call, params),
            commit::METHOD => self.commit_memory(id, call, params),
            decommit::METHOD => self.decommit_memory(id, call, params),
            protect::METHOD => self.protect_memory(id, call, params),
            map::METHOD => self.map_object(id, call, params),
            unmap::METHOD => self.unmap_memory(id, call, params),
            hold::METHOD => self.hold_memory(id, call, params),
            _ => Err(status::UNIMPLEMENTED.into()),
        }
    }

    fn reserve_addresses(
        &mut self,
        id: Id<Process>,
        call: &KernelCall<'_>,
        params: &Params<'_>,
    ) -> Result<Step, Refusal> {
        use reserve::{params as p, results};
        call.check_room(results::SHAPE, 0, 0)?;
        let (start, end) = self.place(id, params.get(p::ADDRESS), params.get(p::BYTES), |_| false)?;
        self.prepare_ranges(id)?;
        self.processes[id].ranges.set(start, end, Kind::Reserved);
        self.answer_address(call, results::SHAPE, results::ADDRESS, start)
    }

    fn commit_memory(&mut self, id: Id<Process>, call: &KernelCall<'_>, params: &Params<'_>) -> Result<Step, Refusal> {
        use commit::{params as p, results};
        call.check_room(results::SHAPE, 0, 0)?;
        let (start, end) = span(params.get(p::ADDRESS), params.get(p::BYTES))?;
        let access = Access::from_abi(params.get(p::ACCESS)).ok_or(status::BAD_ARGUMENT)?;
        self.require(id, start, end, |kind| *kind == Kind::Reserved)?;
        let pages = (end - start) / FRAME_BYTES;
        self.ledgers[self.processes[id].ledger].check(Resource::Frames, pages)?;
        if !self.make_all_tables(call, id, start, end)? {
            return Ok(Step::Again);
        }
        self.prepare_ranges(id)?;
        self.charge_frames(self.processes[id].ledger, pages)?;
        self.processes[id].ranges.set(start, end, Kind::Committed(access));
        self.answer(call, &Reply::new(results::SHAPE))
    }

    /// Makes the page tables of `start..end` as far as the stay allows; whether there are all.
    fn make_all_tables(
        &mut self,
        call: &KernelCall<'_>,
        id: Id<Process>,
        start: u64,
        end: u64,
    ) -> Result<bool, Refusal> {
        let cursor = core::mem::take(&mut self.threads[call.thread()].cursor);
        let from = if (start..end).contains(&cursor) { cursor } else { start };
        let reached = self.make_tables(id, from, end)?;
        self.threads[call.thread()].cursor = if reached < end { reached } else { 0 };
        Ok(reached == end)
    }

    fn decommit_memory(
        &mut self,
        id: Id<Process>,
        call: &KernelCall<'_>,
        params: &Params<'_>,
    ) -> Result<Step, Refusal> {
        use decommit::{params as p, results};
        call.check_room(results::SHAPE, 0, 0)?;
        let (start, end) = span(params.get(p::ADDRESS), params.get(p::BYTES))?;
        self.require(id, start, end, |kind| matches!(kind, Kind::Committed(_) | Kind::Reserved))?;
        if !self.vacate_all(id, start, end)? {
            return Ok(Step::Again);
        }
        self.answer(call, &Reply::new(results::SHAPE))
    }

    /// Frees what is committed or mapped in `start..end`, as far as the stay allows; whether all is.
    fn vacate_all(&mut self, id: Id<Process>, start: u64, end: u64) -> Result<bool, Refusal> {
        while let Some(part) = self.processes[id].ranges.first(start, end, |kind| *kind != Kind::Reserved) {
            if self.stay.is_over() {
                return Ok(false);
            }
            self.prepare_removal(id)?;
            if !self.vacate(id, &part) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn protect_memory(&mut self, id: Id<Process>, call: &KernelCall<'_>, params: &Params<'_>) -> Result<Step, Refusal> {
        use protect::{params as p, results};
        call.check_room(results::SHAPE, 0, 0)?;
        let (start, end) = span(params.get(p::ADDRESS), params.get(p::BYTES))?;
        let wanted = Access::from_abi(params.get(p::ACCESS)).ok_or(status::BAD_ARGUMENT)?;
        self.require(id, start, end, |kind| match kind {
            Kind::Committed(_) => true,
            Kind::Mapped { writable, .. } => *writable || wanted != Access::ReadWrite,
            Kind::Reserved | Kind::Ring => false,
        })?;
        let differs = |kind: &Kind| match kind {
            Kind::Committed(access) | Kind::Mapped { access, .. } => *access != wanted,
            Kind::Reserved | Kind::Ring => false,
        };
        while let Some(mut part) = self.processes[id].ranges.first(start, end, differs) {
            if self.stay.is_over() {
                return Ok(Step::Again);
            }
            self.prepare_ranges(id)?;
            part.end = part.end.min(part.start + PROTECT_PAGES * FRAME_BYTES);
            self.split_mapping(id, &part);
            let kind = part.kind.with_access(wanted);
            self.processes[id].ranges.set(part.start, part.end, kind);
            self.protect_pages(id, &part, wanted);
        }
        self.answer(call, &Reply::new(results::SHAPE))
    }

    /// Each range of a mapping holds a reference to its object: splitting one adds a reference for each new piece.
    fn split_mapping(&mut self, id: Id<Process>, part: &Range) {
        let Some(whole) = self.processes[id].ranges.find(part.start).copied() else { return };
        if matches!(whole.kind, Kind::Mapped { .. }) {
            let pieces = u32::from(whole.start < part.start) + u32::from(whole.end > part.end);
            (0..pieces).for_each(|_| self.add_piece(id, &whole.kind));
        }
    }

    fn protect_pages(&mut self, id: Id<Process>, part: &Range, access: Access) {
        let Some(space) = self.processes[id].space else { return };
        self.stay.spend(part.pages() as u32 * cost::PAGE);
        (0..part.pages()).for_each(|page| self.platform.protect(space, part.start + page * FRAME_BYTES, access));
        self.platform.flush(space, part.start, part.pages());
    }

    fn map_object(&mut self, id: Id<Process>, call: &KernelCall<'_>, params: &Params<'_>) -> Result<Step, Refusal> {
        use map::{params as p, results};
        call.check_room(results::SHAPE, 0, 0)?;
        let (slot, source) = self.sent_slot(call, params, p::OBJECT)?;
        let (Object::Memory(object), true) = (source.object, source.offers(memory_reader::ID)) else {
            return Err(status::BAD_ARGUMENT.into());
        };
        if self.memory_has_ended(object) {
            return Err(status::BAD_CAPABILITY.into());
        }
        if source.confined && !self.share_session(call.process(), id) {
            return Err(refused(0, transfer::CONFINED));
        }
        let access = Access::from_abi(params.get(p::ACCESS)).ok_or(status::BAD_ARGUMENT)?;
        let sealed = self.memory[object].sealed;
        let writable = source.offers(memory_object::ID) && !sealed;
        if access == Access::ReadWrite && !writable {
            return Err(if sealed { status::BAD_STATE } else { status::WRONG_INTERFACE }.into());
        }
        let (offset, bytes) = (params.get(p::OFFSET), params.get(p::BYTES));
        let last = offset.checked_add(bytes).ok_or(status::BAD_ARGUMENT)?;
        if offset % FRAME_BYTES != 0 || last > self.memory[object].pages() * FRAME_BYTES {
            return Err(status::BAD_ARGUMENT.into());
        }
        let (start, end) = self.place(id, params.get(p::ADDRESS), bytes, |kind| *kind == Kind::Reserved)?;
        if !self.make_all_tables(call, id, start, end)? {
            return Ok(Step::Again);
        }
        self.prepare_ranges(id)?;
        let granted = Some((slot.process, self.handle_of(slot)));
        let kind = Kind::Mapped { object, offset, access, writable, granted, held: false };
        self.add_piece(id, &kind);
        self.processes[id].ranges.set(start, end, kind);
        self.answer_address(call, results::SHAPE, results::ADDRESS, start)
    }

    fn unmap_memory(&mut self, id: Id<Process>, call: &KernelCall<'_>, params: &Params<'_>) -> Result<Step, Refusal> {
        use unmap::{params as p, results};
        call.check_room(results::SHAPE, 0, 0)?;
        let (start, end) = span(params.get(p::ADDRESS), params.get(p::BYTES))?;
        self.require(id, start, end, |kind| *kind != Kind::Ring)?;
        if !self.vacate_all(id, start, end)? {
            return Ok(Step::Again);
        }
        self.prepare_removal(id)?;
        self.processes[id].ranges.remove(start, end);
        self.answer(call, &Reply::new(results::SHAPE))
    }

    fn hold_memory(&mut self, id: Id<Process>, call: &KernelCall<'_>, params: &Params<'_>) -> Result<Step, Refusal> {
        use hold::{params as p, results};
        call.check_room(results::SHAPE, 0, 0)?;
        let (start, end) = span(params.get(p::ADDRESS), params.get(p::BYTES))?;
        self.require(id, start, end, |kind| matches!(kind, Kind::Mapped { .. }))?;
        let loose = |kind: &Kind| matches!(kind, Kind::Mapped { held: false, .. });
        while let Some(part) = self.processes[id].ranges.first(start, end, loose) {
            let Kind::Mapped { object, offset, access, writable, .. } = part.kind else { break };
            self.prepare_ranges(id)?;
            self.hold_object(id, object)?;
            self.split_mapping(id, &part);
            let kind = Kind::Mapped { object, offset, access, writable, granted: None, held: true };
            self.processes[id].ranges.set(part.start, part.end, kind);
        }
        self.answer(call, &Reply::new(results::SHAPE))
    }

    /// Where a range of addresses goes: the ones asked for, if they are free or of a kind that may be replaced, or a gap.
    fn place(
        &self,
        id: Id<Process>,
        address: u64,
        bytes: u64,
        replaceable: impl Fn(&Kind) -> bool,
    ) -> Result<(u64, u64), Refusal> {
        let ranges = &self.processes[id].ranges;
        if address == 0 {
            let (_, bytes) = span(FIRST_ADDRESS, bytes).map(|(start, end)| (start, end - start))?;
            let start = ranges.gap(bytes).ok_or(status::BAD_ARGUMENT)?;
            return Ok((start, start + bytes));
        }
        let (start, end) = span(address, bytes)?;
        if ranges.is_vacant(start, end) || ranges.covered(start, end, replaceable).is_some() {
            Ok((start, end))
        } else {
            Err(status::BAD_STATE.into())
        }
    }

    fn require(&self, id: Id<Process>, start: u64, end: u64, condition: impl Fn(&Kind) -> bool) -> Result<(), Refusal> {
        let covered = self.processes[id].ranges.covered(start, end, condition).is_some();
        if covered { Ok(()) } else { Err(status::BAD_STATE.into()) }
    }

    fn answer_address(
        &mut self,
        call: &KernelCall<'_>,
        shape: Shape,
        field: Scalar,
        address: u64,
    ) -> Result<Step, Refusal> {
        let mut reply = Reply::new(shape);
        reply.set(field, address);
        self.answer(call, &reply)
    }
}

/// The page-aligned addresses `address..address + bytes`, if a process may use them.
fn span(address: u64, bytes: u64) -> Result<(u64, u64), Refusal> {
    let end = address.checked_add(bytes).ok_or(status::BAD_ARGUMENT)?;
    let aligned = (address | bytes).is_multiple_of(FRAME_BYTES);
    if aligned && bytes > 0 && address >= FIRST_ADDRESS && end <= LAST_ADDRESS {
        Ok((address, end))
    } else {
        Err(status::BAD_ARGUMENT.into())
    }
}
