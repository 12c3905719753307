//! A program that uses a service all the time, on its own schedule, and checks every answer: `tests/guests/bystander`.

use crate::PATIENCE;
use capnp::capability::FromClientHook;
use capnp::private::capability::ClientHook;
use capos_service::spawn::{Quota, Spawn};
use capos_service::{Failure, any_slot, deadline_in, handle, slot};
use schema::ledger_capnp::ledger;
use schema::notification_capnp::notification;
use schema::process_capnp::process::{self, Outcome};

/// Bit of the bystander's notification: it was answered, and rightly.
pub const BEAT: u64 = 1;
/// Bit of its notification: it may go.
pub const STOP: u64 = 2;

const QUOTA: Quota = Quota { frames: 1024, handles: 64, objects: 16, threads: 2 };
/// Slots of the own program that the bystander needs, too.
const SLOTS: [&str; 3] = ["workshop", "clock", "log"];

/// A bystander at work. It has a ledger of its own.
pub struct Bystander {
    process: process::Client,
    signals: notification::Client,
}

impl Bystander {
    /// Starts one. The own program needs the slots `bystander` (the program file), `workshop`, `clock` and `log`.
    pub async fn start() -> Result<Bystander, Failure> {
        let reply = slot::<ledger::Client>("ledger")?.create_notification_request().send().promise.await?;
        let signals = reply.get()?.get_notification()?;
        let mut spawn = Spawn::new(&slot("bystander")?, "bystander").quota(QUOTA).grant("signals", signals.clone());
        for name in SLOTS {
            let (interface, capability): (u64, Box<dyn ClientHook>) = any_slot(name)?;
            spawn = spawn.grant_as(name, interface, capability);
        }
        Ok(Bystander { process: spawn.start().await?, signals })
    }

    /// Waits until it was answered once more by a call that it makes from now on. An error if it was not, or wrongly.
    pub async fn is_served(&self) -> Result<(), Failure> {
        let signals = handle(self.signals.as_client_hook())?;
        // The first beat may have come long ago, the second be of a call made before.
        for _ in 0..3 {
            let beat = capos_rt::wait::notification(signals, BEAT, deadline_in(PATIENCE)?).await;
            beat.map_err(|_| "the bystander is not served")?;
        }
        Ok(())
    }

    /// Lets it go. An error if it was served wrongly meanwhile.
    pub async fn stop(self) -> Result<(), Failure> {
        let mut request = self.signals.signal_request();
        request.get().set_bits(STOP);
        request.send().promise.await?;
        let end = self.process.wait_request().send().promise.await?;
        let end = end.get()?;
        if (end.get_outcome()?, end.get_code()) != (Outcome::Exited, 0) {
            return Err("the bystander was served wrongly".into());
        }
        Ok(())
    }
}
