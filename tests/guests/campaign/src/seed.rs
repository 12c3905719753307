//! Random numbers that can be drawn again.

use capos_service::Failure;
use capos_service::time::now;
use fastrand::Rng;
use std::str::FromStr;

/// The value of the program's argument `name=value`, if there is such an argument.
pub fn argument<T: FromStr>(name: &str) -> Result<Option<T>, Failure> {
    let given = std::env::args().find_map(|argument| match argument.split_once('=') {
        Some((this, value)) if this == name => Some(value.to_string()),
        _ => None,
    });
    let parse = |value: String| value.parse().map_err(|_| format!("invalid argument: {name}={value}"));
    Ok(given.map(parse).transpose()?)
}

/// Random numbers by the argument `seed=N`, or else by the clock; says which.
pub fn random() -> Result<Rng, Failure> {
    let seed = match argument("seed")? {
        Some(seed) => seed,
        None => now()?,
    };
    println!("seed={seed}");
    Ok(Rng::with_seed(seed))
}
