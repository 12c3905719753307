//! `IoPorts`: a range of I/O ports.
use super::KernelCall;
use crate::Kernel;
use crate::authority::capability::{Capability, Object};
use crate::ipc::message::{Params, Reply};
use crate::ipc::operation::{Refusal, Step};
use crate::platform::Platform;
use capos_abi::interface::io_ports::{self, narrow, read, write};
use capos_abi::status;

/// Bytes of one `write` at most.
const MAX_WRITE_BYTES: usize = 64;

impl<P: Platform> Kernel<P> {
    pub(super) fn io_ports(
        &mut self,
        first: u16,
        count: u32,
        call: &KernelCall<'_>,
        params: &Params<'_>,
    ) -> Result<Step, Refusal> {
        match call.entry.method {
            narrow::METHOD => {
                let from = params.get(narrow::params::FIRST) as u32;
                let length = params.get(narrow::params::COUNT) as u32;
                if length == 0 || from + length > count {
                    return Err(status::BAD_ARGUMENT.into());
                }
                let start = first.wrapping_add(from as u16);
                let takes_console = self.holds_console(start, length);
                if takes_console && self.log.behind() > 0 {
                    return Ok(Step::Again);
                }
                let ports = Capability::new(Object::IoPorts(start, length), io_ports::ID);
                let step = self.answer_derived(call, narrow::results::SHAPE, narrow::results::PORTS, ports)?;
                // Whoever narrows a range to one that holds the console's ports takes the console.
                if takes_console {
                    self.platform.release_console();
                }
                Ok(step)
            }
            read::METHOD => {
                let port = port(first, count, params.get(read::params::PORT))?;
                call.check_room(read::results::SHAPE, 0, 0)?;
                let mut reply = Reply::new(read::results::SHAPE);
                reply.set(read::results::VALUE, u64::from(self.platform.port_read(port)));
                self.answer(call, &reply)
            }
            write::METHOD => {
                let port = port(first, count, params.get(write::params::PORT))?;
                let mut buffer = [0; MAX_WRITE_BYTES];
                let bytes = params.data(write::params::BYTES, &mut buffer)?;
                call.check_room(write::results::SHAPE, 0, 0)?;
                bytes.iter().for_each(|&byte| self.platform.port_write(port, byte));
                self.answer(call, &Reply::new(write::results::SHAPE))
            }
            _ => Err(status::UNIMPLEMENTED.into()),
        }
    }

    fn holds_console(&self, first: u16, count: u32) -> bool {
        self.platform
            .console_ports()
            .is_some_and(|(console, ports)| console >= first && u32::from(console - first) + u32::from(ports) <= count)
    }
}

fn port(first: u16, count: u32, index: u64) -> Result<u16, Refusal> {
    if index < u64::from(count) { Ok(first.wrapping_add(index as u16)) } else { Err(status::BAD_ARGUMENT.into()) }
}
