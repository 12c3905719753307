//! `Thread`: who joins it is told its code.

use crate::Check;
use crate::puppet::{Puppet, counting, exiting};
use crate::verify::{holds, refused};
use capos_abi::status;
use capos_service::{Failure, RingCall, block_on};

pub const CHECKS: &[Check] = &[("Thread.join", join)];

fn join() -> Result<(), Failure> {
    let puppet = Puppet::new(exiting())?;
    let waiting = puppet.thread.join_request().send();
    puppet.process.start_request().call()?;
    holds("who waits is told the code", block_on(waiting.promise)?.get()?.get_code() == 42)?;
    holds("who comes later, too", puppet.thread.join_request().call()?.get()?.get_code() == 42)?;
    let busy = Puppet::started(counting())?;
    refused(busy.thread.join_request().with_deadline(1).call(), status::DEADLINE)
}
