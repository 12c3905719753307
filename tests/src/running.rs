//! A running machine: talk to it, watch it end.

use crate::debugger::Debugger;
use crate::processors::Processors;
use crate::report::Failure;
use crate::serial::{self, Serial, Silence};
use crate::{host, peer};
use std::cell::Cell;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tools::qemu::{Exit, Qemu, Qmp};
use tools::{artifacts, gdb};

/// The last line of a guest program that tests something.
pub const TESTS_COMPLETE: &str = "tests complete\n";

/// Time between two looks at what a machine does.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// The sockets of QEMU's control and of the second serial line, in the machine's folder.
const QMP: &str = "qmp";
const SECOND_LINE: &str = "line";

/// A running machine. It must end: by [`Running::ends_with`], or on purpose by [`Running::power_off`].
pub struct Running {
    child: Child,
    serial: Serial,
    command: String,
    log: PathBuf,
    folder: PathBuf,
    second_line: bool,
    conductor: Option<String>,
    patience: Duration,
    ended: bool,
    _processors: Processors,
}

impl Running {
    /// Starts a machine with its serial line in our hands, and the second one, if wanted, behind a socket. The guest program that
    /// conducts a test is known by its name.
    pub(crate) fn start(qemu: Qemu, second_line: bool, conductor: Option<String>, patience: Duration) -> Running {
        let processors = Processors::take(qemu.cpu_count());
        let folder = unique_folder();
        let log = artifacts::build().join("logs").join(log_name());
        let mut qemu = qemu.args(["-serial", "stdio", "-qmp"]).arg(socket(&folder.join(QMP)));
        if second_line {
            qemu = qemu.arg("-serial").arg(socket(&folder.join(SECOND_LINE)));
        }
        let (child, serial) = spawn(&qemu, &folder, &log).unwrap_or_else(|error| panic!("{qemu}: {error}"));
        Running {
            child,
            serial,
            command: qemu.to_string(),
            log,
            folder,
            second_line,
            conductor,
            patience,
            ended: false,
            _processors: processors,
        }
    }

    /// Waits until the machine says `text`, and returns what it said before that.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> String {
        self.try_expect(text).unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// Like [`Running::expect`], but gives the failure back.
    pub fn try_expect(&mut self, text: &str) -> Result<String, Failure> {
        let has_failed = |said: &[u8]| self.conductor.as_ref().is_some_and(|name| has_failed(said, name));
        match self.serial.expect(text, has_failed, self.patience) {
            Ok(before) => Ok(before),
            Err(Silence::TimedOut) => Err(self.failure(format!("{text:?} did not come within {:?}", self.patience))),
            Err(Silence::Failed) => {
                let conductor = self.conductor.as_deref().unwrap_or_default();
                Err(self.failure(format!("{text:?} did not come: the program {conductor} has failed")))
            }
            Err(Silence::Ended) => {
                let exit = self.wait();
                Err(self.failure(format!("{text:?} did not come: {exit}")))
            }
        }
    }

    /// Types `text` at the serial line.
    #[track_caller]
    pub fn send(&mut self, text: &str) {
        let line = self.child.stdin.as_mut().expect("the serial line was piped");
        if let Err(error) = line.write_all(text.as_bytes()).and_then(|()| line.flush()) {
            panic!("{}", self.failure(format!("{text:?} could not be sent: {error}")));
        }
    }

    /// Waits until the guest's tests are complete and the system was shut down with code 0.
    #[track_caller]
    pub fn completes(mut self) {
        self.expect(TESTS_COMPLETE);
        self.ends_with(Exit::Shutdown(0));
    }

