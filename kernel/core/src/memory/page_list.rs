//! The frames of a memory object. There is room for all of its pages from the start, but the list is written no further than to the last page
//! that was touched: a large object is made, and ends untouched, in a few steps.
use super::frame::Frame;
use crate::heap::{self, allocate};
use crate::ipc::operation::Refusal;
use crate::ledger::Ledger;
use alloc::vec::Vec;

/// Frames by page.
pub struct PageList {
    /// `None` where nobody has touched a page yet. Its room is made once.
    listed: Vec<Option<Frame>>,
    /// Pages, listed or not.
    pages: usize,
}

impl PageList {
    /// A list of pages that nobody has touched; this ledger pays for it.
    pub fn new(pages: usize, ledger: &mut Ledger) -> Result<Self, Refusal> {
        Ok(Self { listed: allocate(pages, ledger)?, pages })
    }

    /// The frame of a page, if it has one already.
    pub fn get(&self, page: usize) -> Option<Frame> {
        self.listed.get(page).copied().flatten()
    }

    /// Gives a listed page its frame; false: it is not listed.
    pub fn set(&mut self, page: usize, frame: Frame) -> bool {
        self.listed.get_mut(page).map(|place| *place = Some(frame)).is_some()
    }

    /// Pages that are missing before this one is listed, itself included; none if there is no such page.
    pub fn missing(&self, page: usize) -> usize {
        if page < self.pages { (page + 1).saturating_sub(self.listed.len()) } else { 0 }
    }

    /// Lists so many more pages.
    pub fn extend(&mut self, more: usize) {
        let pages = self.pages.min(self.listed.len() + more);
        self.listed.resize(pages, None);
    }

    /// Takes away the pages that are not listed; how many.
    pub fn take_unlisted(&mut self) -> u64 {
        let listed = self.listed.len();
        (core::mem::replace(&mut self.pages, listed) - listed) as u64
    }

    /// Takes the last page away, none of which is unlisted; its frame, if it has one.
    pub fn pop(&mut self) -> Option<Option<Frame>> {
        let last = self.listed.pop()?;
        self.pages = self.listed.len();
        Some(last)
    }

    /// Whether no page is left.
    pub fn is_empty(&self) -> bool {
        self.pages == 0
    }

    /// Bytes of the kernel's heap that it holds.
    pub fn held(&self) -> u64 {
        heap::held(&self.listed)
    }
}
