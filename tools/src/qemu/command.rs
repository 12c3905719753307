//! The description of a machine and the QEMU command line that makes it.

use super::firmware::Medium;
use capos_abi::debug_exit;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// The emulator, looked up in `PATH`; the variable `QEMU` names another.
const EMULATOR: &str = "qemu-system-x86_64";

/// A machine to be started, emulated, booted by PVH or by firmware from an image.
#[derive(Clone, Debug)]
pub struct Qemu {
    kernel: Option<PathBuf>,
    package: Option<PathBuf>,
    image: Option<Image>,
    command_line: Option<String>,
    memory: u32,
    cpus: u32,
    cpu: String,
    icount: bool,
    kind: String,
    debug_exit: bool,
    arguments: Vec<OsString>,
}

impl Default for Qemu {
    fn default() -> Qemu {
        Qemu {
            kernel: None,
            package: None,
            image: None,
            command_line: None,
            memory: 512,
            cpus: 1,
            cpu: "max".into(),
            icount: false,
            kind: "q35".into(),
            debug_exit: true,
            arguments: Vec::new(),
        }
    }
}

impl Qemu {
    /// A q35 with one processor of model `max`, 512 MiB and a debug-exit device; nothing to boot yet.
    pub fn new() -> Qemu {
        Qemu::default()
    }

    /// The kind of machine, as QEMU's `-M` takes it.
    pub fn kind(mut self, kind: &str) -> Qemu {
        self.kind = kind.into();
        self
    }

    /// No debug-exit device: the machine ends as a real one does.
    pub fn without_debug_exit(mut self) -> Qemu {
        self.debug_exit = false;
        self
    }

    /// Boots this kernel.
    pub fn kernel(mut self, path: impl Into<PathBuf>) -> Qemu {
        self.kernel = Some(path.into());
        self
    }

    /// Hands this boot package to the kernel.
    pub fn package(mut self, path: impl Into<PathBuf>) -> Qemu {
        self.package = Some(path.into());
        self
    }

    /// Boots this image by this firmware; `None`: by QEMU's BIOS. What the machine writes to the image is forgotten.
    pub fn image(mut self, firmware: Option<PathBuf>, path: impl Into<PathBuf>, medium: Medium) -> Qemu {
        self.image = Some(Image { firmware, path: path.into(), medium });
        self
    }

    /// Hands this command line to the kernel.
    pub fn command_line(mut self, text: &str) -> Qemu {
        self.command_line = Some(text.into());
        self
    }

    /// Memory in MiB.
    pub fn memory(mut self, mib: u32) -> Qemu {
        self.memory = mib;
        self
    }

    /// Number of processors.
    pub fn cpus(mut self, cpus: u32) -> Qemu {
        self.cpus = cpus;
        self
    }

    /// Number of processors that were asked for.
    pub fn cpu_count(&self) -> u32 {
        self.cpus
    }

    /// Processor model and features, as QEMU's `-cpu` takes them.
    pub fn cpu(mut self, model: &str) -> Qemu {
        self.cpu = model.into();
        self
    }

    /// Makes time the count of executed instructions, one nanosecond each: counts repeat exactly.
    pub fn icount(mut self) -> Qemu {
        self.icount = true;
        self
    }

    /// One further argument for QEMU.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Qemu {
        self.arguments.push(argument.as_ref().into());
        self
    }

    /// Further arguments for QEMU.
    pub fn args<A: AsRef<OsStr>>(self, arguments: impl IntoIterator<Item = A>) -> Qemu {
        arguments.into_iter().fold(self, Qemu::arg)
    }

    /// The command that starts the machine. It dies with the thread that starts it, so that no machine is left behind.
    pub fn command(&self) -> Command {
        let mut command = Command::new(std::env::var_os("QEMU").unwrap_or_else(|| EMULATOR.into()));
        command.args(self.machine()).args(self.boot()).args(&self.arguments);
        // SAFETY: between fork and exec only `prctl` is called, which is async-signal-safe and touches no memory.
        unsafe { command.pre_exec(die_with_parent) };
        command
    }

    fn machine(&self) -> Vec<OsString> {
        let accelerator = if self.cpus > 1 { "tcg,thread=multi" } else { "tcg,thread=single" };
        let exit = format!("isa-debug-exit,iobase={:#x},iosize=4", debug_exit::PORT);
        let mut list: Vec<OsString> = ["-M", &self.kind, "-accel", accelerator, "-cpu"].map(Into::into).into();
        list.push(self.cpu.clone().into());
        list.extend(["-smp".into(), self.cpus.to_string().into(), "-m".into(), format!("{}M", self.memory).into()]);
        list.extend(["-nodefaults", "-display", "none", "-no-reboot"].map(Into::into));
        if self.debug_exit {
            list.extend(["-device", &exit].map(Into::into));
        }
        if self.icount {
            // The date too: the kernel waits for the battery-backed clock's next second to settle.
            list.extend(["-icount", "shift=0,sleep=off", "-rtc", "base=2026-01-01,clock=vm"].map(Into::into));
        }
        list
    }

    fn boot(&self) -> Vec<OsString> {
        let option = |name: &str, value: Option<&OsStr>| value.map(|value| [name.into(), value.into()]);
        [
            option("-kernel", self.kernel.as_ref().map(|path| path.as_os_str())),
            option("-initrd", self.package.as_ref().map(|path| path.as_os_str())),
            option("-append", self.command_line.as_ref().map(OsStr::new)),
        ]
        .into_iter()
        .flatten()
        .flatten()
        .chain(self.image.iter().flat_map(Image::arguments))
        .collect()
    }
}

/// An image and how it is booted.
#[derive(Clone, Debug)]
struct Image {
    firmware: Option<PathBuf>,
    path: PathBuf,
    medium: Medium,
}

impl Image {
    fn arguments(&self) -> Vec<OsString> {
        let mut drive: OsString = "format=raw,if=none,id=image,snapshot=on,file=".into();
        drive.push(&self.path);
        let firmware = self.firmware.iter().flat_map(|path| ["-bios".into(), path.clone().into()]);
        let devices = self.medium.devices().iter().map(Into::into);
        firmware.chain(["-drive".into(), drive]).chain(devices).collect()
    }
}

/// The command line, to be pasted into a shell.
impl fmt::Display for Qemu {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let command = self.command();
        write!(f, "{}", quoted(command.get_program()))?;
        command.get_args().try_for_each(|argument| write!(f, " {}", quoted(argument)))
    }
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.into_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn die_with_parent() -> std::io::Result<()> {
    // SAFETY: `prctl` with this option reads one integer argument and changes only the calling process.
    match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn the_command_line_can_be_pasted() {
        let qemu = Qemu::new().kernel("k.elf").command_line("log=all it's").cpus(4).arg("-S");
        let line = qemu.to_string();
        assert!(line.contains("-accel tcg,thread=multi -cpu max -smp 4 -m 512M"), "{line}");
        assert!(line.ends_with(r"-kernel k.elf -append 'log=all it'\''s' -S"), "{line}");
    }
}
