//! Takes the slots, starts the chip, serves `SerialPort`.
use std::process::ExitCode;
use std::rc::Rc;

use capnp::{Error, Result};
use capos_service::{Context, Failure, invalid_argument, spawn_local, wait};
use schema::interrupt_capnp::interrupt;
use schema::io_ports_capnp::io_ports;
use schema::ledger_capnp::ledger;
use schema::serial_port_capnp::serial_port;
use uart::uart::{Registers, Uart};

/// The bit that the interrupt sets.
const FIRED: u64 = 1;
/// Bytes that one `write` takes at most, as `SerialPort` says.
const MAX_WRITE_BYTES: usize = 2048;
/// Bytes that one `read` gives at most.
const MAX_READ_BYTES: u32 = 2048;

/// The registers behind a range of ports.
struct Ports(io_ports::Client);

impl Registers for Ports {
    type Error = Error;

    async fn read(&self, register: u8) -> Result<u8> {
        let mut request = self.0.read_request();
        request.get().set_port(register.into());
        Ok(request.send().promise.await?.get()?.get_value())
    }

    async fn write(&self, register: u8, bytes: &[u8]) -> Result<()> {
        let mut request = self.0.write_request();
        request.get().set_port(register.into());
        request.get().set_bytes(bytes);
        request.send().promise.await.map(drop)
    }
}

/// `SerialPort`, as everybody sees it.
struct Port(Rc<Uart<Ports>>);

impl serial_port::Server for Port {
    async fn read(
        self: Rc<Self>,
        params: serial_port::ReadParams,
        mut results: serial_port::ReadResults,
    ) -> Result<()> {
        let wanted = params.get()?.get_max_bytes().min(MAX_READ_BYTES);
        let (data, lost) = self.0.read(wanted as usize).await;
        results.get().set_data(&data);
        results.get().set_lost(lost);
        Ok(())
    }

    async fn write(self: Rc<Self>, params: serial_port::WriteParams, _: serial_port::WriteResults) -> Result<()> {
        let data = params.get()?.get_data()?;
        if data.len() > MAX_WRITE_BYTES {
            return Err(invalid_argument(format!("at most {MAX_WRITE_BYTES} bytes a call")));
        }
        self.0.write(data).await
    }
}

/// Has the interrupt set a bit, and handles it for ever.
async fn handle_interrupts(uart: Rc<Uart<Ports>>, ledger: ledger::Client, interrupt: interrupt::Client) -> Result<()> {
    let notification = ledger.create_notification_request().send().promise.await?.get()?.get_notification()?;
    let mut request = interrupt.bind_request();
    request.get().set_notification(notification.clone());
    request.get().set_bits(FIRED);
    request.send().promise.await?;
    loop {
        // The line is edge-triggered: what happens while it is masked is seen only by looking at the chip afterwards.
        uart.interrupt().await?;
        wait(&notification, FIRED).await?;
        interrupt.acknowledge_request().send().promise.await?;
    }
}

async fn drive(context: Context) -> std::result::Result<(), Failure> {
    let uart = Rc::new(Uart::start(Ports(context.take("ports")?)).await?);
    let interrupts = handle_interrupts(uart.clone(), context.take("ledger")?, context.take("interrupt")?);
    spawn_local(async {
        if let Err(error) = interrupts.await {
            eprintln!("the interrupt is lost: {error}");
            std::process::exit(1);
        }
    });
    context.offer::<serial_port::Client, _>(Port(uart.clone()))?;
    context.serve().await?;
    Ok(uart.flush().await?)
}

fn main() -> ExitCode {
    capos_service::run(drive)
}
