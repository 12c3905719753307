//! A program that takes of one thing until there is no more, and sees that this is said as it must be.

use campaign::argument;
use capos_abi::PAGE_BYTES;
use capos_abi::handle::{Handle, NULL};
use capos_abi::interface::ledger::{
    ID, create_endpoint, create_ledger, create_memory_object, create_notification, create_process, create_thread,
    inspect,
};
use capos_abi::interface::virtual_memory;
use capos_abi::layout::{Pointer, Shape};
use capos_abi::ring::{COMPLETION_ENTRIES, MAX_AREA_BYTES, MIN_AREA_BYTES, SUBMISSION_ENTRIES, Submission, op};
use capos_abi::status::resource;
use capos_abi::syscall::CAP_ENTER;
use capos_rt::exhausted::Exhausted;
use capos_rt::raw::{self, Failure as Refused, Message};
use capos_rt::{errors, objects, ring, startup};
use capos_service::Failure;
use capos_service::spawn::Quota;
use std::arch::naked_asm;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

/// Bytes of memory that are taken at once.
const BYTES: u64 = 64 << 10;
/// How often it tries again after it was refused.
const AGAIN: usize = 100;
/// Time between two tries.
const MOMENT: Duration = Duration::from_millis(5);
/// More operations than can be pending.
const OPERATIONS: u32 = COMPLETION_ENTRIES + SUBMISSION_ENTRIES / 2;

/// What is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appetite {
    /// Slots of the handle table.
    Handles,
    /// Kernel objects: notifications, endpoints, ledgers, processes.
    Notifications,
    Endpoints,
    Ledgers,
    Processes,
    /// Frames: for memory objects, own memory, ring areas.
    Memory,
    Heap,
    Rings,
    /// Threads.
    Threads,
    /// The kernel's own memory: for ranges of the address map.
    Ranges,
    /// Places for completions of pending operations.
    Pending,
}

impl Appetite {
    /// All of them.
    pub const ALL: [Appetite; 11] = [
        Appetite::Handles,
        Appetite::Notifications,
        Appetite::Endpoints,
        Appetite::Ledgers,
        Appetite::Processes,
        Appetite::Memory,
        Appetite::Heap,
        Appetite::Rings,
        Appetite::Threads,
        Appetite::Ranges,
        Appetite::Pending,
    ];

    /// What a program with this appetite may use: enough of all else.
    pub fn quota(self) -> Quota {
        let enough = Quota { frames: 2_048, handles: 512, objects: 256, threads: 32 };
        match self.resource() {
            resource::HANDLES => Quota { handles: 128, ..enough },
            resource::OBJECTS => Quota { objects: 64, ..enough },
            resource::THREADS => Quota { threads: 16, ..enough },
            resource::KERNEL_MEMORY => Quota { frames: 512, handles: 32, objects: 16, threads: 4 },
            _ => enough,
        }
    }

    /// What runs out.
    fn resource(self) -> u8 {
        match self {
            Appetite::Handles => resource::HANDLES,
            Appetite::Notifications | Appetite::Endpoints | Appetite::Ledgers | Appetite::Processes => {
                resource::OBJECTS
            }
            Appetite::Memory | Appetite::Heap | Appetite::Rings => resource::FRAMES,
            Appetite::Threads => resource::THREADS,
            Appetite::Ranges => resource::KERNEL_MEMORY,
            Appetite::Pending => 0,
        }
    }

    /// Takes once; the handle of what it got, if it has one.
    fn take(self) -> Result<Handle, Refused> {
        match self {
            Appetite::Handles | Appetite::Notifications => {
                use create_notification::*;
                create(METHOD, &Message::new(params::SHAPE), 1, results::NOTIFICATION)
            }
            Appetite::Endpoints => {
                use create_endpoint::*;
                create(METHOD, &Message::new(params::SHAPE), 1, results::ENDPOINT)
            }
            Appetite::Ledgers => {
                use create_ledger::*;
                create(METHOD, &Message::new(params::SHAPE), 1, results::LEDGER)
            }
            Appetite::Processes => {
                use create_process::*;
                create(METHOD, &Message::new(params::SHAPE), 3, results::PROCESS)
            }
            Appetite::Memory => {
                use create_memory_object::*;
                create(METHOD, &Message::new(params::SHAPE).set(params::BYTES, BYTES), 1, results::MEMORY)
            }
            Appetite::Heap => objects::commit(objects::reserve(BYTES)?, BYTES).map(|()| NULL),
            Appetite::Rings => start_thread(MAX_AREA_BYTES),
            Appetite::Threads => start_thread(MIN_AREA_BYTES),
            Appetite::Ranges => map_once_more().map(|()| NULL),
            Appetite::Pending => Ok(NULL),
        }
    }
}

