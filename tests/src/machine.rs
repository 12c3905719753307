//! The description of a machine that a test wants, and its start.

use crate::campaign;
use crate::handover::Handover;
use crate::running::{self, Running};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;
use tools::artifacts;
use tools::qemu::{self, Medium, Qemu};

/// Seconds without the awaited message after which a machine counts as hanging; the variable `CAPOS_PATIENCE` names another.
const PATIENCE_SECONDS: u64 = 240;

/// How long a test waits for one message. It only guards against hanging: nothing is ever asserted about time.
pub fn patience() -> Duration {
    let seconds = std::env::var("CAPOS_PATIENCE").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(PATIENCE_SECONDS))
}

/// A machine to be booted. Unless told otherwise: one processor, 512 MiB, capOS with its default package.
#[derive(Clone)]
pub struct Machine {
    qemu: Qemu,
    kernel: Option<PathBuf>,
    package: Option<PathBuf>,
    second_line: bool,
    conductor: Option<String>,
    patience: Duration,
}

impl Default for Machine {
    fn default() -> Machine {
        Machine {
            qemu: Qemu::new(),
            kernel: Some(artifacts::kernel()),
            package: Some(artifacts::package(artifacts::SYSTEM)),
            second_line: false,
            conductor: None,
            patience: patience(),
        }
    }
}

impl Machine {
    /// The default machine.
    pub fn new() -> Machine {
        Machine::default()
    }

    /// A machine without capOS that runs the kernel file at `path` and nothing else.
    pub fn bare(path: impl Into<PathBuf>) -> Machine {
        Machine { kernel: Some(path.into()), package: None, ..Machine::new() }
    }

    /// The machine that UEFI firmware boots from the image at `path`.
    pub fn firmware(path: impl Into<PathBuf>, medium: Medium) -> Machine {
        let uefi = qemu::uefi().unwrap_or_else(|| panic!("no UEFI firmware for QEMU is installed: run `make setup`"));
        Machine::image(Some(uefi), path, medium)
    }

    /// The machine that a BIOS boots from the image at `path`.
    pub fn bios(path: impl Into<PathBuf>, medium: Medium) -> Machine {
        Machine::image(None, path, medium)
    }

    fn image(firmware: Option<PathBuf>, path: impl Into<PathBuf>, medium: Medium) -> Machine {
        let machine = Machine { kernel: None, package: None, ..Machine::new() };
        machine.change(|qemu| qemu.image(firmware, path, medium))
    }

    /// The machine that runs the package made of `tests/manifests/<name>.cue`, conducted by its program of that name, if it has one.
    pub fn with(name: &str) -> Machine {
        Machine::new().package(artifacts::package(name)).conductor(name)
    }

    /// The same with other arguments for the program `name` of that system.
    pub fn with_arguments(name: &str, arguments: &[&str]) -> Machine {
        let package = artifacts::package(&running::test_name());
        campaign::pack_with_arguments(name, arguments, &package).unwrap_or_else(|error| panic!("{error:#}"));
        Machine::new().package(package).conductor(name)
    }

    /// Hands this boot package to the kernel.
    pub fn package(mut self, path: impl Into<PathBuf>) -> Machine {
        self.package = Some(path.into());
        self
    }

    /// Hands no boot package to the kernel.
    pub fn without_package(mut self) -> Machine {
        self.package = None;
        self
    }

    /// The kind of machine, as QEMU's `-M` takes it.
    pub fn kind(self, kind: &str) -> Machine {
        self.change(|qemu| qemu.kind(kind))
    }

    /// A machine that ends as a real one does: it turns itself off, or starts anew when it is reset.
    pub fn without_debug_exit(self) -> Machine {
        self.change(Qemu::without_debug_exit).arg("-action").arg("reboot=reset")
    }

    /// Memory in MiB.
    pub fn memory(self, mib: u32) -> Machine {
        self.change(|qemu| qemu.memory(mib))
    }

    /// Number of processors.
    pub fn cpus(self, cpus: u32) -> Machine {
        self.change(|qemu| qemu.cpus(cpus))
    }

    /// Processor model and features.
    pub fn cpu(self, model: &str) -> Machine {
        self.change(|qemu| qemu.cpu(model))
    }

    /// Makes time the count of executed instructions.
    pub fn icount(self) -> Machine {
        self.change(Qemu::icount)
    }

    /// The kernel's command line.
    pub fn command_line(self, text: &str) -> Machine {
        self.change(|qemu| qemu.command_line(text))
    }

    /// One further argument for QEMU.
    pub fn arg(self, argument: impl AsRef<OsStr>) -> Machine {
        self.change(|qemu| qemu.arg(argument))
    }

    /// A second serial line, for [`Running::peer`].
    pub fn second_line(mut self) -> Machine {
        self.second_line = true;
        self
    }

    /// Expects nothing any more when init says that this program has ended and not well.
    pub fn conductor(mut self, name: &str) -> Machine {
        self.conductor = Some(name.into());
        self
    }

    /// Waits this long for each message instead of [`patience`].
    pub fn patience(mut self, patience: Duration) -> Machine {
        self.patience = patience;
        self
    }

    /// Starts the machine, as soon as the host has processors to spare.
    pub fn boot(self) -> Running {
        let found = |path| artifacts::require(path).unwrap_or_else(|missing| panic!("{missing}"));
        let qemu = self.kernel.map(found).into_iter().fold(self.qemu, Qemu::kernel);
        let qemu = self.package.map(found).into_iter().fold(qemu, Qemu::package);
        Running::start(qemu, self.second_line, self.conductor, self.patience)
    }

    /// Starts the machine and changes what the kernel is handed, by PVH, before its first instruction.
    pub fn boot_after(self, change: impl FnOnce(&mut Handover)) -> Running {
        let running = self.arg("-S").boot();
        let mut handover = Handover::of(&running);
        change(&mut handover);
        handover.go_on();
        running
    }

    fn change(mut self, change: impl FnOnce(Qemu) -> Qemu) -> Machine {
        self.qemu = change(self.qemu);
        self
    }
}
