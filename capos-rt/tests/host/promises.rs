//! Promised capabilities in messages: what carries one leaves when it is kept, in its order, and not at all if it is broken.
use crate::model;
use crate::world::turns;
use capnp::Error;
use capnp::capability::FromClientHook;
use capnp::traits::HasTypeId;
use capos_rt::executor::block_on;
use capos_rt::hooks::blocking::RingCall;
use capos_rt::hooks::capability::adopt;
use capos_rt::hooks::local::new_client;
use capos_rt::{object, receiver, ring, wait};
use schema::workshop_capnp::{counter, workshop};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// A counter that starts with this is never made.
const BROKEN: u64 = 666;

/// A workshop that opens when it is told to.
#[derive(Default)]
pub struct Shop {
    pub open: Cell<bool>,
    /// The argument `times` of every `use`.
    pub used: RefCell<Vec<u32>>,
    /// Calls of `open` that are waiting.
    pub waiting: Rc<Cell<u32>>,
    /// Counters that exist.
    pub alive: Rc<Cell<u32>>,
    /// Itself, over the ring.
    pub own: RefCell<Option<workshop::Client>>,
}

/// Counts one of something while it lives.
struct One(Rc<Cell<u32>>);

impl One {
    fn new(of: &Rc<Cell<u32>>) -> Self {
        of.set(of.get() + 1);
        Self(of.clone())
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

struct Counter {
    value: Cell<u64>,
    _one: One,
}

impl counter::Server for Counter {
    async fn add(self: Rc<Self>, params: counter::AddParams, mut results: counter::AddResults) -> capnp::Result<()> {
        self.value.set(self.value.get() + params.get()?.get_amount());
        results.get().set_value(self.value.get());
        Ok(())
    }
}

impl workshop::Server for Shop {
    async fn open(
        self: Rc<Self>,
        params: workshop::OpenParams,
        mut results: workshop::OpenResults,
    ) -> capnp::Result<()> {
        let start = params.get()?.get_start();
        let waiting = One::new(&self.waiting);
        while !self.open.get() {
            wait::until(1).await;
        }
        drop(waiting);
        if start == BROKEN {
            return Err(Error::failed("out of brass".into()));
        }
        let counter = Counter { value: Cell::new(start), _one: One::new(&self.alive) };
        results.get().set_counter(new_client::<counter::Client, _>(counter));
        Ok(())
    }

    async fn use_(self: Rc<Self>, params: workshop::UseParams, mut results: workshop::UseResults) -> capnp::Result<()> {
        let params = params.get()?;
        self.used.borrow_mut().push(params.get_times());
        if params.has_counter() {
            let mut request = params.get_counter()?.add_request();
            request.get().set_amount(params.get_times().into());
            results.get().set_value(request.send().promise.await?.get()?.get_value());
        }
        Ok(())
    }

    /// Answers with a counter that is only promised.
    async fn same(self: Rc<Self>, _: workshop::SameParams, mut results: workshop::SameResults) -> capnp::Result<()> {
        let own = self.own.borrow().clone().ok_or_else(|| Error::failed("the shop does not know itself".into()))?;
        results.get().set_counter(open(&own, 10).pipeline.get_counter());
        Ok(())
    }
}

/// Two capabilities of one workshop on the ring, and the workshop.
pub fn shop(test: fn(workshop::Client, workshop::Client, Rc<Shop>)) {
    let thread = std::thread::spawn(move || {
        let handles = model::start(64 << 10, &[workshop::Client::TYPE_ID; 2]);
        let shop = Rc::new(Shop::default());
        let service = receiver::open(model::ENDPOINT, 1024).unwrap();
        let server = object::dispatcher::<workshop::Client, _>(shop.clone());
        receiver::bind(service, workshop::Client::TYPE_ID, None, server);
        let client = |at: usize| FromClientHook::new(adopt(handles[at]));
        let (before, _) = model::counts();
        test(client(0), client(1), shop.clone());
        block_on(turns(20));
        shop.own.take();
        assert_eq!((shop.alive.get(), shop.waiting.get()), (0, 0), "nothing is left of what was made");
        assert_eq!(model::counts().0, before - 2, "every handle that was received is released");
        receiver::stop(service);
        block_on(receiver::ended(service)).unwrap();
        ring::with(|ring| assert!(ring.arena.take(ring.arena.bytes()).is_some(), "every range of the arena came back"));
    });
    thread.join().unwrap();
}

pub type Opened = capnp::capability::RemotePromise<workshop::open_results::Owned>;

pub fn open(shop: &workshop::Client, start: u64) -> Opened {
    let mut request = shop.open_request();
    request.get().set_start(start);
    request.send()
}

pub type Use = capnp::capability::Request<workshop::use_params::Owned, workshop::use_results::Owned>;

pub fn use_request(shop: &workshop::Client, counter: Option<counter::Client>, times: u32) -> Use {
    let mut request = shop.use_request();
    request.get().set_times(times);
    if let Some(counter) = counter {
        request.get().set_counter(counter);
    }
    request
}

#[test]
fn a_promise_in_parameters_is_waited_for_and_nobody_overtakes() {
    shop(|client, other, shop| {
        let counter = open(&client, 7).pipeline.get_counter();
        let first = use_request(&client, Some(counter), 1).send().promise;
        let second = use_request(&client, None, 2).send().promise;
        block_on(use_request(&other, None, 3).send().promise).unwrap();
        block_on(turns(5));
        assert_eq!(*shop.used.borrow(), [3], "calls of another capability do not wait");
        shop.open.set(true);
        block_on(second).unwrap();
        assert_eq!(*shop.used.borrow(), [3, 1, 2], "those of this one keep their order");
        assert_eq!(block_on(first).unwrap().get().unwrap().get_value(), 8);
    });
}

#[test]
fn a_promise_that_is_broken_fails_the_call_that_carries_it() {
    shop(|client, _, shop| {
        let counter = open(&client, BROKEN).pipeline.get_counter();
        let call = use_request(&client, Some(counter), 1).send().promise;
        let behind = use_request(&client, None, 2).send().promise;
        shop.open.set(true);
        assert_eq!(block_on(call).map(drop).unwrap_err().extra, "server: out of brass");
        block_on(behind).unwrap();
        assert_eq!(*shop.used.borrow(), [2], "the other was never made");
    });
}

#[test]
fn a_call_that_waits_for_a_promise_can_be_dropped() {
    shop(|client, _, shop| {
        let counter = open(&client, 1).pipeline.get_counter();
        let call = use_request(&client, Some(counter), 1).send();
        let behind = use_request(&client, None, 2).send().promise;
        block_on(turns(5));
        assert_eq!(shop.waiting.get(), 1);
        drop(call);
        block_on(behind).unwrap();
        block_on(turns(5));
        assert_eq!((shop.waiting.get(), &**shop.used.borrow()), (0, &[2][..]), "and with it the promise");
    });
}

#[test]
fn a_dropped_call_on_a_promise_drops_the_promise() {
    shop(|client, _, shop| {
        let call = open(&client, 1).pipeline.get_counter().add_request().send();
        block_on(turns(5));
        assert_eq!(shop.waiting.get(), 1);
        drop(call);
        block_on(turns(5));
        assert_eq!(shop.waiting.get(), 0);
    });
}

#[test]
fn a_promise_of_a_local_call_travels_when_it_is_kept() {
    shop(|client, _, shop| {
        let closed = open(&new_client(Shop::default()), 1).pipeline.get_counter();
        let never = use_request(&client, Some(closed), 1).send();
        let near = Shop { alive: shop.alive.clone(), open: Cell::new(true), ..Shop::default() };
        let kept = open(&new_client(near), 4).pipeline.get_counter();
        drop(never);
        let answer = block_on(use_request(&client, Some(kept), 1).send().promise).unwrap();
        assert_eq!(answer.get().unwrap().get_value(), 5);
    });
}

#[test]
fn a_blocking_call_may_carry_a_promise() {
    shop(|client, _, shop| {
        shop.open.set(true);
        let counter = open(&client, 7).pipeline.get_counter();
        let answer = use_request(&client, Some(counter), 1).call().unwrap();
        assert_eq!(answer.get().unwrap().get_value(), 8);
    });
}

#[test]
fn a_promise_in_results_is_waited_for() {
    shop(|client, _, shop| {
        shop.own.replace(Some(client.clone()));
        let answer = client.same_request().send();
        let counter = answer.pipeline.get_counter();
        let call = counter.add_request().send().promise;
        let dropped = client.same_request().send();
        block_on(turns(5));
        assert_eq!(shop.waiting.get(), 2);
        drop(dropped);
        block_on(turns(5));
        assert_eq!(shop.waiting.get(), 1, "an answer that nobody wants waits for nothing");
        shop.open.set(true);
        assert_eq!(block_on(call).unwrap().get().unwrap().get_value(), 10);
    });
}
