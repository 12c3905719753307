//! `Endpoint` and `EndpointServer`: objects are minted, called, and known again.

use crate::desk::{Desk, INTERFACE, KEY};
use crate::verify::{holds, refused};
use crate::{Check, notification};
use campaign::wire;
use capnp::capability::FromClientHook;
use capnp::private::capability::ClientHook;
use capos_abi::status;
use capos_service::{Failure, RingCall, handle};
use schema::endpoint_capnp::endpoint;
use schema::endpoint_capnp::endpoint_server::{self, Minter, State};

pub const CHECKS: &[Check] = &[
    ("EndpointServer.mint", mint),
    ("EndpointServer.sessionState", session_state),
    ("EndpointServer.identify", identify),
    ("Endpoint.mintDurable", mint_durable),
    ("Endpoint.server", server),
];

/// Words of a delivery header: interface granted, key, reference of the caller's session.
const GRANTED: usize = 0;
const KEY_WORD: usize = 1;
const SESSION: [usize; 2] = [6, 7];

fn facet(desk: &Desk) -> capnp::Result<endpoint_server::Client> {
    desk.endpoint.server_request().call()?.get()?.get_server()
}

/// What the kernel says of a call through this handle, which is answered then.
fn header_of_call(desk: &Desk, object: u64) -> Result<[u64; 8], Failure> {
    let reception = desk.receive()?;
    wire::start(capos_abi::ring::Submission { handle: object, ..desk.calling(&[])? });
    let delivery = desk.delivery()?;
    let returned = wire::run(desk.answering(delivery.token, &[])).status;
    holds("the call is answered", returned == status::OK && desk.end()?.status == status::OK)?;
    desk.close(reception)?;
    crate::desk::next()?;
    Ok(delivery.header)
}

fn mint() -> Result<(), Failure> {
    let desk = Desk::open()?;
    let server = facet(&desk)?;
    let mint = |interface, key| {
        let mut request = server.mint_request();
        request.get().set_interface_id(interface);
        request.get().set_key(key);
        request.call()?.get()?.get_object().get_as_capability::<Box<dyn ClientHook>>()
    };
    let object = mint(INTERFACE + 1, 5)?;
    let header = header_of_call(&desk, handle(&*object)?)?;
    holds("its calls come with interface and key", (header[GRANTED], header[KEY_WORD]) == (INTERFACE + 1, 5))?;
    refused(mint(0, 5), status::BAD_ARGUMENT)
}

fn session_state() -> Result<(), Failure> {
    let desk = Desk::open()?;
    let header = header_of_call(&desk, desk.object()?)?;
    let state = |words: [u64; 2]| {
        let mut request = facet(&desk)?.session_state_request();
        request.get().set_first(words[0]);
        request.get().set_second(words[1]);
        Ok::<_, Failure>(request.call()?.get()?.get_state()?)
    };
    let [first, second] = SESSION.map(|word| header[word]);
    holds("the session of this process lasts", state([first, second])? == State::Live)?;
    holds("one that never was does not", state([first ^ 1, second])? == State::Ended)
}

fn identify() -> Result<(), Failure> {
    let desk = Desk::open()?;
    let server = facet(&desk)?;
    let identify = |object: Box<dyn ClientHook>| {
        let mut request = server.identify_request();
        request.get().init_object().set_as_capability(object);
        let reply = request.call()?;
        let found = reply.get()?;
        Ok::<_, Failure>((found.get_minter()?, found.get_interface_id(), found.get_key()))
    };
    let mut request = server.mint_request();
    request.get().set_interface_id(INTERFACE);
    request.get().set_key(KEY);
    let own = request.call()?.get()?.get_object().get_as_capability()?;
    holds("what this process minted is its own", identify(own)? == (Minter::Caller, INTERFACE, KEY))?;
    let other = notification::create()?.into_client_hook();
    holds("what nobody serves is another's", identify(other)? == (Minter::Other, 0, 0))?;
    let elsewhere = Desk::open()?;
    let mut request = facet(&elsewhere)?.mint_request();
    request.get().set_interface_id(INTERFACE);
    let object = request.call()?.get()?.get_object().get_as_capability()?;
    holds("and what was minted elsewhere", identify(object)?.0 == Minter::Other)
}

fn mint_durable() -> Result<(), Failure> {
    let desk = Desk::open()?;
    let header = header_of_call(&desk, desk.object()?)?;
    holds("its calls come with interface and key", (header[GRANTED], header[KEY_WORD]) == (INTERFACE, KEY))?;
    let again = header_of_call(&desk, desk.object()?)?;
    holds("it outlives who received its calls", again[KEY_WORD] == KEY)?;
    let mut nothing = desk.endpoint.mint_durable_request();
    nothing.get().set_key(KEY);
    refused(nothing.call(), status::BAD_ARGUMENT)
}

fn server() -> Result<(), Failure> {
    let desk = Desk::open()?;
    let server = desk.endpoint.server_request().call()?.get()?.get_server()?;
    let mut request = server.mint_request();
    request.get().set_interface_id(INTERFACE);
    request.call()?;
    let owner = server.cast_to::<endpoint::Client>();
    refused(owner.mint_durable_request().call(), status::WRONG_INTERFACE)?;
    refused(owner.server_request().call(), status::WRONG_INTERFACE)
}
