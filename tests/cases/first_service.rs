//! The tutorial is true: what it tells the reader to do is done, in a tree of its own, and the session that it shows is played to
//! what that makes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::{Exit, Machine, Transcript};
use tools::manifest::{self, Cue};
use tools::{artifacts, package};

const PAGE: &str = "first-service.md";

#[test]
fn the_first_service_serves_as_the_tutorial_shows() {
    let shown = Transcript::of_page(PAGE);
    let mut machine = Machine::new().package(Tree::new().package()).cpus(2).boot();
    shown.play(&mut machine);
    let said = machine.ends_with(Exit::Shutdown(0));
    if let Err(difference) = shown.compare(&said) {
        panic!("docs/src/{PAGE}: {difference}\n\nthe machine said:\n{said}");
    }
}

/// The reader's tree: what the page's commands need to find, and the description of the system. Everything else is the true tree's.
struct Tree {
    folder: PathBuf,
    page: String,
}

impl Tree {
    fn new() -> Tree {
        let folder = artifacts::build().join("tutorial");
        let _ = fs::remove_dir_all(&folder);
        for part in ["demos/template/src", "services"] {
            fs::create_dir_all(folder.join(part)).expect("a folder in the build");
        }
        let tree = Tree { folder, page: read("docs/src/first-service.md") };
        for file in ["demos/template/Cargo.toml", "demos/template/src/main.rs", "Cargo.lock"] {
            tree.write(file, &read(file));
        }
        tree.write("Cargo.toml", &workspace());
        tree.write("system.cue", &(read("system.cue") + tree.block("cue")));
        tree
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.folder.join(file), text).expect("a file in the build");
    }

    /// The first block of this kind on the page.
    fn block(&self, kind: &str) -> &str {
        let block = self.page.split_once(&format!("```{kind}\n")).and_then(|(_, rest)| rest.split_once("```"));
        block.unwrap_or_else(|| panic!("{PAGE} has no block {kind:?}")).0
    }

    /// Does what the page says: the boot package that comes of it.
    fn package(&self) -> PathBuf {
        run(Command::new("bash").args(["-euc", self.block("sh")]).current_dir(&self.folder));
        let programs = self.build();
        let cue = Cue::find().expect("cue is installed");
        let system = manifest::compile(&cue, &self.folder.join("system.cue"), &|name| programs.join(name).is_file());
        let system = system.unwrap_or_else(|refusals| panic!("the description of {PAGE} is refused:\n{refusals}"));
        let out = self.folder.join("tutorial.package");
        fs::write(&out, package::build(&system, &programs).expect("a package")).expect("a file in the build");
        out
    }

    /// Builds the reader's program, as `make` would; the folder in which it lies with all others.
    fn build(&self) -> PathBuf {
        let programs = self.folder.join("programs");
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        cargo.current_dir(artifacts::source()).args([
            "--config",
            "targets/user.toml",
            "build",
            "--release",
            "--offline",
        ]);
        cargo.arg("--manifest-path").arg(self.folder.join("Cargo.toml")).args(["--target-dir", "target"]);
        run(cargo.args(["-Zunstable-options", "--artifact-dir"]).arg(&programs));
        for program in fs::read_dir(artifacts::programs()).expect("`make build` has built the programs").flatten() {
            let place = programs.join(program.file_name());
            if !place.exists() {
                symlink(program.path(), place).expect("a link in the build");
            }
        }
        programs
    }
}

fn read(file: &str) -> String {
    fs::read_to_string(artifacts::source().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The workspace without its members; what it names by path is the true tree's.
fn workspace() -> String {
    let source: &Path = artifacts::source();
    let lines = read("Cargo.toml");
    let lines = lines.lines().filter(|line| !line.starts_with("default-members")).map(|line| {
        if line.starts_with("members") {
            "members = []".to_string()
        } else {
            line.replace("path = \"", &format!("path = \"{}/", source.display()))
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&output.stderr));
}
