//! Waits until the programs named by its arguments have ended, says how, and turns the machine off.

use capos_service::sleep;
use schema::supervisor_capnp::supervisor::{self, State};
use schema::system_control_capnp::system_control;
use std::process::ExitCode;
use std::time::Duration;

/// Time between two looks.
const INTERVAL: Duration = Duration::from_millis(20);

fn main() -> ExitCode {
    capos_service::run(async |context| {
        let players: Vec<String> = std::env::args().skip(1).collect();
        let supervisor: supervisor::Client = context.take("supervisor")?;
        let ends = loop {
            if let Some(ends) = ends(&supervisor, &players).await? {
                break ends;
            }
            sleep(INTERVAL).await?;
        };
        println!("{ends}tests complete");
        let system: system_control::Client = context.take("system")?;
        system.shutdown_request().send().promise.await?;
        Ok(())
    })
}

/// How the players ended, a line for each, once all have.
async fn ends(supervisor: &supervisor::Client, players: &[String]) -> Result<Option<String>, capnp::Error> {
    let answer = supervisor.list_request().send().promise.await?;
    let mut lines = Vec::new();
    for service in answer.get()?.get_services()? {
        let name = service.get_name()?.to_string()?;
        if players.contains(&name) && service.get_state()? == State::Ended {
            lines.push(format!("{name}: {}\n", service.get_last_end()?.to_str()?));
        }
    }
    Ok((lines.len() == players.len()).then(|| lines.concat()))
}
