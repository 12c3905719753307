//! Every good fixture of `tests/manifests` compiles; every bad one is refused with exactly the sentences beside it.

use std::path::{Path, PathBuf};
use tools::artifacts;
use tools::manifest::{Cue, Source, System, compile, encode};

/// The program files that the fixtures may name.
const PROGRAMS: [&str; 3] = ["client", "hello", "server"];

fn fixtures(folder: &str) -> Vec<PathBuf> {
    let folder = artifacts::source().join("tests/manifests").join(folder);
    let files = std::fs::read_dir(&folder).expect("the folder exists").map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == "cue")).collect();
    files.sort();
    files
}

fn try_compile(cue: &Cue, path: &Path) -> Result<System, String> {
    compile(cue, path, &|name| PROGRAMS.contains(&name)).map_err(|refusals| refusals.to_string())
}

#[test]
fn bad_descriptions_are_refused_in_these_words() {
    let cue = Cue::find().unwrap();
    let fixtures = fixtures("bad");
    assert!(fixtures.len() >= 10);
    let mut wrong = Vec::new();
    for path in fixtures {
        let expected = std::fs::read_to_string(path.with_extension("expected")).expect("beside it is what is expected");
        match try_compile(&cue, &path) {
            Ok(_) => wrong.push(format!("{} is accepted", path.display())),
            Err(said) if said != expected.trim_end() => {
                wrong.push(format!("{} is refused thus:\n{said}", path.display()))
            }
            Err(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn good_descriptions_are_accepted() {
    let cue = Cue::find().unwrap();
    for path in fixtures("good") {
        let system = try_compile(&cue, &path).unwrap_or_else(|said| panic!("{}:\n{said}", path.display()));
        assert!(!encode(&system).is_empty());
    }
}

#[test]
fn providers_start_first() {
    let path = artifacts::source().join("tests/manifests/good/two-programs.cue");
    let system = try_compile(&Cue::find().unwrap(), &path).unwrap();
    let names: Vec<&str> = system.programs.iter().map(|program| program.name.as_str()).collect();
    assert_eq!(names, ["server", "client"]);
    let service = system.programs[1].grants.iter().find(|grant| grant.slot == "service").unwrap();
    assert_eq!(service.source, Source::Offer { program: "server".into(), offer: "port".into() });
}

#[test]
fn the_system_itself_is_sound() {
    let path = artifacts::source().join("system.cue");
    let system = compile(&Cue::find().unwrap(), &path, &|_| true).unwrap_or_else(|said| panic!("{said}"));
    assert!(system.programs.iter().any(|program| program.name == "login"));
}
