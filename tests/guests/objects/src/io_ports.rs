//! `IoPorts`: the registers of the clock that keeps the date, whose memory keeps any byte.

use crate::Check;
use crate::verify::{holds, refused};
use capos_abi::status;
use capos_service::{Failure, RingCall, slot};
use schema::io_ports_capnp::io_ports;

pub const CHECKS: &[Check] = &[("IoPorts.narrow", narrow), ("IoPorts.read", read), ("IoPorts.write", write)];

/// Port that chooses a register, and port of the chosen one.
const INDEX: u16 = 0;
const DATA: u16 = 1;
/// A register that is plain memory.
const MEMORY: u8 = 0x60;
/// Bytes of one `write` at most.
const MOST: usize = 64;

/// Reads a register.
pub fn register(ports: &io_ports::Client, index: u8) -> capnp::Result<u8> {
    put(ports, INDEX, &[index])?;
    get(ports, DATA)
}

/// Writes a register.
pub fn set_register(ports: &io_ports::Client, index: u8, value: u8) -> capnp::Result<()> {
    put(ports, INDEX, &[index])?;
    put(ports, DATA, &[value])
}

fn get(ports: &io_ports::Client, port: u16) -> capnp::Result<u8> {
    let mut request = ports.read_request();
    request.get().set_port(port);
    Ok(request.call()?.get()?.get_value())
}

fn put(ports: &io_ports::Client, port: u16, bytes: &[u8]) -> capnp::Result<()> {
    let mut request = ports.write_request();
    request.get().set_port(port);
    request.get().set_bytes(bytes);
    request.call().map(drop)
}

fn narrow() -> Result<(), Failure> {
    let ports: io_ports::Client = slot("date-ports")?;
    let part = |first, count| {
        let mut request = ports.narrow_request();
        request.get().set_first(first);
        request.get().set_count(count);
        request.call()?.get()?.get_ports()
    };
    set_register(&ports, MEMORY, 0x5a)?;
    let data = part(DATA, 1)?;
    holds("ports of a part are numbered from its start", get(&data, 0)? == 0x5a)?;
    refused(get(&data, 1), status::BAD_ARGUMENT)?;
    refused(part(INDEX, 0), status::BAD_ARGUMENT)?;
    refused(part(DATA, 2), status::BAD_ARGUMENT)
}

fn read() -> Result<(), Failure> {
    let ports: io_ports::Client = slot("date-ports")?;
    for value in [0xa5, 0x3c] {
        set_register(&ports, MEMORY, value)?;
        let mut request = ports.read_request();
        request.get().set_port(DATA);
        holds("the device's byte is read", request.call()?.get()?.get_value() == value)?;
    }
    refused(get(&ports, 2), status::BAD_ARGUMENT)
}

fn write() -> Result<(), Failure> {
    let ports: io_ports::Client = slot("date-ports")?;
    put(&ports, INDEX, &[MEMORY])?;
    let mut request = ports.write_request();
    request.get().set_port(DATA);
    request.get().set_bytes(&[1, 2, 3]);
    request.call()?;
    holds("bytes are written one after the other", get(&ports, DATA)? == 3)?;
    put(&ports, DATA, &[7; MOST])?;
    refused(put(&ports, DATA, &[7; MOST + 1]), status::BAD_ARGUMENT)?;
    refused(put(&ports, 2, &[0]), status::BAD_ARGUMENT)
}
