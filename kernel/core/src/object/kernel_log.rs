//! `LogSink` and `KernelLog`: the log that exists before any service does.
use super::KernelCall;
use crate::Kernel;
use crate::authority::capability::{Capability, Object};
use crate::console::MAX_BEHIND;
use crate::execution::stay::cost;
use crate::ipc::message::{MAX_PARAM_WORDS, Params, Reply};
use crate::ipc::operation::{Refusal, Step};
use crate::log::READ_BYTES;
use crate::platform::Platform;
use capos_abi::interface::{kernel_log, log_sink};
use capos_abi::status;
use core::fmt::Write;

const NANOSECONDS_PER_MILLISECOND: u64 = 1_000_000;

impl<P: Platform> Kernel<P> {
    pub(super) fn kernel_log(&mut self, call: &KernelCall<'_>, params: &Params<'_>) -> Result<Step, Refusal> {
        match (call.entry.interface, call.entry.method) {
            (log_sink::ID, log_sink::write::METHOD) => {
                use log_sink::write;
                let mut buffer = [0; MAX_PARAM_WORDS * 8];
                let text = params.text(write::params::TEXT, &mut buffer)?;
                call.check_room(write::results::SHAPE, 0, 0)?;
                if self.log.behind() > MAX_BEHIND {
                    return Ok(Step::Again);
                }
                let name = *self.processes[call.process()].name_bytes();
                let name = core::str::from_utf8(&name).unwrap_or_default().trim_end_matches('\0');
                text.lines().for_each(|line| self.append_log(name, line));
                self.answer(call, &Reply::new(write::results::SHAPE))
            }
            (kernel_log::ID, kernel_log::read::METHOD) => {
                use kernel_log::read;
                let mut buffer = [0; READ_BYTES + 1];
                let text = buffer.get_mut(..READ_BYTES).unwrap_or_default();
                let (next, bytes) = self.log.read(params.get(read::params::POSITION), text);
                call.check_room(read::results::SHAPE, 0, bytes + 1)?;
                let mut reply = Reply::new(read::results::SHAPE);
                reply.set(read::results::NEXT, next);
                reply.set_blob(read::results::TEXT, bytes + 1);
                if let Some(end) = buffer.get_mut(bytes) {
                    *end = 0;
                }
                self.answer_with(call, &reply, &[], buffer.get(..=bytes).unwrap_or_default())
            }
            (kernel_log::ID, kernel_log::sink::METHOD) => {
                use kernel_log::sink::results;
                self.answer_derived(
                    call,
                    results::SHAPE,
                    results::SINK,
                    Capability::new(Object::KernelLog, log_sink::ID),
                )
            }
            _ => Err(status::UNIMPLEMENTED.into()),
        }
    }

    /// Appends a line with its time and writer.
    pub(crate) fn append_log(&mut self, writer: &str, text: &str) {
        let milliseconds = self.platform.now() / NANOSECONDS_PER_MILLISECOND;
        let mut head = crate::log::Line::new();
        let _ = write!(head, "[{:5}.{:03}] {writer}: ", milliseconds / 1000, milliseconds % 1000);
        for part in [head.as_str(), text, "\n"] {
            let _ = self.log.write_str(part);
        }
        self.stay.spend((head.as_str().len() + text.len()) as u32 * cost::LOG_BYTE);
        self.show_later();
    }
}
