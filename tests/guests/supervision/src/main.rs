//! Kills the service sysinfo while it works on a call: the caller gets a typed error, and the service comes back.

use capnp::ErrorKind;
use capos_service::sleep;
use schema::supervisor_capnp::supervisor;
use schema::{system_control_capnp::system_control, system_info_capnp::system_info};
use std::process::ExitCode;
use std::time::Duration;

/// Seconds of a call that never comes to its end.
const LONG: u32 = 3600;
/// Long enough for the call to reach the service.
const MOMENT: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    capos_service::run(async |context| {
        let info: system_info::Client = context.take("info")?;
        let supervisor: supervisor::Client = context.take("supervisor")?;
        let call = long_call(&info);
        sleep(MOMENT).await?;
        let mut kill = supervisor.kill_request();
        kill.get().set_name("sysinfo");
        kill.send().promise.await?;
        match call.await {
            Err(error) if error.kind == ErrorKind::Disconnected => println!("typed error: {}", error.extra),
            Err(error) => return Err(error.into()),
            Ok(_) => return Err(capnp::Error::failed("the killed service answered".into()).into()),
        }
        let answer = info.describe_request().send().promise.await?;
        println!("sysinfo is back: {}", answer.get()?.get_hostname()?.to_str()?);
        println!("tests complete");
        let system: system_control::Client = context.take("system")?;
        system.shutdown_request().send().promise.await?;
        Ok(())
    })
}

/// A call that is under way.
fn long_call(info: &system_info::Client) -> capnp::capability::Promise<(), capnp::Error> {
    let mut request = info.observe_request();
    request.get().set_seconds(LONG);
    let promise = request.send().promise;
    capnp::capability::Promise::from_future(async move { promise.await.map(drop) })
}
