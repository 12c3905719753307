//! Gives every ball back, but runs out of stack at each fifth: the fault ends this process, and `init` starts it again.
use schema::echo_capnp::echo;
use std::cell::Cell;
use std::hint::black_box;
use std::process::ExitCode;
use std::rc::Rc;

/// Balls that one life lasts for.
const STAMINA: u32 = 4;

struct Pong {
    hits: Cell<u32>,
}

impl echo::Server for Pong {
    async fn words(self: Rc<Self>, params: echo::WordsParams, mut results: echo::WordsResults) -> capnp::Result<()> {
        if self.hits.replace(self.hits.get() + 1) == STAMINA {
            fall(0);
        }
        results.get().set_a(params.get()?.get_a());
        Ok(())
    }
}

/// Never returns: the guard page below the stack ends it.
#[expect(unconditional_recursion, reason = "faulting is what this demo is for")]
fn fall(depth: u64) -> u64 {
    black_box(fall(black_box(depth) + 1)) + 1
}

fn main() -> ExitCode {
    capos_service::run(async |context| {
        context.offer::<echo::Client, _>(Pong { hits: Cell::new(0) })?;
        context.serve().await
    })
}
