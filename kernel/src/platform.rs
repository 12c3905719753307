//! The machine as the core sees it.

use crate::arch::context::{self, Context};
use crate::arch::features::Features;
use crate::arch::io_apic::IoApics;
use crate::arch::user::SYSTEM_CALL_BYTES;
use crate::arch::{apic, clock, cmos, random, vector};
use crate::console;
use crate::mm::boot_frames::BootFrames;
use crate::mm::kernel_space::KernelSpace;
use crate::mm::{address_space, heap, layout, ring_area, wide};
use crate::power::Switch;
use crate::{processors, trace};
use alloc::vec::Vec;
use capos_abi::ring::{Completion, Submission, SubmissionHead};
use core::fmt;
use core::ptr::{self, NonNull};
use core::sync::atomic::Ordering;
use kernel_core::PageTables;
use kernel_core::machine::firmware::Firmware;
use kernel_core::memory::Access;
use kernel_core::memory::frame::{Frame, OutOfFrames};
use kernel_core::platform::{ArenaRange, ContextIndex, Platform, REGISTERS, Registers, RingArea, Space};
use kernel_core::random::Random;
use x86_64::instructions::port::Port;

/// What the kernel itself holds of the machine. Everything else is the processors' own.
pub struct Machine {
    features: Features,
    io_apics: IoApics,
    power: Switch,
    running: usize,
    contexts: Vec<Option<NonNull<Context>>>,
    console: bool,
    /// Seconds from the start of 1970 to the kernel's start.
    date: Option<u64>,
    random: Random,
}

// SAFETY: contexts are memory that any processor may use, one at a time, in the kernel.
unsafe impl Send for Machine {}
// SAFETY: as above. Processors that are in the kernel beside each other store results into contexts, each of which one of them
// has taken, and touch nothing else here.
unsafe impl Sync for Machine {}

impl Machine {
    /// The machine on whose only running processor this runs.
    pub fn new(firmware: &Firmware, features: Features, space: &mut KernelSpace, frames: &mut BootFrames) -> Machine {
        let io_apics = IoApics::new(firmware, space, frames);
        let power = Switch::new(firmware, space, frames);
        let date = date(frames.info().unix_seconds, firmware);
        let random = random::generator(frames.info());
        Machine { features, io_apics, power, running: 1, contexts: Vec::new(), console: false, date, random }
    }

    /// Says how many processors run.
    pub fn set_processors(&mut self, running: usize) {
        self.running = running;
    }

    /// From now on the core's log appears on the console.
    pub fn open_console(&mut self) {
        self.console = console::is_present();
    }

    /// The context with this index; null if the core never made it.
    pub fn context(&self, index: ContextIndex) -> *mut Context {
        self.contexts.get(index as usize).copied().flatten().map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    /// The place for a context, with memory.
    fn place(&mut self, index: usize) -> Option<NonNull<Context>> {
        if index >= self.contexts.len() {
            self.contexts.try_reserve(index + 1 - self.contexts.len()).ok()?;
            self.contexts.resize(index + 1, None);
        }
        let place = self.contexts.get_mut(index)?;
        if place.is_none() {
            *place = Context::allocate();
        }
        *place
    }
}

/// The date at the kernel's start: what the loader said, else what the battery-backed clock says.
fn date(said: u64, firmware: &Firmware) -> Option<u64> {
    if said != 0 {
        return Some(said);
    }
    (!firmware.no_cmos_clock).then(cmos::unix_seconds).flatten()
}

impl Platform for Machine {
    fn processors(&self) -> usize {
        self.running
    }

    fn now(&self) -> u64 {
        clock::now()
    }

    fn date_at_start(&self) -> Option<u64> {
        self.date
    }

    fn interrupt_processor(&self, processor: usize) {
        if let Some(processor) = processors::get(processor) {
            apic::interrupt(processor.apic_id.load(Ordering::Relaxed), vector::RESCHEDULE);
        }
    }

    fn set_timer(&self, _: usize, deadline: u64) {
        clock::set_timer(deadline);
    }

    fn create_context(&mut self, index: ContextIndex, space: Space, registers: &Registers) -> bool {
        let Some(place) = self.place(index as usize) else { return false };
        context::forget(place.as_ptr());
        // SAFETY: the core uses an index for one thread at a time, so nobody runs from this context.
        unsafe { place.write(Context::new(space, registers)) };
        true
    }

    fn registers(&self, index: ContextIndex) -> [u64; REGISTERS] {
        // SAFETY: the core asks for threads that stand still.
        unsafe { self.context(index).as_ref() }.map_or([0; REGISTERS], Context::registers)
    }

    fn set_instruction(&mut self, index: ContextIndex, address: u64) {
        // SAFETY: as in `registers`.
        if let Some(context) = unsafe { self.context(index).as_mut() } {
            context.frame().rip = address;
        }
    }

    fn enter_again(&self, index: ContextIndex) {
        // SAFETY: the thread of this index is in the kernel, so its processor does not use the context.
        if let Some(context) = unsafe { self.context(index).as_mut() } {
            context.frame().rip -= SYSTEM_CALL_BYTES;
        }
    }

    fn set_result(&self, index: ContextIndex, value: u64) {
        let context = self.context(index);
        if !context.is_null() {
            // SAFETY: the thread of this index is in the kernel, and the core stores one result at a time.
            unsafe { Context::set_result(context, value) };
        }
    }

    fn create_space(&mut self, tables: &mut PageTables<'_>) -> Result<Space, OutOfFrames> {
        address_space::create(tables)
    }

    fn leave_space(&mut self, space: Space) {
        processors::leave_space(space.0.address());
    }

