//! The programs that campaigns start: this same file, started with the name of what it does.

use crate::{exhaustion, glutton, patchwork, threads};
use capnp::capability::FromClientHook;
use capos_service::mapping::Mapping;
use capos_service::spawn::{Quota, Spawn, SpawnError, create_ledger};
use capos_service::{Failure, RingCall, Service, any_slot, sleep, slot};
use schema::ledger_capnp::ledger;
use schema::process_capnp::process;
use schema::virtual_memory_capnp::virtual_memory::Access;
use schema::workshop_capnp::workshop;
use std::arch::asm;
use std::future::pending;
use std::hint::black_box;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

/// What a victim may use.
pub const QUOTA: Quota = Quota { frames: 2_048, handles: 128, objects: 64, threads: 16 };
/// What the victims in the family of one may use.
const CHILD_QUOTA: Quota = Quota { frames: 400, handles: 32, objects: 16, threads: 2 };

/// Slots that a victim is given.
const SLOTS: [&str; 4] = ["clock", "log", "victim", "workshop"];

/// Bytes that are used and given back at once: more than a heap keeps.
const HEAP_BYTES: usize = 3 << 20;
/// Bytes of memory that is mapped.
const OBJECT_BYTES: u64 = 64 << 10;
/// Bytes of a thread's stack.
const STACK_BYTES: usize = 64 << 10;
/// Threads of a crowd.
pub const CROWD: usize = 12;
/// Threads that are started together and joined.
const TEAM: usize = 4;
/// How long a child lives, and one of a crowd sleeps.
const MOMENT: Duration = Duration::from_micros(300);

/// What a victim does until it is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Computes.
    Spin,
    /// Waits for what never comes.
    Wait,
    /// Is in a call that is never answered.
    Call,
    /// Serves an endpoint.
    Receive,
    /// Stands at a fault.
    Fault,
    /// Uses memory and gives it back.
    Memory,
    /// Makes objects and gives them up.
    Objects,
    /// Starts and joins threads.
    Threads,
    /// Has many threads.
    Crowd,
    /// Starts other victims and ends them.
    Family,
    /// Exits.
    Exit,
    /// Starts and ends threads, and sees that nothing of them stays.
    Teams,
    /// Uses something up.
    Glutton,
    /// Has an address map of tens of thousands of ranges.
    Patchwork,
    /// Starts programs that do the same.
    ProcessBomb,
    /// Starts threads that do the same.
    ThreadBomb,
}

impl Role {
    /// All of them.
    const ALL: [Role; 16] = [
        Role::Spin,
        Role::Wait,
        Role::Call,
        Role::Receive,
        Role::Fault,
        Role::Memory,
        Role::Objects,
        Role::Threads,
        Role::Crowd,
        Role::Family,
        Role::Exit,
        Role::Teams,
        Role::Glutton,
        Role::Patchwork,
        Role::ProcessBomb,
        Role::ThreadBomb,
    ];
    /// How many of them are to be ended whatever they do.
    const VICTIMS: usize = 11;

    /// Those of programs that go on until they are ended.
    pub fn victims() -> &'static [Role] {
        &Role::ALL[..Role::VICTIMS]
    }

    /// The role of this program, if it is a victim.
    pub fn of_this_program() -> Result<Option<Role>, Failure> {
        let Some(name) = campaign::argument::<String>("role")? else { return Ok(None) };
        let role = Role::ALL.into_iter().find(|role| format!("{role:?}") == name);
        Ok(Some(role.ok_or("there is no such role")?))
    }

    /// Plays it to the end.
    pub async fn play(self) -> Result<(), Failure> {
        match self {
            Role::Spin => spin(),
            Role::Wait => pending().await,
            Role::Call => Ok(slot::<workshop::Client>("workshop")?.wait_request().call().map(drop)?),
            Role::Receive => Ok(Service::create().await?.run().await?),
            // SAFETY: an invalid instruction. Nobody lets this program go on behind it.
            Role::Fault => unsafe { asm!("ud2", options(noreturn)) },
            Role::Memory => memory(),
            Role::Objects => objects().await,
            Role::Threads => start_and_join(),
            Role::Crowd => crowd(),
            Role::Family => family().await,
            Role::Exit => Ok(()),
            Role::Teams => threads::teams().await,
            Role::Glutton => glutton::run(),
            Role::Patchwork => patchwork::run(),
            Role::ProcessBomb => exhaustion::process_bomb().await,
            Role::ThreadBomb => exhaustion::thread_bomb().await,
        }
    }
}

/// A program with this role about to be started on this ledger.
pub fn prepare(role: Role, ledger: ledger::Client) -> Result<Spawn, capnp::Error> {
    let mut spawn = Spawn::new(&slot("victim")?, "victim").argument(&format!("role={role:?}")).ledger(ledger);
    for name in SLOTS {
        let (interface, capability) = any_slot(name)?;
        spawn = spawn.grant_as(name, interface, capability);
    }
    Ok(spawn)
}

/// Starts a victim on this ledger.
pub async fn start(role: Role, ledger: ledger::Client) -> Result<process::Client, SpawnError> {
    prepare(role, ledger)?.start().await
}

fn spin() -> ! {
    // Not `spin_loop`: the emulator leaves the processor at every `pause`.
    loop {
        black_box(());
    }
}

fn memory() -> ! {
    loop {
        black_box(vec![1u8; HEAP_BYTES]);
    }
}

async fn objects() -> Result<(), Failure> {
    let ledger: ledger::Client = slot("ledger")?;
    loop {
        let mut request = ledger.create_memory_object_request();
        request.get().set_bytes(OBJECT_BYTES);
        let object = request.send().promise.await?.get()?.get_memory()?;
        let _mapping = Mapping::new(&slot("memory")?, object.cast_to(), OBJECT_BYTES, Access::ReadWrite)?;
        let _below = create_ledger(&ledger, CHILD_QUOTA).await?;
        let _process = ledger.create_process_request().send().promise.await?;
        let _endpoint = ledger.create_endpoint_request().send().promise.await?;
        let _notification = ledger.create_notification_request().send().promise.await?;
    }
}

fn start_and_join() -> Result<(), Failure> {
    loop {
        let team = (0..TEAM).map(|number| start_thread(move || _ = black_box(number)));
        for member in team.collect::<Result<Vec<_>, _>>()? {
            member.join().map_err(|_| "a thread has panicked")?;
        }
    }
}

fn crowd() -> Result<(), Failure> {
    for number in 0..CROWD {
        start_thread(move || {
            loop {
                match number % 4 {
                    0 => spin(),
                    1 => thread::park(),
                    2 => thread::sleep(MOMENT),
                    _ => thread::yield_now(),
                }
            }
        })?;
    }
    loop {
        thread::park();
    }
}

fn start_thread(work: impl FnOnce() + Send + 'static) -> std::io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().stack_size(STACK_BYTES).spawn(work)
}

async fn family() -> Result<(), Failure> {
    loop {
        for role in [Role::Exit, Role::Wait, Role::Spin] {
            let ledger = create_ledger(&slot("ledger")?, CHILD_QUOTA).await?;
            let child = start(role, ledger).await?;
            sleep(MOMENT).await?;
            child.kill_request().send().promise.await?;
            child.wait_request().send().promise.await?;
        }
    }
}

/// Plays the role of this program, if it has one.
pub fn run(role: Role) -> ExitCode {
    capos_service::run(async |_| role.play().await)
}
