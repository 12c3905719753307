//! The first program: reads the manifest, starts every other program with exactly what is routed to it, supervises.

mod control;
mod given;
mod quota;
mod system;
mod unit;

use capnp::Word;
use capnp::traits::HasTypeId;
use capos_service::mapping::Mapping;
use capos_service::{Context, Failure, Service, slot};
use control::Control;
use init::manifest::{self, Program};
use schema::supervisor_capnp::supervisor;
use schema::virtual_memory_capnp::virtual_memory::Access;
use std::process::ExitCode;
use std::rc::Rc;
use system::System;
use unit::Served;

/// Entry of the boot package that holds the manifest.
const MANIFEST: &str = "manifest";
/// The code that the machine is shut down with if the system cannot start.
const CANNOT_START: u8 = 100;

fn main() -> ExitCode {
    capos_service::run(async |_: Context| {
        let Err(failure) = run().await else { return Ok(()) };
        println!("the system cannot start: {}", failure.text());
        Ok(control::power_off(CANNOT_START).await?)
    })
}

/// Starts everything, then serves the `Supervisor` for as long as the machine runs.
async fn run() -> Result<(), Failure> {
    let programs = read_manifest().await?;
    given::check_entries(&programs)?;
    quota::check(&programs, &slot("ledger")?).await?;
    let served = Served::new().await?;
    let supervisor = served.mint(supervisor::Client::TYPE_ID, 0).await?;
    let service = Service::new(served.server)?;
    let control = Rc::new(Control::default());
    service.bind::<supervisor::Client, Control>(None, control.clone());
    let system = Rc::new(System::new(programs, supervisor).await?);
    let _ = control.system.set(system.clone());
    system.start().await;
    println!("ready");
    Ok(service.run().await?)
}

async fn read_manifest() -> Result<Vec<Program>, Failure> {
    let entry = given::boot_entry(MANIFEST)?;
    let bytes = entry.size_request().send().promise.await?.get()?.get_bytes();
    let mapping = Mapping::new(&slot("memory")?, entry, bytes, Access::Read)?;
    let mut message = Word::allocate_zeroed_vec(bytes.div_ceil(size_of::<Word>() as u64) as usize);
    let all = Word::words_to_bytes_mut(&mut message);
    let content = all.split_at_mut(bytes as usize).0;
    mapping.copy(0, content);
    Ok(manifest::read(&message)?)
}
