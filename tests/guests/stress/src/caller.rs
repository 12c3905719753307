//! A caller with many calls under way, of which it cancels some, revokes what others carry, and knows the end of each.

use crate::lane::Lane;
use crate::protocol::{SLOTS, method};
use crate::reception::stop_order;
use crate::wire;
use capos_abi::handle::Handle;
use capos_abi::ring::{Submission, op};
use capos_abi::status::{self, Status};
use capos_service::Failure;
use fastrand::Rng;
use std::collections::BTreeMap;

/// Calls under way at most.
const LANES: usize = 16;
/// Bits of a call's `user_data` that name its lane, counted from 1.
const LANE_BITS: u32 = 8;
/// `user_data` of the wait for the order to stop.
const STOPPING: u64 = 0;
/// Nanoseconds after which the caller looks around even if nothing has ended.
const PAUSE: u64 = 500_000;

/// The caller.
struct Caller {
    durable: Handle,
    lanes: Vec<Lane>,
    calls: u64,
    ends: BTreeMap<Status, u64>,
    stopping: bool,
    random: Rng,
}

/// Calls until it is told to stop. An error if something ends otherwise than it may, or if one of the ends `expected` was never met.
pub fn run(expected: &[Status]) -> Result<(), Failure> {
    let mut caller = Caller {
        durable: wire::given("object"),
        lanes: (0..LANES).map(|_| Lane::new()).collect::<Result<_, _>>()?,
        calls: 0,
        ends: BTreeMap::new(),
        stopping: false,
        random: Rng::with_seed(campaign::argument("seed")?.unwrap_or_default()),
    };
    wire::start(stop_order(1 << LANE_BITS));
    while !(caller.stopping && caller.lanes.iter().all(Lane::is_idle)) {
        caller.start_calls()?;
        wire::wait(wire::now() + PAUSE);
        caller.listen()?;
        caller.interfere()?;
    }
    println!("caller: {} calls ended by status: {:?}", caller.calls, caller.ends);
    match expected.iter().find(|status| !caller.ends.contains_key(status)) {
        Some(never) => Err(format!("no call has ended with status {never}").into()),
        None => Ok(()),
    }
}

impl Caller {
    fn start_calls(&mut self) -> Result<(), Failure> {
        if self.stopping {
            return Ok(());
        }
        for (index, lane) in self.lanes.iter_mut().enumerate().filter(|(_, lane)| lane.is_idle()) {
            self.calls += 1;
            let user_data = (self.calls + 1) << LANE_BITS | (index as u64 + 1);
            lane.start(&mut self.random, self.durable, user_data)?;
        }
        Ok(())
    }

    fn listen(&mut self) -> Result<(), Failure> {
        while let Some(completion) = wire::next() {
            match completion.user_data % (1 << LANE_BITS) {
                STOPPING => self.stopping = true,
                number => {
                    let lane = self.lanes.get_mut(number as usize - 1).ok_or("a call has ended that never began")?;
                    *self.ends.entry(lane.finish(&completion)?).or_default() += 1;
                }
            }
        }
        Ok(())
    }

    /// Cancels and revokes here and there, or, when it is time to stop, cancels everything.
    fn interfere(&mut self) -> Result<(), Failure> {
        for lane in &mut self.lanes {
            if lane.is_calling() {
                match self.random.u8(0..32) {
                    _ if self.stopping => lane.cancel()?,
                    0..2 => lane.cancel()?,
                    2 => lane.revoke()?,
                    _ => {}
                }
            }
            lane.drain()?;
        }
        Ok(())
    }
}

/// As many calls at once as a server has slots, of which it answers none before it has them all: no slot is missing.
pub fn fill_every_slot() -> Result<(), Failure> {
    let range = wire::take(SLOTS as u32 * 8);
    wire::write(range, 0, &wire::EMPTY);
    for number in 0..SLOTS as u32 {
        wire::start(Submission {
            op: op::CALL,
            method: method::GATHER,
            handle: wire::given("object"),
            interface: crate::protocol::INTERFACE,
            user_data: 1,
            message_offset: wire::offset(range),
            message_bytes: 8,
            result_offset: wire::offset(range) + number * 8,
            result_bytes: 8,
            ..Submission::default()
        });
    }
    for _ in 0..SLOTS {
        let end = loop {
            wire::wait(0);
            if let Some(end) = wire::next() {
                break end;
            }
        };
        if end.status != status::OK {
            return Err(format!("a call that fills a slot ends with status {}", end.status).into());
        }
    }
    Ok(())
}
