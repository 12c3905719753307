//! The system as a table: who gives what to whom. Whatever shows Markdown shows it.

use super::{Kernel, Program, Source, System};

/// The table. A row for everybody who gives something, a column for each program; where they meet, the slots that it goes to.
pub fn graph(system: &System) -> String {
    let names: Vec<&str> = system.programs.iter().map(|program| program.name.as_str()).collect();
    let rows = givers(system).into_iter().map(|giver| {
        let cells: Vec<String> = system.programs.iter().map(|program| gifts(program, &giver)).collect();
        format!("| **{giver}** | {} |\n", cells.join(" | "))
    });
    format!("| gives | to {} |\n|{}\n", names.join(" | to "), "---|".repeat(names.len() + 1))
        + &rows.collect::<String>()
}

/// Everybody who gives something, in the order in which it is given.
fn givers(system: &System) -> Vec<String> {
    let mut givers = Vec::new();
    for grant in system.programs.iter().flat_map(|program| &program.grants) {
        if let Some(giver) = giver(&grant.source).filter(|giver| !givers.contains(giver)) {
            givers.push(giver);
        }
    }
    givers
}

/// The slots of a program that this giver fills.
fn gifts(program: &Program, from: &str) -> String {
    let given = program.grants.iter().filter(|grant| giver(&grant.source).as_deref() == Some(from));
    given.map(|grant| grant.slot.as_str()).collect::<Vec<_>>().join(", ")
}

/// Who gives; `None`: the log, which everybody has.
fn giver(source: &Source) -> Option<String> {
    match source {
        Source::Kernel(Kernel::Log) => None,
        Source::Kernel(_) => Some("kernel".into()),
        Source::Supervisor => Some("init".into()),
        Source::Binary(name) => Some(format!("file {name}")),
        Source::Offer { program, .. } => Some(program.clone()),
    }
}
