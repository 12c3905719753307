//! A [`Platform`] of plain vectors.
use crate::memory::Access;
use crate::memory::frame::{FRAME_BYTES, Frame, OutOfFrames};
use crate::memory::page_table::PageTables;
use crate::platform::{ArenaRange, ContextIndex, Platform, REGISTERS, Registers, RingArea, STACK_POINTER, Space};
use capos_abi::ring::{ARENA_OFFSET, COMPLETION_ENTRIES, Completion, SUBMISSION_ENTRIES, Submission, SubmissionHead};
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the user side of a ring has written and the kernel has published.
pub struct RingMemory {
    pub submissions: Vec<Submission>,
    pub completions: Vec<Completion>,
    pub submission_tail: u32,
    pub completion_head: u32,
    pub completion_tail: u32,
    pub arena: Vec<u64>,
}

/// Bytes that the lowest page table covers.
const TABLE_BYTES: u64 = 2 << 20;

/// Where every thread's stack pointer points; two words can be read there.
pub const TEST_STACK: u64 = 0x7000;

#[derive(Default)]
pub struct Machine {
    pub now: u64,
    pub date: Option<u64>,
    pub processors: usize,
    pub rings: HashMap<u64, Mutex<RingMemory>>,
    pub pages: HashMap<(u64, u64), (Frame, Access)>,
    /// The lowest page tables: space, and number of the block of addresses.
    pub tables: HashSet<(u64, u64)>,
    pub results: Mutex<HashMap<ContextIndex, u64>>,
    /// Threads that enter again as soon as they run.
    pub again: Mutex<HashSet<ContextIndex>>,
    pub interrupted: Mutex<Vec<usize>>,
    /// When each processor's timer fires.
    pub alarms: Mutex<HashMap<usize, u64>>,
    /// Pages of which a processor may still hold an old translation: space and address.
    pub stale: HashSet<(u64, u64)>,
    pub console: String,
    /// Interrupt lines that are not masked.
    pub enabled_lines: HashSet<u8>,
    /// The console takes nothing.
    pub console_is_busy: bool,
    /// Words that were written into programs' pages from outside, by address.
    pub written: HashMap<u64, u64>,
    /// Bytes of frames that were filled with zeros.
    pub zeroed: u64,
    /// Frames that were, and that no program has had since.
    pub zeros: HashSet<u64>,
    /// The kernel writes to the console no more.
    pub console_is_released: bool,
    /// There is no room for another register context.
    pub has_no_context: bool,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What only tests ask.
#[cfg(test)]
impl Machine {
    /// Whether this processor was interrupted; it is told once.
    pub fn takes_interrupt(&self, processor: usize) -> bool {
        let mut interrupted = held(&self.interrupted);
        let at = interrupted.iter().position(|it| *it == processor);
        at.map(|at| interrupted.swap_remove(at)).is_some()
    }
    /// When this processor's timer fires; `u64::MAX`: never.
    pub fn alarm(&self, processor: usize) -> u64 {
        held(&self.alarms).get(&processor).copied().unwrap_or(u64::MAX)
    }
    /// Time goes on until a timer fires: the processors whose timers do.
    pub fn fire_timers(&mut self) -> Vec<usize> {
        let mut alarms = held(&self.alarms);
        let Some(first) = alarms.values().copied().min().filter(|&first| first != u64::MAX) else { return Vec::new() };
        self.now = self.now.max(first);
        let fired = alarms.iter().filter(|(_, alarm)| **alarm <= self.now).map(|(processor, _)| *processor).collect();
        alarms.retain(|_, alarm| *alarm > self.now);
        fired
    }
    /// The processors that were interrupted; they are told later.
    pub fn all_interrupted(&self) -> Vec<usize> {
        held(&self.interrupted).clone()
    }
    /// What the thread's system call returns, or where it goes on.
    pub fn result(&self, context: ContextIndex) -> u64 {
        held(&self.results)[&context]
    }
}

impl Machine {
    /// A ring area, while nobody else uses it.
    pub fn ring(&self, area: RingArea) -> MutexGuard<'_, RingMemory> {
        held(&self.rings[&area.address])
    }
    /// Whether this thread enters again; it is asked once.
    pub fn takes_again(&self, context: ContextIndex) -> bool {
        held(&self.again).remove(&context)
    }
    /// Whether a processor was interrupted that has not been told.
    pub fn has_interrupted(&self) -> bool {
        !held(&self.interrupted).is_empty()
    }
    /// A processor that was interrupted; it is told once.
    pub fn take_interrupted(&self) -> Option<usize> {
        held(&self.interrupted).pop()
    }
}

