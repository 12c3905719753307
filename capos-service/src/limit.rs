//! Objects that work on so many calls at the same time and refuse those beyond.
use capnp::any_pointer;
use capnp::capability::{DispatchCallResult, FromClientHook, FromServer, Params, Promise, Results};
use capnp::traits::HasTypeId;
use capos_rt::hooks::local::stand_for;
use capos_rt::object::{self, Dispatch};
use capos_rt::receiver::over_limit;
use std::cell::Cell;
use std::rc::Rc;

/// A client of a new object that works on at most `limit` calls at the same time.
pub fn new_limited_client<C: FromServer<S> + HasTypeId, S>(limit: u32, server: impl Into<Rc<S>>) -> C {
    let server = limited(limit, object::dispatcher::<C, S>(server.into()));
    FromClientHook::new(stand_for(object::create_dyn(C::TYPE_ID, server)))
}

/// The server behind a limit.
pub fn limited(limit: u32, server: Rc<dyn Dispatch>) -> Rc<dyn Dispatch> {
    Rc::new(Limited { server, limit, in_flight: Rc::default() })
}

struct Limited {
    server: Rc<dyn Dispatch>,
    limit: u32,
    in_flight: Rc<Cell<u32>>,
}

/// A call in flight, until this is dropped.
struct InFlight(Rc<Cell<u32>>);

impl InFlight {
    fn new(count: &Rc<Cell<u32>>) -> Self {
        count.set(count.get() + 1);
        Self(count.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Dispatch for Limited {
    fn dispatch(
        &self,
        interface: u64,
        method: u16,
        params: Params<any_pointer::Owned>,
        results: Results<any_pointer::Owned>,
    ) -> DispatchCallResult {
        if self.in_flight.get() >= self.limit {
            return DispatchCallResult::new(Promise::err(over_limit("object", self.limit)), false);
        }
        let in_flight = InFlight::new(&self.in_flight);
        let call = self.server.dispatch(interface, method, params, results);
        let counted = Promise::from_future(async move {
            let outcome = call.promise.await;
            drop(in_flight);
            outcome
        });
        DispatchCallResult::new(counted, call.is_streaming)
    }
}
