//! `InterruptLines` and `Interrupt`: device interrupts as bits of notifications.
use super::KernelCall;
use crate::authority::capability::{Capability, Object};
use crate::execution::process::Process;
use crate::ipc::message::{Params, Reply};
use crate::ipc::notification::Notification;
use crate::ipc::operation::{Refusal, Step};
use crate::platform::Platform;
use crate::slab::Id;
use crate::{Kernel, Next};
use capos_abi::handle::Handle;
use capos_abi::interface::interrupt::{self, acknowledge, bind};
use capos_abi::interface::interrupt_lines::open;
use capos_abi::interface::notification;
use capos_abi::status;

/// ISA interrupt lines.
pub const LINES: usize = 16;

/// What an interrupt line is bound to.
#[derive(Clone, Copy, Default)]
struct Line {
    references: u32,
    bound: Option<(Id<Notification>, u64)>,
    /// Who bound it with which handle.
    binder: Option<(Id<Process>, Handle)>,
}

/// All interrupt lines.
#[derive(Default)]
pub struct InterruptTable {
    lines: [Line; LINES],
}

impl InterruptTable {
    /// Counts a capability to a line.
    pub fn retain(&mut self, line: u8) {
        self.line(line).references += 1;
    }

    fn line(&mut self, line: u8) -> &mut Line {
        &mut self.lines[usize::from(line) % LINES]
    }
}

impl<P: Platform> Kernel<P> {
    /// A device interrupt fired: masks its line and sets the bound bits.
    pub fn interrupt(&mut self, processor: usize, line: u8) -> Next {
        self.begin_stay(processor);
        self.platform.set_line_enabled(line, false);
        if let Some((notification, bits)) = self.interrupts.line(line).bound {
            self.notify(notification, bits);
        }
        self.settle(processor)
    }

    pub(super) fn interrupt_lines(&mut self, call: &KernelCall<'_>, params: &Params<'_>) -> Result<Step, Refusal> {
        if call.entry.method != open::METHOD {
            return Err(status::UNIMPLEMENTED.into());
        }
        let line = params.get(open::params::LINE) as u8;
        if usize::from(line) >= LINES {
            return Err(status::BAD_ARGUMENT.into());
        }
        if self.interrupts.line(line).references > 0 {
            return Err(status::BAD_STATE.into());
        }
        let object = Capability::new(Object::Interrupt(line), interrupt::ID);
        self.answer_derived(call, open::results::SHAPE, open::results::INTERRUPT, object)
    }

    pub(super) fn interrupt_line(
        &mut self,
        line: u8,
        call: &KernelCall<'_>,
        params: &Params<'_>,
    ) -> Result<Step, Refusal> {
        match call.entry.method {
            bind::METHOD => {
                let (_, target) = self.sent_slot(call, params, bind::params::NOTIFICATION)?;
                let (Object::Notification(id), true) = (target.object, target.offers(notification::ID)) else {
                    return Err(status::BAD_ARGUMENT.into());
                };
                if self.notifications[id].ledger.is_none() {
                    return Err(status::BAD_CAPABILITY.into());
                }
                call.check_room(bind::results::SHAPE, 0, 0)?;
                self.retain(target.object);
                let bits = params.get(bind::params::BITS);
                if let Some((previous, _)) = self.interrupts.line(line).bound.replace((id, bits)) {
                    self.release(Object::Notification(previous));
                }
                self.interrupts.line(line).binder = Some((call.process(), call.entry.handle));
                self.platform.set_line_enabled(line, true);
                self.answer(call, &Reply::new(bind::results::SHAPE))
            }
            acknowledge::METHOD => {
                call.check_room(acknowledge::results::SHAPE, 0, 0)?;
                let bound = self.interrupts.line(line).bound.is_some();
                self.platform.set_line_enabled(line, bound);
                self.answer(call, &Reply::new(acknowledge::results::SHAPE))
            }
            _ => Err(status::UNIMPLEMENTED.into()),
        }
    }

    /// The last capability to a line is gone: it is masked and unbound.
    pub(crate) fn release_interrupt(&mut self, line: u8) {
        let entry = self.interrupts.line(line);
        entry.references -= 1;
        if entry.references == 0 {
            self.mask_and_unbind(line);
        }
    }

    /// Unbinds a line that was bound with this handle.
    pub(crate) fn unbind_line(&mut self, line: u8, binder: (Id<Process>, Handle)) {
        if self.interrupts.line(line).binder == Some(binder) {
            self.mask_and_unbind(line);
        }
    }

    /// Unbinds all lines that are bound to a notification.
    pub(crate) fn unbind_notification(&mut self, id: Id<Notification>) {
        for line in 0..LINES as u8 {
            if self.interrupts.line(line).bound.is_some_and(|(bound, _)| bound == id) {
                self.mask_and_unbind(line);
            }
        }
    }

    fn mask_and_unbind(&mut self, line: u8) {
        let entry = self.interrupts.line(line);
        entry.binder = None;
        let bound = entry.bound.take();
        self.platform.set_line_enabled(line, false);
        if let Some((notification, _)) = bound {
            self.release(Object::Notification(notification));
        }
    }
}
