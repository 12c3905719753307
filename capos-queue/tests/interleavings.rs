//! Every interleaving of the two sides, within loom's bound on preemptions: no wake is lost, no entry torn or lost.
#![cfg(loom)]

use capos_queue::{AtomicU64, Consumer, Doorbell, Producer, Sleep, words};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

/// Preemptions in one execution: 3 in the long campaign, 2 otherwise.
fn bound() -> usize {
    if std::env::var_os("CAPOS_SOAK").is_some() { 3 } else { 2 }
}

fn check(test: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(bound());
    model.check(test);
}

/// A notification's bit: it sticks until it is taken.
#[derive(Default)]
struct Bell(Mutex<bool>, Condvar);

impl Bell {
    fn ring(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_one();
    }

    fn wait(&self) {
        let mut rung = self.0.lock().unwrap();
        while !*rung {
            rung = self.1.wait(rung).unwrap();
        }
        *rung = false;
    }
}

struct Shared {
    memory: Vec<AtomicU64>,
    entries: Bell,
    room: Bell,
}

fn shared(places: u32) -> Arc<Shared> {
    let memory = (0..words::<1>(places)).map(|_| AtomicU64::new(0)).collect();
    Arc::new(Shared { memory, entries: Bell::default(), room: Bell::default() })
}

fn produce(shared: &Shared, places: u32, count: u64) {
    let mut producer = Producer::<1>::new(&shared.memory, places).unwrap();
    for value in 1..=count {
        while !producer.push([value]).unwrap() {
            if producer.sleep().unwrap() == Sleep::Wait {
                shared.room.wait();
                producer.wake();
            }
        }
        if producer.publish() == Doorbell::Ring {
            shared.entries.ring();
        }
    }
}

fn consume(shared: &Shared, places: u32, count: u64) {
    let mut consumer = Consumer::<1>::new(&shared.memory, places).unwrap();
    for value in 1..=count {
        let entry = loop {
            if let Some(entry) = consumer.pop().unwrap() {
                break entry;
            }
            if consumer.sleep().unwrap() == Sleep::Wait {
                shared.entries.wait();
                consumer.wake();
            }
        };
        assert_eq!(entry, [value]);
        if consumer.release() == Doorbell::Ring {
            shared.room.ring();
        }
    }
}

#[test]
fn a_queue_of_one_place_passes_two_entries_and_loses_no_wake() {
    check(|| {
        let shared = shared(1);
        let other = shared.clone();
        let producer = thread::spawn(move || produce(&other, 1, 2));
        consume(&shared, 1, 2);
        producer.join().unwrap();
    });
}

#[test]
fn a_queue_with_room_passes_entries_whole() {
    check(|| {
        let shared = shared(2);
        let other = shared.clone();
        let producer = thread::spawn(move || produce(&other, 2, 2));
        consume(&shared, 2, 2);
        producer.join().unwrap();
    });
}
