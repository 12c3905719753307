//! Sessions with a scripted person and servers in the same process: what is typed, and what then stands on the screen.
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use capnp::capability::FromClientHook;
use capnp::traits::HasTypeId;
use futures_lite::future::{self, block_on};
use schema::supervisor_capnp::supervisor;
use schema::system_info_capnp::system_info;
use schema::terminal_capnp::terminal;
use schema::terminal_output_capnp::terminal_output;
use shell::held::{Capability, Held};
use shell::host::{Host, Input, Job, Lost, Program};
use shell::session::Session;

/// Types from a script, and shows on a string.
#[derive(Clone, Default)]
struct Script {
    inputs: Rc<RefCell<VecDeque<Input>>>,
    screen: Rc<RefCell<String>>,
    spawned: Rc<RefCell<Vec<String>>>,
    jobs: Rc<RefCell<Vec<Job>>>,
}

impl Host for Script {
    async fn write(&self, text: &str) -> Result<(), Lost> {
        self.screen.borrow_mut().push_str(text);
        Ok(())
    }

    async fn read_line(&self, prompt: &str, initial: &str) -> Result<Input, Lost> {
        let jobs: Vec<_> = self.jobs.borrow_mut().drain(..).collect();
        for job in jobs {
            job.await;
        }
        let input = self.inputs.borrow_mut().pop_front().ok_or("the script is over")?;
        let shown = match &input {
            Input::Line(line) => format!("{prompt}{line}\n"),
            _ => format!("{prompt}{initial}{input:?}\n"),
        };
        self.write(&shown).await?;
        Ok(input)
    }

    async fn interrupted(&self) -> Result<(), Lost> {
        future::pending().await
    }

    async fn spawn(&self, program: Program) -> Result<Capability, String> {
        let grants: Vec<_> = program.grants.iter().map(|(slot, c)| format!("{slot}:0x{:x}", c.interface)).collect();
        self.spawned.borrow_mut().push(format!("{} {:?} {grants:?}", program.name, program.arguments));
        Err("no processes here".to_owned())
    }

    fn detach(&self, job: Job) {
        self.jobs.borrow_mut().push(job);
    }
}

struct Info;

impl system_info::Server for Info {
    async fn describe(
        self: Rc<Self>,
        _: system_info::DescribeParams,
        mut results: system_info::DescribeResults,
    ) -> capnp::Result<()> {
        let mut facts = results.get();
        facts.set_hostname("test");
        facts.set_processors(2);
        Ok(())
    }

    async fn motd(
        self: Rc<Self>,
        _: system_info::MotdParams,
        mut results: system_info::MotdResults,
    ) -> capnp::Result<()> {
        results.get().set_text("one\ntwo");
        Ok(())
    }

    async fn observe(
        self: Rc<Self>,
        params: system_info::ObserveParams,
        mut results: system_info::ObserveResults,
    ) -> capnp::Result<()> {
        match params.get()?.get_seconds() {
            0 => Err(capnp::Error::disconnected("kernel: the server died".to_owned())),
            seconds => {
                results.get().set_samples(seconds);
                Ok(())
            }
        }
    }
}

struct Services;

impl supervisor::Server for Services {
    async fn list(
        self: Rc<Self>,
        _: supervisor::ListParams,
        mut results: supervisor::ListResults,
    ) -> capnp::Result<()> {
        let mut services = results.get().init_services(2);
        services.reborrow().get(0).set_name("uart");
        services.reborrow().get(1).set_name("sysinfo");
        services.get(1).set_last_end("was killed");
        Ok(())
    }

    async fn shutdown(
        self: Rc<Self>,
        params: supervisor::ShutdownParams,
        _: supervisor::ShutdownResults,
    ) -> capnp::Result<()> {
        match params.get()?.get_code() {
            7 => Ok(()),
            code => Err(capnp::Error::failed(format!("not with code {code}"))),
        }
    }
}

struct Screen;

impl terminal_output::Server for Screen {}

impl terminal::Server for Screen {
    async fn output(
        self: Rc<Self>,
        _: terminal::OutputParams,
        mut results: terminal::OutputResults,
    ) -> capnp::Result<()> {
        results.get().set_output(capnp_rpc::new_client(Screen));
        Ok(())
    }
}

