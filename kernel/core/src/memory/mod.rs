//! Memory objects, and what a mapping allows.
pub(crate) mod change;
pub mod frame;
pub(crate) mod hold;
pub(crate) mod mapping;
pub(crate) mod page_list;
pub(crate) mod page_table;
pub(crate) mod range;
pub(crate) mod ring_area;
pub(crate) mod tree;
pub(crate) mod unmap;

use crate::ledger::Ledger;
use crate::memory::frame::{FRAME_BYTES, Frame};
use crate::memory::page_list::PageList;
use crate::slab::Id;
use capos_abi::interface::virtual_memory::access as abi;

/// What a page may be used for. Nothing is writable and executable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// No access.
    None,
    /// Reading.
    Read,
    /// Reading and writing.
    ReadWrite,
    /// Reading and execution.
    ReadExecute,
}

impl Access {
    /// From the schema's `Access`.
    pub fn from_abi(value: u64) -> Option<Self> {
        Some(match u16::try_from(value).ok()? {
            abi::NONE => Self::None,
            abi::READ => Self::Read,
            abi::READ_WRITE => Self::ReadWrite,
            abi::READ_EXECUTE => Self::ReadExecute,
            _ => return None,
        })
    }
}

/// Bytes of a memory object at most.
pub const MAX_OBJECT_BYTES: u64 = 4 << 30;

/// Where a memory object's content lies.
pub enum Backing {
    /// Frames of its own.
    Anonymous(PageList),
    /// Part of the boot package: consecutive frames that are never freed.
    Boot(Frame),
    /// Nowhere: the ledger that paid for it was reclaimed.
    Gone,
}

/// Memory that several processes can map.
pub struct MemoryObject {
    /// Slots and mappings that refer to it.
    pub references: u32,
    /// Who pays; nobody pays for boot memory and for what has ended.
    pub ledger: Option<Id<Ledger>>,
    /// Bytes of content.
    pub bytes: u64,
    /// Where it lies.
    pub backing: Backing,
    /// Mapped ranges whose holders may write.
    pub writers: u32,
    /// Processes that hold it.
    pub holders: u32,
    /// Nobody may write it any more.
    pub sealed: bool,
}

impl MemoryObject {
    /// Memory that nobody refers to yet.
    pub fn new(ledger: Option<Id<Ledger>>, bytes: u64, backing: Backing) -> Self {
        Self { references: 0, ledger, bytes, backing, writers: 0, holders: 0, sealed: false }
    }

    /// Pages that can be mapped.
    pub fn pages(&self) -> u64 {
        self.bytes.div_ceil(FRAME_BYTES)
    }

    /// Bytes of the kernel's heap that the list of its frames holds.
    pub fn list_bytes(&self) -> u64 {
        match &self.backing {
            Backing::Anonymous(pages) => pages.held(),
            Backing::Boot(_) | Backing::Gone => 0,
        }
    }

    /// The frame of a page, if it has one already.
    pub fn frame(&self, page: u64) -> Option<Frame> {
        match &self.backing {
            Backing::Anonymous(pages) => pages.get(page as usize),
            Backing::Gone => None,
            Backing::Boot(first) => (page < self.pages()).then(|| first.offset(page)),
        }
    }
}
