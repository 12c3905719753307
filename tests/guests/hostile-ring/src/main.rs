//! Puts random entries and random positions into its ring, as often as its argument says.
//!
//! Whatever they do to this program is its own business; that they do nothing to others is the referee's to see.

use capos_abi::ring::{ARENA_OFFSET, Header, SUBMISSION_ENTRIES, SUBMISSION_OFFSET, Submission, op};
use capos_rt::ring;
use capos_rt::startup;
use capos_rt::syscall::cap_enter;
use fastrand::Rng;
use std::mem::offset_of;

/// Seed of the entries, so that a failure can be repeated.
const SEED: u64 = 0xcab05;
/// Entries between two attacks on the ring's positions.
const ENTRIES_PER_ATTACK: u64 = 1000;

fn main() {
    let count = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(ENTRIES_PER_ATTACK);
    println!("hostile-ring: {count} random entries");
    // A thread of its own: this thread's ring stays usable for the last words.
    let attacker = std::thread::spawn(move || ring::with(|ring| Area::of(ring).attack(count)));
    while !attacker.is_finished() {
        std::thread::yield_now();
    }
    println!("hostile-ring: done");
    std::process::exit(0);
}

/// The ring area as plain memory.
struct Area {
    base: *mut u8,
    random: Rng,
    targets: Vec<u64>,
}

impl Area {
    fn of(ring: &ring::Ring) -> Area {
        let base = ring.scratch().cast::<u8>().wrapping_sub(ARENA_OFFSET as usize);
        let targets = ["null", "clock"].iter().filter_map(|name| startup::capability(name));
        Area { base, random: Rng::with_seed(SEED), targets: targets.map(|capability| capability.handle).collect() }
    }

    fn attack(&mut self, count: u64) {
        for number in 0..count {
            let entry = self.entry();
            self.push(entry);
            if number % ENTRIES_PER_ATTACK == 0 {
                self.attack_positions();
            }
        }
    }

    /// An entry with some fields that make sense and others that don't.
    fn entry(&mut self) -> Submission {
        Submission {
            op: self.random.u8(op::NOP..=op::SIGNAL + 1),
            caps: self.one_of([0, 0, 1, 0x10, 0xff]),
            flags: self.one_of([0, 0, 1, 2, 4, 0x8000]),
            method: self.random.u16(0..8),
            tag: self.random.u16(0..300),
            handle: self.handle(),
            interface: self.random.u64(..),
            user_data: self.random.u64(..),
            message_offset: self.offset(),
            message_bytes: self.offset(),
            result_offset: self.offset(),
            result_bytes: self.offset(),
            deadline: self.random.u64(0..=1),
            arg: self.random.u64(..) >> self.random.u32(0..64),
        }
    }

    fn one_of<T: Copy, const N: usize>(&mut self, choices: [T; N]) -> T {
        choices[self.random.usize(0..N)]
    }

    /// A capability that this program holds, none, or anything.
    fn handle(&mut self) -> u64 {
        match self.random.usize(0..self.targets.len() + 2) {
            0 => 0,
            1 => self.random.u64(..),
            index => self.targets[index - 2],
        }
    }

    fn offset(&mut self) -> u32 {
        let random = self.random.u32(..);
        self.one_of([(random % 512) & !7, random % (64 << 10), random])
    }

    /// Puts the entry where the next one is due, and lets the kernel look at it.
    fn push(&mut self, entry: Submission) {
        let tail = self.load(offset_of!(Header, sq_head));
        let offset = SUBMISSION_OFFSET as usize + (tail % SUBMISSION_ENTRIES) as usize * size_of::<Submission>();
        // SAFETY: the entry lies in this thread's ring area, and nobody else uses this ring.
        unsafe { self.base.add(offset).cast::<Submission>().write_volatile(entry) };
        self.store(offset_of!(Header, sq_tail), tail.wrapping_add(1));
        self.store(offset_of!(Header, cq_head), self.load(offset_of!(Header, cq_tail)));
        cap_enter(0, 0);
    }

    /// Lies about the positions, once each way.
    fn attack_positions(&mut self) {
        for field in [offset_of!(Header, sq_tail), offset_of!(Header, cq_head)] {
            let value = self.random.u32(..);
            self.store(field, value);
            cap_enter(self.random.u32(..), 1);
        }
        self.store(offset_of!(Header, sq_tail), self.load(offset_of!(Header, sq_head)));
        self.store(offset_of!(Header, cq_head), self.load(offset_of!(Header, cq_tail)));
        cap_enter(0, 0);
    }

    fn load(&self, field: usize) -> u32 {
        // SAFETY: the field is a u32 of the header, in this thread's ring area.
        unsafe { self.base.add(field).cast::<u32>().read_volatile() }
    }

    fn store(&self, field: usize, value: u32) {
        // SAFETY: as in `load`.
        unsafe { self.base.add(field).cast::<u32>().write_volatile(value) };
    }
}
