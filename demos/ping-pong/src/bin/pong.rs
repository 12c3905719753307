//! Gives every ball back and counts points, but runs out of stack at each fifth call: the fault ends this process, and `init` starts it again.
use schema::pong_capnp::pong;
use std::cell::Cell;
use std::hint::black_box;
use std::process::ExitCode;
use std::rc::Rc;

/// Calls that one life lasts for.
const STAMINA: u32 = 4;

#[derive(Default)]
struct Pong {
    calls: Cell<u32>,
    total: Cell<u32>,
}

impl Pong {
    fn move_about(&self) {
        if self.calls.replace(self.calls.get() + 1) == STAMINA {
            fall(0);
        }
    }
}

impl pong::Server for Pong {
    async fn play(self: Rc<Self>, params: pong::PlayParams, mut results: pong::PlayResults) -> capnp::Result<()> {
        self.move_about();
        results.get().set_ball(params.get()?.get_ball());
        Ok(())
    }

    async fn score(self: Rc<Self>, params: pong::ScoreParams, mut results: pong::ScoreResults) -> capnp::Result<()> {
        self.move_about();
        self.total.set(self.total.get().saturating_add(params.get()?.get_points()));
        results.get().set_total(self.total.get());
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
        context.offer::<pong::Client, _>(Pong::default())?;
        context.serve().await
    })
}
