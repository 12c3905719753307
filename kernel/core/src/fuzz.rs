//! What bytes from outside can reach in the kernel, as functions of bytes: whatever they are, nothing may panic.
#[path = "test/machine.rs"]
mod machine;
#[expect(dead_code, reason = "the tests use the rest")]
#[path = "test/world.rs"]
mod world;

use crate::Kernel;
use crate::authority::capability::Object;
use crate::execution::process::Outcome;
use crate::execution::thread::State;
use crate::ipc::message::Params;
use crate::memory::frame::{Frame, FrameAllocator};
use crate::start::elf::Program;
use crate::start::package::Package;
use capos_abi::interface::{self, endpoint_server, ledger};
use capos_abi::layout::{Pointer, Scalar};
use capos_abi::package::PackageHeader;
use capos_abi::ring::{Submission, op};
use core::mem::offset_of;
use machine::Machine;
use world::{Actor, PLENTY, World};

/// Interfaces that a hostile program calls.
const INTERFACES: [u64; 8] = [
    interface::handle_manager::ID,
    ledger::ID,
    interface::process::ID,
    interface::thread::ID,
    interface::virtual_memory::ID,
    interface::memory_object::ID,
    endpoint_server::ID,
    interface::notification::ID,
];
/// Words of the arena that a hostile program writes.
const ARENA_WORDS: u32 = 256;
/// The longest input in steps; more show nothing new.
const MAX_STEPS: usize = 200;
/// Nanoseconds between two steps.
const STEP_NANOSECONDS: u64 = 1000;

/// A source of numbers; zeros behind its end.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn number(&mut self, count: usize) -> u64 {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

/// The program file of the first process.
pub fn program(bytes: &[u8]) {
    if let Ok(program) = Program::parse(bytes) {
        let mut behind = 0;
        for segment in program.segments() {
            assert!(behind <= segment.first_page() && segment.first_page() < segment.end_page());
            assert!(segment.offset + segment.file_bytes <= bytes.len() as u64);
            behind = segment.end_page();
        }
    }
}

/// The boot package: as it is, and with the length and checksum of its header right, which random ones never have.
pub fn package(bytes: &[u8]) {
    start(bytes);
    let mut mended = bytes.to_vec();
    if let Some((header, content)) = mended.split_at_mut_checked(size_of::<PackageHeader>()) {
        let words = [bytes.len() as u64, u64::from(crc32fast::hash(content))];
        header[offset_of!(PackageHeader, total_bytes)..].copy_from_slice(words.map(u64::to_le_bytes).as_flattened());
        start(&mended);
    }
}

/// Starts the program in a package.
fn start(bytes: &[u8]) {
    let mut frames = FrameAllocator::new(Frame(4096)).expect("bitmap");
    frames.add(Frame(1), 4095);
    let mut kernel = Kernel::new(Machine { processors: 1, ..Machine::default() }, frames).expect("heap");
    if kernel.start_init(bytes, Frame(8192)).is_ok() {
        let package = Package::parse(bytes).expect("it was good before");
        (0..package.count()).for_each(|index| assert!(!package.entry(index).expect("checked").content.is_empty()));
    }
}

/// Parameters of a call to a kernel object, capability list included.
pub fn params(bytes: &[u8]) {
    let words: Vec<u64> = bytes.chunks(8).map(|chunk| Bytes(chunk).number(8)).collect();
    let Ok(params) = Params::new(&words) else { return };
    for index in 0..4 {
        params.get(Scalar { offset: u32::from(index) * 8, bytes: 8, default: 0 });
        let _ = params.capability(Pointer { index });
        let _ = params.data(Pointer { index }, &mut [0; 64]);
        let _ = params.text(Pointer { index }, &mut [0; 64]);
    }
}

