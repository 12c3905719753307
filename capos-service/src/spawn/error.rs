//! Why a program did not start.

use std::fmt;

/// What is wrong with a program file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Not an ELF file.
    NotElf,
    /// Not for 64-bit x86.
    WrongMachine,
    /// Not a program linked to fixed addresses.
    NotExecutable,
    /// More segments than the loader takes.
    TooManySegments,
    /// A segment's content lies outside of the file.
    SegmentOutsideFile {
        /// Its address.
        address: u64,
    },
    /// A segment lies outside of the addresses that programs may use.
    SegmentOutsideUserRange {
        /// Its address.
        address: u64,
    },
    /// Two segments share a page, or they do not rise.
    SegmentsOverlap {
        /// Address of the second.
        address: u64,
    },
    /// A segment's place in the file does not fit its place in memory, or zeros follow what is not writable.
    SegmentMisplaced {
        /// Its address.
        address: u64,
    },
    /// A segment could be written and executed.
    WritableAndExecutable {
        /// Its address.
        address: u64,
    },
    /// The entry is in no executable segment.
    NoEntry,
    /// Thread-local storage is too large, misaligned or not loaded.
    BadThreadLocalStorage,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Unfit::NotElf => f.write_str("it is not an ELF file"),
            Unfit::WrongMachine => f.write_str("it is not for 64-bit x86"),
            Unfit::NotExecutable => f.write_str("it is not a program linked to fixed addresses"),
            Unfit::TooManySegments => f.write_str("it has too many segments"),
            Unfit::SegmentOutsideFile { address } => write!(f, "the segment at {address:#x} is not in the file"),
            Unfit::SegmentOutsideUserRange { address } => {
                write!(f, "the segment at {address:#x} lies outside of a program's addresses")
            }
            Unfit::SegmentsOverlap { address } => write!(f, "the segment at {address:#x} overlaps the one before"),
            Unfit::SegmentMisplaced { address } => {
                write!(f, "the segment at {address:#x} cannot be mapped from the file")
            }
            Unfit::WritableAndExecutable { address } => {
                write!(f, "the segment at {address:#x} is writable and executable")
            }
            Unfit::NoEntry => f.write_str("its entry is not in an executable segment"),
            Unfit::BadThreadLocalStorage => {
                f.write_str("its thread-local storage is too large, misaligned or not loaded")
            }
        }
    }
}

impl std::error::Error for Unfit {}

/// Why a program did not start.
#[derive(Debug)]
pub enum SpawnError {
    /// The program file cannot be loaded.
    Unfit(Unfit),
    /// A slot's name is empty, longer than a CapSet takes, contains a zero byte, or was given twice.
    BadSlotName(String),
    /// An argument contains a zero byte.
    BadArgument(String),
    /// A kernel object refused; the message says which and why.
    Refused(capnp::Error),
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            SpawnError::Unfit(unfit) => write!(f, "the program cannot be loaded: {unfit}"),
            SpawnError::BadSlotName(name) => write!(f, "no slot can have the name {name:?}"),
            SpawnError::BadArgument(argument) => write!(f, "no argument can be {argument:?}"),
            SpawnError::Refused(error) => write!(f, "a kernel object refused: {error}"),
        }
    }
}

impl std::error::Error for SpawnError {}

impl From<Unfit> for SpawnError {
    fn from(unfit: Unfit) -> SpawnError {
        SpawnError::Unfit(unfit)
    }
}

impl From<capnp::Error> for SpawnError {
    fn from(error: capnp::Error) -> SpawnError {
        SpawnError::Refused(error)
    }
}
