//! Every seed, through its target; damaged and cut in a few ways, too.

use fuzz::TARGETS;
use std::panic::catch_unwind;

/// Single damages tried on each seed.
const DAMAGES: usize = 64;

#[test]
fn every_target_survives_its_seeds() {
    for target in TARGETS {
        let mut seeds: Vec<_> = std::fs::read_dir(target.seeds())
            .unwrap_or_else(|error| panic!("the target {} has no seeds: {error}", target.name))
            .map(|entry| entry.expect("readable").path())
            .collect();
        seeds.sort();
        assert!(!seeds.is_empty(), "the target {} has no seeds", target.name);
        for path in seeds {
            let seed = std::fs::read(&path).expect("readable");
            for (index, input) in variants(&seed).enumerate() {
                let survived = catch_unwind(|| (target.run)(&input)).is_ok();
                assert!(survived, "{} does not survive variant {index} of {}", target.name, path.display());
            }
        }
    }
}

/// The seed itself, then with a byte changed or the end cut off, at places spread over it.
fn variants(seed: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let places = (0..DAMAGES).map(|damage| damage * seed.len() / DAMAGES).filter(|at| *at < seed.len());
    let damaged = places.flat_map(|at| {
        let mut changed = seed.to_vec();
        changed[at] = !changed[at];
        [changed, seed[..at].to_vec()]
    });
    std::iter::once(seed.to_vec()).chain(damaged)
}