    /// Waits for the end of the machine, which must be `wanted`. Returns everything that it said.
    #[track_caller]
    pub fn ends_with(self, wanted: Exit) -> String {
        self.try_end_with(wanted).unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// Like [`Running::ends_with`], but gives the failure back.
    pub fn try_end_with(mut self, wanted: Exit) -> Result<String, Failure> {
        self.ended = true;
        if !self.serial.wait_closed(self.patience) {
            return Err(self.failure(format!("expected that {wanted}, but it runs on after {:?}", self.patience)));
        }
        let exit = self.wait();
        if exit != wanted {
            return Err(self.failure(format!("expected that {wanted}, but {exit}")));
        }
        Ok(self.serial.all())
    }

    /// Ends the machine from outside, in the middle of whatever it does.
    pub fn power_off(mut self) {
        self.ended = true;
    }

    /// Has `tests/peers/<name>.py` talk with the guest over the second serial line, by a schema of `schema/`, until it says
    /// that it is complete.
    #[track_caller]
    pub fn peer(&self, name: &str, schema: &str) {
        if !self.second_line {
            self.fail("the machine has no second serial line");
        }
        let line = self.file(SECOND_LINE);
        if let Err(what) = peer::run(name, schema, &line, &self.log.with_extension("peer"), self.patience) {
            self.fail(&format!("the peer {name} failed: {what}"));
        }
    }

    /// Has the debugger that `make debug` means, with symbols of the kernel and of this program, take these steps, and returns what it
    /// said. The machine has been started stopped.
    #[track_caller]
    pub fn gdb(&self, program: &str, steps: &[&str]) -> String {
        let (script, stub) = (self.file("script"), self.debugged());
        std::fs::write(&script, gdb::script(&[program.into()])).unwrap_or_else(|error| self.fail(&error.to_string()));
        let mut gdb = Command::new("gdb");
        gdb.args(["-nx", "-batch", "-x"]).arg(&script).args(["-ex", &format!("target remote {}", stub.display())]);
        for step in steps {
            gdb.args(["-ex", step]);
        }
        let said = host::run(&mut gdb, &self.log.with_extension("gdb"), self.patience);
        said.unwrap_or_else(|what| self.fail(&format!("the debugger failed: {what}")))
    }

    /// Lets a machine that was started stopped run until a processor is about to execute the instruction at this address.
    #[track_caller]
    pub fn run_to(&self, address: u64) {
        let stopped = Debugger::connect(&self.debugged(), self.patience).and_then(|mut it| it.run_to(address));
        stopped.unwrap_or_else(|error| self.fail(&format!("it does not come to {address:#x}: {error}")));
    }

    /// The socket at which the machine waits for a debugger.
    #[track_caller]
    pub(crate) fn debugged(&self) -> PathBuf {
        let path = self.file("gdb");
        let listens = self.qmp().monitor(&format!("gdbserver {}", socket(&path)));
        listens.unwrap_or_else(|error| self.fail(&format!("no debugger: {error}")));
        path
    }

    /// A connection for control from outside.
    #[track_caller]
    pub fn qmp(&self) -> Qmp {
        Qmp::connect(&self.file(QMP), self.patience)
            .unwrap_or_else(|error| panic!("{}", self.failure(format!("QMP: {error}"))))
    }

    /// Waits until no processor executes anything.
    #[track_caller]
    pub fn stands_still(&self) {
        let (mut qmp, end) = (self.qmp(), Instant::now() + self.patience);
        loop {
            let registers = qmp.monitor("info registers -a");
            let registers = registers.unwrap_or_else(|error| self.fail(&format!("no registers: {error}")));
            if !registers.contains("HLT=0") {
                return;
            }
            if Instant::now() > end {
                self.fail(&format!("a processor runs on after {:?}:\n{registers}", self.patience));
            }
            std::thread::sleep(LOOK_INTERVAL);
        }
    }

    /// Physical memory of the machine as it is now.
    #[track_caller]
    pub fn memory(&self, address: u64, count: usize) -> Vec<u8> {
        let memory = self.qmp().memory(address, count as u64, &self.file("memory"));
        memory.unwrap_or_else(|error| self.fail(&format!("memory at {address:#x}: {error}")))
    }

    /// How long this machine may be silent.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// Everything that the machine said so far.
    pub fn said(&self) -> String {
        self.serial.all()
    }

    /// Fails the test with `what` and the state of this machine.
    #[track_caller]
    pub fn fail(&self, what: &str) -> ! {
        panic!("{}", self.failure(what.into()))
    }

    /// The path of a file that only lives as long as this machine.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The process id of the emulator.
    pub fn emulator(&self) -> u32 {
        self.child.id()
    }

    fn wait(&mut self) -> Exit {
        self.ended = true;
        self.child.wait().map_or(Exit::Failure(-1), Exit::of)
    }

    fn failure(&self, what: String) -> Failure {
        let errors = std::fs::read_to_string(errors_beside(&self.log)).unwrap_or_default();
        Failure { what, command: self.command.clone(), errors, said: self.serial.all(), log: self.log.clone() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if the emulator has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
        if !self.ended && !std::thread::panicking() {
            self.fail("the test left its machine running: say how it ends");
        }
    }
}

/// QEMU's words for a socket that it makes, and whose other end may come later.
fn socket(path: &Path) -> String {
    format!("unix:{},server=on,wait=off", path.display())
}

fn spawn(qemu: &Qemu, folder: &Path, log: &Path) -> std::io::Result<(Child, Serial)> {
    std::fs::create_dir_all(folder)?;
    std::fs::create_dir_all(log.parent().unwrap_or(log))?;
    let errors = File::create(errors_beside(log))?;
    let mut command = qemu.command();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors).spawn()?;
    let line = child.stdout.take().ok_or_else(|| std::io::Error::other("no serial line"))?;
    Ok((child, Serial::listen(line, File::create(log)?)))
}

/// Whether init says that this program has ended, and not well.
fn has_failed(said: &[u8], program: &str) -> bool {
    let words = format!("init: {program}: ");
    let Some(end) = serial::find(said, words.as_bytes()).map(|at| &said[at + words.len()..]) else { return false };
    let code = end.strip_prefix(b"exited with code ").and_then(|code| code.first());
    end.starts_with(b"faulted") || code.is_some_and(|digit| *digit != b'0')
}

/// The file with what QEMU itself complains about.
fn errors_beside(log: &Path) -> PathBuf {
    log.with_extension("errors")
}

/// A folder that no other machine has, for files that only live as long as the machine.
fn unique_folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    std::env::temp_dir().join(format!("capos-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// The running test's name and the number of its machine: each test has a thread of its own.
fn log_name() -> String {
    thread_local!(static MACHINES: Cell<u32> = const { Cell::new(0) });
    let number = MACHINES.replace(MACHINES.get() + 1) + 1;
    format!("{}-{number}.log", test_name())
}

/// The running test's name, as files can be called.
pub(crate) fn test_name() -> String {
    std::thread::current().name().unwrap_or("test").replace("::", "-")
}
