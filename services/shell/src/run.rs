//! What each command does. Gives the text to show, or the problem.
use std::rc::Rc;

use futures_lite::future;
use schema::kernel_log_capnp::kernel_log;
use schema::process_capnp::process;
use schema::supervisor_capnp::supervisor;
use schema::table::{self, Interface};

use capnp::capability::FromClientHook;
use capnp::traits::HasTypeId;

use crate::call::{Call, failure};
use crate::commands::{self, Command, MANUALS, Tail};
use crate::held::{Capability, Held, interface_name};
use crate::host::{Host, Program};
use crate::session::Session;
use crate::syntax::Value;
use crate::{show, signature};

/// Said before the end: nothing is heard of this shell afterwards.
const SHUTTING_DOWN: &str = "The services stop, then the machine.\n";

/// Runs a command.
pub async fn command<H: Host>(session: Rc<Session<H>>, command: Command) -> Result<String, String> {
    match command {
        Command::Nothing | Command::Logout => Ok(String::new()),
        Command::Help(None) => Ok(help()),
        Command::Help(Some(name)) => help_on(&name),
        Command::History => Ok(history(&session)),
        Command::Caps => Ok(caps(&session.held.borrow())),
        Command::InspectCapability(name) => inspect_capability(&session.held.borrow(), &name),
        Command::InspectInterface(name) => inspect_interface(&name),
        Command::Drop(name) => session.held.borrow_mut().remove(&name).map(|()| String::new()),
        Command::Call { name, method, fields, tail } => call(session, &name, &method, &fields, tail).await,
        Command::Spawn { program, arguments, grants, tail } => spawn(session, &program, arguments, &grants, tail).await,
        Command::Kill(name) => kill(&session, &name).await,
        Command::Log => log(&session).await,
        Command::Shutdown(code) => shutdown(&session, code).await,
    }
}

fn help() -> String {
    let rows: Vec<_> = MANUALS.iter().map(|m| vec![m.usage.to_owned(), m.summary.to_owned()]).collect();
    show::aligned(&rows) + "Tab completes, arrow keys recall. `help command` says more.\n"
}

fn help_on(name: &str) -> Result<String, String> {
    let manual = commands::manual(name)?;
    let detail = if manual.detail.is_empty() { String::new() } else { format!("{}\n", manual.detail) };
    Ok(format!("{}\n{}: {}.\n{detail}", manual.usage, manual.name, manual.summary))
}

fn history<H>(session: &Session<H>) -> String {
    session.history.borrow().lines().iter().map(|line| format!("  {line}\n")).collect()
}

fn caps(held: &Held) -> String {
    let rows: Vec<_> = held
        .iter()
        .map(|(name, c)| vec![format!("@{name}"), interface_name(c.interface), summary(c.interface)])
        .collect();
    show::aligned(&rows)
}

/// The first sentence of an interface's doc comment.
fn summary(interface: u64) -> String {
    let doc = table::by_id(interface).map_or("", |i| i.doc);
    doc.split_inclusive(['.', ':']).next().unwrap_or("").trim_end_matches(':').replace('\n', " ")
}

fn inspect_capability(held: &Held, name: &str) -> Result<String, String> {
    let interface = held.get(name)?.described().map_err(|e| format!("@{name} cannot be inspected: {e}"))?;
    Ok(format!("@{name} is a {}", describe(interface)))
}

fn inspect_interface(name: &str) -> Result<String, String> {
    table::by_name(name)
        .map(describe)
        .ok_or_else(|| format!("there is no interface \"{name}\". For a capability that you hold write: inspect @name"))
}

fn describe(interface: &'static Interface) -> String {
    let mut out = format!("{} (0x{:016x})\n{}", interface.name, interface.id, indented(interface.doc, 2));
    for owner in std::iter::once(interface).chain(interface.ancestors()) {
        if owner.id != interface.id {
            out.push_str(&format!("from {}:\n", owner.name));
        }
        for method in owner.methods {
            let types = signature::types_in(method).join("\n");
            out.push_str(&format!("  {}\n{}", signature::of_method(method), indented(method.doc, 6)));
            out.push_str(&indented(&types, 6));
        }
    }
    out
}

fn indented(text: &str, spaces: usize) -> String {
    text.lines().map(|line| format!("{:spaces$}{line}\n", "")).collect()
}

async fn call<H: Host>(
    session: Rc<Session<H>>,
    name: &str,
    method: &str,
    fields: &[(String, Value)],
    tail: Tail,
) -> Result<String, String> {
    let call = Call::prepare(&session.held.borrow(), name, method, fields)?;
    let (title, keep) = (format!("call @{name}.{method}"), tail.keep);
    let job = {
        let session = session.clone();
        async move { call.send().await?.show(&mut session.held.borrow_mut(), keep.as_deref()) }
    };
    run(session, title, tail.background, job).await
}

