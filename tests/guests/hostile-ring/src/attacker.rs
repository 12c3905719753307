//! One thread of the attack: it fills its ring with entries, moves the positions, and writes into the rings of the others.

use crate::area::{Area, COMPLETION_HEAD, COMPLETION_TAIL, SUBMISSION_HEAD, SUBMISSION_TAIL, SUBMISSION_WORDS, WORDS};
use crate::entry;
use crate::known::{Memory, made_by};
use crate::time::Time;
use capos_abi::ring::{COMPLETION_ENTRIES, SUBMISSION_ENTRIES, kind, op};
use capos_abi::status;
use capos_rt::syscall::cap_enter;
use fastrand::Rng;
use std::sync::atomic::Ordering;

/// One of so many batches goes with wrong positions.
const BATCHES_PER_LIE: u32 = 64;
/// Batches of which nothing was started, after which an attacker has tied its own hands.
const IDLE_BATCHES: u32 = 200;
/// Nanoseconds that it waits for completions at most.
const MOMENT: u64 = 50_000;

/// A thread that attacks.
pub struct Attacker<'a> {
    /// The areas of all.
    pub areas: &'a [Area],
    /// Its own.
    pub own: Area,
    /// What it knows.
    pub memory: Memory,
    /// Its random numbers.
    pub random: Rng,
    /// What time it is.
    pub time: Time,
}

impl Attacker<'_> {
    /// Has so many entries started; how many were.
    pub fn attack(&mut self, count: u64) -> u64 {
        let (mut started, mut idle) = (0, 0);
        while started < count && idle < IDLE_BATCHES {
            let now = self.batch();
            idle = if now == 0 { idle + 1 } else { 0 };
            started += u64::from(now);
        }
        started
    }

    /// Writes some entries, enters the kernel, looks at what came; how many were started.
    fn batch(&mut self) -> u32 {
        let size = self.random.u32(1..=SUBMISSION_ENTRIES);
        let head = self.own.position(SUBMISSION_HEAD).load(Ordering::Acquire);
        let mut entries = [[0; SUBMISSION_WORDS]; SUBMISSION_ENTRIES as usize];
        for (position, place) in (head..).zip(entries.iter_mut()).take(size as usize) {
            *place = entry::make(self.own, &self.memory, &self.time, &mut self.random);
            self.own.write_submission(position, *place);
        }
        if self.random.u8(..4) == 0 {
            self.disturb();
        }
        self.own.position(SUBMISSION_TAIL).store(head.wrapping_add(size), Ordering::Release);
        if self.random.u32(..BATCHES_PER_LIE) == 0 {
            self.lie();
        }
        let seen = self.own.position(COMPLETION_TAIL).load(Ordering::Acquire);
        self.enter();
        self.learn(seen, &entries[..size as usize]);
        self.own.position(SUBMISSION_HEAD).load(Ordering::Acquire).wrapping_sub(head).min(size)
    }

    /// Enters, and waits for a moment, or not at all.
    fn enter(&mut self) {
        let deadline = if self.random.bool() { 1 } else { self.time.now() + self.random.u64(..MOMENT) };
        cap_enter(self.random.u32(..3), deadline);
    }

    /// Writes into the area of any of the attackers, while it works with it.
    fn disturb(&mut self) {
        let area = self.areas[self.random.usize(..self.areas.len())];
        match self.random.u8(..3) {
            0 => {
                let words = entry::make(area, &self.memory, &self.time, &mut self.random);
                area.write_submission(self.random.u32(..), words);
            }
            1 => {
                let flip = 1 << self.random.u32(..64);
                area.word(self.random.usize(..WORDS)).fetch_xor(flip, Ordering::Relaxed);
            }
            _ => area.word(self.random.usize(..WORDS)).store(self.random.u64(..), Ordering::Relaxed),
        }
    }

    /// Enters with a wrong position.
    fn lie(&mut self) {
        let offset = [SUBMISSION_TAIL, COMPLETION_HEAD][self.random.usize(..2)];
        self.own.position(offset).store(self.random.u32(..), Ordering::Release);
        cap_enter(self.random.u32(..), 1);
    }

    /// Reads the completions from `seen` on, and what they tell of these entries.
    fn learn(&mut self, seen: u32, entries: &[[u64; SUBMISSION_WORDS]]) {
        let tail = self.own.position(COMPLETION_TAIL).load(Ordering::Acquire);
        for index in 0..tail.wrapping_sub(seen).min(COMPLETION_ENTRIES) {
            let [user_data, status, what, value] = self.own.read_completion(seen.wrapping_add(index));
            match (what as u8, status as u32 as i32) {
                (kind::DELIVERY, _) => self.memory.learn_token(value),
                (kind::DONE, status::OK) => {
                    if let Some(entry) = entries.iter().find(|entry| entry[3] == user_data) {
                        self.learn_handles(entry, usize::from((what >> 8) as u8));
                    }
                }
                _ => {}
            }
        }
        if self.random.u8(..16) > 0 {
            self.own.position(COMPLETION_HEAD).store(tail, Ordering::Release);
        }
    }

    /// The so many handles that a call was answered with.
    fn learn_handles(&mut self, entry: &[u64; SUBMISSION_WORDS], count: usize) {
        let (operation, method, interface) = (entry[0] as u8, (entry[0] >> 32) as u16, entry[2]);
        if operation != op::CALL {
            return;
        }
        let result = entry[5] as u32 as usize / 8;
        for (index, &made) in made_by(interface, method).iter().enumerate().take(count) {
            let handle = self.own.message(result + index).load(Ordering::Relaxed);
            self.memory.learn(handle, made);
        }
    }
}
