//! Waits until the programs named by its arguments have ended. All that time the rest of the system must answer.

use capos_service::sleep;
use schema::supervisor_capnp::supervisor::{self, State};
use schema::{system_control_capnp::system_control, system_info_capnp::system_info};
use std::process::ExitCode;
use std::time::Duration;

/// Time between two looks.
const INTERVAL: Duration = Duration::from_millis(20);

fn main() -> ExitCode {
    capos_service::run(async |context| {
        let players: Vec<String> = std::env::args().skip(1).collect();
        let supervisor: supervisor::Client = context.take("supervisor")?;
        let info: system_info::Client = context.take("info")?;
        while !all_ended(&supervisor, &players).await? {
            info.describe_request().send().promise.await?;
            sleep(INTERVAL).await;
        }
        println!("tests complete");
        let system: system_control::Client = context.take("system")?;
        system.shutdown_request().send().promise.await?;
        Ok(())
    })
}

/// Whether all players have ended; says how.
async fn all_ended(supervisor: &supervisor::Client, players: &[String]) -> Result<bool, capnp::Error> {
    let answer = supervisor.list_request().send().promise.await?;
    let mut ended = 0;
    let mut report = String::new();
    for service in answer.get()?.get_services()? {
        let name = service.get_name()?.to_string()?;
        if players.contains(&name) && service.get_state()? == State::Ended {
            ended += 1;
            report += &format!("{name}: {}\n", service.get_last_end()?.to_str()?);
        }
    }
    if ended == players.len() {
        print!("{report}");
    }
    Ok(ended == players.len())
}
