//! What campaigns of guest programs share: random numbers that can be drawn again, balances before and after, and a bystander
//! who must not notice anything.

mod balance;
mod bystander;
mod player;
mod room;
mod seed;

pub use balance::{Balance, Books};
pub use bystander::{BEAT, Bystander, STOP};
pub use player::Player;
pub use room::make_room;
pub use seed::{argument, random};

use std::time::Duration;

/// How long something may take that others are busy with; it only guards against hanging.
pub const PATIENCE: Duration = Duration::from_secs(20);