    fn make_table(&mut self, space: Space, tables: &mut PageTables<'_>, address: u64) -> Result<u64, OutOfFrames> {
        address_space::make_table(space, tables, address)
    }

    fn map(
        &mut self,
        space: Space,
        tables: &mut PageTables<'_>,
        address: u64,
        frame: Frame,
        access: Access,
    ) -> Result<(), OutOfFrames> {
        address_space::map(space, tables, address, frame, access)
    }

    fn unmap(&mut self, space: Space, address: u64) -> Option<Frame> {
        address_space::unmap(space, address)
    }

    fn unmap_next(&mut self, space: Space, start: u64, end: u64) -> (u64, Option<Frame>) {
        address_space::unmap_next(space, start, end)
    }

    fn read_word(&self, space: Space, address: u64) -> Option<u64> {
        address_space::read_word(space, address)
    }

    fn write_page(&mut self, space: Space, address: u64, area: RingArea, source: ArenaRange) -> bool {
        let words = source.bytes as usize / 8;
        let from = ring_area::arena(area, source.offset, words);
        // SAFETY: the words lie in the area, which no program has mapped as anything else; the core keeps within the page.
        unsafe { address_space::write_words(space, address, from, words) }
    }

    fn protect(&mut self, space: Space, address: u64, access: Access) {
        address_space::protect(space, address, access);
    }

    fn flush(&mut self, space: Space, address: u64, pages: u64) {
        address_space::flush(space, address, pages);
    }

    fn heap_bytes(&self) -> u64 {
        heap::bytes()
    }

    fn zero_frame(&mut self, frame: Frame) {
        address_space::zero(frame);
    }

    fn write_frames(&mut self, frame: Frame, offset: u64, bytes: &[u8]) {
        let to = layout::direct(frame.address() + offset) as *mut u8;
        // SAFETY: the core names frames that it has just allocated, and no program has them yet.
        unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    fn init_ring(&mut self, area: RingArea) {
        ring_area::init(area);
    }

    fn submission_tail(&self, area: RingArea) -> u32 {
        ring_area::submission_tail(area)
    }

    fn completion_head(&self, area: RingArea) -> u32 {
        ring_area::completion_head(area)
    }

    #[inline]
    fn submission_head(&self, area: RingArea, position: u32) -> SubmissionHead {
        ring_area::submission_head(area, position)
    }

    #[inline]
    fn submission_user_data(&self, area: RingArea, position: u32) -> u64 {
        ring_area::submission_user_data(area, position)
    }

    #[inline]
    fn submission(&self, area: RingArea, position: u32, head: SubmissionHead) -> Submission {
        ring_area::submission(area, position, head)
    }

    #[inline]
    fn post(&self, area: RingArea, position: u32, completion: &Completion) {
        ring_area::post(area, position, completion);
    }

    fn publish_submission_head(&self, area: RingArea, position: u32) {
        ring_area::publish_submission_head(area, position);
    }

    fn publish_completion_tail(&self, area: RingArea, position: u32) {
        ring_area::publish_completion_tail(area, position);
    }

    #[inline]
    fn read_arena(&self, area: RingArea, offset: u32, words: &mut [u64]) {
        let from = ring_area::arena(area, offset, words.len());
        // SAFETY: `arena` has checked the range.
        unsafe { wide::copy(from, words.as_mut_ptr(), words.len()) };
    }

    #[inline]
    fn write_arena(&self, area: RingArea, offset: u32, words: &[u64]) {
        let to = ring_area::arena(area, offset, words.len());
        // SAFETY: `arena` has checked the range.
        unsafe { wide::copy(words.as_ptr(), to, words.len()) };
    }

    #[inline(always)]
    fn write_arena_words<const WORDS: usize>(&self, area: RingArea, offset: u32, words: [u64; WORDS]) {
        let to = ring_area::arena(area, offset, WORDS);
        for (place, word) in words.into_iter().enumerate() {
            // SAFETY: `arena` has checked the range.
            unsafe { to.add(place).write_volatile(word) };
        }
    }

    #[inline(always)]
    fn copy_arena(&self, from: RingArea, from_offset: u32, to: RingArea, to_offset: u32, bytes: u32) {
        let words = bytes as usize / 8;
        let (from, to) = (ring_area::arena(from, from_offset, words), ring_area::arena(to, to_offset, words));
        // SAFETY: `arena` has checked both ranges.
        unsafe { wide::copy(from, to, words) };
    }

    fn port_read(&mut self, port: u16) -> u8 {
        // SAFETY: the core lets only holders of the port's capability come here.
        unsafe { Port::new(port).read() }
    }

    fn port_write(&mut self, port: u16, value: u8) {
        // SAFETY: as in `port_read`.
        unsafe { Port::new(port).write(value) };
    }

    fn console_ports(&self) -> Option<(u16, u16)> {
        console::is_present().then(|| (console::first_port(), console::PORT_COUNT))
    }

    fn release_console(&mut self) {
        self.console = false;
    }

    fn set_line_enabled(&mut self, line: u8, enabled: bool) {
        self.io_apics.set_line_enabled(line, enabled);
    }

    fn console_write(&mut self, text: &[u8]) -> usize {
        if self.console { console::write_some(text) } else { text.len() }
    }

    fn entropy(&mut self, bytes: &mut [u8]) -> bool {
        let features = self.features;
        self.random.fill(bytes, || random::fresh(features))
    }

    fn give_up(&mut self, why: fmt::Arguments<'_>) -> ! {
        crate::panic::give_up(why)
    }

    fn shutdown(&mut self, code: u8) -> ! {
        if trace::is_on() {
            console::last_words(format_args!("{}", trace::Longest));
        }
        self.power.shutdown(code)
    }

    fn reboot(&mut self) -> ! {
        self.power.reboot()
    }
}
