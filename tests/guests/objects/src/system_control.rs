//! `SystemStatus` and `SystemControl`: what the machine is, and its end.

use crate::Check;
use crate::verify::{comes, holds, refused};
use capnp::capability::FromClientHook;
use capos_abi::status as statuses;
use capos_service::time::now;
use capos_service::{Failure, RingCall, slot};
use schema::ledger_capnp::ledger;
use schema::system_control_capnp::{system_control, system_status};

pub const CHECKS: &[Check] = &[("SystemStatus.describe", describe), ("SystemControl.status", status)];

/// They end the machine, so that each needs its own.
pub const ALONE: &[Check] = &[("SystemControl.shutdown", shutdown), ("SystemControl.reboot", reboot)];

/// The code of the shutdown, which the emulator is to end with.
const CODE: u8 = 7;
/// Processes of this system: init, and this program.
const PROCESSES: u32 = 2;

fn processes(system: &system_status::Client) -> Result<u32, Failure> {
    Ok(system.describe_request().call()?.get()?.get_processes())
}

fn describe() -> Result<(), Failure> {
    let system: system_status::Client = slot("status")?;
    let reply = system.describe_request().call()?;
    let facts = reply.get()?;
    let processors = std::thread::available_parallelism()?.get();
    holds("processors", facts.get_processors() as usize == processors)?;
    holds("frames", facts.get_free_frames() > 0 && facts.get_free_frames() < facts.get_total_frames())?;
    holds("time", facts.get_uptime() > 0 && facts.get_uptime() <= now()?)?;
    holds("version", facts.get_kernel_version()?.to_str()?.split('.').count() == 3)?;
    comes("nobody is left but init and this program", || Ok(processes(&system)? == PROCESSES))?;
    let mut request = slot::<ledger::Client>("ledger")?.create_process_request();
    request.get().set_name("one more");
    let reply = request.call()?;
    holds("a new process is counted", processes(&system)? == PROCESSES + 1)?;
    reply.get()?.get_process()?.kill_request().call()?;
    drop(reply);
    comes("and one that is gone is not", || Ok(processes(&system)? == PROCESSES))
}

fn status() -> Result<(), Failure> {
    let facet = slot::<system_control::Client>("system")?.status_request().call()?.get()?.get_status()?;
    holds("the facet tells", processes(&facet)? > 0)?;
    let switch = facet.cast_to::<system_control::Client>();
    refused(switch.shutdown_request().call(), statuses::WRONG_INTERFACE)?;
    refused(switch.reboot_request().call(), statuses::WRONG_INTERFACE)
}

fn shutdown() -> Result<(), Failure> {
    let mut request = slot::<system_control::Client>("system")?.shutdown_request();
    request.get().set_code(CODE);
    request.call()?;
    Err("the machine runs on".into())
}

fn reboot() -> Result<(), Failure> {
    slot::<system_control::Client>("system")?.reboot_request().call()?;
    Err("the machine runs on".into())
}
