//! Clients that call again: a method annotated `$idempotent` (`schema/annotations.capnp`) whose server died is called once
//! more, of the next instance. Nothing else ever is, because nobody knows whether it was executed.
use crate::{Failure, time};
use capnp::capability::{FromClientHook, Promise, Request};
use capnp::private::capability::{ClientHook, ParamsHook, ResponseHook, ResultsHook};
use capnp::{Error, MessageSize, any_pointer};
use capos_abi::status;
use capos_rt::call_failure::{CallFailure, Side};
use capos_rt::hooks::unsent::{HeapRequest, Unsent};
use capos_rt::hooks::{PROMISE_BRAND, request};
use capos_rt::receiver::STOPPING;
use schema::table::is_idempotent;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// Attempts of a call at most, unless something else was asked for.
const ATTEMPTS: u32 = 5;
/// Wait before the second attempt; doubled before each further one.
const FIRST_WAIT: Duration = Duration::from_millis(10);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// How often and how soon a call is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Attempts at most, the first one included.
    pub attempts: u32,
    /// Wait before the second attempt, doubled before each further one. A program without a clock does not wait.
    pub first_wait: Duration,
    /// The longest wait.
    pub longest_wait: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self { attempts: ATTEMPTS, first_wait: FIRST_WAIT, longest_wait: LONGEST_WAIT }
    }
}

impl Policy {
    /// The wait after so many attempts; `None`: no more.
    fn wait(&self, attempts: u32) -> Option<Duration> {
        let doubled = self.first_wait.saturating_mul(2_u32.saturating_pow(attempts.saturating_sub(1)));
        (attempts < self.attempts).then(|| doubled.min(self.longest_wait))
    }
}

/// The client as one whose idempotent calls outlive deaths of its server.
pub fn retrying<C: FromClientHook>(client: C, policy: Policy) -> C {
    C::new(Box::new(Retrying(Rc::new(State { target: RefCell::new(client.into_client_hook()), policy, open: None }))))
}

/// The same for an object that ends with its server: `open` gets a new one, usually from the durable object that handed out
/// the last one. What the last one held is lost. A call that found it stale was not executed, so it is made of the new one whatever
/// its method.
pub fn reopening<C: FromClientHook>(
    client: C,
    policy: Policy,
    open: impl AsyncFn() -> Result<C, Failure> + 'static,
) -> C {
    let open = Rc::new(open);
    let open: Open = Box::new(move || {
        let open = open.clone();
        Promise::from_future(async move {
            open().await.map(C::into_client_hook).map_err(|failure| Error::disconnected(failure.text().into()))
        })
    });
    let state = State { target: RefCell::new(client.into_client_hook()), policy, open: Some(open) };
    C::new(Box::new(Retrying(Rc::new(state))))
}

/// The way to a new object.
type Open = Box<dyn Fn() -> Promise<Box<dyn ClientHook>, Error>>;

struct State {
    target: RefCell<Box<dyn ClientHook>>,
    policy: Policy,
    open: Option<Open>,
}

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Nothing: the caller is told.
    Tell,
    /// Call the same object again.
    Again,
    /// Call a new object.
    Reopen,
}

/// What a failed attempt means for a call, if its object can be reopened or not.
fn verdict(error: &Error, idempotent: bool, reopens: bool) -> Verdict {
    let failure = CallFailure::of(error);
    if failure.side == Side::Server && failure.message == STOPPING {
        return Verdict::Again; // refused before it was looked at
    }
    match failure.status {
        // It found no object, so it was not executed.
        Some(status::STALE) if reopens => Verdict::Reopen,
        Some(status::SERVER_DIED) if idempotent && reopens => Verdict::Reopen,
        Some(status::SERVER_DIED) if idempotent => Verdict::Again,
        _ => Verdict::Tell,
    }
}

impl State {
    /// Makes a call until it is answered.
    async fn call(&self, call: Unsent) -> Result<Box<dyn ResponseHook>, Error> {
        let idempotent = is_idempotent(call.interface, call.method);
        let mut attempts = 0;
        loop {
            let target = self.target.borrow().add_ref();
            let error = match call.attempt(&*target).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            attempts += 1;
            let verdict = verdict(&error, idempotent, self.open.is_some());
            let Some(wait) = self.policy.wait(attempts).filter(|_| verdict != Verdict::Tell) else {
                return Err(error);
            };
            // Without a clock the next attempt comes at once: it waits at the endpoint anyway.
            let _ = time::sleep(wait).await;
            if verdict == Verdict::Reopen && self.is_target(&*target) {
                self.reopen().await?;
            }
        }
    }