fn held<C: FromClientHook + HasTypeId>(client: C) -> Capability {
    Capability { interface: C::TYPE_ID, hook: client.into_client_hook() }
}

/// A session in which this is typed.
fn session(inputs: impl IntoIterator<Item = Input>) -> (Rc<Session<Script>>, Script) {
    let host = Script { inputs: Rc::new(RefCell::new(inputs.into_iter().collect())), ..Script::default() };
    let mut all = Held::default();
    all.insert("info", held::<system_info::Client>(capnp_rpc::new_client(Info)));
    all.insert("supervisor", held::<supervisor::Client>(capnp_rpc::new_client(Services)));
    all.insert("terminal", held::<terminal::Client>(capnp_rpc::new_client(Screen)));
    (Session::new(host.clone(), all), host)
}

/// What the screen shows after these inputs.
fn screen(inputs: impl IntoIterator<Item = Input>) -> (String, Script) {
    let (session, host) = session(inputs);
    assert_eq!(block_on(session.run()), Err("the script is over".to_owned()));
    let screen = host.screen.borrow().clone();
    (screen, host)
}

fn typed(lines: &[&str]) -> String {
    screen(lines.iter().map(|l| Input::Line((*l).to_owned()))).0
}

#[test]
fn calls_with_typed_arguments_show_typed_results() {
    let seen = typed(&["call @info.observe seconds=0x10", "call @info.motd", "call @info.describe"]);
    assert!(seen.contains("samples = 16\nleastFreeBytes = 0\n"), "{seen}");
    assert!(seen.contains("text:\n  one\n  two\n"), "{seen}");
    assert!(seen.contains("hostname = \"test\"\n"), "{seen}");
}

#[test]
fn a_list_of_structs_is_a_table() {
    let seen = typed(&["call @supervisor.list"]);
    let table = "services:\n  name     state    restarts  lastEnd     ready\n  uart     waiting  0         -           false\n  sysinfo  waiting  0         was killed  false\n";
    assert!(seen.contains(table), "{seen}");
}

#[test]
fn wrong_arguments_are_named_with_the_right_ones() {
    let seen = typed(&[
        "call @info.observe secs=3",
        "call @info.observe seconds=many",
        "call @info.observe seconds=-1",
        "call @info.observe seconds=1 seconds=2",
        "call @info.describe verbose=true",
        "call @info.frobnicate",
        "call @nothing.describe",
    ]);
    let expected = "\
capos> call @info.observe secs=3
error: SystemInfo.observe has no field \"secs\". Its fields: seconds :UInt32 = 5
capos> call @info.observe seconds=many
error: field \"seconds\" takes a whole number from 0 to 4294967295; many is not that
capos> call @info.observe seconds=-1
error: field \"seconds\" takes a whole number from 0 to 4294967295; -1 is not that
capos> call @info.observe seconds=1 seconds=2
error: field \"seconds\" is given twice
capos> call @info.describe verbose=true
error: SystemInfo.describe takes no fields, so there is no \"verbose\"
capos> call @info.frobnicate
error: SystemInfo has no method \"frobnicate\". Its methods: describe, motd, observe
capos> call @nothing.describe
error: there is no @nothing. You hold @info, @supervisor, @terminal.
";
    assert_eq!(seen, expected);
}

#[test]
fn capabilities_in_results_are_kept() {
    let seen =
        typed(&["call @terminal.output", "call @terminal.output as out", "inspect @out", "drop @1", "inspect @1"]);
    assert!(seen.contains("output = @1 (TerminalOutput)\n"), "{seen}");
    assert!(seen.contains("output = @out (TerminalOutput)\n"), "{seen}");
    assert!(seen.contains("@out is a TerminalOutput (0x"), "{seen}");
    assert!(seen.contains("error: there is no @1. You hold @info, @out,"), "{seen}");
}

