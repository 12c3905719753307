//! `SystemStatus` and `SystemControl`: facts about the machine, and its power switch.
use super::KernelCall;
use crate::Kernel;
use crate::authority::capability::{Capability, Object};
use crate::ipc::message::{Params, Reply};
use crate::ipc::operation::{Refusal, Step};
use crate::platform::Platform;
use capos_abi::interface::{system_control, system_status};
use capos_abi::status;

/// Version of the kernel, with its final zero byte.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");

impl<P: Platform> Kernel<P> {
    pub(super) fn system_control(&mut self, call: &KernelCall<'_>, params: &Params<'_>) -> Result<Step, Refusal> {
        match (call.entry.interface, call.entry.method) {
            (system_status::ID, system_status::describe::METHOD) => self.describe_system(call),
            (system_control::ID, system_control::shutdown::METHOD) => {
                self.flush_log();
                self.platform.shutdown(params.get(system_control::shutdown::params::CODE) as u8)
            }
            (system_control::ID, system_control::reboot::METHOD) => {
                self.flush_log();
                self.platform.reboot()
            }
            (system_control::ID, system_control::status::METHOD) => {
                use system_control::status::results;
                self.answer_derived(
                    call,
                    results::SHAPE,
                    results::STATUS,
                    Capability::new(Object::System, system_status::ID),
                )
            }
            _ => Err(status::UNIMPLEMENTED.into()),
        }
    }

    fn describe_system(&mut self, call: &KernelCall<'_>) -> Result<Step, Refusal> {
        use system_status::describe::results;
        call.check_room(results::SHAPE, 0, VERSION.len())?;
        let mut reply = Reply::new(results::SHAPE);
        reply.set(results::PROCESSORS, self.platform.processors() as u64);
        reply.set(results::TOTAL_FRAMES, self.frames.total());
        reply.set(results::FREE_FRAMES, self.frames.free_frames());
        reply.set(results::UPTIME, self.platform.now());
        reply.set(results::PROCESSES, u64::from(self.processes.len()));
        reply.set_blob(results::KERNEL_VERSION, VERSION.len());
        self.answer_with(call, &reply, &[], VERSION.as_bytes())
    }
}
