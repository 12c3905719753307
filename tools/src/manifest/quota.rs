//! What the quotas add up to fits into the machine.

use super::description::{Description, Quota};
use super::{Refusal, Refusals};

/// How many of a resource a quota grants.
type Count = fn(&Quota) -> u64;

/// Adds the quotas up.
pub fn check(description: &Description) -> Result<(), Refusals> {
    let resources: [(&str, Count); 4] = [
        ("frames", |quota| quota.frames),
        ("handles", |quota| quota.handles),
        ("objects", |quota| quota.objects),
        ("threads", |quota| quota.threads),
    ];
    let mut refusals = Refusals::default();
    for (name, count) in resources {
        let sum: u128 = description.programs.values().map(|program| u128::from(count(&program.quota))).sum();
        let machine = count(&description.machine);
        if sum > u128::from(machine) {
            let sentence = format!("the quotas add up to {sum} {name}, but the machine has {machine}");
            refusals.0.push(Refusal::new(format!("machine.{name}"), sentence));
        }
    }
    refusals.unless_empty(())
}
