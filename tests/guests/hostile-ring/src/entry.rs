//! The entries of an attack: as a program would write them, with some field changed, or of random words.

use crate::area::{Area, SUBMISSION_WORDS};
use crate::known::{Memory, SERVED, is_end, methods};
use crate::time::Time;
use capos_abi::PAGE_BYTES;
use capos_abi::interface::{endpoint, endpoint_server, ledger, notification};
use capos_abi::message::mode;
use capos_abi::ring::{Submission, flag, op};
use fastrand::Rng;
use std::sync::atomic::Ordering;

/// Ranges of the arena begin at one of so many places, a line apart: those of several operations overlap all the time.
const PLACES: u32 = 64;
const PLACE_BYTES: u32 = 64;
/// Bytes of a slot that takes the longest message of an endpoint and its header.
const SLOT_BYTES: u32 = 4096 + 64 + 64;
/// Nanoseconds until the deadline of what waits.
const MOMENT: u64 = 200_000;

/// One of so many calls that would end the attacker is made.
const ATTACKS_PER_END: u8 = 64;

/// An entry for this area, and the message that belongs to it.
pub fn make(area: Area, memory: &Memory, time: &Time, random: &mut Rng) -> [u64; SUBMISSION_WORDS] {
    let entry = valid(area, memory, time, random);
    let mut words = words(&entry);
    match random.u8(..10) {
        0 => words = std::array::from_fn(|_| random.u64(..)),
        1..4 => (0..random.u8(1..=3)).for_each(|_| change(&mut words, random)),
        _ => {}
    }
    words
}

/// Changes one word.
fn change(words: &mut [u64; SUBMISSION_WORDS], random: &mut Rng) {
    let word = &mut words[random.usize(..SUBMISSION_WORDS)];
    *word = match random.u8(..6) {
        0 => 0,
        1 => u64::MAX,
        2 => random.u64(..),
        3 => word.wrapping_add(1),
        4 => random.u64(..) >> random.u32(..64),
        _ => *word ^ 1 << random.u32(..64),
    };
}

/// An entry as a program would write it.
fn valid(area: Area, memory: &Memory, time: &Time, random: &mut Rng) -> Submission {
    let entry = Submission {
        tag: random.u16(..256),
        user_data: random.u64(..),
        message_offset: place(random),
        result_offset: place(random),
        result_bytes: random.u32(..64) * 8,
        ..Submission::default()
    };
    let deadline = time.now() + random.u64(..MOMENT);
    match random.u8(..16) {
        0 => Submission { op: op::NOP, ..entry },
        1..6 => call(area, memory, random, entry),
        6 | 7 => Submission { deadline, ..call_served(area, memory, random, entry) },
        8 => receive(memory, random, entry),
        9 | 10 => answer(area, memory, random, entry),
        11 => Submission { op: op::CANCEL, arg: random.u64(..256), ..entry },
        12 => {
            let flags = if random.bool() { flag::IF_UNREFERENCED } else { 0 };
            Submission { op: op::RELEASE, flags, handle: memory.any(random).handle, ..entry }
        }
        13 | 14 => wait(memory, random, Submission { deadline, ..entry }),
        _ => {
            let handle = memory.of_interface(notification::ID, random).handle;
            Submission { op: op::SIGNAL, handle, arg: random.u64(..8), ..entry }
        }
    }
}

/// A call of a kernel object.
fn call(area: Area, memory: &Memory, random: &mut Rng, entry: Submission) -> Submission {
    let wanted = if random.u8(..3) == 0 { ledger::ID } else { memory.any(random).interface };
    let known = memory.of_interface(wanted, random);
    let sent = random.u8(..2);
    let method = random.u16(..methods(known.interface));
    // Or no attack would last.
    let spares = is_end(known.interface, method) && random.u8(..ATTACKS_PER_END) > 0;
    Submission {
        op: op::CALL,
        caps: sent | 3 << 4,
        flags: if random.u8(..8) == 0 { flag::QUIET } else { 0 },
        method: if spares { 0 } else { method },
        handle: known.handle,
        interface: known.interface,
        message_bytes: message(area, memory, random, &entry, sent),
        ..entry
    }
}

