//! How a machine ended, read from QEMU's exit status.

use capos_abi::debug_exit;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// The end of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The system was shut down with this code.
    Shutdown(u8),
    /// The kernel refused the machine or the boot package.
    Refused,
    /// The kernel panicked.
    Panic,
    /// The machine was reset or switched off and gave no code.
    Off,
    /// QEMU was ended by this signal.
    Signal(i32),
    /// QEMU itself failed, or the guest wrote an unknown code, with this status.
    Failure(i32),
}

impl Exit {
    /// Reads QEMU's exit status.
    pub fn of(status: ExitStatus) -> Exit {
        match (status.code(), status.signal()) {
            (Some(0), _) => Exit::Off,
            (Some(status), _) => Exit::of_code(status),
            (None, signal) => Exit::Signal(signal.unwrap_or_default()),
        }
    }

    fn of_code(status: i32) -> Exit {
        let written = (status / 2) as u32;
        let codes = debug_exit::SHUTDOWN..=debug_exit::SHUTDOWN + u32::from(debug_exit::MAX_CODE);
        match written {
            _ if status % 2 == 0 => Exit::Failure(status),
            debug_exit::PANIC => Exit::Panic,
            debug_exit::REFUSED => Exit::Refused,
            code if codes.contains(&code) => Exit::Shutdown((code - debug_exit::SHUTDOWN) as u8),
            _ => Exit::Failure(status),
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Exit::Shutdown(code) => write!(f, "the system was shut down with code {code}"),
            Exit::Refused => write!(f, "the kernel refused to start"),
            Exit::Panic => write!(f, "the kernel panicked"),
            Exit::Off => write!(f, "the machine was reset or switched off without a code"),
            Exit::Signal(signal) => write!(f, "QEMU was ended by signal {signal}"),
            Exit::Failure(status) => write!(f, "QEMU failed with status {status}"),
        }
    }
}

#[cfg(test)]
mod test {
    use super::*;

    fn ended(status: i32) -> Exit {
        Exit::of(ExitStatus::from_raw(status << 8))
    }

    #[test]
    fn every_status_tells_its_cause() {
        assert_eq!(ended(0), Exit::Off);
        assert_eq!(ended(1), Exit::Failure(1));
        assert_eq!(ended(3), Exit::Shutdown(0));
        assert_eq!(ended(2 * (1 + 42) + 1), Exit::Shutdown(42));
        assert_eq!(ended(0xfd), Exit::Refused);
        assert_eq!(ended(0xff), Exit::Panic);
        assert_eq!(ended(2), Exit::Failure(2));
        assert_eq!(Exit::of(ExitStatus::from_raw(9)), Exit::Signal(9));
    }
}
