//! What the core asks of the machine below it: memory, processors, devices. The kernel implements it on hardware,
//! the tests on plain vectors.
//!
//! The core runs under the kernel lock with interrupts off. A method with `&mut self` may assume that no other caller is inside. Those
//! with `&self` may be called by several processors at once, but not for the same processor, context, or places of a ring.
use crate::memory::Access;
use crate::memory::frame::{Frame, OutOfFrames};
use crate::memory::page_table::PageTables;
use capos_abi::ring::{ARENA_OFFSET, Completion, Submission, SubmissionHead};
use core::fmt;

/// Physically contiguous memory of a ring area, as far as it is clear, which the kernel reaches without the thread's page tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingArea {
    /// Physical address of its first frame.
    pub address: u64,
    /// Bytes of the area.
    pub bytes: u32,
}

impl RingArea {
    /// The area that begins with this frame.
    pub fn new(first: Frame, bytes: u32) -> Self {
        Self { address: first.address(), bytes }
    }

    /// Its first frame.
    pub fn first_frame(&self) -> Frame {
        Frame::containing(self.address)
    }

    /// Bytes of the arena.
    pub fn arena_bytes(&self) -> u32 {
        self.bytes - ARENA_OFFSET
    }

    /// The range, if it is aligned and lies within the arena.
    #[inline]
    pub fn range(&self, offset: u32, bytes: u32) -> Option<ArenaRange> {
        let end = offset.checked_add(bytes)?;
        ((offset | bytes).is_multiple_of(8) && end <= self.arena_bytes()).then_some(ArenaRange { offset, bytes })
    }
}

/// A range of a ring's arena.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArenaRange {
    /// Offset in the arena.
    pub offset: u32,
    /// Bytes.
    pub bytes: u32,
}

/// An address space: its root page table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space(pub Frame);

/// First register values of a thread; all others are zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// First instruction.
    pub entry: u64,
    /// Stack pointer.
    pub stack_pointer: u64,
    /// FS base.
    pub thread_pointer: u64,
    /// First argument (rdi): address of the ring area.
    pub ring_address: u64,
    /// Second argument (rsi).
    pub argument: u64,
}

/// Registers that a crash record holds.
pub const REGISTERS: usize = 18;
/// Place of the stack pointer among them.
pub const STACK_POINTER: usize = 7;

/// Index of a thread's register context; at most [`crate::MAX_THREADS`].
pub type ContextIndex = u32;

/// The machine below the core.
pub trait Platform {
    // Processors and time.

    /// Number of running processors; they are numbered from 0.
    fn processors(&self) -> usize;
    /// Monotonic nanoseconds since the kernel started.
    fn now(&self) -> u64;
    /// Seconds from the start of 1970 (UTC) to the kernel's start, if the machine knows the date.
    fn date_at_start(&self) -> Option<u64>;
    /// Makes another processor enter the kernel soon and call [`crate::Kernel::reschedule`].
    fn interrupt_processor(&self, processor: usize);
    /// Arms this processor's one-shot timer (absolute nanoseconds; `u64::MAX` stops it); it calls [`crate::Kernel::timer`].
    fn set_timer(&self, processor: usize, deadline: u64);

    // Register contexts of threads.

    /// Prepares the context with this index, of a thread in this space; whatever it held before is gone. False: no memory for it.
    #[must_use]
    fn create_context(&mut self, context: ContextIndex, space: Space, registers: &Registers) -> bool;
    /// The registers of a thread that does not run: rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8 to r15, rflags, fs base.
    fn registers(&self, context: ContextIndex) -> [u64; REGISTERS];
    /// Lets a thread that does not run go on at this user address.
    fn set_instruction(&mut self, context: ContextIndex, address: u64);
    /// Lets the thread, which is inside of a system call, make the same call again as soon as it runs.
    fn enter_again(&self, context: ContextIndex);
    /// Sets what the thread's pending system call will return.
    fn set_result(&self, context: ContextIndex, value: u64);

    // Address spaces. Addresses are multiples of the page size in the lower half.

