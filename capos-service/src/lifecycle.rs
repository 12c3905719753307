//! A service's way from its start to its end, shared by the threads that serve it, and the objects by which it is supervised.
use crate::Service;
use capnp::Result;
use capos_rt::call_failure::Kind;
use capos_rt::load::{Figures, Load};
use capos_rt::receiver::CONTROL_KEY;
use event_listener::Event;
use schema::service_capnp::{service_control, service_status};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Something that happens once.
#[derive(Default)]
pub struct Milestone {
    reached: AtomicBool,
    event: Event,
}

impl Milestone {
    /// It has happened.
    pub fn reach(&self) {
        self.reached.store(true, Ordering::Release);
        self.event.notify(usize::MAX);
    }

    /// Waits until it has happened.
    pub async fn wait(&self) {
        loop {
            let listener = self.event.listen();
            if self.reached.load(Ordering::Acquire) {
                return;
            }
            listener.await;
        }
    }
}

/// Where a service stands.
#[derive(Default)]
pub struct Lifecycle {
    /// What it does.
    pub load: Arc<Load>,
    /// It serves.
    pub ready: Milestone,
    /// It is to end.
    pub stopping: Milestone,
}

/// Has a service supervised: binds the objects for it, counts its calls, and stops it when the time comes.
pub fn attend(service: &Rc<Service>, lifecycle: &Arc<Lifecycle>) {
    let control = Rc::new(Control(lifecycle.clone()));
    service.bind::<service_status::Client, Control>(Some(CONTROL_KEY), control.clone());
    service.bind::<service_control::Client, Control>(Some(CONTROL_KEY), control);
    end_with(service, lifecycle);
}

/// Counts a service's calls, and stops it when the time comes.
pub fn end_with(service: &Rc<Service>, lifecycle: &Arc<Lifecycle>) {
    service.share(lifecycle.load.clone());
    let (service, lifecycle) = (service.clone(), lifecycle.clone());
    crate::spawn_local(async move {
        lifecycle.stopping.wait().await;
        service.stop();
    });
}

struct Control(Arc<Lifecycle>);

impl service_status::Server for Control {
    async fn figures(
        self: Rc<Self>,
        _: service_status::FiguresParams,
        mut results: service_status::FiguresResults,
    ) -> Result<()> {
        fill(results.get().init_figures(), &self.0.load.figures());
        Ok(())
    }
}

impl service_control::Server for Control {
    async fn ready(self: Rc<Self>, _: service_control::ReadyParams, _: service_control::ReadyResults) -> Result<()> {
        self.0.ready.wait().await;
        Ok(())
    }

    async fn stop(self: Rc<Self>, _: service_control::StopParams, _: service_control::StopResults) -> Result<()> {
        self.0.stopping.reach();
        Ok(())
    }
}

fn fill(mut to: service_status::figures::Builder<'_>, from: &Figures) {
    to.set_calls(from.calls);
    to.set_in_flight(from.in_flight);
    to.set_highest_in_flight(from.highest);
    to.set_limit(from.limit.unwrap_or(0));
    to.set_bytes_received(from.received);
    to.set_bytes_sent(from.sent);
    let mut errors = to.init_errors();
    errors.set_failed(from.errors_of(Kind::Failed));
    errors.set_invalid_argument(from.errors_of(Kind::InvalidArgument));
    errors.set_overloaded(from.errors_of(Kind::Overloaded));
    errors.set_disconnected(from.errors_of(Kind::Disconnected));
    errors.set_unimplemented(from.errors_of(Kind::Unimplemented));
}
