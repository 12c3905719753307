//! `Session`, `SessionControl` and `SessionAuthority`: on whose behalf somebody acts, and until when.

use crate::Check;
use crate::puppet::{Puppet, exiting};
use crate::verify::{comes, holds, refused};
use capnp::capability::FromClientHook;
use capos_abi::status;
use capos_service::{Failure, RingCall, slot};
use schema::session_capnp::session::{self, Principal, State, Strength};
use schema::session_capnp::session_authority;
use schema::session_capnp::session_control::{self, Progress};

pub const CHECKS: &[Check] = &[
    ("SessionAuthority.open", open),
    ("Session.inspect", inspect),
    ("SessionControl.session", facet),
    ("SessionControl.end", end),
];

/// A session of a person.
pub fn opened() -> capnp::Result<session_control::Client> {
    let mut request = slot::<session_authority::Client>("sessions")?.open_request();
    let mut attributes = request.get();
    attributes.set_ledger(slot("ledger")?);
    attributes.set_principal(Principal::Person);
    attributes.set_strength(Strength::Password);
    attributes.set_profile(9);
    request.call()?.get()?.get_control()
}

fn state(session: &session::Client) -> Result<State, Failure> {
    Ok(session.inspect_request().call()?.get()?.get_state()?)
}

/// Puts a new process into a session.
fn enter(session: &session::Client) -> Result<(), Failure> {
    let puppet = Puppet::new(exiting())?;
    let mut request = puppet.process.set_session_request();
    request.get().set_session(session.clone());
    Ok(request.call().map(drop)?)
}

fn open() -> Result<(), Failure> {
    let authority: session_authority::Client = slot("sessions")?;
    let mut request = authority.open_request();
    request.get().set_ledger(slot("ledger")?);
    let control = request.call()?.get()?.get_control()?;
    holds("it lasts", state(&control.cast_to())? == State::Live)?;
    refused(authority.open_request().call(), status::BAD_ARGUMENT)
}

fn inspect() -> Result<(), Failure> {
    let session: session::Client = opened()?.cast_to();
    let reply = session.inspect_request().call()?;
    let found = reply.get()?;
    let attributes = (found.get_principal()?, found.get_strength()?, found.get_profile());
    holds("it is as it was opened", attributes == (Principal::Person, Strength::Password, 9))
}

fn facet() -> Result<(), Failure> {
    let control = opened()?;
    let session = control.session_request().call()?.get()?.get_session()?;
    enter(&session)?;
    refused(session.clone().cast_to::<session_control::Client>().end_request().call(), status::WRONG_INTERFACE)?;
    drop(control);
    comes("it ends with the last control", || Ok(state(&session)? == State::Ended))
}

fn end() -> Result<(), Failure> {
    let control = opened()?;
    let session = control.session_request().call()?.get()?.get_session()?;
    while control.end_request().call()?.get()?.get_progress()? != Progress::Done {}
    holds("it has ended", state(&session)? == State::Ended)?;
    let puppet = Puppet::new(exiting())?;
    let mut request = puppet.process.set_session_request();
    request.get().set_session(session);
    refused(request.call(), status::BAD_STATE)
}
