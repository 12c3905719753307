//! The first process: the only one that the kernel loads.
use crate::Kernel;
use crate::authority::capability::Object;
use crate::execution::process::Process;
use crate::ipc::operation::Refusal;
use crate::ledger::{Amounts, Ledger, Resource};
use crate::memory::frame::{FRAME_BYTES, Frame};
use crate::memory::range::{Kind, Piece};
use crate::memory::{Access, Backing, MemoryObject};
use crate::platform::{Platform, Registers};
use crate::slab::Id;
use crate::start::elf::{BadProgram, Program, Segment};
use crate::start::package::{Package, PackageError};
use alloc::vec::Vec;
use capos_abi::package::INIT_ENTRY;
use capos_abi::ring::DEFAULT_AREA_BYTES;
use capos_abi::startup::{CapSetEntry, MAGIC, StartupBlock, VERSION};
use core::fmt;

/// Bytes of init's stack.
const STACK_BYTES: u64 = 256 << 10;
/// Bytes of init's startup block at most.
const STARTUP_BYTES: usize = 8 << 10;
/// Alignment of a stack pointer at a function's entry, less the return address.
const STACK_ALIGNMENT: u64 = 16;
/// Bytes of a thread control block: its own address.
const CONTROL_BLOCK_BYTES: u64 = 64;
/// What the machine's ledger allows, memory aside.
const ROOT_HANDLES: u64 = 1 << 20;
const ROOT_OBJECTS: u64 = 1 << 18;
/// The part of the kernel's heap that it allows; the rest is for what the kernel keeps from its start, for lists that are copied as
/// they grow, and for gaps.
const ROOT_HEAP_PERCENT: u64 = 75;

/// Why the system cannot start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartError {
    /// The boot package is bad.
    Package(PackageError),
    /// The program `init` is bad.
    Init(&'static str),
    /// Memory is too small.
    Memory,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Package(error) => error.fmt(f),
            Self::Init(why) => write!(f, "the program init cannot be loaded: {why}"),
            Self::Memory => write!(f, "there is too little memory to start init"),
        }
    }
}

impl From<PackageError> for StartError {
    fn from(error: PackageError) -> Self {
        Self::Package(error)
    }
}

impl From<BadProgram> for StartError {
    fn from(error: BadProgram) -> Self {
        Self::Init(error.0)
    }
}

impl From<Refusal> for StartError {
    fn from(_: Refusal) -> Self {
        Self::Memory
    }
}

/// init's memory, as its startup block describes it.
struct Layout {
    stack: u64,
    control_block: u64,
    startup: u64,
}

impl<P: Platform> Kernel<P> {
    /// Makes `init` from the boot package, whose bytes lie at `first` in memory, and lets it run.
    pub fn start_init(&mut self, package: &[u8], first: Frame) -> Result<(), StartError> {
        let package = Package::parse(package)?;
        let program = package.entry(INIT_ENTRY)?;
        let elf = Program::parse(program.content)?;
        let ledger = self.root_ledger()?;
        let process = self.root_process(ledger)?;
        let binary = first.offset(program.offset / FRAME_BYTES);
        for segment in elf.segments() {
            self.load_segment(process, &segment, program.content, binary)?;
        }
        let layout = self.place_init(process, elf.tls.as_ref(), program.content)?;
        let registers = Registers {
            entry: elf.entry,
            stack_pointer: layout.stack + STACK_BYTES - STACK_ALIGNMENT / 2,
            thread_pointer: layout.control_block,
            argument: layout.startup,
            ring_address: 0,
        };
        let thread = self.new_thread(ledger, process, registers, DEFAULT_AREA_BYTES)?;
        let mut caps = Vec::new();
        self.grant_own(&mut caps, process, ledger, Object::Thread(thread))?;
        self.grant_machine(&mut caps, process)?;
        self.grant_modules(&mut caps, process, &package, first)?;
        self.write_startup(process, &layout, elf.tls.as_ref(), &caps)?;
        self.init = Some(process);
        self.begin_process(process);
        Ok(())
    }

    fn root_ledger(&mut self) -> Result<Id<Ledger>, StartError> {
        let (threads, heap) = (u64::from(crate::MAX_THREADS), self.platform.heap_bytes() / 100 * ROOT_HEAP_PERCENT);
        let limits = Amounts([self.frames.available(), ROOT_HANDLES, ROOT_OBJECTS, threads, heap]);
        Ok(Ledger::root(&mut self.ledgers, limits)?)
    }

    fn root_process(&mut self, ledger: Id<Ledger>) -> Result<Id<Process>, StartError> {
        self.ledgers[ledger].charge(Resource::Objects, 1).map_err(|_| StartError::Memory)?;
        self.ledgers[ledger].references += 1;
        Ok(self.new_process(ledger, self.sessions.system, "init")?)
    }

    /// Maps a read-only segment from the package itself, or fills private memory with a writable one.
    fn load_segment(
        &mut self,
        process: Id<Process>,
        segment: &Segment,
        file: &[u8],
        binary: Frame,
    ) -> Result<(), StartError> {
        let (start, end) = (segment.first_page(), segment.end_page());
        if segment.access == Access::ReadWrite {
            self.commit_range(process, start, end, Access::ReadWrite)?;
            let content =
                file.get(segment.offset as usize..(segment.offset + segment.file_bytes) as usize).unwrap_or_default();
            return self.write_memory(process, segment.address, content);
        }
        let backing = Backing::Boot(binary.offset(segment.offset / FRAME_BYTES));
        let object = MemoryObject { references: 1, ..MemoryObject::new(None, end - start, backing) };
        let object = self.memory.insert(object).map_err(|_| StartError::Memory)?;
        self.prepare_range(process, start, end)?;
        let piece = Piece { object, writable: false, mapping: None, held: false };
        let kind = Kind::Mapped { piece, offset: 0, access: segment.access };
        self.processes[process].ranges.set(start, end, kind);
        Ok(())
    }

