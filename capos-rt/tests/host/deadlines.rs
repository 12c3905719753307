//! Deadlines of calls that wait in their caller's runtime: they end like those that have left, and leave nothing behind.
use crate::promises::{Shop, open, shop, use_request};
use crate::world::turns;
use capnp::capability::RemotePromise;
use capos_abi::status;
use capos_rt::call_failure::CallFailure;
use capos_rt::executor::block_on;
use capos_rt::hooks::blocking::RingCall;
use capos_rt::hooks::local::new_client;
use std::cell::Cell;

/// The model has no clock: a deadline passes when the program has nothing to do.
const SOON: u64 = 5;
const LATER: u64 = 50;
/// More calls than the ring has room for.
const CROWD: u64 = 200;

fn passed<T>(outcome: capnp::Result<T>) -> bool {
    outcome.is_err_and(|error| CallFailure::of(&error).status == Some(status::DEADLINE))
}

#[test]
fn a_call_on_a_promise_ends_in_time_and_gives_the_promise_up() {
    shop(|client, _, shop| {
        let counter = open(&client, 7).pipeline.get_counter();
        block_on(turns(5));
        assert_eq!(shop.waiting.get(), 1);
        let RemotePromise { promise, pipeline } = counter.add_request().with_deadline(SOON).send();
        drop(counter);
        assert!(passed(block_on(promise)));
        block_on(turns(5));
        assert_eq!(shop.waiting.get(), 0, "although somebody still holds the call");
        drop(pipeline);
    });
}

#[test]
fn a_call_that_carries_a_promise_ends_in_time_and_lets_others_pass() {
    shop(|client, _, shop| {
        let counter = open(&client, 7).pipeline.get_counter();
        let RemotePromise { promise, pipeline } = use_request(&client, Some(counter), 1).with_deadline(SOON).send();
        let behind = use_request(&client, None, 2).send().promise;
        assert!(passed(block_on(promise)));
        block_on(behind).unwrap();
        block_on(turns(5));
        assert_eq!((shop.waiting.get(), &**shop.used.borrow()), (0, &[2][..]), "it was never made");
        drop(pipeline);
    });
}

#[test]
fn a_call_ends_in_time_behind_another_one_that_waits() {
    shop(|client, _, shop| {
        let counter = open(&client, 7).pipeline.get_counter();
        let first = use_request(&client, Some(counter), 1).send().promise;
        assert!(passed(block_on(use_request(&client, None, 2).with_deadline(SOON).send().promise)));
        shop.open.set(true);
        assert_eq!(block_on(first).unwrap().get().unwrap().get_value(), 8);
        assert_eq!(*shop.used.borrow(), [1]);
    });
}

#[test]
fn a_call_ends_in_time_that_the_ring_has_no_room_for() {
    shop(|client, other, shop| {
        let crowd: Vec<_> = (0..CROWD).map(|start| open(&client, start)).collect();
        assert!(passed(block_on(use_request(&other, None, 1).with_deadline(SOON).send().promise)));
        assert!(passed(use_request(&other, None, 1).with_deadline(SOON).call()));
        drop(crowd);
        block_on(turns(20));
        block_on(use_request(&other, None, 2).send().promise).unwrap();
        assert_eq!(*shop.used.borrow(), [2]);
    });
}

#[test]
fn each_call_has_its_own_deadline() {
    shop(|client, _, shop| {
        let counter = open(&client, 7).pipeline.get_counter();
        let late = counter.add_request().with_deadline(LATER).send().promise;
        let never = counter.add_request().send().promise;
        let soon = counter.add_request().with_deadline(SOON).send().promise;
        let dropped = counter.add_request().with_deadline(SOON).send();
        block_on(turns(1));
        drop(dropped);
        assert!(passed(block_on(soon)));
        shop.open.set(true);
        block_on(late).unwrap();
        block_on(never).unwrap();
    });
}

#[test]
fn blocking_calls_end_in_time() {
    shop(|client, _, shop| {
        let counter = || open(&client, 7).pipeline.get_counter();
        assert!(passed(counter().add_request().with_deadline(SOON).call()));
        assert!(passed(use_request(&client, Some(counter()), 1).with_deadline(SOON).call()));
        block_on(turns(5));
        assert_eq!((shop.waiting.get(), shop.used.borrow().len()), (0, 0));
        shop.open.set(true);
        let answer = counter().add_request().with_deadline(LATER).call().unwrap();
        assert_eq!(answer.get().unwrap().get_value(), 7);
    });
}

#[test]
fn a_call_on_the_promise_of_a_local_call_ends_in_time() {
    shop(|_, _, shop| {
        let closed = new_client(Shop { waiting: shop.waiting.clone(), ..Shop::default() });
        let counter = open(&closed, 1).pipeline.get_counter();
        assert!(passed(block_on(counter.add_request().with_deadline(SOON).send().promise)));
        assert!(passed(counter.add_request().with_deadline(SOON).call()));
        assert_eq!(shop.waiting.get(), 1);
        drop(counter);
        let mut request = closed.open_request().with_deadline(SOON);
        request.get().set_start(2);
        assert!(passed(block_on(request.send().promise)));
        block_on(turns(5));
        assert_eq!(shop.waiting.get(), 0, "the methods are dropped");
    });
}

#[test]
fn a_blocking_call_on_a_promise_of_a_local_object_reaches_it() {
    shop(|client, _, shop| {
        let near = Shop { alive: shop.alive.clone(), open: Cell::new(true), ..Shop::default() };
        shop.own.replace(Some(new_client(near)));
        let counter = client.same_request().send().pipeline.get_counter();
        assert_eq!(counter.add_request().call().unwrap().get().unwrap().get_value(), 10);
    });
}
