//! Uses a service all the time and checks every answer. It has nothing to do with what the others are at.

use campaign::{BEAT, STOP, make_room};
use capos_service::time::now;
use capos_service::{Context, Failure, sleep, spawn_local, wait};
use fastrand::Rng;
use schema::notification_capnp::notification;
use schema::workshop_capnp::{counter, workshop};
use std::cell::Cell;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

/// Time between two visits.
const INTERVAL: Duration = Duration::from_millis(5);
/// Characters of a text that is repeated.
const TEXT: usize = 300;
/// How often it is repeated: the answer still fits into a message.
const TIMES: u32 = 4;

fn main() -> ExitCode {
    make_room();
    capos_service::run(async |context| {
        let stopped = stop_is_told(&context)?;
        let signals: notification::Client = context.take("signals")?;
        let workshop: workshop::Client = context.take("workshop")?;
        let mut random = Rng::with_seed(now()?);
        let mut request = workshop.open_request();
        request.get().set_start(0);
        let counter = request.send().promise.await?.get()?.get_counter()?;
        for visit in 1.. {
            if stopped.get() {
                break;
            }
            repeat(&workshop, &mut random).await?;
            count(&counter, visit).await?;
            let mut request = signals.signal_request();
            request.get().set_bits(BEAT);
            request.send().promise.await?;
            sleep(INTERVAL).await?;
        }
        Ok(())
    })
}

/// Becomes true when the bystander may go.
fn stop_is_told(context: &Context) -> Result<Rc<Cell<bool>>, Failure> {
    let signals: notification::Client = context.take("signals")?;
    let stopped = Rc::new(Cell::new(false));
    let told = stopped.clone();
    spawn_local(async move {
        // Without the notification nobody needs this program any more.
        let _ = wait(&signals, STOP).await;
        told.set(true);
    });
    Ok(stopped)
}

/// A text of its own comes back as often as asked for.
async fn repeat(workshop: &workshop::Client, random: &mut Rng) -> Result<(), Failure> {
    let text: String = (0..TEXT).map(|_| random.alphanumeric()).collect();
    let mut request = workshop.repeat_request();
    request.get().set_text(&text);
    request.get().set_times(TIMES);
    let answer = request.send().promise.await?;
    if answer.get()?.get_text()? != text.repeat(TIMES as usize).as_str() {
        return Err("bystander: another text came back".into());
    }
    Ok(())
}

/// The counter counts the visits.
async fn count(counter: &counter::Client, visit: u64) -> Result<(), Failure> {
    let mut request = counter.add_request();
    request.get().set_amount(1);
    let value = request.send().promise.await?.get()?.get_value();
    if value != visit {
        return Err(format!("bystander: the counter says {value} at visit {visit}").into());
    }
    Ok(())
}
