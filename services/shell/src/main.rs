//! Takes the terminal and everything else it holds, and runs the session.
use std::process::ExitCode;

use capnp::Result;
use capnp::capability::FromClientHook;
use capnp::traits::HasTypeId;
use capos_service::spawn::Spawn;
use capos_service::{Context, Failure, any_slot, spawn_local};
use schema::memory_object_capnp::memory_reader;
use schema::process_capnp::process;
use schema::terminal_capnp::terminal::{self, Ending};
use schema::terminal_output_capnp::terminal_output;
use shell::call::failure;
use shell::held::{Capability, Held};
use shell::host::{Host, Input, Job, Lost, Program};
use shell::session::Session;

/// The slot that says what the session may use up.
const LEDGER: &str = "ledger";
/// The name under which the terminal's writing half is held.
const OUTPUT: &str = "output";
/// Bytes of text in one `write`.
const WRITE_BYTES: usize = 2000;

/// The terminal, and this process as the parent of programs.
struct Here {
    terminal: terminal::Client,
    output: terminal_output::Client,
}

impl Host for Here {
    async fn write(&self, mut text: &str) -> std::result::Result<(), Lost> {
        while !text.is_empty() {
            let (chunk, rest) = text.split_at(text.floor_char_boundary(WRITE_BYTES));
            let mut request = self.output.write_request();
            request.get().set_text(chunk);
            request.send().promise.await.map_err(|e| failure(&e))?;
            text = rest;
        }
        Ok(())
    }

    async fn read_line(&self, prompt: &str, initial: &str) -> std::result::Result<Input, Lost> {
        read_line(&self.terminal, prompt, initial).await.map_err(|e| failure(&e))
    }

    async fn interrupted(&self) -> std::result::Result<(), Lost> {
        self.terminal.interrupted_request().send().promise.await.map(drop).map_err(|e| failure(&e))
    }

    async fn spawn(&self, program: Program) -> std::result::Result<Capability, String> {
        if !program.binary.offers(memory_reader::Client::TYPE_ID) {
            return Err(format!("@{} is not a program file", program.name));
        }
        let binary: memory_reader::Client = FromClientHook::new(program.binary.hook);
        let mut spawn = Spawn::new(&binary, &program.name);
        for argument in &program.arguments {
            spawn = spawn.argument(argument);
        }
        for (slot, capability) in program.grants {
            spawn = spawn.grant_as(&slot, capability.interface, capability.hook);
        }
        let process = spawn.start().await.map_err(|e| format!("{} was not started: {e}", program.name))?;
        Ok(Capability { interface: process::Client::TYPE_ID, hook: process.into_client_hook() })
    }

    fn detach(&self, job: Job) {
        spawn_local(job);
    }
}

async fn read_line(terminal: &terminal::Client, prompt: &str, initial: &str) -> Result<Input> {
    let mut request = terminal.read_line_request();
    request.get().set_prompt(prompt);
    request.get().set_initial(initial);
    request.get().set_hooks(true);
    let response = request.send().promise.await?;
    let answer = response.get()?;
    let line = answer.get_line()?.to_string()?;
    Ok(match answer.get_ending()? {
        Ending::Entered => Input::Line(line),
        Ending::Interrupted => Input::Interrupted,
        Ending::Closed => Input::Closed,
        Ending::Complete => Input::Complete(line, answer.get_cursor() as usize),
        Ending::Previous => Input::Previous(line),
        Ending::Next => Input::Next(line),
    })
}

async fn hold_session(context: Context) -> std::result::Result<(), Failure> {
    let terminal: terminal::Client = context.take("terminal")?;
    let output = terminal.output_request().send().promise.await?.get()?.get_output()?;
    let mut held = Held::default();
    for name in context.granted().map(|(name, _)| name).chain([LEDGER]) {
        let (interface, hook) = any_slot(name)?;
        held.insert(name, Capability { interface, hook });
    }
    let hook = output.clone().into_client_hook();
    held.insert(OUTPUT, Capability { interface: terminal_output::Client::TYPE_ID, hook });
    Session::new(Here { terminal, output }, held).run().await?;
    Ok(())
}

fn main() -> ExitCode {
    capos_service::run(hold_session)
}
