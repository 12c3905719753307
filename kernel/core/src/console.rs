//! The console shows the log as long as no driver has it: in steps, because a serial line is slow.
use crate::Kernel;
use crate::execution::stay::cost;
use crate::lifecycle::chore::Chore;
use crate::log::Log;
use crate::platform::Platform;
use core::fmt;

/// Bytes that are shown in one step at most.
const STEP_BYTES: usize = 64;
/// Bytes of the log that may wait to be shown before whoever writes more has to wait.
pub const MAX_BEHIND: u64 = 8 << 10;

impl<P: Platform> Kernel<P> {
    /// Something was written into the log: the console is to show it.
    pub(crate) fn show_later(&mut self) {
        if !core::mem::replace(&mut self.is_showing, true) {
            self.chores.push(Chore::Console);
        }
    }

    /// Shows what the console takes at once, as far as the stay allows. A console that takes nothing is tried again in the next
    /// stay, behind the other chores.
    pub(crate) fn show_log(&mut self) {
        while self.log.behind() > 0 {
            if self.stay.is_over() {
                return self.chores.push(Chore::Console);
            }
            if self.show_step() == 0 {
                self.stay.end();
            }
        }
        self.is_showing = false;
    }

    /// Shows all of it, however long that takes.
    pub(crate) fn flush_log(&mut self) {
        while self.log.behind() > 0 {
            self.show_step();
        }
    }

    /// What the console has not shown, for the last words of the kernel.
    pub fn unshown_log(&self) -> impl fmt::Display {
        Unshown(&self.log)
    }

    fn show_step(&mut self) -> usize {
        let mut buffer = [0; STEP_BYTES];
        let text = self.log.unshown(&mut buffer);
        self.stay.spend(text.len() as u32 * cost::CONSOLE_BYTE);
        let taken = self.platform.console_write(text);
        self.log.show(taken);
        taken
    }
}

struct Unshown<'a>(&'a Log);

impl fmt::Display for Unshown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut at = self.0.shown();
        let mut buffer = [0; STEP_BYTES];
        loop {
            let (next, bytes) = self.0.read(at, &mut buffer);
            if bytes == 0 {
                return Ok(());
            }
            f.write_str(core::str::from_utf8(buffer.get(..bytes).unwrap_or_default()).unwrap_or_default())?;
            at = next;
        }
    }
}