/// A call of an object that an attacker serves.
fn call_served(area: Area, memory: &Memory, random: &mut Rng, entry: Submission) -> Submission {
    let sent = random.u8(..4);
    Submission {
        op: op::CALL,
        caps: sent | random.u8(..4) << 4,
        flags: if random.u8(..8) == 0 { flag::SPILLED } else { 0 },
        method: random.u16(..4),
        handle: memory.of_interface(SERVED, random).handle,
        interface: SERVED,
        arg: random.u64(..8),
        message_bytes: message(area, memory, random, &entry, sent),
        ..entry
    }
}

fn receive(memory: &Memory, random: &mut Rng, entry: Submission) -> Submission {
    let interface = if random.bool() { endpoint::ID } else { endpoint_server::ID };
    Submission {
        op: op::RECV,
        caps: random.u8(..4) << 4,
        handle: memory.of_interface(interface, random).handle,
        result_bytes: SLOT_BYTES,
        arg: random.u64(1..5),
        ..entry
    }
}

fn answer(area: Area, memory: &Memory, random: &mut Rng, entry: Submission) -> Submission {
    let sent = random.u8(..3);
    Submission {
        op: op::RETURN,
        caps: sent,
        flags: if random.u8(..4) == 0 { flag::EXCEPTION } else { 0 },
        arg: memory.token(random),
        message_bytes: message(area, memory, random, &entry, sent),
        ..entry
    }
}

fn wait(memory: &Memory, random: &mut Rng, entry: Submission) -> Submission {
    let handle = if random.bool() { 0 } else { memory.of_interface(notification::ID, random).handle };
    Submission { op: op::WAIT, handle, arg: random.u64(..8), ..entry }
}

/// Writes capabilities and a flat struct to where the entry's message is; their bytes.
fn message(area: Area, memory: &Memory, random: &mut Rng, entry: &Submission, sent: u8) -> u32 {
    let start = entry.message_offset as usize / 8;
    let mut at = start;
    let mut put = |word: u64| {
        area.message(at).store(word, Ordering::Relaxed);
        at += 1;
    };
    for _ in 0..sent {
        put(memory.any(random).handle);
        put(if random.bool() { mode::COPY } else { random.u64(..5) });
    }
    let (data, pointers) = (random.u64(..5), random.u64(..3));
    put(data << 32 | pointers << 48);
    (0..data).for_each(|_| put(number(area, memory, random)));
    (0..pointers).for_each(|_| put(if random.bool() { 3 | random.u64(..3) << 32 } else { 0 }));
    ((at - start) * 8) as u32
}

/// A number that may make sense: a choice, a size, an address of code, stack or ring, a handle, an interface.
fn number(area: Area, memory: &Memory, random: &mut Rng) -> u64 {
    let page = |address: usize| (address & !(PAGE_BYTES as usize - 1)) as u64;
    match random.u8(..8) {
        0 => random.u64(..4),
        1 => random.u64(..64) * PAGE_BYTES,
        2 => page(number as fn(Area, &Memory, &mut Rng) -> u64 as usize),
        3 => page((&raw const area).addr()),
        4 => area.0 as u64,
        5 => memory.any(random).handle,
        6 => SERVED,
        _ => random.u64(..) >> random.u32(..64),
    }
}

fn place(random: &mut Rng) -> u32 {
    random.u32(..PLACES) * PLACE_BYTES
}

/// The words of an entry, as they lie in the queue.
fn words(entry: &Submission) -> [u64; SUBMISSION_WORDS] {
    let head = [u16::from_le_bytes([entry.op, entry.caps]), entry.flags, entry.method, entry.tag];
    let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    [
        head.iter().rev().fold(0, |word, &part| word << 16 | u64::from(part)),
        entry.handle,
        entry.interface,
        entry.user_data,
        pair(entry.message_offset, entry.message_bytes),
        pair(entry.result_offset, entry.result_bytes),
        entry.deadline,
        entry.arg,
    ]
}
