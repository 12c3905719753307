//! `VirtualMemory.write`: words of a message go into the memory of a process. They may be more than parameters have, and are copied
//! from the caller's ring to the pages.
use super::{KernelCall, SHORT_PARAM_WORDS, prefix};
use crate::Kernel;
use crate::execution::process::Process;
use crate::execution::stay::cost;
use crate::execution::trap::FaultAccess;
use crate::ipc::message::{Params, Reply};
use crate::ipc::operation::{Refusal, Step};
use crate::memory::Access;
use crate::memory::frame::FRAME_BYTES;
use crate::platform::{ArenaRange, Platform};
use crate::slab::Id;
use capos_abi::interface::virtual_memory::write::{params as p, results};
use capos_abi::status;

/// Words that are written at a time at most: they fit into a message of usual length.
const MAX_WORDS: usize = 256;

impl<P: Platform> Kernel<P> {
    pub(super) fn write_from_message(&mut self, id: Id<Process>, call: &KernelCall<'_>) -> Result<Step, Refusal> {
        self.stay.spend(cost::METHOD);
        let words = call.segment.bytes as usize / 8;
        let mut head = [0; SHORT_PARAM_WORDS];
        let head = prefix(&mut head, words.min(SHORT_PARAM_WORDS));
        self.platform.read_arena(call.caller.area, call.segment.offset, head);
        let params = Params::new(head)?;
        let (first, count) = params.place_of_words(p::WORDS)?;
        if first > words || count > words - first {
            return Err(status::BAD_MESSAGE.into());
        }
        call.check_room(results::SHAPE, 0, 0)?;
        let start = params.get(p::ADDRESS);
        if !start.is_multiple_of(8) || count > MAX_WORDS {
            return Err(status::BAD_ARGUMENT.into());
        }
        let source = ArenaRange { offset: call.segment.offset + first as u32 * 8, bytes: count as u32 * 8 };
        self.check_writable(id, start, u64::from(source.bytes))?;
        if self.write_words(id, start, call, source)? {
            self.answer(call, &Reply::new(results::SHAPE))
        } else {
            Ok(Step::Again)
        }
    }

    /// Whether the process itself could write there.
    fn check_writable(&self, id: Id<Process>, start: u64, bytes: u64) -> Result<(), Refusal> {
        let (mut at, end) = (start, start.checked_add(bytes).ok_or(status::BAD_ARGUMENT)?);
        while at < end {
            let range = self.processes[id].ranges.find(at);
            let range = range.filter(|range| range.kind.access() == Some(Access::ReadWrite));
            at = range.ok_or(status::BAD_STATE)?.end;
        }
        Ok(())
    }

    /// Copies words of a message, page by page; false: a page is not ready yet, and all is to be tried again.
    fn write_words(
        &mut self,
        id: Id<Process>,
        start: u64,
        call: &KernelCall<'_>,
        source: ArenaRange,
    ) -> Result<bool, Refusal> {
        let space = self.processes[id].space.ok_or(status::STALE)?;
        let area = call.caller.area;
        self.stay.spend_on_bytes(source.bytes.into());
        let mut done = 0;
        while done < source.bytes {
            let at = start + u64::from(done);
            let in_page = (FRAME_BYTES - at % FRAME_BYTES) as u32;
            let part = ArenaRange { offset: source.offset + done, bytes: in_page.min(source.bytes - done) };
            if !self.platform.write_page(space, at, area, part) {
                // Nobody has touched it yet.
                self.stay.spend(cost::MAPPING);
                if !self.fill(id, at - at % FRAME_BYTES, FaultAccess::Write) {
                    return Err(status::BAD_STATE.into());
                }
                if !self.platform.write_page(space, at, area, part) {
                    return Ok(false);
                }
            }
            done += part.bytes;
        }
        Ok(true)
    }
}
