//! Started last: says how long the machine took to get here, and what memory is in use.

use bench_guests::Figure;
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
        let used = (status.get_total_frames() - status.get_free_frames()) * FRAME_BYTES;
        let ready = services_answer(&context.take("info")?).await?;
        Figure { name: "boot.services", value: uptime as f64, unit: "instructions", verified: ready }.say();
        Figure { name: "memory.idle", value: used as f64, unit: "bytes", verified: ready }.say();
        let system: system_control::Client = context.take("system")?;
        system.shutdown_request().send().promise.await?;
        Ok(())
    })
}

/// Whether the service that was started last answers.
async fn services_answer(info: &system_info::Client) -> Result<bool, capnp::Error> {
    let answer = info.describe_request().send().promise.await?;
    Ok(answer.get()?.get_processes() > 0)
}