#[test]
fn inspect_shows_methods_docs_and_where_they_come_from() {
    let seen = typed(&["inspect @terminal", "inspect SystemInfo", "inspect Supervisor"]);
    assert!(seen.contains("      Service: (name :Text, state :State, "), "{seen}");
    assert!(seen.contains("      State: waiting, running, ended\n"), "{seen}");
    assert!(
        seen.contains("  readLine (prompt :Text, initial :Text, echo :Bool = true, hooks :Bool) -> (line :Text, "),
        "{seen}"
    );
    assert!(seen.contains("      Ending: entered, interrupted, closed, complete, previous, next\n"), "{seen}");
    assert!(seen.contains("from TerminalOutput:\n  write (text :Text) -> ()\n      Shows the text;"), "{seen}");
    assert!(seen.contains("observe (seconds :UInt32 = 5) -> (samples :UInt32, "), "{seen}");
}

#[test]
fn caps_lists_names_interfaces_and_what_they_are() {
    let seen = typed(&["caps"]);
    assert!(seen.contains("  @info        SystemInfo  Facts for people\n"), "{seen}");
}

#[test]
fn a_dead_server_is_an_error_and_the_session_goes_on() {
    let seen = typed(&["call @info.observe seconds=0", "call @info.observe seconds=1"]);
    assert!(
        seen.contains("error: the server is gone, says the kernel: the server died. If it restarts, call again."),
        "{seen}"
    );
    assert!(seen.contains("samples = 1\n"), "{seen}");
}

#[test]
fn background_jobs_report_when_they_end() {
    let seen = typed(&["call @info.observe seconds=2 &", "caps"]);
    assert!(seen.contains("[1] started\n[1] call @info.observe\nsamples = 2\n"), "{seen}");
}

#[test]
fn a_program_gets_exactly_what_is_named() {
    let (seen, host) =
        screen([Input::Line("spawn info one stdout=@terminal".into()), Input::Line("spawn info x=@y".into())]);
    assert_eq!(*host.spawned.borrow(), [format!("info [\"one\"] [\"stdout:0x{:x}\"]", terminal::Client::TYPE_ID)]);
    assert!(seen.contains("error: no processes here\n"), "{seen}");
    assert!(seen.contains("error: there is no @y."), "{seen}");
}

#[test]
fn tab_and_arrows_complete_and_recall() {
    let tab = |line: &str| Input::Complete(line.to_owned(), line.len());
    let (seen, _) = screen([
        tab("ca"),
        tab("cal"),
        tab("call @inf"),
        tab("call @info.o"),
        tab("call @info.observe s"),
        Input::Line("caps".into()),
        Input::Previous("unfinished".into()),
        Input::Next("caps".into()),
    ]);
    assert!(seen.contains("  call  caps\n"), "choices: {seen}");
    for completed in ["capos> call Complete", "capos> call @info.Complete", "capos> call @info.observe Complete"] {
        assert!(seen.contains(completed), "{completed}: {seen}");
    }
    assert!(seen.contains("capos> capsNext"), "recalled: {seen}");
}

#[test]
fn control_d_leaves() {
    let host = Script::default();
    host.inputs.borrow_mut().push_back(Input::Closed);
    assert_eq!(block_on(Session::new(host, Held::default()).run()), Ok(()));
}

#[test]
fn commands_without_their_capability_say_so() {
    let seen = typed(&["drop @supervisor", "log", "shutdown", "kill @info"]);
    assert!(seen.contains("error: you hold no KernelLog, which this takes\n"), "{seen}");
    assert!(seen.contains("error: you hold no Supervisor, which this takes\n"), "{seen}");
    assert!(seen.contains("error: @info is a SystemInfo, not a process\n"), "{seen}");
}

#[test]
fn a_shutdown_asks_for_nothing_more() {
    let lines = ["shutdown 8", "shutdown 7", "caps"];
    let (session, host) = session(lines.map(|line| Input::Line(line.to_owned())));
    assert_eq!(block_on(future::poll_once(session.run())), None);
    let seen = host.screen.borrow();
    assert!(seen.contains("not with code 8"), "{seen}");
    assert!(seen.ends_with("capos> shutdown 7\nThe services stop, then the machine.\n"), "{seen}");
}
