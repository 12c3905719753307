//! A thousand threads that live at the same time: each has a ring of its own, waits with all others, and says farewell when it ends.
use crate::synchronise::Farewell;
use capos_abi::interface::process::{ID, inspect};
use capos_rt::raw::{self, Message};
use capos_rt::{ring, startup};
use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread::{self, JoinHandle};

/// Threads beside the first one.
const THREADS: u32 = 1_000;
/// Bytes of the stack of each.
const STACK_BYTES: usize = 32 << 10;

thread_local!(static LOCAL: RefCell<Option<Farewell>> = const { RefCell::new(None) });

/// What all of them meet at.
struct Place {
    arrived: Mutex<Arrived>,
    /// Somebody has come.
    came: Condvar,
    /// All may go.
    opened: Condvar,
    farewells: Arc<AtomicU32>,
}

/// Who is here.
struct Arrived {
    /// Where the ring of each lies.
    rings: HashSet<usize>,
    may_go: bool,
}

pub fn a_thousand_threads() {
    let place = Arc::new(Place {
        arrived: Mutex::new(Arrived { rings: HashSet::new(), may_go: false }),
        came: Condvar::new(),
        opened: Condvar::new(),
        farewells: Arc::default(),
    });
    let (sender, receiver) = mpsc::channel();
    let threads: Vec<_> = (0..THREADS).map(|number| visitor(number, &place, sender.clone())).collect();
    drop(sender);
    let mut arrived = place.arrived.lock().expect("no panic");
    while arrived.rings.len() < THREADS as usize {
        arrived = place.came.wait(arrived).expect("no panic");
    }
    assert_eq!(living_threads(), THREADS + 1, "all of them live");
    assert_eq!(place.farewells.load(Ordering::Relaxed), 0, "nobody has left");
    println!("std-check: all threads live");
    arrived.may_go = true;
    drop(arrived);
    place.opened.notify_all();
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    assert_eq!(receiver.iter().sum::<u32>(), (0..THREADS).sum(), "each has sent its number");
    assert_eq!(place.farewells.load(Ordering::Relaxed), THREADS, "each has said farewell once");
}

/// A thread that arrives, waits until all may go, and sends its number.
fn visitor(number: u32, place: &Arc<Place>, sender: mpsc::Sender<u32>) -> JoinHandle<()> {
    let place = place.clone();
    let visit = move || {
        LOCAL.set(Some(Farewell(place.farewells.clone())));
        let mut arrived = place.arrived.lock().expect("no panic");
        arrived.rings.insert(ring::with(|ring| ring.scratch().addr()));
        place.came.notify_one();
        drop(place.opened.wait_while(arrived, |arrived| !arrived.may_go).expect("no panic"));
        sender.send(number).expect("the receiver waits");
    };
    thread::Builder::new().stack_size(STACK_BYTES).spawn(visit).expect("a thread")
}

/// Threads of this process, as the kernel counts them.
fn living_threads() -> u32 {
    let reply = raw::call(startup::process(), ID, inspect::METHOD, &Message::new(inspect::params::SHAPE), 0);
    reply.map_or(0, |reply| reply.get(inspect::results::THREADS) as u32)
}
