//! The `Supervisor`: what the programs are doing, for whoever was given it.

use crate::system::System;
use crate::unit::{State, Unit};
use capnp::Error;
use capos_service::{invalid_argument, slot, spawn_local};
use schema::process_capnp::process;
use schema::supervisor_capnp::supervisor::{self, service};
use schema::system_control_capnp::system_control;
use std::cell::OnceCell;
use std::rc::Rc;
use std::time::Duration;

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

    fn unit(&self, name: &str) -> Result<&Unit, Error> {
        let unit = self.units().iter().find(|unit| unit.program.name == name);
        unit.ok_or_else(|| invalid_argument(format!("there is no program \"{name}\"")))
    }

    fn running(&self, name: &str) -> Result<(&Unit, process::Client), Error> {
        let unit = self.unit(name)?;
        let process = unit.process().ok_or_else(|| Error::failed(format!("\"{name}\" does not run")))?;
        Ok((unit, process))
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
        let name = params.get()?.get_name()?.to_str()?;
        let process = self.running(name)?.1;
        process.kill_request().send().promise.await?;
        Ok(())
    }

    async fn status(
        self: Rc<Self>,
        params: supervisor::StatusParams,
        mut results: supervisor::StatusResults,
    ) -> Result<(), Error> {
        let name = params.get()?.get_name()?.to_str()?;
        let status = self.unit(name)?.status.clone();
        results.get().set_status(status.ok_or_else(|| Error::failed(format!("\"{name}\" offers nothing")))?);
        Ok(())
    }

    async fn restart(
        self: Rc<Self>,
        params: supervisor::RestartParams,
        _: supervisor::RestartResults,
    ) -> Result<(), Error> {
        let params = params.get()?;
        let patience = Duration::from_millis(params.get_patience_milliseconds().into());
        let (unit, _) = self.running(params.get_name()?.to_str()?)?;
        unit.again.set(true);
        unit.stop(patience).await
    }

    async fn shutdown(
        self: Rc<Self>,
        params: supervisor::ShutdownParams,
        _: supervisor::ShutdownResults,
    ) -> Result<(), Error> {
        let params = params.get()?;
        let patience = Duration::from_millis(params.get_patience_milliseconds().into());
        let (system, code) = (self.system.get().cloned(), params.get_code());
        // Who asks may be among those that are stopped.
        spawn_local(async move {
            if let Some(system) = system {
                system.stop(patience).await;
            }
            if let Err(error) = power_off(code).await {
                println!("the machine cannot be shut down: {error}");
            }
        });
        Ok(())
    }
}

/// Ends the machine.
pub async fn power_off(code: u8) -> Result<(), Error> {
    let mut request = slot::<system_control::Client>("system")?.shutdown_request();
    request.get().set_code(code);
    request.send().promise.await.map(drop)
}

fn describe(unit: &Unit, mut service: service::Builder) {
    service.set_name(&unit.program.name);
    service.set_restarts(unit.restarts.get());
    service.set_last_end(unit.last_end.borrow().as_str());
    service.set_ready(unit.ready.get() || (unit.control.is_none() && unit.process().is_some()));
    service.set_state(match &*unit.state.borrow() {
        State::Waiting => supervisor::State::Waiting,
        State::Running(_) => supervisor::State::Running,
        State::Ended => supervisor::State::Ended,
    });
}
