//! Manifests, good and bad, as init reads them.

use crate::manifest::{Grant, Part, Program, Source, read};
use crate::restart::When;
use capnp::message::Builder;
use capnp::traits::HasTypeId;
use capnp::{Word, serialize};
use proptest::prelude::*;
use schema::clock_capnp::clock;
use schema::manifest_capnp::{grant, manifest, restart};

const SERIAL_PORT: u64 = 7;

/// A server that offers something and a client that uses it and a clock, changed before they are encoded.
fn message(change: impl FnOnce(manifest::Builder)) -> Vec<Word> {
    let mut message = Builder::new_default();
    let mut root = message.init_root::<manifest::Builder>();
    let mut programs = root.reborrow().init_programs(2);
    let mut server = programs.reborrow().get(0);
    server.set_name("server");
    server.set_binary("server");
    server.reborrow().init_offers(1).get(0).set_interface_id(SERIAL_PORT);
    server.init_restart().set_when(restart::When::Always);
    let mut client = programs.get(1);
    client.set_name("client");
    client.set_binary("hello");
    client.reborrow().init_arguments(1).set(0, "world");
    let mut grants = client.init_grants(2);
    set_grant(grants.reborrow().get(0), "port", SERIAL_PORT).init_offer().set_program(0);
    set_grant(grants.get(1), "clock", clock::Client::TYPE_ID).set_clock(());
    change(root);
    words(&serialize::write_message_to_words(&message))
}

fn set_grant<'a>(mut grant: grant::Builder<'a>, slot: &str, interface: u64) -> grant::source::Builder<'a> {
    grant.set_slot(slot);
    grant.set_interface_id(interface);
    grant.init_source()
}

fn words(bytes: &[u8]) -> Vec<Word> {
    let mut words = Word::allocate_zeroed_vec(bytes.len().div_ceil(8));
    Word::words_to_bytes_mut(&mut words)[..bytes.len()].copy_from_slice(bytes);
    words
}

fn client_grants(manifest: manifest::Builder) -> capnp::struct_list::Builder<grant::Owned> {
    manifest.get_programs().unwrap().get(1).get_grants().unwrap()
}

#[track_caller]
fn refused(change: impl FnOnce(manifest::Builder), sentence: &str) {
    assert_eq!(read(&message(change)).unwrap_err().to_string(), format!("the manifest is not sound: {sentence}"));
}

#[test]
fn a_manifest_is_read() {
    let programs = read(&message(|_| {})).unwrap();
    let [server, client]: [Program; 2] = programs.try_into().unwrap();
    assert_eq!((server.name.as_str(), server.offers.as_slice()), ("server", &[SERIAL_PORT][..]));
    assert_eq!(server.restart.when, When::Always);
    assert_eq!((client.binary.as_str(), client.arguments.as_slice()), ("hello", &["world".to_string()][..]));
    let clock = Grant { slot: "clock".into(), interface: clock::Client::TYPE_ID, source: Source::Kernel(Part::Clock) };
    assert_eq!(
        client.grants,
        [Grant { slot: "port".into(), interface: SERIAL_PORT, source: Source::Offer(0, 0) }, clock]
    );
}

#[test]
fn a_name_is_unique() {
    let rename = |manifest: manifest::Builder| manifest.get_programs().unwrap().get(1).set_name("server");
    refused(rename, "no program, or more than one, has the name \"server\"");
}

#[test]
fn a_slot_is_unique() {
    let rename = |manifest: manifest::Builder| client_grants(manifest).get(1).set_slot("port");
    refused(rename, "\"client\" would be given two capabilities in the slot \"port\"");
}

#[test]
fn offers_come_from_programs_that_stand_before() {
    let turn = |program, offer| {
        move |manifest: manifest::Builder| {
            let mut reference = client_grants(manifest).get(0).init_source().init_offer();
            reference.set_program(program);
            reference.set_offer(offer);
        }
    };
    for (program, offer) in [(0, 1), (1, 0), (2, 0), (u16::MAX, u16::MAX)] {
        refused(turn(program, offer), "what \"client\" is given in \"port\" comes from nowhere");
    }
}

#[test]
fn interfaces_match() {
    let change = |manifest: manifest::Builder| client_grants(manifest).get(1).set_interface_id(8);
    refused(change, "what \"client\" is given in \"clock\" is not of the interface that it expects");
}

#[test]
fn a_truncated_manifest_is_refused() {
    let whole = message(|_| {});
    for length in 0..whole.len() {
        assert!(read(&whole[..length]).is_err() || read(&whole[..length]).unwrap().is_empty(), "{length} words");
    }
}

proptest! {
    #[test]
    fn mutated_manifests_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut message = message(|_| {});
        let bytes = Word::words_to_bytes_mut(&mut message);
        for (at, value) in changes {
            bytes[at.index(bytes.len())] = value;
        }
        let _ = read(&message);
    }
}