    fn commit_range(&mut self, process: Id<Process>, start: u64, end: u64, access: Access) -> Result<(), StartError> {
        self.prepare_range(process, start, end)?;
        self.charge_frames(self.processes[process].ledger, (end - start) / FRAME_BYTES)?;
        self.processes[process].ranges.set(start, end, Kind::Committed(access));
        Ok(())
    }

    /// Makes room for a range in the map, and its page tables.
    fn prepare_range(&mut self, process: Id<Process>, mut start: u64, end: u64) -> Result<(), StartError> {
        self.prepare_ranges(process, start)?;
        while start < end {
            start = self.make_tables(process, start, end)?;
        }
        Ok(())
    }

    /// Writes into committed memory of a process that does not run yet; its pages are made as needed.
    fn write_memory(&mut self, process: Id<Process>, mut address: u64, mut bytes: &[u8]) -> Result<(), StartError> {
        while !bytes.is_empty() {
            let offset = address % FRAME_BYTES;
            let count = bytes.len().min((FRAME_BYTES - offset) as usize);
            let (chunk, rest) = bytes.split_at(count);
            let space = self.processes[process].space.ok_or(StartError::Memory)?;
            let page = address - offset;
            let access = match self.processes[process].ranges.find(page).map(|r| r.kind) {
                Some(Kind::Committed(access)) => access,
                _ => return Err(StartError::Memory),
            };
            let frame = match self.platform.unmap(space, page) {
                Some(frame) => frame,
                None => self.zeroed_reserved_frame().ok_or(StartError::Memory)?,
            };
            self.platform.write_frames(frame, offset, chunk);
            self.map_page(process, page, frame, access)?;
            address += count as u64;
            bytes = rest;
        }
        Ok(())
    }

    /// Commits stack, thread-local storage and startup block, each with unmapped pages before it.
    fn place_init(&mut self, process: Id<Process>, tls: Option<&Segment>, file: &[u8]) -> Result<Layout, StartError> {
        let stack = self.commit_gap(process, STACK_BYTES, Access::ReadWrite)?;
        let tls_bytes = tls.map_or(0, |t| t.memory_bytes.next_multiple_of(STACK_ALIGNMENT.max(t.alignment)));
        let tls_block = self.commit_gap(process, tls_bytes + CONTROL_BLOCK_BYTES, Access::ReadWrite)?;
        let control_block = tls_block + tls_bytes;
        self.write_memory(process, control_block, &control_block.to_le_bytes())?;
        if let Some(tls) = tls {
            let image = file.get(tls.offset as usize..(tls.offset + tls.file_bytes) as usize).unwrap_or_default();
            self.write_memory(process, control_block - tls.memory_bytes.next_multiple_of(tls.alignment.max(1)), image)?;
        }
        let startup = self.commit_gap(process, STARTUP_BYTES as u64, Access::Read)?;
        Ok(Layout { stack, control_block, startup })
    }

    fn commit_gap(&mut self, process: Id<Process>, bytes: u64, access: Access) -> Result<u64, StartError> {
        let bytes = bytes.next_multiple_of(FRAME_BYTES);
        let gap = self.processes[process].ranges.gap(bytes + FRAME_BYTES).ok_or(StartError::Memory)?;
        let start = gap + FRAME_BYTES;
        self.commit_range(process, start, start + bytes, access)?;
        Ok(start)
    }

    fn write_startup(
        &mut self,
        process: Id<Process>,
        layout: &Layout,
        tls: Option<&Segment>,
        caps: &[CapSetEntry],
    ) -> Result<(), StartError> {
        let block = StartupBlock {
            magic: MAGIC,
            version: VERSION,
            cap_count: caps.len() as u32,
            argument_count: 0,
            argument_bytes: 0,
            tls_image: tls.map_or(0, |t| t.address),
            tls_image_bytes: tls.map_or(0, |t| t.file_bytes),
            tls_bytes: tls.map_or(0, |t| t.memory_bytes),
            tls_alignment: tls.map_or(1, |t| t.alignment),
            stack_base: layout.stack,
            stack_bytes: STACK_BYTES,
        };
        let bytes = startup_bytes(&block, caps).ok_or(StartError::Memory)?;
        self.write_memory(process, layout.startup, &bytes)
    }
}

/// The startup block as it lies in memory.
fn startup_bytes(block: &StartupBlock, caps: &[CapSetEntry]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(STARTUP_BYTES).ok()?;
    bytes.extend_from_slice(&block.magic.to_le_bytes());
    for word in [block.version, block.cap_count, block.argument_count, block.argument_bytes] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    let words = [
        block.tls_image,
        block.tls_image_bytes,
        block.tls_bytes,
        block.tls_alignment,
        block.stack_base,
        block.stack_bytes,
    ];
    words.iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
    for entry in caps {
        bytes.extend_from_slice(&entry.handle.to_le_bytes());
        bytes.extend_from_slice(&entry.interface.to_le_bytes());
        bytes.extend_from_slice(&entry.name);
    }
    (bytes.len() <= STARTUP_BYTES).then_some(bytes)
}