impl Platform for Machine {
    fn processors(&self) -> usize {
        self.processors
    }
    fn now(&self) -> u64 {
        self.now
    }
    fn date_at_start(&self) -> Option<u64> {
        self.date
    }
    fn interrupt_processor(&self, processor: usize) {
        held(&self.interrupted).push(processor);
    }
    fn set_timer(&self, processor: usize, deadline: u64) {
        held(&self.alarms).insert(processor, deadline);
    }
    fn create_context(&mut self, _: ContextIndex, _: Space, _: &Registers) -> bool {
        !self.has_no_context
    }
    fn registers(&self, context: ContextIndex) -> [u64; REGISTERS] {
        let mut registers = [0; REGISTERS];
        registers[0] = u64::from(context);
        registers[STACK_POINTER] = TEST_STACK;
        registers
    }
    fn set_instruction(&mut self, context: ContextIndex, address: u64) {
        held(&self.results).insert(context, address);
    }
    fn enter_again(&self, context: ContextIndex) {
        held(&self.again).insert(context);
    }
    fn set_result(&self, context: ContextIndex, value: u64) {
        held(&self.results).insert(context, value);
    }
    fn create_space(&mut self, tables: &mut PageTables<'_>) -> Result<Space, OutOfFrames> {
        tables.take(|_| {}).map(Space)
    }
    fn leave_space(&mut self, space: Space) {
        assert!(!self.pages.keys().any(|(s, _)| *s == space.0.0), "pages are still mapped");
        self.tables.retain(|(s, _)| *s != space.0.0);
        self.stale.retain(|(s, _)| *s != space.0.0);
    }
    fn make_table(&mut self, space: Space, tables: &mut PageTables<'_>, address: u64) -> Result<u64, OutOfFrames> {
        let block = address / TABLE_BYTES;
        if !self.tables.contains(&(space.0.0, block)) {
            tables.take(|_| {})?;
            self.tables.insert((space.0.0, block));
        }
        Ok((block + 1) * TABLE_BYTES)
    }
    fn map(
        &mut self,
        space: Space,
        tables: &mut PageTables<'_>,
        address: u64,
        frame: Frame,
        access: Access,
    ) -> Result<(), OutOfFrames> {
        self.make_table(space, tables, address)?;
        assert!(self.pages.insert((space.0.0, address), (frame, access)).is_none(), "mapped twice");
        Ok(())
    }
    fn unmap(&mut self, space: Space, address: u64) -> Option<Frame> {
        let (frame, _) = self.pages.remove(&(space.0.0, address))?;
        self.zeros.remove(&frame.0);
        self.stale.insert((space.0.0, address));
        Some(frame)
    }
    fn unmap_next(&mut self, space: Space, start: u64, end: u64) -> (u64, Option<Frame>) {
        let end = end.min((start + 1).next_multiple_of(TABLE_BYTES));
        let mapped = (start..end).step_by(4096).find(|&page| self.pages.contains_key(&(space.0.0, page)));
        mapped.map_or((end, None), |page| (page + 4096, self.unmap(space, page)))
    }
    fn read_word(&self, _: Space, address: u64) -> Option<u64> {
        (TEST_STACK..TEST_STACK + 16).contains(&address).then_some(address)
    }
    fn write_page(&mut self, space: Space, address: u64, area: RingArea, source: ArenaRange) -> bool {
        assert!(address % FRAME_BYTES + u64::from(source.bytes) <= FRAME_BYTES, "within a page");
        if !self.pages.contains_key(&(space.0.0, address & !(FRAME_BYTES - 1))) {
            return false;
        }
        let mut words = vec![0; source.bytes as usize / 8];
        self.read_arena(area, source.offset, &mut words);
        self.written.extend((address..).step_by(8).zip(words));
        true
    }
    fn protect(&mut self, space: Space, address: u64, access: Access) {
        if let Some(page) = self.pages.get_mut(&(space.0.0, address)) {
            page.1 = access;
            self.stale.insert((space.0.0, address));
        }
    }
    fn flush(&mut self, space: Space, address: u64, pages: u64) {
        let flushed = address..address + pages * FRAME_BYTES;
        self.stale.retain(|(s, page)| *s != space.0.0 || !flushed.contains(page));
    }
    fn heap_bytes(&self) -> u64 {
        64 << 20
    }
    fn zero_frame(&mut self, frame: Frame) {
        self.zeroed += FRAME_BYTES;
        self.zeros.insert(frame.0);
    }
    fn write_frames(&mut self, _: Frame, _: u64, _: &[u8]) {}
    fn init_ring(&mut self, area: RingArea) {
        let ring = RingMemory {
            submissions: vec![Submission::default(); SUBMISSION_ENTRIES as usize],
            completions: vec![Completion::default(); COMPLETION_ENTRIES as usize],
            submission_tail: 0,
            completion_head: 0,
            completion_tail: 0,
            arena: vec![0; (area.bytes - ARENA_OFFSET) as usize / 8],
        };
        self.rings.insert(area.address, Mutex::new(ring));
    }
    fn submission_tail(&self, area: RingArea) -> u32 {
        self.ring(area).submission_tail
    }
    fn completion_head(&self, area: RingArea) -> u32 {
        self.ring(area).completion_head
    }
    fn submission_head(&self, area: RingArea, position: u32) -> SubmissionHead {
        let Submission { op, caps, flags, method, tag, .. } =
            self.ring(area).submissions[(position % SUBMISSION_ENTRIES) as usize];
        SubmissionHead { op, caps, flags, method, tag }
    }
    fn submission_user_data(&self, area: RingArea, position: u32) -> u64 {
        self.ring(area).submissions[(position % SUBMISSION_ENTRIES) as usize].user_data
    }
    fn submission(&self, area: RingArea, position: u32, _: SubmissionHead) -> Submission {
        self.ring(area).submissions[(position % SUBMISSION_ENTRIES) as usize]
    }
    fn post(&self, area: RingArea, position: u32, completion: &Completion) {
        self.ring(area).completions[(position % COMPLETION_ENTRIES) as usize] = *completion;
    }
    fn publish_submission_head(&self, _: RingArea, _: u32) {}
    fn publish_completion_tail(&self, area: RingArea, position: u32) {
        self.ring(area).completion_tail = position;
    }
    fn read_arena(&self, area: RingArea, offset: u32, words: &mut [u64]) {
        words.copy_from_slice(&self.ring(area).arena[offset as usize / 8..][..words.len()]);
    }
    fn write_arena(&self, area: RingArea, offset: u32, words: &[u64]) {
        self.ring(area).arena[offset as usize / 8..][..words.len()].copy_from_slice(words);
    }
    fn write_arena_words<const WORDS: usize>(&self, area: RingArea, offset: u32, words: [u64; WORDS]) {
        self.write_arena(area, offset, &words);
    }
    fn copy_arena(&self, from: RingArea, from_offset: u32, to: RingArea, to_offset: u32, bytes: u32) {
        let words = self.ring(from).arena[from_offset as usize / 8..][..bytes as usize / 8].to_vec();
        self.write_arena(to, to_offset, &words);
    }
    fn port_read(&mut self, port: u16) -> u8 {
        port as u8
    }
    fn port_write(&mut self, _: u16, _: u8) {}
    fn console_ports(&self) -> Option<(u16, u16)> {
        Some((0x3f8, 8))
    }
    fn release_console(&mut self) {
        self.console_is_released = true;
    }
    fn set_line_enabled(&mut self, line: u8, enabled: bool) {
        match enabled {
            true => self.enabled_lines.insert(line),
            false => self.enabled_lines.remove(&line),
        };
    }
    fn console_write(&mut self, text: &[u8]) -> usize {
        if self.console_is_busy {
            return 0;
        }
        self.console.push_str(&String::from_utf8_lossy(text));
        text.len()
    }
    fn entropy(&mut self, bytes: &mut [u8]) -> bool {
        bytes.fill(0x5a);
        true
    }
    fn give_up(&mut self, why: std::fmt::Arguments<'_>) -> ! {
        panic!("{why}")
    }
    fn shutdown(&mut self, code: u8) -> ! {
        panic!("shutdown with code {code}")
    }
    fn reboot(&mut self) -> ! {
        panic!("reboot")
    }
}