    /// An empty address space that shares the kernel's half. Its root is one of `tables`.
    fn create_space(&mut self, tables: &mut PageTables<'_>) -> Result<Space, OutOfFrames>;
    /// Makes sure that no processor has the space loaded, which no thread will enter again. Its tables may be freed then.
    fn leave_space(&mut self, space: Space);
    /// Makes the page tables that a page at this address needs; the address behind what the lowest of them covers.
    fn make_table(&mut self, space: Space, tables: &mut PageTables<'_>, address: u64) -> Result<u64, OutOfFrames>;
    /// Maps one page where nothing is mapped, with new page tables where some are missing.
    fn map(
        &mut self,
        space: Space,
        tables: &mut PageTables<'_>,
        address: u64,
        frame: Frame,
        access: Access,
    ) -> Result<(), OutOfFrames>;
    /// Unmaps one page; the frame that was there, if any. Stale translations remain until [`Platform::flush`].
    fn unmap(&mut self, space: Space, address: u64) -> Option<Frame>;
    /// Unmaps the first page mapped in `start..end`, looking at one page table at most: the address behind what was looked
    /// at, and the page's frame.
    fn unmap_next(&mut self, space: Space, start: u64, end: u64) -> (u64, Option<Frame>);
    /// A word of a program's memory, if its page is mapped; the address is a multiple of 8, or there is none.
    fn read_word(&self, space: Space, address: u64) -> Option<u64>;
    /// Changes the access of one page if it is mapped. Stale translations remain until [`Platform::flush`].
    fn protect(&mut self, space: Space, address: u64, access: Access);
    /// Removes stale translations of these pages from every processor that may hold them, before it returns.
    fn flush(&mut self, space: Space, address: u64, pages: u64);

    // Physical memory.

    /// Bytes of the kernel's heap, used or not.
    fn heap_bytes(&self) -> u64;
    /// Fills a frame with zeros.
    fn zero_frame(&mut self, frame: Frame);
    /// Copies bytes into frames, starting `offset` bytes behind the start of `frame`.
    fn write_frames(&mut self, frame: Frame, offset: u64, bytes: &[u8]);

    // Ring areas. The user may write them at any time: every method reads each word once. Offsets lie within the area:
    // the core has checked them.

    /// Writes a fresh header.
    fn init_ring(&mut self, area: RingArea);
    /// The user's submission tail.
    fn submission_tail(&self, area: RingArea) -> u32;
    /// The user's completion head.
    fn completion_head(&self, area: RingArea) -> u32;
    /// The first word of the submission at this position.
    fn submission_head(&self, area: RingArea, position: u32) -> SubmissionHead;
    /// The user data of the submission at this position.
    fn submission_user_data(&self, area: RingArea, position: u32) -> u64;
    /// The submission at this position, behind its first word, which was read.
    fn submission(&self, area: RingArea, position: u32, head: SubmissionHead) -> Submission;
    /// Stores a completion at this position.
    fn post(&self, area: RingArea, position: u32, completion: &Completion);
    /// Publishes the kernel's submission head.
    fn publish_submission_head(&self, area: RingArea, position: u32);
    /// Publishes the kernel's completion tail, after the completions before it.
    fn publish_completion_tail(&self, area: RingArea, position: u32);
    /// Reads words from arena offset `offset` (a multiple of 8).
    fn read_arena(&self, area: RingArea, offset: u32, words: &mut [u64]);
    /// Reads a fixed number of words from arena offset `offset` (a multiple of 8).
    #[inline]
    fn read_arena_words<const WORDS: usize>(&self, area: RingArea, offset: u32) -> [u64; WORDS] {
        let mut words = [0; WORDS];
        self.read_arena(area, offset, &mut words);
        words
    }
    /// Writes words to arena offset `offset` (a multiple of 8).
    fn write_arena(&self, area: RingArea, offset: u32, words: &[u64]);
    /// Writes a fixed number of words to arena offset `offset` (a multiple of 8).
    fn write_arena_words<const WORDS: usize>(&self, area: RingArea, offset: u32, words: [u64; WORDS]);
    /// Copies `bytes` (a multiple of 8) from one arena to another.
    fn copy_arena(&self, from: RingArea, from_offset: u32, to: RingArea, to_offset: u32, bytes: u32);

    /// Copies words from a range of an arena to this address, within a page that is mapped there; false: none is.
    fn write_page(&mut self, space: Space, address: u64, area: RingArea, source: ArenaRange) -> bool;

    // Devices.

    /// Reads an I/O port.
    fn port_read(&mut self, port: u16) -> u8;
    /// Writes an I/O port.
    fn port_write(&mut self, port: u16, value: u8);
    /// First port and number of ports of the UART that the kernel's early console uses, if it has one.
    fn console_ports(&self) -> Option<(u16, u16)>;
    /// The console now belongs to a driver: write to it no more, except in a panic.
    fn release_console(&mut self);
    /// Unmasks (routes to a processor) or masks an ISA interrupt line; it calls [`crate::Kernel::interrupt`].
    fn set_line_enabled(&mut self, line: u8, enabled: bool);
    /// Text for the early console, while the kernel owns it; the number of bytes that it takes without waiting.
    fn console_write(&mut self, text: &[u8]) -> usize;
    /// Fills with random bytes; false if the machine has no source of them.
    #[must_use]
    fn entropy(&mut self, bytes: &mut [u8]) -> bool;
    /// Ends the machine because the system cannot go on: takes the console back and says why in one sentence.
    fn give_up(&mut self, why: fmt::Arguments<'_>) -> !;
    /// Ends the machine with this code.
    fn shutdown(&mut self, code: u8) -> !;
    /// Resets the machine.
    fn reboot(&mut self) -> !;
}
