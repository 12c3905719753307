//! The `Supervisor`: what the programs are doing, for whoever was given it.

use crate::system::System;
use crate::unit::{State, Unit};
use capnp::Error;
use capos_service::invalid_argument;
use schema::supervisor_capnp::supervisor::{self, service};
use std::cell::OnceCell;
use std::rc::Rc;

/// Serves `Supervisor` for the system, once there is one.
#[derive(Default)]
pub struct Control {
    /// The system.
    pub system: OnceCell<Rc<System>>,
}

impl Control {
    fn units(&self) -> &[Unit] {
        self.system.get().map_or(&[], |system| &system.units)
    }
}

impl supervisor::Server for Control {
    async fn list(
        self: Rc<Self>,
        _: supervisor::ListParams,
        mut results: supervisor::ListResults,
    ) -> Result<(), Error> {
        let units = self.units();
        let mut services = results.get().init_services(units.len() as u32);
        for (index, unit) in (0..).zip(units) {
            describe(unit, services.reborrow().get(index));
        }
        Ok(())
    }

    async fn kill(self: Rc<Self>, params: supervisor::KillParams, _: supervisor::KillResults) -> Result<(), Error> {
        let name = params.get()?.get_name()?.to_string()?;
        let unit = self.units().iter().find(|unit| unit.program.name == name);
        let unit = unit.ok_or_else(|| invalid_argument(format!("there is no program \"{name}\"")))?;
        let process = unit.process().ok_or_else(|| Error::failed(format!("\"{name}\" does not run")))?;
        process.kill_request().send().promise.await?;
        Ok(())
    }
}

fn describe(unit: &Unit, mut service: service::Builder) {
    service.set_name(&unit.program.name);
    service.set_restarts(unit.restarts.get());
    service.set_last_end(unit.last_end.borrow().as_str());
    service.set_state(match &*unit.state.borrow() {
        State::Waiting => supervisor::State::Waiting,
        State::Running(_) => supervisor::State::Running,
        State::Ended => supervisor::State::Ended,
    });
}
