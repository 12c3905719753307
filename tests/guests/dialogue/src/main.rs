//! Processes that hand each other capabilities, call each other and act in sessions, all by generated clients and servers. The
//! first argument is the role for which the conductor starts this same program.

mod bells;
mod chains;
mod deadlines;
mod depot;
mod objects;
mod origins;
mod place;
mod sessions;
mod transfer;

use capos_service::{Context, Failure};
use std::process::ExitCode;

fn main() -> ExitCode {
    capos_service::run(async |context| match context.arguments().next().as_deref() {
        Some(depot::ROLE) => depot::serve(&context).await,
        Some(chains::ROLE) => chains::serve(&context).await,
        Some(sessions::ROLE) => sessions::visit(&context).await,
        _ => verdict::conclude(&context, conduct(&context).await).await,
    })
}

async fn conduct(context: &Context) -> Result<(), Failure> {
    transfer::run(context).await?;
    origins::run().await?;
    objects::run().await?;
    deadlines::run().await?;
    sessions::run(context).await?;
    chains::run().await
}
