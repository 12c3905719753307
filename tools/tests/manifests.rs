//! Every good fixture of `tests/manifests` compiles; every bad one is refused with exactly the sentences beside it.

use std::path::{Path, PathBuf};
use tools::artifacts;
use tools::manifest::{Cue, Source, System, compile, encode, graph};

/// The program files that the bad fixtures may name.
const PROGRAMS: [&str; 3] = ["client", "hello", "server"];

fn fixtures(folder: &str) -> Vec<PathBuf> {
    let folder = artifacts::source().join("tests/manifests").join(folder);
    let files = std::fs::read_dir(&folder).expect("the folder exists").map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == "cue")).collect();
    files.sort();
    files
}

fn fixture(name: &str) -> System {
    compile_any(&artifacts::source().join("tests/manifests").join(name))
}

/// Compiles as if there were every program file.
fn compile_any(path: &Path) -> System {
    let system = compile(&Cue::find().unwrap(), path, &|_| true);
    system.unwrap_or_else(|refusals| panic!("{}:\n{refusals}", path.display()))
}

#[test]
fn bad_descriptions_are_refused_in_these_words() {
    let cue = Cue::find().unwrap();
    let fixtures = fixtures("bad");
    assert!(fixtures.len() >= 10);
    let mut wrong = Vec::new();
    for path in fixtures {
        let expected = std::fs::read_to_string(path.with_extension("expected")).expect("beside it is what is expected");
        match compile(&cue, &path, &|name| PROGRAMS.contains(&name)) {
            Ok(_) => wrong.push(format!("{} is accepted", path.display())),
            Err(said) if said.to_string() != expected.trim_end() => {
                wrong.push(format!("{} is refused thus:\n{said}", path.display()));
            }
            Err(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn good_descriptions_are_accepted() {
    for path in fixtures("good") {
        assert!(!encode(&compile_any(&path)).is_empty());
    }
}

#[test]
fn providers_start_first() {
    let system = fixture("good/two-programs.cue");
    let names: Vec<&str> = system.programs.iter().map(|program| program.name.as_str()).collect();
    assert_eq!(names, ["server", "client"]);
    let service = system.programs[1].grants.iter().find(|grant| grant.slot == "service").unwrap();
    assert_eq!(service.source, Source::Offer { program: "server".into(), offer: "port".into() });
}

#[test]
fn what_is_exposed_fills_a_bundle() {
    let system = fixture("good/extended-system.cue");
    let watcher = system.programs.iter().find(|program| program.name == "watcher").unwrap();
    let slots: Vec<&str> = watcher.grants.iter().map(|grant| grant.slot.as_str()).collect();
    for slot in ["all/clock", "all/info", "all/supervisor", "log", "tool"] {
        assert!(slots.contains(&slot), "{slot} is not among {slots:?}");
    }
    assert_eq!(system.binaries().iter().filter(|name| **name == "shell").count(), 1);
}

#[test]
fn the_book_shows_the_system_as_it_is() {
    let table = graph(&compile_any(&artifacts::source().join("system.cue")));
    let page = std::fs::read_to_string(artifacts::source().join("docs/src/manifest.md")).unwrap();
    assert!(page.contains(&table), "`make graph` prints:\n{table}");
}
