//! What guest programs share that try the kernel: random numbers that can be drawn again, balances before and after, a bystander
//! who must not notice anything, and the ring used by hand.

mod balance;
mod bystander;
pub mod capability;
mod player;
mod room;
mod seed;
pub mod wire;

pub use balance::{Balance, Books};
pub use bystander::{BEAT, Bystander, STOP};
pub use player::Player;
pub use room::make_room;
pub use seed::{argument, random};

use std::time::Duration;

/// How long something may take that others are busy with; it only guards against hanging.
pub const PATIENCE: Duration = Duration::from_secs(20);
