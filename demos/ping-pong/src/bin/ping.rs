//! Plays balls to `pong`, which falls now and then. A ball is played again behind the scenes, because playing it twice does no
//! harm; points that were lost in a fall are not counted again, because nobody knows whether they were counted.
use capos_service::retry::{Policy, retrying};
use capos_service::{CallFailure, status};
use schema::pong_capnp::pong;
use schema::system_control_capnp::system_control;
use std::process::ExitCode;

/// Balls of a game.
const BALLS: u64 = 12;

fn main() -> ExitCode {
    capos_service::run(async |context| {
        let pong = retrying(context.take::<pong::Client>("pong")?, Policy::default());
        let mut lost = 0;
        for ball in 1..=BALLS {
            play(&pong, ball).await?;
            println!("ball {ball} comes back");
            let even = ball % 2 == 0;
            if even && let Err(error) = score(&pong).await {
                if CallFailure::of(&error).status != Some(status::SERVER_DIED) {
                    return Err(error.into());
                }
                println!("the point of ball {ball} is lost: {}", error.extra);
                lost += 1;
            }
        }
        println!("{BALLS} balls came back, {lost} points were lost");
        println!("tests complete");
        context.take::<system_control::Client>("system")?.shutdown_request().send().promise.await?;
        Ok(())
    })
}

/// Plays a ball and waits until it comes back.
async fn play(pong: &pong::Client, ball: u64) -> capnp::Result<()> {
    let mut request = pong.play_request();
    request.get().set_ball(ball);
    let answer = request.send().promise.await?;
    match answer.get()?.get_ball() == ball {
        true => Ok(()),
        false => Err(capnp::Error::failed("another ball came back".into())),
    }
}

/// Counts a point.
async fn score(pong: &pong::Client) -> capnp::Result<()> {
    let mut request = pong.score_request();
    request.get().set_points(1);
    request.send().promise.await.map(drop)
}
