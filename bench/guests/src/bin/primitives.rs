//! Measures the kernel's primitives: ring entries, calls of a kernel object, calls between processes.

use bench_guests::{Figure, Samples};
use capos_abi::interface::null;
use capos_abi::ring::{Completion, SUBMISSION_ENTRIES, Submission, op};
use capos_abi::status;
use capos_rt::arena::Range;
use capos_rt::ring::{self, Ring};
use capos_rt::startup;
use capos_service::RingCall;
use schema::{echo_capnp::echo, system_control_capnp::system_control};
use std::process::ExitCode;

/// Measurements of each primitive.
const SAMPLES: usize = 400;
/// Operations of a batch.
const BATCH: u64 = SUBMISSION_ENTRIES as u64;
/// Words of a message that is 64 bytes long.
const WORDS: usize = 8;
/// What is counted.
const UNIT: &str = "instructions";

fn main() -> ExitCode {
    capos_service::run(async |context| {
        ring::with(|ring| {
            let results = ring.arena.take_usual().expect("space");
            nop_batch(ring);
            null_single(ring, null_call(results));
            null_batch(ring, null_call(results));
            ring.arena.give(results);
            raw_ipc(ring);
        });
        capnp_call(&context.take("echo")?)?;
        let system: system_control::Client = context.take("system")?;
        system.shutdown_request().send().promise.await?;
        Ok(())
    })
}

fn nop_batch(ring: &Ring) {
    let (median, verified) = batch(ring, Submission { op: op::NOP, ..Submission::default() });
    Figure { name: "ring.nop.batch64", value: median, unit: UNIT, verified }.say();
}

fn null_batch(ring: &Ring, call: Submission) {
    let (median, verified) = batch(ring, call);
    Figure { name: "call.null.batch64", value: median, unit: UNIT, verified }.say();
}

fn null_single(ring: &Ring, call: Submission) {
    let tag = ring.take_tag().expect("no operation is pending");
    let mut good = 0;
    let samples = Samples::take(SAMPLES, || good += u64::from(single(ring, Submission { tag, ..call }).is_some()));
    ring.give_tag(tag);
    let verified = good == SAMPLES as u64;
    Figure { name: "call.null.single", value: samples.median() as f64, unit: UNIT, verified }.say();
}

/// A call without parameters, whose results, all equal, go to one place.
fn null_call(results: Range) -> Submission {
    Submission {
        op: op::CALL,
        handle: startup::capability("null").expect("the manifest grants it").handle,
        interface: null::ID,
        method: null::call::METHOD,
        result_offset: Ring::message_offset(results),
        result_bytes: results.bytes,
        ..Submission::default()
    }
}

/// Instructions for each of a batch of equal entries, and whether every one of them succeeded.
fn batch(ring: &Ring, entry: Submission) -> (f64, bool) {
    let tags: Vec<u16> = (0..BATCH).map(|_| ring.take_tag().expect("no operation is pending")).collect();
    let mut good = true;
    let samples = Samples::take(SAMPLES, || {
        tags.iter().for_each(|&tag| ring.push(Submission { tag, user_data: u64::from(tag) + 1, ..entry }));
        ring.enter(BATCH as u32, 0);
        let (mut count, mut sum) = (0, 0);
        while let Some(done) = ring.next() {
            good &= done.status == status::OK;
            (count, sum) = (count + 1, sum + done.user_data);
        }
        good &= count == BATCH && sum == tags.iter().map(|&tag| u64::from(tag) + 1).sum::<u64>();
    });
    tags.iter().for_each(|&tag| ring.give_tag(tag));
    (samples.median() as f64 / BATCH as f64, good)
}

/// Runs one entry; its completion if it succeeded.
fn single(ring: &Ring, entry: Submission) -> Option<Completion> {
    ring.push(Submission { user_data: 1, ..entry });
    ring.enter(1, 0);
    ring.next().filter(|done| done.status == status::OK)
}

/// Calls the server on the raw ring with 64 bytes and gets 64 bytes back.
fn raw_ipc(ring: &Ring) {
    let server = startup::capability("echo-raw").expect("the manifest grants it");
    let tag = ring.take_tag().expect("no operation is pending");
    let (sent, received) = (ring.arena.take_usual().expect("space"), ring.arena.take_usual().expect("space"));
    let call = Submission {
        op: op::CALL,
        tag,
        handle: server.handle,
        interface: server.interface,
        message_offset: Ring::message_offset(sent),
        message_bytes: (WORDS * size_of::<u64>()) as u32,
        result_offset: Ring::message_offset(received),
        result_bytes: (WORDS * size_of::<u64>()) as u32,
        ..Submission::default()
    };
    let mut round = 0;
    let mut good = true;
    let samples = Samples::take(SAMPLES, || {
        round += 1;
        let message: [u64; WORDS] = std::array::from_fn(|word| round * WORDS as u64 + word as u64);
        // SAFETY: the range is this function's, has the bytes of at least WORDS words, and no operation is using it.
        unsafe { ring.message(sent).cast::<[u64; WORDS]>().write_volatile(message) };
        let done = single(ring, call);
        // SAFETY: as before; the call is over.
        let answer = unsafe { ring.message(received).cast::<[u64; WORDS]>().read_volatile() };
        good &= done.is_some_and(|done| done.bytes as usize == WORDS * size_of::<u64>()) && answer == message;
    });
    [sent, received].into_iter().for_each(|range| ring.arena.give(range));
    ring.give_tag(tag);
    Figure { name: "ipc.raw.64", value: samples.median() as f64, unit: UNIT, verified: good }.say();
}

/// Calls a generated server with a generated client: six words there and back.
fn capnp_call(server: &echo::Client) -> Result<(), capnp::Error> {
    let mut outcome: capnp::Result<bool> = Ok(true);
    let mut round = 0;
    let samples = Samples::take(SAMPLES, || {
        round += 1;
        let answer = echo_words(server, round);
        outcome = outcome.clone().and_then(|good| Ok(good & answer?));
    });
    let verified = outcome?;
    Figure { name: "ipc.capnp.call", value: samples.median() as f64, unit: UNIT, verified }.say();
    Ok(())
}

/// Whether six words came back as they were sent.
fn echo_words(server: &echo::Client, round: u64) -> Result<bool, capnp::Error> {
    let mut request = server.words_request();
    let mut words = request.get();
    words.set_a(round);
    words.set_b(round + 1);
    words.set_c(round + 2);
    words.set_d(round + 3);
    words.set_e(round + 4);
    words.set_f(round + 5);
    let response = request.call()?;
    let words = response.get()?;
    let back = [words.get_a(), words.get_b(), words.get_c(), words.get_d(), words.get_e(), words.get_f()];
    Ok(back == std::array::from_fn(|index| round + index as u64))
}
