//! A ring as the kernel sees it: its own positions, reservations and pending records. The memory lies behind [`Platform`].
use crate::platform::{Platform, RingArea};
use crate::record::{Record, SentCaps};
use alloc::vec::Vec;
use capos_abi::ring::{COMPLETION_ENTRIES, Completion, PENDING_RECORDS, SUBMISSION_ENTRIES};

/// The kernel's side of a ring.
pub struct Ring {
    /// The shared memory.
    pub area: RingArea,
    /// Next submission to start.
    pub submission_head: u32,
    /// Next place for a completion.
    pub completion_tail: u32,
    completion_head: u32,
    reserved: u32,
    records: Vec<Record>,
    /// The capabilities that pending calls carry, by tag; as long as the highest tag that ever carried one.
    sent: Vec<SentCaps>,
    with_deadline: u32,
}

impl Ring {
    /// A fresh ring.
    pub fn new(area: RingArea) -> Self {
        Self {
            area,
            submission_head: 0,
            completion_tail: 0,
            completion_head: 0,
            reserved: 0,
            records: Vec::new(),
            sent: Vec::new(),
            with_deadline: 0,
        }
    }

    /// Takes the next submission off the queue and sets a place for its completion aside; `None` if there is neither.
    #[inline]
    pub fn take_submission(&mut self, tail: u32) -> Option<u32> {
        let position = self.submission_head;
        if position == tail || !self.reserve(1) {
            return None;
        }
        self.submission_head = position.wrapping_add(1);
        Some(position)
    }

    /// The submission taken last goes back: it is not done.
    pub fn put_back_submission(&mut self) {
        self.submission_head = self.submission_head.wrapping_sub(1);
        self.unreserve(1);
    }

    /// Where the submissions end, given the tail that the user shows. A tail too far ahead counts as none.
    pub fn see_submission_tail(&self, tail: u32) -> u32 {
        let pending = tail.wrapping_sub(self.submission_head);
        if pending > SUBMISSION_ENTRIES { self.submission_head } else { tail }
    }

    /// Takes note of the completion head that the user shows. One that makes no sense counts as a full queue.
    #[inline]
    pub fn see_completion_head(&mut self, head: u32) {
        let unread = self.completion_tail.wrapping_sub(head);
        self.completion_head =
            if unread > COMPLETION_ENTRIES { self.completion_tail.wrapping_sub(COMPLETION_ENTRIES) } else { head };
    }

    /// Completions that the user has not read, as far as the kernel knows.
    #[inline]
    pub fn unread(&self) -> u32 {
        self.completion_tail.wrapping_sub(self.completion_head)
    }

    /// Places for completions that are neither unread nor reserved.
    #[inline]
    pub fn free_completions(&self) -> u32 {
        COMPLETION_ENTRIES.saturating_sub(self.unread() + self.reserved)
    }

    /// Sets places aside for completions to come.
    #[must_use]
    #[inline]
    pub fn reserve(&mut self, count: u32) -> bool {
        let fits = self.free_completions() >= count;
        if fits {
            self.reserved += count;
        }
        fits
    }

    /// Gives a place back that will not be used.
    pub fn unreserve(&mut self, count: u32) {
        self.reserved -= count;
    }

    /// Posts a completion into a reserved place.
    #[inline]
    pub fn post(&mut self, platform: &mut impl Platform, completion: &Completion) {
        self.reserved -= 1;
        platform.post(self.area, self.completion_tail, completion);
        self.completion_tail = self.completion_tail.wrapping_add(1);
        platform.publish_completion_tail(self.area, self.completion_tail);
    }

    /// Shows the program which submissions have started.
    #[inline]
    pub fn publish_submissions(&self, platform: &mut impl Platform) {
        platform.publish_submission_head(self.area, self.submission_head);
    }

    /// Whether this tag exists and is free.
    pub fn is_free(&self, tag: u16) -> bool {
        usize::from(tag) < PENDING_RECORDS && matches!(self.records.get(usize::from(tag)), None | Some(Record::Free))
    }

    /// The record under this tag.
    #[inline]
    pub fn record(&self, tag: u16) -> &Record {
        self.records.get(usize::from(tag)).unwrap_or(&Record::Free)
    }

    /// The record under this tag, if it is in use.
    #[inline]
    pub fn record_mut(&mut self, tag: u16) -> Option<&mut Record> {
        self.records.get_mut(usize::from(tag))
    }

    /// Makes sure that [`Self::start`] with this tag will not need the heap.
    #[must_use]
    pub fn prepare(&mut self, tag: u16) -> bool {
        let missing = (usize::from(tag) + 1).saturating_sub(self.records.len());
        if self.records.try_reserve(missing).is_err() {
            return false;
        }
        (0..missing).for_each(|_| self.records.push(Record::Free));
        true
    }

    /// Makes sure that [`Self::carry`] with this tag will not need the heap.
    #[must_use]
    pub fn prepare_to_carry(&mut self, tag: u16) -> bool {
        let missing = (usize::from(tag) + 1).saturating_sub(self.sent.len());
        if self.sent.try_reserve(missing).is_err() {
            return false;
        }
        (0..missing).for_each(|_| self.sent.push(SentCaps::NONE));
        true
    }

    /// Notes which capabilities the call under a prepared tag carries.
    pub fn carry(&mut self, tag: u16, caps: &SentCaps) {
        if let Some(place) = self.sent.get_mut(usize::from(tag)) {
            *place = *caps;
        }
    }

    /// The capabilities that the call under this tag carries, if it carries any.
    pub fn carried(&self, tag: u16) -> Option<SentCaps> {
        self.sent.get(usize::from(tag)).copied()
    }

    /// Stores a record under a tag that was prepared.
    pub fn start(&mut self, tag: u16, record: Record) {
        self.with_deadline += u32::from(record.deadline() != 0);
        if let Some(place) = self.records.get_mut(usize::from(tag)) {
            *place = record;
        }
    }

    /// Drops the record; the tag is free again.
    #[inline]
    pub fn free(&mut self, tag: u16) {
        if let Some(record) = self.records.get_mut(usize::from(tag)) {
            self.with_deadline -= u32::from(record.deadline() != 0);
            *record = Record::Free;
        }
    }

    /// Takes the record out; the tag is free again.
    pub fn finish(&mut self, tag: u16) -> Record {
        let record =
            self.records.get_mut(usize::from(tag)).map_or(Record::Free, |r| core::mem::replace(r, Record::Free));
        self.with_deadline -= u32::from(record.deadline() != 0);
        record
    }

    /// Tags in use, or once in use.
    pub fn tags(&self) -> core::ops::Range<u16> {
        0..self.records.len() as u16
    }

    /// Whether a pending operation has a deadline.
    pub fn has_deadlines(&self) -> bool {
        self.with_deadline > 0
    }

    /// The earliest deadline of a pending operation.
    pub fn earliest_deadline(&self) -> Option<u64> {
        if self.with_deadline == 0 {
            return None;
        }
        self.records.iter().map(Record::deadline).filter(|&d| d != 0).min()
    }
}
