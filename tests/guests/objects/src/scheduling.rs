//! `SchedulingAuthority` and `SchedulingContext`: a thread runs on the account that it is bound to.

use crate::Check;
use crate::puppet::{Puppet, counting};
use crate::verify::{comes, holds, refused};
use capos_abi::status;
use capos_service::{Failure, RingCall, slot};
use schema::scheduling_capnp::scheduling_authority::{self, create_params};
use schema::scheduling_capnp::scheduling_context;
use schema::thread_capnp::thread;
use std::thread::sleep;
use std::time::Duration;

pub const CHECKS: &[Check] = &[
    ("SchedulingAuthority.create", create),
    ("SchedulingContext.bind", bind),
    ("SchedulingContext.unbind", unbind),
    ("SchedulingContext.inspect", inspect),
];

/// Long enough for what runs to show it.
const MOMENT: Duration = Duration::from_millis(20);

fn context(numbers: impl FnOnce(&mut create_params::Builder)) -> capnp::Result<scheduling_context::Client> {
    let mut request = slot::<scheduling_authority::Client>("scheduling")?.create_request();
    request.get().set_ledger(slot("ledger")?);
    numbers(&mut request.get());
    request.call()?.get()?.get_context()
}

fn bind_to(context: &scheduling_context::Client, thread: &thread::Client) -> capnp::Result<()> {
    let mut request = context.bind_request();
    request.get().set_thread(thread.clone());
    request.call().map(drop)
}

fn consumed(context: &scheduling_context::Client) -> Result<u64, Failure> {
    Ok(context.inspect_request().call()?.get()?.get_consumed())
}

fn create() -> Result<(), Failure> {
    let mut request = slot::<scheduling_authority::Client>("scheduling")?.create_request();
    request.get().set_ledger(slot("ledger")?);
    holds("nothing is consumed yet", consumed(&request.call()?.get()?.get_context()?)? == 0)?;
    refused(context(|numbers| numbers.set_weight(0)), status::BAD_ARGUMENT)?;
    refused(context(|numbers| numbers.set_weight(10_001)), status::BAD_ARGUMENT)?;
    refused(context(|numbers| numbers.set_slice(99_999)), status::BAD_ARGUMENT)?;
    refused(context(|numbers| numbers.set_slice(100_000_001)), status::BAD_ARGUMENT)?;
    refused(context(|numbers| numbers.set_budget(1_000_000)), status::BAD_ARGUMENT)?;
    refused(context(|numbers| numbers.set_processors(0)), status::BAD_ARGUMENT)?;
    let without_payer = slot::<scheduling_authority::Client>("scheduling")?.create_request();
    refused(without_payer.call(), status::BAD_ARGUMENT)
}

fn bind() -> Result<(), Failure> {
    let (context, puppet) = (context(|_| ())?, Puppet::started(counting())?);
    let mut request = context.bind_request();
    request.get().set_thread(puppet.thread.clone());
    request.call()?;
    comes("what the thread runs is consumed", || Ok(consumed(&context)? > 0))?;
    let other = Puppet::started(counting())?;
    refused(bind_to(&context, &other.thread), status::BAD_STATE)?;
    puppet.process.kill_request().call()?;
    puppet.outcome()?;
    let fresh = self::context(|_| ())?;
    refused(bind_to(&fresh, &puppet.thread), status::BAD_STATE)?;
    bind_to(&fresh, &other.thread)?;
    Ok(())
}

fn unbind() -> Result<(), Failure> {
    let (context, puppet) = (context(|_| ())?, Puppet::started(counting())?);
    bind_to(&context, &puppet.thread)?;
    comes("what the thread runs is consumed", || Ok(consumed(&context)? > 0))?;
    context.unbind_request().call()?;
    let before = consumed(&context)?;
    puppet.counts("the thread runs on")?;
    sleep(MOMENT);
    holds("but not on this context", consumed(&context)? == before)?;
    let other = Puppet::started(counting())?;
    Ok(bind_to(&context, &other.thread)?)
}

fn inspect() -> Result<(), Failure> {
    let context = context(|numbers| {
        numbers.set_weight(300);
        numbers.set_slice(200_000);
        numbers.set_budget(3_000_000);
        numbers.set_period(40_000_000);
        numbers.set_processors(1);
    })?;
    let reply = context.inspect_request().call()?;
    let found = reply.get()?;
    let numbers = (found.get_weight(), found.get_slice(), found.get_budget(), found.get_period());
    holds("the numbers that it was made with", numbers == (300, 200_000, 3_000_000, 40_000_000))?;
    holds("its processors, and nothing consumed", (found.get_processors(), found.get_consumed()) == (1, 0))
}
