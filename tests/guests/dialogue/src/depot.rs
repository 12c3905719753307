//! A server that keeps bells and gives them away, in right ways and in wrong ones.

use crate::bells;
use capnp::Error;
use capnp::private::capability::ClientHook;
use capos_service::{Context, Failure, moving};
use schema::depot_capnp::depot::{self, How};
use schema::notification_capnp::notification;
use schema::process_capnp::process::Reach;
use std::cell::RefCell;
use std::rc::Rc;

/// The name of this role.
pub const ROLE: &str = "depot";

/// See the head of this file.
#[derive(Default)]
struct Depot(RefCell<Vec<notification::Client>>);

impl depot::Server for Depot {
    async fn keep(self: Rc<Self>, params: depot::KeepParams, _: depot::KeepResults) -> Result<(), Error> {
        for bell in params.get()?.get_bells()?.iter() {
            self.0.borrow_mut().push(bell?);
        }
        Ok(())
    }

    async fn ring(self: Rc<Self>, params: depot::RingParams, mut results: depot::RingResults) -> Result<(), Error> {
        let (bits, bells) = (params.get()?.get_bits(), self.0.borrow().clone());
        for bell in bells {
            if bells::ring(&bell, bits).await {
                let rung = results.get().get_rung();
                results.get().set_rung(rung + 1);
            }
        }
        Ok(())
    }

    async fn give(self: Rc<Self>, params: depot::GiveParams, mut results: depot::GiveResults) -> Result<(), Error> {
        let given = self.given(params.get()?.get_how()?).await?;
        let mut list = results.get().init_bells(given.len() as u32);
        for (place, bell) in (0..).zip(given) {
            list.set(place, bell);
        }
        Ok(())
    }

    async fn clear(self: Rc<Self>, _: depot::ClearParams, mut results: depot::ClearResults) -> Result<(), Error> {
        results.get().set_cleared(self.0.take().len() as u32);
        Ok(())
    }
}

impl Depot {
    /// What an answer is to carry.
    async fn given(&self, how: How) -> Result<Vec<Box<dyn ClientHook>>, Error> {
        let hook = |bell: notification::Client| bell.client.hook;
        let mut bells: Vec<_> = match how {
            How::Moved => self.0.take().into_iter().map(|bell| moving(bell).map(hook)).collect::<Result<_, _>>()?,
            _ => self.0.borrow().iter().cloned().map(hook).collect(),
        };
        let last = self.0.borrow().last().cloned();
        let Some(last) = last.filter(|_| !matches!(how, How::Copied | How::Moved)) else { return Ok(bells) };
        let failed = |failure: Failure| Error::failed(failure.text().into());
        bells.pop();
        match how {
            How::MovedTwice => {
                let copy = hook(moving(bells::copy(&last, Reach::Open).await.map_err(failed)?)?);
                bells.push(copy.add_ref());
                bells.push(copy);
            }
            How::Confined => bells.push(hook(bells::copy(&last, Reach::Session).await.map_err(failed)?)),
            _ => bells.push(hook(bells::stale(&last).await.map_err(failed)?)),
        }
        Ok(bells)
    }
}

/// Serves until it is killed.
pub async fn serve(context: &Context) -> Result<(), Failure> {
    context.offer::<depot::Client, _>(Depot::default())?;
    context.serve().await
}
