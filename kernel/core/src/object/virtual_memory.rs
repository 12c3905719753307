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
use crate::memory::range::{FIRST_ADDRESS, Kind, LAST_ADDRESS, Piece, Range};
use crate::platform::Platform;
use crate::slab::Id;
use capos_abi::interface::virtual_memory::{commit, decommit, hold, map, protect, reserve, unmap};
use capos_abi::interface::{memory_object, memory_reader};
use capos_abi::layout::{Scalar, Shape};
use capos_abi::status::{self, transfer};

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
        let (start, end) = self.place(id, params.get(p::ADDRESS), params.get(p::BYTES))?;
        if !self.processes[id].ranges.is_vacant(start, end) {
            return Err(status::BAD_STATE.into());
        }
        self.prepare_ranges(id, start)?;
        self.processes[id].ranges.set(start, end, Kind::Reserved);
        self.answer_address(call, results::SHAPE, results::ADDRESS, start)
    }

    fn commit_memory(&mut self, id: Id<Process>, call: &KernelCall<'_>, params: &Params<'_>) -> Result<Step, Refusal> {
        use commit::{params as p, results};
        call.check_room(results::SHAPE, 0, 0)?;
        let guard = params.get(p::GUARD_BYTES);
        let (guard, start, end) = self.place_behind(id, guard, params.get(p::ADDRESS), params.get(p::BYTES))?;
        let access = Access::from_abi(params.get(p::ACCESS)).ok_or(status::BAD_ARGUMENT)?;
        let is_vacant = self.check_free(id, guard, end)?;
        let pages = (end - start) / FRAME_BYTES;
        self.ledgers[self.processes[id].ledger].check(Resource::Frames, pages)?;
        if !self.make_all_tables(call.thread(), id, start, end)? {
            return Ok(Step::Again);
        }
        if guard < start {
            self.prepare_ranges(id, guard)?;
        }
        self.prepare_ranges(id, start)?;
        self.charge_frames(self.processes[id].ledger, pages)?;
        if guard < start && is_vacant {
            self.processes[id].ranges.set(guard, start, Kind::Reserved);
        }
        self.processes[id].ranges.set(start, end, Kind::Committed(access));
        self.answer_address(call, results::SHAPE, results::ADDRESS, start)
    }

    fn decommit_memory(
        &mut self,
        id: Id<Process>,
        call: &KernelCall<'_>,
        params: &Params<'_>,
    ) -> Result<Step, Refusal> {
        use decommit::{params as p, results};
        call.check_room(results::SHAPE, 0, 0)?;
        let span = span(params.get(p::ADDRESS), params.get(p::BYTES))?;
        let may = |kind: &Kind| matches!(kind, Kind::Committed(_) | Kind::Reserved);
        if !self.change_all(call.thread(), id, span, may, Self::vacate_part)? {
            return Ok(Step::Again);
        }
        self.answer(call, &Reply::new(results::SHAPE))
    }

    fn protect_memory(&mut self, id: Id<Process>, call: &KernelCall<'_>, params: &Params<'_>) -> Result<Step, Refusal> {
        use protect::{params as p, results};
        call.check_room(results::SHAPE, 0, 0)?;
        let span = span(params.get(p::ADDRESS), params.get(p::BYTES))?;
        let wanted = Access::from_abi(params.get(p::ACCESS)).ok_or(status::BAD_ARGUMENT)?;
        let may = |kind: &Kind| match kind {
            Kind::Committed(_) => true,
            Kind::Mapped { piece, .. } => piece.writable || wanted != Access::ReadWrite,
            Kind::Reserved | Kind::Unmapping { .. } | Kind::Ring(_) => false,
        };
        let protect = |kernel: &mut Self, id, part| kernel.protect_part(id, part, wanted);
        if !self.change_all(call.thread(), id, span, may, protect)? {
            return Ok(Step::Again);
        }
        self.answer(call, &Reply::new(results::SHAPE))
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
        let (start, end) = self.place(id, params.get(p::ADDRESS), bytes)?;
        self.check_free(id, start, end)?;
        if !self.make_all_tables(call.thread(), id, start, end)? {
            return Ok(Step::Again);
        }
        self.prepare_ranges(id, start)?;
        let mapping = Some(self.add_mapping(slot, id, (start, end))?);
        let piece = Piece { object, writable, mapping, held: false };
        self.add_piece(id, piece);
        self.processes[id].ranges.set(start, end, Kind::Mapped { piece, offset, access });
        self.answer_address(call, results::SHAPE, results::ADDRESS, start)
    }

    fn unmap_memory(&mut self, id: Id<Process>, call: &KernelCall<'_>, params: &Params<'_>) -> Result<Step, Refusal> {
        use unmap::{params as p, results};
        call.check_room(results::SHAPE, 0, 0)?;
        let (start, end) = span(params.get(p::ADDRESS), params.get(p::BYTES))?;
        let may = |kind: &Kind| !matches!(kind, Kind::Ring(_));
        if !self.change_all(call.thread(), id, (start, end), may, Self::vacate_part)? {
            return Ok(Step::Again);
        }
        // Another thread may have put something there meanwhile.
        self.require_reserved(id, start, end)?;
        self.prepare_removal(id, start)?;
        self.processes[id].ranges.remove(start, end);
        self.answer(call, &Reply::new(results::SHAPE))
    }

    fn hold_memory(&mut self, id: Id<Process>, call: &KernelCall<'_>, params: &Params<'_>) -> Result<Step, Refusal> {
        use hold::{params as p, results};
        call.check_room(results::SHAPE, 0, 0)?;
        let span = span(params.get(p::ADDRESS), params.get(p::BYTES))?;
        let may = |kind: &Kind| matches!(kind, Kind::Mapped { .. });
        if !self.change_all(call.thread(), id, span, may, Self::hold_part)? {
            return Ok(Step::Again);
        }
        self.answer(call, &Reply::new(results::SHAPE))
    }

    /// Where a range of addresses goes: the ones asked for, or a gap.
    fn place(&self, id: Id<Process>, address: u64, bytes: u64) -> Result<(u64, u64), Refusal> {
        if address != 0 {
            return span(address, bytes);
        }
        span(FIRST_ADDRESS, bytes)?;
        let start = self.processes[id].ranges.gap(bytes).ok_or(status::BAD_ARGUMENT)?;
        Ok((start, start + bytes))
    }

    /// As [`Self::place`], with a guard in front: where that starts, where the range does, and where it ends.
    fn place_behind(&self, id: Id<Process>, guard: u64, address: u64, bytes: u64) -> Result<(u64, u64, u64), Refusal> {
        let all = guard.checked_add(bytes).ok_or(status::BAD_ARGUMENT)?;
        let (start, end) = match address {
            0 => self.place(id, 0, all)?,
            _ => span(address.checked_sub(guard).ok_or(status::BAD_ARGUMENT)?, all)?,
        };
        if guard.is_multiple_of(FRAME_BYTES) && bytes > 0 {
            Ok((start, start + guard, end))
        } else {
            Err(status::BAD_ARGUMENT.into())
        }
    }

    /// Whether nothing lies within these addresses; else they must be reserved.
    fn check_free(&self, id: Id<Process>, start: u64, end: u64) -> Result<bool, Refusal> {
        match self.processes[id].ranges.first(start, end) {
            None => Ok(true),
            Some(part) if part == (Range { start, end, kind: Kind::Reserved }) => Ok(false),
            Some(_) => Err(status::BAD_STATE.into()),
        }
    }

    /// Reserved addresses that lie side by side are one range.
    fn require_reserved(&self, id: Id<Process>, start: u64, end: u64) -> Result<(), Refusal> {
        let range = self.processes[id].ranges.find(start);
        let fits = range.is_some_and(|range| range.kind == Kind::Reserved && range.end >= end);
        if fits { Ok(()) } else { Err(status::BAD_STATE.into()) }
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
