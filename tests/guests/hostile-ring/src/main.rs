//! Four threads put entries into their rings that are valid, changed or random, lie about the positions, and write into each
//! other's ring areas while the kernel works with them.
//!
//! Arguments: `count=N` entries, `seed=N`. It attacks with the capabilities in its slots, except those that it needs to
//! live; with the argument `all` with those, too. Its exit code is the number of entries that were started.

mod area;
mod attacker;
mod entry;
mod known;
mod time;

use area::Area;
use attacker::Attacker;
use capos_abi::interface::ledger::{ID, create_ledger};
use capos_abi::startup::slot;
use capos_rt::raw::{Message, call};
use capos_rt::{startup, syscall};
use fastrand::Rng;
use known::{Known, Memory};
use std::hint::spin_loop;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use time::Time;

/// Threads that attack, the main thread among them.
const THREADS: usize = 4;
/// What a program needs to live.
const OWN: [&str; 5] = [slot::PROCESS, slot::LEDGER, slot::MEMORY, slot::THREAD, slot::HANDLES];
/// Frames, handles, objects and threads of the ledger that is attacked instead of the own.
const BELOW: [u64; 4] = [256, 0, 64, 4];
/// What the exit code says of a program that could not begin.
const FAILED: i32 = -1;

static AREAS: [AtomicUsize; THREADS] = [const { AtomicUsize::new(0) }; THREADS];
static READY: AtomicUsize = AtomicUsize::new(0);
static STARTED: AtomicU64 = AtomicU64::new(0);
static ENDED: AtomicUsize = AtomicUsize::new(0);

fn main() {
    let Some((count, seed, given, time)) = begin() else { syscall::exit(FAILED) };
    let share = count.div_ceil(THREADS as u64);
    for number in 1..THREADS {
        let given = given.clone();
        thread::spawn(move || attack(number, share, seed, &given, time));
    }
    attack(0, share, seed, &given, time)
}

/// Number of entries, seed, handles and time.
fn begin() -> Option<(u64, u64, Vec<Known>, Time)> {
    let argument = |name: &str| {
        std::env::args().find_map(|argument| argument.strip_prefix(name)?.strip_prefix('=')?.parse::<u64>().ok())
    };
    let all = std::env::args().any(|argument| argument == "all");
    let slots = startup::capabilities().filter(|(name, _)| all || !OWN.contains(name));
    let mut given: Vec<Known> =
        slots.map(|(_, slot)| Known { handle: slot.handle, interface: slot.interface }).collect();
    if !all {
        given.push(Known { handle: ledger_below()?, interface: ID });
    }
    Some((argument("count")?, argument("seed")?, given, Time::compare()?))
}

/// A ledger that the own one does not suffer from.
fn ledger_below() -> Option<u64> {
    use create_ledger::{METHOD, params, results};
    let fields = [params::FRAMES, params::HANDLES, params::OBJECTS, params::THREADS];
    let message = Message::new(params::SHAPE);
    let message = fields.into_iter().zip(BELOW).fold(message, |message, (field, value)| message.set(field, value));
    Some(call(startup::ledger(), ID, METHOD, &message, 1).ok()?.capability(results::LEDGER))
}

/// Attacks when all are there, and ends with the others: until then nobody's ring area may go.
fn attack(number: usize, count: u64, seed: u64, given: &[Known], time: Time) -> ! {
    let own = Area::own();
    AREAS[number].store(own.0, Ordering::Release);
    meet(&READY);
    let areas: [Area; THREADS] = std::array::from_fn(|index| Area(AREAS[index].load(Ordering::Acquire)));
    let random = Rng::with_seed(seed.wrapping_add(number as u64));
    let started = Attacker { areas: &areas, own, memory: Memory::of(given), random, time }.attack(count);
    STARTED.fetch_add(started, Ordering::AcqRel);
    meet(&ENDED);
    syscall::exit(STARTED.load(Ordering::Acquire) as i32)
}

/// Waits for the others, without the ring.
fn meet(count: &AtomicUsize) {
    count.fetch_add(1, Ordering::AcqRel);
    while count.load(Ordering::Acquire) < THREADS {
        spin_loop();
    }
}
