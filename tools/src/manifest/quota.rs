//! What the quotas add up to fits into the machine.

use super::description::Description;
use super::{Refusal, Refusals};
use schema::quota::excesses;

/// Adds the quotas up.
pub fn check(description: &Description) -> Result<(), Refusals> {
    let machine = &description.machine;
    let has = [machine.frames, machine.handles, machine.objects, machine.threads, machine.kernel_memory];
    let quotas = description.programs.values().map(|program| &program.quota);
    let excesses = excesses(quotas.map(|quota| [quota.frames, quota.handles, quota.objects, quota.threads]), has);
    let refuse = |excess: schema::quota::Excess| Refusal::new(format!("machine.{}", excess.field), excess.sentence);
    Refusals(excesses.into_iter().map(refuse).collect()).unless_empty(())
}
