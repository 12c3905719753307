//! The objects that others see: `Terminal` and `TerminalOutput`.
use std::rc::Rc;

use capnp::Result;
use capos_service::new_client;
use console::terminal::{Ending, Finished, Request, Terminal};
use schema::terminal_capnp::terminal;
use schema::terminal_output_capnp::terminal_output;

use crate::connection::Console;

/// Gives up reading when the reader has its answer or is gone.
struct Reading<'a>(&'a Console);

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.terminal.borrow_mut().stop_reading();
    }
}

/// The whole terminal.
pub struct Whole(pub Rc<Console>);

/// Its writing half.
struct Output(Rc<Console>);

impl terminal_output::Server for Output {
    async fn write(
        self: Rc<Self>,
        params: terminal_output::WriteParams,
        _: terminal_output::WriteResults,
    ) -> Result<()> {
        self.0.write(params.get()?.get_text()?.to_str()?).await
    }
}

impl terminal_output::Server for Whole {
    async fn write(
        self: Rc<Self>,
        params: terminal_output::WriteParams,
        _: terminal_output::WriteResults,
    ) -> Result<()> {
        self.0.write(params.get()?.get_text()?.to_str()?).await
    }
}

impl terminal::Server for Whole {
    async fn read_line(
        self: Rc<Self>,
        params: terminal::ReadLineParams,
        mut results: terminal::ReadLineResults,
    ) -> Result<()> {
        let request = request(params.get()?)?;
        let _turn = self.0.reading.lock().await;
        let _reading = Reading(&self.0);
        self.0.terminal.borrow_mut().read_line(request);
        let Finished { line, cursor, ending } = self.0.await_typed(Terminal::take_line).await?;
        results.get().set_line(&line);
        results.get().set_cursor(u32::try_from(cursor).unwrap_or(u32::MAX));
        results.get().set_ending(match ending {
            Ending::Entered => terminal::Ending::Entered,
            Ending::Interrupted => terminal::Ending::Interrupted,
            Ending::Closed => terminal::Ending::Closed,
            Ending::Complete => terminal::Ending::Complete,
            Ending::Previous => terminal::Ending::Previous,
            Ending::Next => terminal::Ending::Next,
        });
        Ok(())
    }

    async fn read_keys(
        self: Rc<Self>,
        params: terminal::ReadKeysParams,
        mut results: terminal::ReadKeysResults,
    ) -> Result<()> {
        let max = params.get()?.get_max_bytes() as usize;
        let _turn = self.0.reading.lock().await;
        let _reading = Reading(&self.0);
        self.0.terminal.borrow_mut().read_keys();
        let keys = self.0.await_typed(|terminal| terminal.take_keys(max)).await?;
        results.get().set_data(&keys);
        Ok(())
    }

    async fn interrupted(
        self: Rc<Self>,
        _: terminal::InterruptedParams,
        _: terminal::InterruptedResults,
    ) -> Result<()> {
        let before = self.0.terminal.borrow().interrupts();
        self.0.await_typed(|terminal| (terminal.interrupts() != before).then_some(())).await
    }

    async fn output(self: Rc<Self>, _: terminal::OutputParams, mut results: terminal::OutputResults) -> Result<()> {
        results.get().set_output(new_client::<terminal_output::Client, _>(Output(self.0.clone())));
        Ok(())
    }
}

fn request(params: terminal::read_line_params::Reader<'_>) -> Result<Request> {
    Ok(Request {
        prompt: params.get_prompt()?.to_string()?,
        initial: params.get_initial()?.to_string()?,
        echo: params.get_echo(),
        hooks: params.get_hooks(),
    })
}
