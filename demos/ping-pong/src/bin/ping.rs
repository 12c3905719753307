//! Plays balls to `pong`. When pong has died it is told so, and plays the ball again to the next pong, through the same capability.
use capnp::ErrorKind;
use schema::echo_capnp::echo;
use schema::system_control_capnp::system_control;
use std::process::ExitCode;

/// Balls of a game.
const BALLS: u64 = 12;

fn main() -> ExitCode {
    capos_service::run(async |context| {
        let pong: echo::Client = context.take("pong")?;
        let mut falls = 0;
        for ball in 1..=BALLS {
            while let Err(error) = play(&pong, ball).await {
                if error.kind != ErrorKind::Disconnected {
                    return Err(error.into());
                }
                println!("ball {ball} is lost: {}", error.extra);
                falls += 1;
            }
            println!("ball {ball} comes back");
        }
        println!("{BALLS} balls, {falls} falls");
        println!("tests complete");
        context.take::<system_control::Client>("system")?.shutdown_request().send().promise.await?;
        Ok(())
    })
}

/// Plays a ball and waits until it comes back.
async fn play(pong: &echo::Client, ball: u64) -> capnp::Result<()> {
    let mut request = pong.words_request();
    request.get().set_a(ball);
    let answer = request.send().promise.await?;
    match answer.get()?.get_a() == ball {
        true => Ok(()),
        false => Err(capnp::Error::failed("another ball came back".into())),
    }
}
