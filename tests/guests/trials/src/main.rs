//! Campaigns: programs start, end and are ended, attack and use everything up, as often as asked for. Meanwhile a bystander is
//! served, and afterwards nothing is missing.
//!
//! Arguments: the campaign, `count=N`, and `seed=N` to have the random numbers of an earlier run again.

mod cycles;

use campaign::{Books, Bystander, argument};
use capos_service::{Context, Failure, slot};
use fastrand::Rng;
use std::cell::{Cell, RefCell};
use std::process::ExitCode;
use verdict::complete;

/// Attempts before the first balance: until then heaps and tables grow to what they need.
const WARM_UP: u64 = 50;

/// What is tried so many times.
struct Trial {
    left: Cell<u64>,
    /// What is different each time.
    random: RefCell<Rng>,
}

impl Trial {
    fn new(count: u64, random: Rng) -> Trial {
        Trial { left: Cell::new(count), random: RefCell::new(random) }
    }

    /// Whether it is to be tried once more; counts.
    fn goes_on(&self) -> bool {
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        left > 0
    }
}

fn main() -> ExitCode {
    capos_service::run(async |context| {
        let name = std::env::args().nth(1).ok_or("which campaign?")?;
        let count = argument("count")?.ok_or("how many times?")?;
        conduct(&context, &name, count).await?;
        println!("{name}: {count} times, and nothing is missing");
        complete(&context).await
    })
}

async fn conduct(context: &Context, name: &str, count: u64) -> Result<(), Failure> {
    let mut random = campaign::random()?;
    let books = Books { ledger: slot("ledger")?, machine: context.take("machine")? };
    let bystander = Bystander::start().await?;
    run(name, &Trial::new(WARM_UP, random.fork())).await?;
    bystander.is_served().await?;
    let before = books.balance().await?;
    run(name, &Trial::new(count, random)).await?;
    bystander.is_served().await?;
    books.settle(&before).await?;
    bystander.stop().await
}

async fn run(name: &str, trial: &Trial) -> Result<(), Failure> {
    match name {
        "cycles" => cycles::run(trial).await,
        _ => Err(format!("there is no campaign \"{name}\"").into()),
    }
}
