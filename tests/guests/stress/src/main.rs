//! Communication under stress: the first argument names the campaign, or the role in one for which a campaign starts this same
//! program. `count=N` says how much, and `seed=N` gives the random numbers of an earlier run again.

mod caller;
mod chains;
mod clerk;
mod crowd;
mod deaths;
mod forger;
mod forgery;
mod lane;
mod malformed;
mod mangle;
mod multitude;
mod protocol;
mod reception;
mod revocation;
mod server;
mod stage;

use campaign::{argument, capability, make_room, wire};
use capos_abi::status;
use capos_service::{Context, Failure};
use std::process::ExitCode;

fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_default();
    match play(&name) {
        None => capos_service::run(async |context| verdict::conclude(&context, run(&context, &name).await).await),
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(failure)) => {
            println!("{}", failure.text());
            ExitCode::FAILURE
        }
    }
}

/// Plays a role in a campaign; `None` if this is none.
fn play(role: &str) -> Option<Result<(), Failure>> {
    Some(match role {
        "server" => server::run(),
        deaths::BEGINNER => caller::run(&[]),
        deaths::SURVIVOR => caller::run(&[status::OK, status::CANCELLED, status::DEADLINE]),
        deaths::MOURNER => caller::run(&[status::OK, status::CANCELLED, status::SERVER_DIED]),
        "witness" => forgery::bear_witness(),
        "forger" => forgery::forge(),
        "customer" => crowd::call(),
        "desk" => crowd::serve(),
        "clerk" => malformed::keep_shop(),
        "mangler" => malformed::call(),
        "liar" => malformed::serve(),
        "reader" => malformed::read(),
        "holder" => revocation::hold(),
        "minter" => multitude::hold(),
        "link" => chains::serve(),
        "starter" => chains::start(),
        "filler" => caller::fill_every_slot(),
        _ => return None,
    })
}

/// Runs a campaign.
async fn run(context: &Context, campaign: &str) -> Result<(), Failure> {
    make_room();
    let count: u32 = argument("count")?.ok_or("how much?")?;
    match campaign {
        "deaths" => deaths::run(context, count).await,
        "crowd" => crowd::run(context, count.into()).await,
        "chains" => chains::run(context, count).await,
        "malformed" => malformed::run(context, count).await,
        "revocation" => revocation::run(context, count).await,
        "forgery" => forgery::run(context, count).await,
        "multitude" => multitude::run(context, count).await,
        _ => Err(format!("there is no campaign {campaign:?}").into()),
    }
}
