//! What the programs may use up is there.

use capos_service::Failure;
use init::manifest::Program;
use schema::ledger_capnp::ledger;
use schema::quota::excesses;

/// Compares the sum of all quotas with what the machine's ledger has left.
pub async fn check(programs: &[Program], machine: &ledger::Client) -> Result<(), Failure> {
    let reply = machine.inspect_request().send().promise.await?;
    let left = reply.get()?;
    let left = [
        left.get_frames_limit() - left.get_frames_used(),
        left.get_handles_limit() - left.get_handles_used(),
        left.get_objects_limit() - left.get_objects_used(),
        left.get_threads_limit() - left.get_threads_used(),
        left.get_kernel_bytes_limit() - left.get_kernel_bytes_used(),
    ];
    let quotas = programs.iter().map(|program| &program.quota);
    let excesses = excesses(quotas.map(|quota| [quota.frames, quota.handles, quota.objects, quota.threads]), left);
    excesses.into_iter().next().map_or(Ok(()), |excess| Err(excess.sentence.into()))
}
