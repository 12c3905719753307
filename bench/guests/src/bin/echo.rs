//! The echo service, by generated code.

use capnp::Error;
use schema::echo_capnp::echo::{self, TextParams, TextResults, WordsParams, WordsResults};
use std::process::ExitCode;

/// Gives back what it gets.
struct Echo;

impl echo::Server for Echo {
    async fn words(self: std::rc::Rc<Self>, params: WordsParams, mut results: WordsResults) -> Result<(), Error> {
        let (from, mut to) = (params.get()?, results.get());
        to.set_a(from.get_a());
        to.set_b(from.get_b());
        to.set_c(from.get_c());
        to.set_d(from.get_d());
        to.set_e(from.get_e());
        to.set_f(from.get_f());
        Ok(())
    }

    async fn text(self: std::rc::Rc<Self>, params: TextParams, mut results: TextResults) -> Result<(), Error> {
        results.get().set_text(params.get()?.get_text()?);
        Ok(())
    }
}

fn main() -> ExitCode {
    capos_service::run(async |context| {
        context.offer::<echo::Client, _>(Echo)?;
        context.serve().await
    })
}
