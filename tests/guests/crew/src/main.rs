//! An `Echo` that several threads serve. Each says in the word `b` which one it is.

use capos_service::{Context, Failure, SERVED_TWICE, Service, slot};
use schema::echo_capnp::echo;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Threads that serve.
const THREADS: usize = 4;

/// How many have begun.
static BEGUN: AtomicU64 = AtomicU64::new(0);

struct Member(u64);

impl echo::Server for Member {
    async fn words(self: Rc<Self>, params: echo::WordsParams, mut results: echo::WordsResults) -> capnp::Result<()> {
        results.get().set_a(params.get()?.get_a());
        results.get().set_b(self.0);
        Ok(())
    }
}

fn main() -> ExitCode {
    capos_service::run(async |context| {
        second_is_refused(&context)?;
        let offer = |context: &Context| context.offer::<echo::Client, _>(Member(BEGUN.fetch_add(1, Ordering::Relaxed)));
        context.serve_with_threads(THREADS, offer).await
    })
}

/// Another thread cannot serve what this one serves alone.
fn second_is_refused(context: &Context) -> Result<(), Failure> {
    context.service()?;
    let second = || Service::new(slot("endpoint")?).map(drop);
    match thread::spawn(move || second().map_err(|error| error.extra)).join() {
        Ok(Err(error)) if error == SERVED_TWICE => Ok(()),
        other => Err(format!("a second thread was not refused the endpoint: {other:?}").into()),
    }
}
