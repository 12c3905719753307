//! What the programs may use up is there.

use capos_service::Failure;
use capos_service::spawn::Quota;
use init::manifest::Program;
use schema::ledger_capnp::ledger;

/// Compares the sum of all quotas with what the machine's ledger has left.
pub async fn check(programs: &[Program], machine: &ledger::Client) -> Result<(), Failure> {
    let reply = machine.inspect_request().send().promise.await?;
    let left = reply.get()?;
    compare("frames", sum(programs, |quota| quota.frames), left.get_frames_limit() - left.get_frames_used())?;
    compare("handles", sum(programs, |quota| quota.handles), left.get_handles_limit() - left.get_handles_used())?;
    compare("objects", sum(programs, |quota| quota.objects), left.get_objects_limit() - left.get_objects_used())?;
    compare("threads", sum(programs, |quota| quota.threads), left.get_threads_limit() - left.get_threads_used())
}

fn sum(programs: &[Program], part: fn(&Quota) -> u64) -> u64 {
    programs.iter().map(|program| part(&program.quota)).fold(0, u64::saturating_add)
}

fn compare(what: &str, wanted: u64, left: u64) -> Result<(), Failure> {
    if wanted > left {
        return Err(format!("the quotas add up to {wanted} {what}, but the machine has {left}").into());
    }
    Ok(())
}
