//! The smallest service: it offers an `Echo` that gives back texts.
use capos_service::run;
use schema::echo_capnp::echo;
use std::process::ExitCode;
use std::rc::Rc;

struct Template;

impl echo::Server for Template {
    async fn text(self: Rc<Self>, params: echo::TextParams, mut results: echo::TextResults) -> capnp::Result<()> {
        results.get().set_text(params.get()?.get_text()?);
        Ok(())
    }
}

fn main() -> ExitCode {
    run(async |context| {
        context.offer::<echo::Client, _>(Template)?;
        context.serve().await
    })
}
