//! Thousands of calls at one endpoint: none is lost, each ring's come in order, and everybody has a turn.

use crate::protocol::{INTERFACE, STOP};
use crate::reception::{Event, Reception};
use crate::stage::{QUOTA, Stage, settled};
use crate::{stage, wire};
use campaign::{Books, argument};
use capos_abi::ring::{Submission, op};
use capos_abi::status;
use capos_rt::arena::Range;
use capos_rt::raw;
use capos_service::spawn::Quota;
use capos_service::{Context, Failure, slot, wait};

/// Processes that call.
const PROCESSES: u64 = 8;
/// Threads of each.
const THREADS: u64 = 4;
/// Calls that each thread has under way.
const CALLS: u64 = 64;
/// Slots of the server's pool.
const POOL: usize = 16;
/// Bytes of a call's message, and of its result.
const MESSAGE_BYTES: u32 = 16;
/// Turns that one caller may be ahead of another where one processor runs everybody: calls of some rounds, since whoever is not
/// scheduled asks for none. Several processors of an emulator stand still whenever their host likes.
const WIDEST_LEAD: u64 = 4 * CALLS;

/// 2048 calls at once; each thread makes `count`.
pub async fn run(context: &Context, count: u64) -> Result<(), Failure> {
    let books = Books { ledger: slot("ledger")?, machine: context.take("machine")? };
    let first = books.balance().await?;
    let processors = books.machine.describe_request().send().promise.await?.get()?.get_processors();
    let lead = if processors == 1 { WIDEST_LEAD } else { u64::MAX };
    queue_up(CALLS, lead).await?;
    let before = settled(&books, &first).await?;
    queue_up(count.max(CALLS), lead).await?;
    books.settle(&before).await?;
    println!("{} threads were served {count} times each, in order and in turn", PROCESSES * THREADS);
    Ok(())
}

async fn queue_up(count: u64, lead: u64) -> Result<(), Failure> {
    let stage = Stage::new().await?;
    let object = stage.object(7).await?;
    let mut customers = Vec::new();
    for number in 0..PROCESSES {
        let grants = |spawn: capos_service::spawn::Spawn| {
            let spawn = spawn.argument(&format!("count={count}")).argument(&format!("first={}", number * THREADS));
            spawn.grant_as("object", INTERFACE, object.add_ref())
        };
        let quota = Quota { frames: 2048, threads: 1 + THREADS, ..QUOTA };
        customers.push(stage.start_with("customer", 0, quota, grants).await?);
    }
    // All of it stands in line before anybody serves.
    for customer in &customers {
        let ready = (0..THREADS).map(|thread| STOP << (1 + thread));
        for bit in ready {
            wait(customer.signals(), bit).await?;
        }
    }
    let grants = |spawn| stage.lend(spawn).argument(&format!("count={count}")).argument(&format!("lead={lead}"));
    let desk = stage.start("desk", 0, grants).await?;
    for customer in customers {
        customer.ends_well().await?;
    }
    desk.stop().await
}

/// A process whose threads call.
pub fn call() -> Result<(), Failure> {
    let count: u64 = argument("count")?.ok_or("how often?")?;
    let first: u64 = argument("first")?.ok_or("who?")?;
    let threads = (0..THREADS).map(|at| stage::thread(move || Customer::new(first + at).run(at, count)));
    let threads = threads.collect::<Result<Vec<_>, _>>()?;
    for thread in threads {
        thread.join().map_err(|_| "a thread has panicked")??;
    }
    Ok(())
}

/// A thread that calls.
struct Customer {
    number: u64,
    object: u64,
    messages: Range,
    /// Free places for messages.
    free: Vec<u64>,
    sent: u64,
}

impl Customer {
    fn new(number: u64) -> Customer {
        let messages = wire::take(CALLS as u32 * MESSAGE_BYTES * 2);
        Customer { number, object: wire::given("object"), messages, free: (0..CALLS).collect(), sent: 0 }
    }

    fn run(mut self, at: u64, count: u64) -> Result<(), String> {
        self.send(count);
        // Entries start in order: when this one has, the calls wait for their server.
        raw::signal(wire::given("signals"), STOP << (1 + at));
        let mut ended = 0;
        while ended < count {
            wire::wait(0);
            while let Some(end) = wire::next() {
                if end.status != status::OK {
                    return Err(format!("a call ends with status {}", end.status));
                }
                self.free.push(end.user_data - 1);
                ended += 1;
            }
            self.send(count);
        }
        Ok(())
    }

    /// Keeps as many calls under way as it may.
    fn send(&mut self, count: u64) {
        while self.sent < count {
            let Some(place) = self.free.pop() else { return };
            let offset = place as u32 * MESSAGE_BYTES * 2;
            wire::write(self.messages, offset as usize / 8, &[2 << 32 | self.number, self.sent]);
            wire::start(Submission {
                op: op::CALL,
                handle: self.object,
                interface: INTERFACE,
                user_data: place + 1,
                message_offset: wire::offset(self.messages) + offset,
                message_bytes: MESSAGE_BYTES,
                result_offset: wire::offset(self.messages) + offset + MESSAGE_BYTES,
                result_bytes: MESSAGE_BYTES,
                ..Submission::default()
            });
            self.sent += 1;
        }
    }
}

/// The server: an error if a call overtakes one of the same ring, or if somebody waits while others are served again and again.
pub fn serve() -> Result<(), Failure> {
    let count: u64 = argument("count")?.ok_or("how often?")?;
    let reception = Reception::open(POOL).heed();
    let mut turns = [0; (PROCESSES * THREADS) as usize];
    let mut widest = 0;
    loop {
        wire::wait(0);
        while let Some(event) = reception.next()? {
            match event {
                Event::Call(delivery) => {
                    let [caller, number] = delivery.words;
                    let turn = turns.get_mut(caller as u32 as usize).ok_or("a caller that there is not")?;
                    if std::mem::replace(turn, number + 1) != number {
                        return Err(format!("call {number} of caller {} is out of order", caller as u32).into());
                    }
                    widest = widest.max(lead(&turns));
                    if reception.answer(delivery.token, &[], &wire::EMPTY) != status::OK {
                        return Err("a call could not be answered".into());
                    }
                }
                Event::Stop => {
                    println!("the widest lead was {widest} turns");
                    return check(&turns, count, widest <= argument("lead")?.unwrap_or(WIDEST_LEAD));
                }
                Event::Gone(_) | Event::Unreferenced(_) => return Err("nobody has gone".into()),
            }
        }
    }
}

fn check(turns: &[u64], count: u64, even: bool) -> Result<(), Failure> {
    if turns.iter().any(|&turn| turn != count) {
        return Err(format!("calls are missing: {turns:?}").into());
    }
    if even { Ok(()) } else { Err("others were served again and again".into()) }
}

/// How many turns more one has had than another.
fn lead(turns: &[u64]) -> u64 {
    let (most, least) = (turns.iter().max(), turns.iter().min());
    most.copied().unwrap_or_default() - least.copied().unwrap_or_default()
}
