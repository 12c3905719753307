//! Takes the slots, asks the kernel, serves `SystemInfo`.
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use capnp::Result;
use capos_service::{Context, Failure, invalid_argument, sleep};
use schema::system_control_capnp::system_status;
use schema::system_info_capnp::system_info;
use sysinfo::facts::{Extremes, FRAME_BYTES, MAX_OBSERVATION_SECONDS, Names};

const NANOSECONDS_PER_SECOND: u64 = 1_000_000_000;
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// `SystemInfo`.
struct Info {
    names: Names,
    status: system_status::Client,
}

impl system_info::Server for Info {
    async fn describe(
        self: Rc<Self>,
        _: system_info::DescribeParams,
        mut results: system_info::DescribeResults,
    ) -> Result<()> {
        let response = self.status.describe_request().send().promise.await?;
        let status = response.get()?;
        let mut facts = results.get();
        facts.set_hostname(&self.names.hostname);
        facts.set_version(env!("CARGO_PKG_VERSION"));
        facts.set_kernel_version(status.get_kernel_version()?);
        facts.set_processors(status.get_processors());
        facts.set_memory_bytes(status.get_total_frames() * FRAME_BYTES);
        facts.set_free_bytes(status.get_free_frames() * FRAME_BYTES);
        facts.set_processes(status.get_processes());
        facts.set_uptime_seconds(status.get_uptime() / NANOSECONDS_PER_SECOND);
        Ok(())
    }

    async fn motd(self: Rc<Self>, _: system_info::MotdParams, mut results: system_info::MotdResults) -> Result<()> {
        results.get().set_text(&self.names.motd);
        Ok(())
    }

    async fn observe(
        self: Rc<Self>,
        params: system_info::ObserveParams,
        mut results: system_info::ObserveResults,
    ) -> Result<()> {
        let seconds = params.get()?.get_seconds();
        if seconds > MAX_OBSERVATION_SECONDS {
            return Err(invalid_argument(format!("at most {MAX_OBSERVATION_SECONDS} seconds")));
        }
        let mut extremes = Extremes::default();
        for _ in 0..seconds {
            sleep(SAMPLE_INTERVAL).await?;
            let response = self.status.describe_request().send().promise.await?;
            extremes.add(response.get()?.get_free_frames(), response.get()?.get_processes());
        }
        results.get().set_samples(extremes.samples);
        results.get().set_least_free_bytes(extremes.least_free_bytes);
        results.get().set_most_processes(extremes.most_processes);
        Ok(())
    }
}

async fn inform(context: Context) -> std::result::Result<(), Failure> {
    let names = Names::from_arguments(context.arguments())?;
    context.offer::<system_info::Client, _>(Info { names, status: context.take("status")? })?;
    context.serve().await
}

fn main() -> ExitCode {
    capos_service::run(inform)
}