async fn spawn<H: Host>(
    session: Rc<Session<H>>,
    program: &str,
    arguments: Vec<String>,
    grants: &[(String, String)],
    tail: Tail,
) -> Result<String, String> {
    let prepared = prepare_program(&session.held.borrow(), program, arguments, grants)?;
    let process = session.host.spawn(prepared).await?;
    if let Some(name) = &tail.keep {
        session.held.borrow_mut().insert(name, process.clone());
    }
    let name = program.to_owned();
    let job = async move { outcome(&name, process).await };
    run(session, format!("spawn {program}"), tail.background, job).await
}

fn prepare_program(
    held: &Held,
    program: &str,
    arguments: Vec<String>,
    grants: &[(String, String)],
) -> Result<Program, String> {
    let binary = held.get(program)?.clone();
    let grants = grants.iter().map(|(slot, name)| Ok((slot.clone(), held.get(name)?.clone())));
    Ok(Program { name: program.to_owned(), binary, arguments, grants: grants.collect::<Result<_, String>>()? })
}

/// Waits for the end of a process; says how it ended.
async fn outcome(name: &str, process: Capability) -> Result<String, String> {
    let response = typed::<process::Client>(&process).wait_request().send().promise.await.map_err(|e| failure(&e))?;
    let end = response.get().map_err(|e| failure(&e))?;
    let fault = end.get_fault().map_or_else(|_| "unknown".to_owned(), |fault| show::inline(fault.into()));
    Ok(match end.get_outcome() {
        Ok(process::Outcome::Exited) => format!("{name} exited with code {}.\n", end.get_code()),
        Ok(process::Outcome::Killed) => format!("{name} was killed.\n"),
        Ok(process::Outcome::Faulted) | Err(_) => format!(
            "{name} faulted: {fault} at address 0x{:x}, instruction 0x{:x}.\n",
            end.get_address(),
            end.get_instruction()
        ),
    })
}

/// Runs a job in the foreground until it ends or ^C is typed, or in the background.
async fn run<H: Host>(
    session: Rc<Session<H>>,
    title: String,
    background: bool,
    job: impl Future<Output = Result<String, String>> + 'static,
) -> Result<String, String> {
    if !background {
        let interrupted = async {
            session.host.interrupted().await?;
            Err("interrupted".to_owned())
        };
        return future::or(job, interrupted).await;
    }
    let number = session.jobs.get() + 1;
    session.jobs.set(number);
    let reporter = session.clone();
    session.host.detach(Box::pin(async move {
        let text = job.await.unwrap_or_else(|problem| format!("error: {problem}\n"));
        // A terminal that is gone ends the session too: nobody is left to tell.
        let _ = reporter.host.write(&format!("[{number}] {title}\n{text}")).await;
    }));
    Ok(format!("[{number}] started\n"))
}

async fn kill<H>(session: &Session<H>, name: &str) -> Result<String, String> {
    let process = session.held.borrow().get(name)?.clone();
    if !process.offers(process::Client::TYPE_ID) {
        return Err(format!("@{name} is a {}, not a process", interface_name(process.interface)));
    }
    typed::<process::Client>(&process).kill_request().send().promise.await.map_err(|e| failure(&e))?;
    Ok(String::new())
}

async fn log<H: Host>(session: &Session<H>) -> Result<String, String> {
    let log: kernel_log::Client = first(session)?;
    let mut position = 0;
    loop {
        let mut request = log.read_request();
        request.get().set_position(position);
        let response = request.send().promise.await.map_err(|e| failure(&e))?;
        let part = response.get().map_err(|e| failure(&e))?;
        let text = part.get_text().map_err(|e| failure(&e))?.to_string().unwrap_or_default();
        if text.is_empty() {
            return Ok(String::new());
        }
        position = part.get_next();
        session.host.write(&text).await?;
    }
}

/// Has the services stopped, this shell among them, and the machine turned off.
async fn shutdown<H: Host>(session: &Session<H>, code: u8) -> Result<String, String> {
    let supervisor: supervisor::Client = first(session)?;
    session.host.write(SHUTTING_DOWN).await?;
    let mut request = supervisor.shutdown_request();
    request.get().set_code(code);
    request.send().promise.await.map_err(|e| failure(&e))?;
    future::pending().await
}

/// The first capability held that offers the client's interface.
fn first<H, C: FromClientHook + HasTypeId>(session: &Session<H>) -> Result<C, String> {
    let held = session.held.borrow();
    let found = held.iter().find(|(_, capability)| capability.offers(C::TYPE_ID));
    let (_, capability) =
        found.ok_or_else(|| format!("you hold no {}, which this takes", interface_name(C::TYPE_ID)))?;
    Ok(typed(capability))
}

fn typed<C: FromClientHook>(capability: &Capability) -> C {
    C::new(capability.hook.clone())
}