/// Two processes that write anything into their rings: entries, positions and messages. Afterwards all is as before.
pub fn ring(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let mut world = World::new();
    let before = world.footprint();
    let actors = hostile(&mut world);
    for _ in 0..MAX_STEPS {
        if bytes.0.is_empty() {
            break;
        }
        let kind = bytes.number(1);
        let actor = actors[kind as usize & 1];
        if can_run(&world, actor) {
            step(&mut world, actor, kind >> 1 & 7, &mut bytes);
        }
        world.kernel.platform.now += STEP_NANOSECONDS;
    }
    end_all(&mut world);
    assert_eq!(world.footprint(), before, "everything has come back");
}

/// A server and a client with handles of every kind.
fn hostile(world: &mut World) -> [Actor; 2] {
    let actors = [world.actor("server", PLENTY), world.actor("client", PLENTY)];
    for actor in actors {
        let paying = world.ledger(actor);
        let (_, made) = world.call_kernel(actor, paying, ledger::ID, ledger::create_endpoint::METHOD, &[]);
        let endpoint = made[0];
        let (_, minted) =
            world.call_kernel(actor, endpoint, endpoint_server::ID, endpoint_server::mint::METHOD, &[INTERFACES[0], 7]);
        world.call_kernel(actor, paying, ledger::ID, ledger::create_memory_object::METHOD, &[9000]);
        world.give(actor, Object::Process(actor.process), interface::process::ID);
        world.give(actor, Object::Handles(actor.process), interface::handle_manager::ID);
        world.give(actor, Object::Thread(actor.thread), interface::thread::ID);
        world.give(actor, Object::VirtualMemory(actor.process), interface::virtual_memory::ID);
        for to in actors {
            world.copy(actor, minted[0], to);
        }
    }
    actors
}

fn can_run(world: &World, actor: Actor) -> bool {
    let state = world.kernel.threads.get(actor.thread).map(|thread| thread.state);
    matches!(state, Some(State::Running(_) | State::Ready))
}

fn step(world: &mut World, actor: Actor, kind: u64, bytes: &mut Bytes<'_>) {
    match kind {
        0 => {
            let (offset, word) = (bytes.number(1) as u32 % ARENA_WORDS, bytes.number(8));
            return world.write(actor, offset * 8, &[word]);
        }
        1 => {
            let mut ring = world.kernel.platform.ring(actor.area);
            (ring.submission_tail, ring.completion_head) = (bytes.number(4) as u32, bytes.number(4) as u32);
        }
        2 => {
            let mut ring = world.kernel.platform.ring(actor.area);
            ring.completion_head = ring.completion_tail;
        }
        _ => world.submit(actor, entry(bytes)),
    }
    world.enter(actor, 0);
}

/// Four bytes make a plausible entry; more of them make it a strange one.
fn entry(bytes: &mut Bytes<'_>) -> Submission {
    let (what, handle, at, tag) = (bytes.number(1), bytes.number(1), bytes.number(1) as u32, bytes.number(1));
    let strange = what & 8 != 0;
    let mut more = |count, usual| if strange { bytes.number(count) } else { usual };
    Submission {
        op: what as u8 & 7,
        caps: more(1, 0x21) as u8,
        flags: more(2, 0) as u16,
        method: (what >> 4) as u16,
        tag: more(2, tag) as u16,
        handle: more(4, 1) << 32 | handle & 0x1f,
        interface: INTERFACES[handle as usize >> 5],
        user_data: tag,
        message_offset: more(4, u64::from(at % ARENA_WORDS) * 8) as u32,
        message_bytes: more(4, 40) as u32,
        result_offset: more(4, 2048) as u32,
        result_bytes: more(4, if what as u8 & 7 == op::RECV { 8192 } else { 512 }) as u32,
        deadline: more(8, 0),
        arg: more(8, u64::from(at)),
    }
}

/// The processes here, and those that they have made.
fn end_all(world: &mut World) {
    while let Some(process) = (0..1 << 12).find_map(|index| world.kernel.processes.id_at(index)) {
        world.kernel.end_process(process, Outcome::Killed);
        world.settle();
    }
}
