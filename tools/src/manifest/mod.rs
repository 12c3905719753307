//! The manifest compiler: `system.cue` → checked [`System`] → capnp [`encode`]d manifest.
//!
//! `cue` evaluates ([`cue`]), the result is read as a [`description`], names are [`resolve`]d, programs are put in starting
//! [`order`] and their [`quota`]s are added up; [`graph`](graph()) shows the result. Whatever is wrong becomes a [`Refusal`]: a path and one sentence.

mod cue;
mod description;
mod encode;
mod graph;
mod kernel;
mod order;
mod quota;
mod refusal;
mod resolve;
mod system;

pub use cue::Cue;
pub use encode::encode;
pub use graph::graph;
pub use kernel::Kernel;
pub use refusal::{Refusal, Refusals};
pub use system::{Grant, Offer, Program, Source, System};

use std::path::Path;

/// Compiles the description in the file `path`. `is_program` says of which programs there are files.
pub fn compile(cue: &Cue, path: &Path, is_program: &dyn Fn(&str) -> bool) -> Result<System, Refusals> {
    compile_evaluated(&cue.evaluate(path)?, is_program)
}

/// Compiles a description as `cue` has evaluated it: JSON.
pub fn compile_evaluated(json: &str, is_program: &dyn Fn(&str) -> bool) -> Result<System, Refusals> {
    let description = description::read(json)?;
    let resolved = resolve::resolve(&description, is_program);
    let quotas = quota::check(&description);
    let programs = Refusals::join(resolved, quotas)?;
    Ok(System { programs: order::starting_order(programs)? })
}
