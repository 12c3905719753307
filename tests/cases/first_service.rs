//! The tutorial is true: its system description is compiled, and its session is played to what that starts.

use std::fs;
use tests::{Exit, Machine, Transcript};
use tools::manifest::{self, Cue};
use tools::{artifacts, package};

const PAGE: &str = "first-service.md";

#[test]
fn the_first_service_serves_as_the_tutorial_shows() {
    let shown = Transcript::of_page(PAGE);
    let mut machine = Machine::new().package(tutorial_package()).cpus(2).boot();
    shown.play(&mut machine);
    let said = machine.ends_with(Exit::Shutdown(0));
    if let Err(difference) = shown.compare(&said) {
        panic!("docs/src/{PAGE}: {difference}\n\nthe machine said:\n{said}");
    }
}

/// The boot package of the system's description with what the page adds to it.
fn tutorial_package() -> std::path::PathBuf {
    let source = artifacts::source();
    let read = |path| fs::read_to_string(source.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let page = read("docs/src/first-service.md");
    let addition = page.split_once("```cue\n").and_then(|(_, rest)| rest.split_once("```"));
    let (addition, _) = addition.unwrap_or_else(|| panic!("{PAGE} shows no system description"));
    let folder = artifacts::build().join("tutorial");
    fs::create_dir_all(&folder).expect("a folder in the build");
    let description = folder.join("tutorial.cue");
    fs::write(&description, read("system.cue") + addition).expect("a file in the build");
    let programs = artifacts::programs();
    let cue = Cue::find().expect("cue is installed");
    let system = manifest::compile(&cue, &description, &|name| programs.join(name).is_file());
    let system = system.unwrap_or_else(|refusals| panic!("the description of {PAGE} is refused:\n{refusals}"));
    let out = folder.join("tutorial.package");
    fs::write(&out, package::build(&system, &programs).expect("a package")).expect("a file in the build");
    out
}
