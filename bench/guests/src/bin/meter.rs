//! Started last: says how long the machine took to get here, and what is in use of its memory.
//!
//! The argument is the memory that the machine has, in MiB: what the kernel took before it counted is in use, too.

use bench_guests::Figure;
use capos_service::Failure;
use schema::system_control_capnp::{system_control, system_status};
use schema::system_info_capnp::system_info;
use std::process::ExitCode;

/// Bytes of a page frame.
const FRAME_BYTES: u64 = 4096;

fn main() -> ExitCode {
    capos_service::run(async |context| {
        let status: system_status::Client = context.take("status")?;
        let status = status.describe_request().send().promise.await?;
        let status = status.get()?;
        let uptime = status.get_uptime();
        let used = memory()? - status.get_free_frames() * FRAME_BYTES;
        let ready = services_answer(&context.take("info")?).await?;
        Figure { name: "boot.services", value: uptime as f64, unit: "instructions", verified: ready }.say();
        Figure { name: "memory.idle", value: used as f64, unit: "bytes", verified: ready }.say();
        let system: system_control::Client = context.take("system")?;
        system.shutdown_request().send().promise.await?;
        Ok(())
    })
}

/// Bytes of memory that the machine has.
fn memory() -> Result<u64, Failure> {
    let mib = std::env::args().nth(1).and_then(|mib| mib.parse::<u64>().ok());
    mib.map(|mib| mib << 20).ok_or("write: meter MiB".into())
}

/// Whether the service that was started last answers.
async fn services_answer(info: &system_info::Client) -> Result<bool, capnp::Error> {
    let answer = info.describe_request().send().promise.await?;
    Ok(answer.get()?.get_processes() > 0)
}