fn create(method: u16, message: &Message, accept: u8, made: Pointer) -> Result<Handle, Refused> {
    raw::call(startup::ledger(), ID, method, message, accept).map(|reply| reply.capability(made))
}

/// One page of memory at one more address, which is a range of its own.
fn map_once_more() -> Result<(), Refused> {
    use virtual_memory::map::*;
    static PAGE: OnceLock<Handle> = OnceLock::new();
    let page = *PAGE.get_or_init(|| Appetite::Memory.take().unwrap_or(NULL));
    let message = Message::new(params::SHAPE)
        .set_capability(params::OBJECT, page)
        .set(params::BYTES, PAGE_BYTES)
        .set(params::ACCESS, virtual_memory::access::READ.into());
    raw::call(startup::memory(), virtual_memory::ID, METHOD, &message, 0).map(drop)
}

/// A thread that waits for ever, without a stack.
fn start_thread(ring_bytes: u32) -> Result<Handle, Refused> {
    use create_thread::*;
    let shape: Shape = params::SHAPE;
    let message = Message::new(shape)
        .set_capability(params::PROCESS, startup::process())
        .set(params::ENTRY, sleep_for_ever as extern "C" fn() as usize as u64)
        .set(params::RING_BYTES, ring_bytes.into());
    create(METHOD, &message, 1, results::THREAD)
}

#[unsafe(naked)]
extern "C" fn sleep_for_ever() {
    naked_asm!("2:", "mov eax, {enter}", "mov edi, 1", "xor esi, esi", "syscall", "jmp 2b", enter = const CAP_ENTER)
}

/// Takes until there is no more, however often it tries, gives one thing back and gets it once more.
pub fn run() -> Result<(), Failure> {
    let name: String = argument("appetite")?.ok_or("for what?")?;
    let appetite = Appetite::ALL.into_iter().find(|appetite| format!("{appetite:?}") == name);
    let appetite = appetite.ok_or("for something else")?;
    if appetite == Appetite::Pending {
        return fill_the_ring();
    }
    // Who has started this program may still make room, or use some up.
    let (mut last, mut refusals) = (NULL, 0);
    let refused = loop {
        match appetite.take() {
            Ok(handle) => (last, refusals) = (handle, 0),
            Err(refused) if refusals == AGAIN => break refused,
            Err(_) => refusals += 1,
        }
    };
    let said = refused.exhausted().ok_or_else(|| format!("{appetite:?}: status {}", refused.status))?;
    if said.resource != appetite.resource() || !is_true(&said)? {
        return Err(format!("{appetite:?}: {said}").into());
    }
    // Of the others, more than one handle or more than an object is needed.
    if matches!(appetite, Appetite::Handles | Appetite::Notifications | Appetite::Endpoints | Appetite::Ledgers) {
        raw::release(last);
        // What ends is put away in steps.
        let comes = (0..AGAIN).any(|_| {
            thread::sleep(MOMENT);
            appetite.take().is_ok()
        });
        if !comes {
            return Err(format!("{appetite:?}: what was given back is not there").into());
        }
    }
    Ok(())
}

/// Whether a refusal names this program's ledger, more than was left, and what the ledger itself says is left.
fn is_true(said: &Exhausted) -> Result<bool, Failure> {
    use inspect::{METHOD, params, results::*};
    let account = raw::call(startup::ledger(), ID, METHOD, &Message::new(params::SHAPE), 0);
    let account = account.map_err(errors::from_failure)?;
    let (used, limit) = match said.resource {
        resource::FRAMES => (FRAMES_USED, FRAMES_LIMIT),
        resource::HANDLES => (HANDLES_USED, HANDLES_LIMIT),
        resource::OBJECTS => (OBJECTS_USED, OBJECTS_LIMIT),
        resource::THREADS => (THREADS_USED, THREADS_LIMIT),
        resource::KERNEL_MEMORY => (KERNEL_BYTES_USED, KERNEL_BYTES_LIMIT),
        _ => return Ok(false),
    };
    let left = account.get(limit) - account.get(used);
    let named = said.ledger.map(u64::from) == Some(account.get(NUMBER));
    Ok(named && said.requested > said.remaining && u64::from(said.remaining) == left)
}

/// Waits for more than the ring has places for: the rest is not started, and the thread can go on.
fn fill_the_ring() -> Result<(), Failure> {
    let (before, after) = ring::with(|ring| {
        let before = ring.started();
        for tag in 0..OPERATIONS {
            ring.push(Submission { op: op::WAIT, tag: tag as u16, arg: 1, ..Submission::default() });
        }
        ring.enter(0, 0);
        (before, ring.started())
    });
    if after.wrapping_sub(before) != COMPLETION_ENTRIES {
        return Err(format!("{} operations are pending", after.wrapping_sub(before)).into());
    }
    // This ring is of no more use, not even for last words.
    capos_rt::syscall::exit(0)
}
