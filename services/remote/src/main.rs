//! Exports the capability in the slot `root` over a serial line, by capnp-rpc.

use capnp::capability::Client;
use capnp_rpc::{RpcSystem, rpc_twoparty_capnp::Side, twoparty::VatNetwork};
use capos_service::{Service, any_slot, spawn_local};
use remote::line::{READ_LIMITS, Reading, Writing};
use schema::serial_port_capnp::serial_port;
use std::process::ExitCode;

fn main() -> ExitCode {
    capos_service::run(async |context| {
        let serial: serial_port::Client = context.take("serial")?;
        // The driver answers once it has set the line up: what is sent from then on is not lost.
        serial.write_request().send().promise.await?;
        println!("the line is ready");
        // What the far side lends is passed on as objects of this endpoint.
        let lent = Service::create().await?;
        spawn_local(async move { drop(lent.run().await) });
        let (_, root) = any_slot("root")?;
        let (reading, writing) = (Reading::new(serial.clone()), Writing::new(serial));
        let network = VatNetwork::new(reading, writing, Side::Server, READ_LIMITS);
        Ok(RpcSystem::new(Box::new(network), Some(Client::new(root))).await?)
    })
}