    /// Whether nobody has reopened the object meanwhile.
    fn is_target(&self, target: &dyn ClientHook) -> bool {
        self.target.borrow().get_ptr() == target.get_ptr()
    }

    async fn reopen(&self) -> Result<(), Error> {
        if let Some(open) = &self.open {
            let opened = open().await?;
            *self.target.borrow_mut() = opened;
        }
        Ok(())
    }
}

struct Retrying(Rc<State>);

impl ClientHook for Retrying {
    fn add_ref(&self) -> Box<dyn ClientHook> {
        Box::new(Self(self.0.clone()))
    }

    fn new_call(
        &self,
        interface: u64,
        method: u16,
        size: Option<MessageSize>,
    ) -> Request<any_pointer::Owned, any_pointer::Owned> {
        if self.0.open.is_none() && !is_idempotent(interface, method) {
            return self.0.target.borrow().new_call(interface, method, size);
        }
        let state = self.0.clone();
        HeapRequest::begin(interface, method, move |call| Promise::from_future(async move { state.call(call).await }))
    }

    fn call(
        &self,
        interface: u64,
        method: u16,
        params: Box<dyn ParamsHook>,
        results: Box<dyn ResultsHook>,
    ) -> Promise<(), Error> {
        request::forward(self.new_call(interface, method, None), params, results)
    }

    /// Sent in a message it is what it stands for at that moment.
    fn get_brand(&self) -> usize {
        PROMISE_BRAND
    }

    fn get_ptr(&self) -> usize {
        Rc::as_ptr(&self.0).addr()
    }

    fn get_resolved(&self) -> Option<Box<dyn ClientHook>> {
        Some(self.0.target.borrow().add_ref())
    }

    fn when_more_resolved(&self) -> Option<Promise<Box<dyn ClientHook>, Error>> {
        None
    }

    fn when_resolved(&self) -> Promise<(), Error> {
        Promise::ok(())
    }
}

#[cfg(test)]
mod test {
    use super::*;
    use capnp::traits::HasTypeId;
    use capos_rt::errors::from_status;
    use schema::pong_capnp::pong;

    #[test]
    fn waits_double_up_to_the_longest_and_attempts_end() {
        let policy =
            Policy { attempts: 5, first_wait: Duration::from_millis(10), longest_wait: Duration::from_millis(30) };
        let waits = (1..=5).map(|attempts| policy.wait(attempts).map(|wait| wait.as_millis()));
        assert_eq!(waits.collect::<Vec<_>>(), [Some(10), Some(20), Some(30), Some(30), None]);
    }

    #[test]
    fn only_what_may_be_called_twice_is_called_again() {
        assert!(is_idempotent(pong::Client::TYPE_ID, 0));
        assert!(
            !is_idempotent(pong::Client::TYPE_ID, 1)
                && !is_idempotent(pong::Client::TYPE_ID, 9)
                && !is_idempotent(1, 0)
        );
        let of = |status, idempotent, reopens| verdict(&from_status(status), idempotent, reopens);
        assert_eq!(of(status::SERVER_DIED, true, false), Verdict::Again);
        assert_eq!(of(status::SERVER_DIED, true, true), Verdict::Reopen);
        assert_eq!(of(status::SERVER_DIED, false, true), Verdict::Tell);
        assert_eq!(of(status::STALE, false, true), Verdict::Reopen);
        assert_eq!(of(status::STALE, true, false), Verdict::Tell);
        assert_eq!(of(status::DEADLINE, true, true), Verdict::Tell);
        let stopping = Error::disconnected(format!("server: {STOPPING}"));
        assert_eq!(verdict(&stopping, false, false), Verdict::Again);
    }

    #[test]
    fn the_death_of_a_servers_own_server_is_not_that_of_the_server() {
        let told = Error::disconnected("server: kernel: the server died; the call may have been executed".into());
        assert_eq!((CallFailure::of(&told).side, verdict(&told, true, true)), (Side::Server, Verdict::Tell));
    }
}
