//! The order in which programs start: behind those whose offers they use.

use super::{Program, Refusal, Refusals, Source};

/// Sorts the programs; a cycle is refused.
pub fn starting_order(mut waiting: Vec<Program>) -> Result<Vec<Program>, Refusals> {
    let mut started: Vec<Program> = Vec::new();
    while !waiting.is_empty() {
        let ready = waiting.iter().position(|program| providers(program).all(|p| started.iter().any(|s| s.name == p)));
        match ready {
            Some(index) => started.push(waiting.remove(index)),
            None => return Err(cycle(&waiting).into()),
        }
    }
    Ok(started)
}

fn providers(program: &Program) -> impl Iterator<Item = &str> {
    program.grants.iter().filter_map(|grant| match &grant.source {
        Source::Offer { program, .. } => Some(program.as_str()),
        _ => None,
    })
}

/// Each of the waiting programs waits for another of them: following that long enough goes round.
fn cycle(waiting: &[Program]) -> Refusal {
    let mut path: Vec<&str> = vec![&waiting[0].name];
    loop {
        let last = waiting.iter().find(|program| program.name == path[path.len() - 1]);
        let next = last.and_then(|program| providers(program).find(|p| waiting.iter().any(|w| w.name == *p)));
        let next = next.expect("a waiting program uses another waiting one");
        let seen = path.iter().position(|name| *name == next);
        path.push(next);
        if let Some(start) = seen {
            return Refusal::new("routes", format!("these programs use each other: {}", path[start..].join(" → ")));
        }
    }
}
