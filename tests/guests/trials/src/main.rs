//! Campaigns: programs start, end and are ended, attack and use everything up, as often as asked for. Meanwhile a bystander is
//! served, and afterwards nothing is missing.
//!
//! Arguments: the campaign, `count=N`, and `seed=N` to have the random numbers of an earlier run again.

mod attackers;
mod cycles;
mod exhaustion;
mod forgery;
mod glutton;
mod kills;
mod maps;
mod patchwork;
mod ring;
mod threads;
mod unborn;
mod victim;

use campaign::{Books, Bystander, argument, make_room};
use capos_service::{Context, Failure, sleep, slot};
use fastrand::Rng;
use std::cell::{Cell, RefCell};
use std::process::ExitCode;
use std::time::Duration;
use verdict::complete;
use victim::Role;

/// Attempts before the first balance: until then heaps and tables grow to what they need.
const WARM_UP: u64 = 50;
/// The longest moment after which a program is ended.
const LONGEST_MOMENT: Duration = Duration::from_millis(3);

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

    /// One of these.
    fn one_of<T: Copy>(&self, choices: &[T]) -> T {
        choices[self.random.borrow_mut().usize(..choices.len())]
    }

    /// Waits for a moment of random length, often of none.
    async fn moment(&self) -> Result<(), Failure> {
        let length = self.random.borrow_mut().u64(..2 * LONGEST_MOMENT.as_nanos() as u64);
        match LONGEST_MOMENT.checked_sub(Duration::from_nanos(length)) {
            Some(length) => Ok(sleep(length).await?),
            None => Ok(()),
        }
    }
}

fn main() -> ExitCode {
    match Role::of_this_program() {
        Ok(Some(role)) => return victim::run(role),
        Ok(None) => {}
        Err(failure) => {
            eprintln!("{}", failure.text());
            return ExitCode::FAILURE;
        }
    }
    make_room();
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
    run(name, &Trial::new(WARM_UP.min(count), random.fork())).await?;
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
        "exhaustion" => exhaustion::run(trial).await,
        "forgery" => forgery::run(trial).await,
        "ring" => ring::run(trial).await,
        "maps" => maps::run(trial).await,
        "kills" => kills::run(trial).await,
        "threads" => threads::run(trial).await,
        _ => Err(format!("there is no campaign \"{name}\"").into()),
    }
}
