//! Hands out counters, waits, fails and dies on request.

use campaign::make_room;
use capnp::Error;
use capos_service::queue::Exchange;
use capos_service::{Context, is_own, new_client, slot};
use schema::endpoint_capnp::endpoint_server;
use schema::workshop_capnp::{counter, workshop};
use std::cell::Cell;
use std::future::pending;
use std::process::ExitCode;
use std::rc::Rc;

/// What exists at the moment.
#[derive(Default)]
struct Census {
    counters: Cell<u32>,
    waiting: Cell<u32>,
}

/// One of something, as long as this lives.
struct One(Rc<Census>, fn(&Census) -> &Cell<u32>);

impl One {
    fn new(census: &Rc<Census>, of: fn(&Census) -> &Cell<u32>) -> Self {
        of(census).set(of(census).get() + 1);
        Self(census.clone(), of)
    }
}

impl Drop for One {
    fn drop(&mut self) {
        let cell = (self.1)(&self.0);
        cell.set(cell.get() - 1);
    }
}

struct Counter {
    value: Cell<u64>,
    census: Rc<Census>,
    _one: One,
}

impl counter::Server for Counter {
    async fn add(self: Rc<Self>, params: counter::AddParams, mut results: counter::AddResults) -> Result<(), Error> {
        self.value.set(self.value.get() + params.get()?.get_amount());
        results.get().set_value(self.value.get());
        Ok(())
    }

    async fn hold(self: Rc<Self>, _: counter::HoldParams, _: counter::HoldResults) -> Result<(), Error> {
        let _one = One::new(&self.census, |census| &census.waiting);
        pending().await
    }
}

struct Workshop(Rc<Census>);

impl workshop::Server for Workshop {
    async fn open(
        self: Rc<Self>,
        params: workshop::OpenParams,
        mut results: workshop::OpenResults,
    ) -> Result<(), Error> {
        let value = Cell::new(params.get()?.get_start());
        let counter = Counter { value, census: self.0.clone(), _one: One::new(&self.0, |census| &census.counters) };
        results.get().set_counter(new_client::<counter::Client, _>(counter));
        Ok(())
    }

    async fn counters(
        self: Rc<Self>,
        _: workshop::CountersParams,
        mut results: workshop::CountersResults,
    ) -> Result<(), Error> {
        results.get().set_alive(self.0.counters.get());
        Ok(())
    }

    async fn use_(self: Rc<Self>, params: workshop::UseParams, mut results: workshop::UseResults) -> Result<(), Error> {
        let params = params.get()?;
        let counter = params.get_counter()?;
        for _ in 0..params.get_times() {
            let mut request = counter.add_request();
            request.get().set_amount(1);
            results.get().set_value(request.send().promise.await?.get()?.get_value());
        }
        Ok(())
    }

    async fn wait(self: Rc<Self>, _: workshop::WaitParams, _: workshop::WaitResults) -> Result<(), Error> {
        let _one = One::new(&self.0, |census| &census.waiting);
        pending().await
    }

    async fn waiting(
        self: Rc<Self>,
        _: workshop::WaitingParams,
        mut results: workshop::WaitingResults,
    ) -> Result<(), Error> {
        results.get().set_calls(self.0.waiting.get());
        Ok(())
    }

    async fn fail(self: Rc<Self>, params: workshop::FailParams, _: workshop::FailResults) -> Result<(), Error> {
        Err(Error::failed(params.get()?.get_message()?.to_string()?))
    }

    async fn repeat(
        self: Rc<Self>,
        params: workshop::RepeatParams,
        mut results: workshop::RepeatResults,
    ) -> Result<(), Error> {
        let params = params.get()?;
        results.get().set_text(params.get_text()?.to_str()?.repeat(params.get_times() as usize));
        Ok(())
    }

    async fn consume(
        self: Rc<Self>,
        params: workshop::ConsumeParams,
        mut results: workshop::ConsumeResults,
    ) -> Result<(), Error> {
        let params = params.get()?;
        let (memory, bell) = (params.get_memory()?, params.get_bell()?);
        let exchange: Exchange<1> = Exchange { memory, bell, entries: params.get_entries() };
        let mut receiver = exchange.receiver().await?;
        let mut sum = 0u64;
        for _ in 0..params.get_count() {
            let [value] = receiver.receive().await?;
            sum = sum.wrapping_add(value);
        }
        results.get().set_sum(sum);
        Ok(())
    }

    async fn caller(
        self: Rc<Self>,
        _: workshop::CallerParams,
        mut results: workshop::CallerResults,
    ) -> Result<(), Error> {
        let caller = capos_service::caller().ok_or_else(|| Error::failed("this is no call".into()))?;
        let [first, second] = caller.session;
        let mut results = results.get();
        results.set_first(first);
        results.set_second(second);
        results.set_disclosed(caller.disclosed);
        Ok(())
    }

    async fn same(
        self: Rc<Self>,
        params: workshop::SameParams,
        mut results: workshop::SameResults,
    ) -> Result<(), Error> {
        let counter = params.get()?.get_counter()?;
        results.get().set_own(is_own(&counter));
        results.get().set_counter(counter);
        Ok(())
    }

    async fn live(
        self: Rc<Self>,
        params: workshop::LiveParams,
        mut results: workshop::LiveResults,
    ) -> Result<(), Error> {
        let params = params.get()?;
        let mut request = slot::<endpoint_server::Client>("endpoint")?.session_state_request();
        request.get().set_first(params.get_first());
        request.get().set_second(params.get_second());
        let state = request.send().promise.await?.get()?.get_state()?;
        results.get().set_live(state == endpoint_server::State::Live);
        Ok(())
    }

    async fn crash(self: Rc<Self>, _: workshop::CrashParams, _: workshop::CrashResults) -> Result<(), Error> {
        panic!("as asked")
    }
}

/// Calls at the same time, if the program's argument says what is limited.
const LIMIT: u32 = 3;
/// Threads that serve, if it asks for several. Each has counters of its own.
const THREADS: usize = 4;

fn main() -> ExitCode {
    capos_service::run(async |context| {
        let workshop = Workshop(Rc::default());
        match context.arguments().next().as_deref() {
            Some("threads") => {
                let offer = |context: &Context| context.offer::<workshop::Client, _>(Workshop(Rc::default()));
                return context.serve_with_threads(THREADS, offer).await;
            }
            Some("limited-object") => context.offer_limited_at::<workshop::Client, _>(0, LIMIT, workshop)?,
            limited => {
                make_room();
                if limited == Some("limited-service") {
                    context.limit(LIMIT);
                }
                context.offer::<workshop::Client, _>(workshop)?;
            }
        }
        context.serve().await
    })
}
