//! `Interrupt`: that of the clock which keeps the date. Every interrupt line is opened by init, with `InterruptLines`.

use crate::io_ports::{register, set_register};
use crate::verify::{comes, holds};
use crate::{Check, notification};
use campaign::wire::take_bits;
use capnp::capability::FromClientHook;
use capos_service::{Failure, RingCall, handle, slot};
use schema::interrupt_capnp::interrupt;
use schema::io_ports_capnp::io_ports;
use schema::notification_capnp::notification as notifications;
use std::thread::sleep;
use std::time::Duration;

pub const CHECKS: &[Check] = &[("Interrupt.bind", bind), ("Interrupt.acknowledge", acknowledge)];

/// Registers of the device: what interrupts, and which did; reading the second lets it interrupt again.
const CONTROL: u8 = 0x0b;
const CAUSE: u8 = 0x0c;
/// Interrupt periodically, with a rate of 1,024 each second.
const PERIODIC: u8 = 1 << 6;
/// The bit that the interrupt sets.
const FIRED: u64 = 4;
/// Many periods.
const MOMENT: Duration = Duration::from_millis(20);

/// The device while it interrupts.
struct Device(io_ports::Client);

impl Device {
    fn begin() -> Result<Device, Failure> {
        let ports = slot("date-ports")?;
        let control = register(&ports, CONTROL)?;
        set_register(&ports, CONTROL, control | PERIODIC)?;
        Ok(Device(ports))
    }

    /// Lets it interrupt again.
    fn serve(&self) -> capnp::Result<u8> {
        register(&self.0, CAUSE)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // If this is refused, what follows finds the device as it must not be.
        let _ = register(&self.0, CONTROL).and_then(|control| set_register(&self.0, CONTROL, control & !PERIODIC));
        let _ = self.serve();
    }
}

fn bound(line: &interrupt::Client) -> Result<(notifications::Client, u64), Failure> {
    let notification = notification::create()?;
    let waits = handle(notification.as_client_hook())?;
    let mut request = line.bind_request();
    request.get().set_notification(notification.clone());
    request.get().set_bits(FIRED);
    request.call()?;
    Ok((notification, waits))
}

fn bind() -> Result<(), Failure> {
    let line: interrupt::Client = slot("date-line")?;
    let device = Device::begin()?;
    let (notification, waits) = bound(&line)?;
    device.serve()?;
    comes("its bits are set when it fires", || Ok(take_bits(waits) == FIRED))?;
    // Another binding takes the place of the first and unmasks the line.
    let mut request = line.bind_request();
    request.get().set_notification(notification.clone());
    request.get().set_bits(FIRED << 1);
    request.call()?;
    device.serve()?;
    comes("after another binding its other bits are", || Ok(take_bits(waits) & FIRED << 1 != 0))
}

fn acknowledge() -> Result<(), Failure> {
    let line: interrupt::Client = slot("date-line")?;
    let device = Device::begin()?;
    let (_notification, waits) = bound(&line)?;
    device.serve()?;
    comes("it fires", || Ok(take_bits(waits) == FIRED))?;
    device.serve()?;
    sleep(MOMENT);
    holds("until it is acknowledged it is masked", take_bits(waits) == 0)?;
    line.acknowledge_request().call()?;
    device.serve()?;
    comes("then it fires again", || Ok(take_bits(waits) == FIRED))
}
