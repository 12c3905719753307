//! The memory of rings. All of it is charged and set aside when a thread is made, neighbouring frames with their page tables; its pages
//! are cleared and mapped when something uses them: the first ones at once, those behind them when the program touches one, or
//! names one in an entry.
use crate::Kernel;
use crate::execution::process::Process;
use crate::execution::stay::cost;
use crate::execution::thread::{State, Thread};
use crate::ipc::operation::{Refusal, Step};
use crate::ipc::ring::Ring;
use crate::memory::Access;
use crate::memory::frame::{BATCH_FRAMES, FRAME_BYTES};
use crate::platform::{Platform, RingArea};
use crate::slab::Id;
use capos_abi::ring::MIN_AREA_BYTES;
use capos_abi::status;

/// Bytes that every thread is taken to use: its queues, and a page of its arena.
const FIRST_BYTES: u32 = MIN_AREA_BYTES;

impl<P: Platform> Kernel<P> {
    /// Brings free frames at hand together in the map if it has none for such a ring area, as far as the stay allows; whether that
    /// was all. The cursor of the thread tells where it stopped.
    pub(crate) fn gather_ring_frames(&mut self, thread: Id<Thread>, ring_bytes: u32) -> bool {
        // What an entry that was given up has left there is an address.
        let cursor = core::mem::take(&mut self.threads[thread].cursor) as usize;
        let mut from = if cursor <= self.platform.processors() { cursor } else { 0 };
        while !self.frames.has_run(u64::from(ring_bytes) / FRAME_BYTES) {
            if self.stay.is_over() {
                self.threads[thread].cursor = from as u64;
                return false;
            }
            self.stay.spend(BATCH_FRAMES as u32 * cost::FREED_FRAME);
            let Some(reached) = self.frames.gather(from) else { return true };
            from = reached;
        }
        true
    }

    /// Makes the page tables of a ring area: it is mapped without needing more.
    pub(crate) fn make_ring_tables(
        &mut self,
        process: Id<Process>,
        address: u64,
        ring_bytes: u32,
    ) -> Result<(), Refusal> {
        let (mut at, end) = (address, address + u64::from(ring_bytes));
        while at < end {
            at = self.make_tables(process, at, end)?;
        }
        Ok(())
    }

    /// Clears and maps the first pages of a new thread's ring area.
    pub(crate) fn begin_ring(&mut self, thread: Id<Thread>) {
        while self.threads[thread].ring.area.bytes < FIRST_BYTES {
            self.clear_ring_page(thread);
        }
        let ring = &self.threads[thread].ring;
        self.platform.init_ring(RingArea { bytes: ring.area_bytes, ..ring.area });
    }

    /// A program touches a page of a ring area that is not mapped: clears and maps it and those before it, as far as the stay allows.
    /// The program touches it again. False: the thread runs no more.
    pub(crate) fn touch_ring(&mut self, thread: Id<Thread>, page: u64) -> bool {
        let is_alive = |thread: &&Thread| !matches!(thread.state, State::Stopped | State::Ended);
        let Some(entry) = self.threads.get(thread).filter(is_alive) else { return false };
        let wanted = page + FRAME_BYTES - entry.ring_address;
        self.clear_ring(thread, wanted as u32);
        true
    }

    /// An entry names a range that does not lie in what is clear of its thread's ring area: if there is more, clears and maps as much
    /// again, as far as the stay allows, and the entry is tried anew.
    #[cold]
    pub(crate) fn reach_further(&mut self, thread: Id<Thread>) -> Result<Step, Refusal> {
        let Ring { area, area_bytes, .. } = self.threads[thread].ring;
        if area.bytes == area_bytes {
            return Err(status::BAD_RANGE.into());
        }
        self.clear_ring(thread, area_bytes.min(2 * area.bytes));
        Ok(Step::Again)
    }

    fn clear_ring(&mut self, thread: Id<Thread>, wanted: u32) {
        while self.threads[thread].ring.area.bytes < wanted {
            self.clear_ring_page(thread);
            if self.stay.is_over() {
                return;
            }
        }
    }

    fn clear_ring_page(&mut self, thread: Id<Thread>) {
        let entry = &mut self.threads[thread];
        let clear = u64::from(entry.ring.area.bytes);
        entry.ring.area.bytes += FRAME_BYTES as u32;
        let (process, address) = (entry.process, entry.ring_address + clear);
        let frame = entry.ring.area.first_frame().offset(clear / FRAME_BYTES);
        self.platform.zero_frame(frame);
        self.stay.spend(FRAME_BYTES as u32 / cost::BYTES_PER_INSTRUCTION + cost::MAPPING);
        // Its page tables were made with the thread.
        let _ = self.map_page(process, address, frame, Access::ReadWrite);
    }
}
