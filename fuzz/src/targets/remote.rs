//! What a far machine sends over the serial line: frames of capnp-rpc, answered by the service's own transport.

use capnp::capability::{Client, FromClientHook};
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::twoparty::VatNetwork;
use capnp_rpc::{RpcSystem, new_client};
use remote::line::{READ_LIMITS, Reading, Writing};
use schema::serial_port_capnp::serial_port;
use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Waker};

/// Turns that the two sides of the line get.
const TURNS: usize = 64;

/// Serves the bytes until the line is silent.
pub fn run(bytes: &[u8]) {
    let serial: serial_port::Client = new_client(Line { sent: RefCell::new(bytes.to_vec()) });
    let root: serial_port::Client = new_client(Line { sent: RefCell::default() });
    let (reading, writing) = (Reading::new(serial.clone()), Writing::new(serial));
    let network = VatNetwork::new(reading, writing, Side::Server, READ_LIMITS);
    let mut system = pin!(RpcSystem::new(Box::new(network), Some(Client::new(root.into_client_hook()))));
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..TURNS {
        if system.as_mut().poll(&mut context).is_ready() {
            return;
        }
    }
}

/// A serial line on which these bytes arrive, then nothing any more.
struct Line {
    sent: RefCell<Vec<u8>>,
}

impl serial_port::Server for Line {
    async fn read(
        self: Rc<Self>,
        params: serial_port::ReadParams,
        mut results: serial_port::ReadResults,
    ) -> capnp::Result<()> {
        let mut sent = self.sent.borrow_mut();
        if sent.is_empty() {
            return Err(capnp::Error::disconnected("the line is silent".into()));
        }
        let count = sent.len().min(params.get()?.get_max_bytes() as usize);
        results.get().set_data(&sent[..count]);
        sent.drain(..count);
        Ok(())
    }

    async fn write(self: Rc<Self>, _: serial_port::WriteParams, _: serial_port::WriteResults) -> capnp::Result<()> {
        Ok(())
    }
}
