//! The system as a picture: who gives what to whom, in the language of Mermaid.

use super::{Kernel, Program, Source, System};
use std::fmt::Write;

/// The picture. An arrow leads from who gives to who holds.
pub fn graph(system: &System) -> String {
    let mut out = String::from("flowchart LR\n");
    for program in &system.programs {
        line(&mut out, format_args!("{}[{}]", program.name, program.name));
    }
    for program in &system.programs {
        for grant in program.grants.iter().filter(|grant| grant.source != Source::Kernel(Kernel::Log)) {
            arrow(&mut out, program, &grant.slot, &grant.source);
        }
    }
    out
}

fn arrow(out: &mut String, program: &Program, slot: &str, source: &Source) {
    let giver = match source {
        Source::Offer { program, .. } => program.clone(),
        Source::Binary(name) => format!("file-{name}[/{name}/]"),
        Source::Kernel(_) => "kernel([kernel])".into(),
        Source::Supervisor => "init([init])".into(),
    };
    line(out, format_args!("{giver} -- {slot} --> {}", program.name));
}

fn line(out: &mut String, text: std::fmt::Arguments) {
    writeln!(out, "    {text}").expect("a string takes all");
}
