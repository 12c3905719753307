//! A ring as the kernel sees it: its own positions, reservations and pending records. The memory lies behind [`Platform`].
use crate::heap::{self, Payer, make_room};
use crate::ipc::operation::Refusal;
use crate::ipc::positions::Positions;
use crate::ipc::record::{CallRecord, Record};
use crate::ipc::sent::SentCaps;
use crate::ledger::Ledger;
use crate::memory::frame::Frame;
use crate::platform::{Platform, RingArea};
use alloc::vec::Vec;
use capos_abi::ring::{Completion, PENDING_RECORDS, Submission, SubmissionHead, kind, op};
use capos_abi::status;
use core::iter;

/// The kernel's side of a ring.
pub struct Ring {
    /// The shared memory, as far as it is cleared and mapped: nobody uses what lies behind.
    pub area: RingArea,
    /// Bytes of all of it.
    pub area_bytes: u32,
    /// Where it stands.
    pub positions: Positions,
    records: Vec<Record>,
    /// The capabilities that pending calls carry, by tag; as long as the highest tag that ever carried one.
    sent: Vec<SentCaps>,
    with_deadline: u32,
    /// No pending operation has an earlier deadline; one that had it may be over.
    earliest_deadline: u64,
}

impl Ring {
    /// A fresh ring in an area of so many bytes from this frame on, none of which is clear.
    pub fn new(frame: Frame, area_bytes: u32) -> Self {
        Self {
            area: RingArea::new(frame, 0),
            area_bytes,
            positions: Positions::default(),
            records: Vec::new(),
            sent: Vec::new(),
            with_deadline: 0,
            earliest_deadline: 0,
        }
    }

    /// Starts the next submission before `tail` that is more than a NOP; NOPs before it are completed. `None` if there is none,
    /// or no place for its completion.
    #[inline]
    pub fn next_submission(&mut self, platform: &impl Platform, tail: u32) -> Option<Submission> {
        let mut position = self.positions.take_submission(tail)?;
        let mut head = platform.submission_head(self.area, position);
        if is_nop(head) {
            (position, head) = self.complete_nops(platform, position, head, tail)?;
        }
        Some(platform.submission(self.area, position, head))
    }

    /// Completes the NOP at `position` and those behind it; position and head of the submission at which they end.
    #[inline(never)]
    fn complete_nops(
        &mut self,
        platform: &impl Platform,
        mut position: u32,
        mut head: SubmissionHead,
        tail: u32,
    ) -> Option<(u32, SubmissionHead)> {
        // The machine's writes may go anywhere, as far as the compiler knows: what stays the same or is its own stands here.
        let (area, mut positions) = (self.area, self.positions);
        let next = loop {
            let user_data = platform.submission_user_data(area, position);
            let completion = Completion { user_data, tag: head.tag, kind: kind::DONE, ..Completion::default() };
            platform.post(area, positions.take_completion(), &completion);
            let Some(next) = positions.take_submission(tail) else { break None };
            (position, head) = (next, platform.submission_head(area, next));
            if !is_nop(head) {
                break Some((position, head));
            }
        };
        self.positions = positions;
        next
    }

    /// Writes a completion into a reserved place. The program sees it with the next [`Self::publish`].
    #[inline]
    pub fn post(&mut self, platform: &impl Platform, completion: &Completion) {
        platform.post(self.area, self.positions.take_completion(), completion);
    }

    /// Writes a completion into a reserved place, and shows it to the program with those before it.
    #[inline]
    pub fn post_and_publish(&mut self, platform: &impl Platform, completion: &Completion) {
        // As in `complete_nops`.
        let (area, position) = (self.area, self.positions.take_completion());
        platform.post(area, position, completion);
        platform.publish_completion_tail(area, position.wrapping_add(1));
    }

    /// Shows the program which submissions have started, and the completions.
    #[inline]
    pub fn publish(&self, platform: &impl Platform) {
        platform.publish_submission_head(self.area, self.positions.submission_head);
        self.publish_completions(platform);
    }

    /// Shows the program the completions.
    #[inline]
    pub fn publish_completions(&self, platform: &impl Platform) {
        platform.publish_completion_tail(self.area, self.positions.completion_tail);
    }

    /// Whether this tag exists and is free.
    pub fn is_free(&self, tag: u16) -> bool {
        usize::from(tag) < PENDING_RECORDS && matches!(self.record(tag), Record::Free)
    }

    /// The record under this tag.
    #[inline]
    pub fn record(&self, tag: u16) -> &Record {
        self.records.get(usize::from(tag)).unwrap_or(&Record::Free)
    }

    /// The record under this tag, if the tag was ever used.
    #[inline]
    pub fn used(&self, tag: u16) -> Option<&Record> {
        self.records.get(usize::from(tag))
    }

    /// As [`Self::used`].
    #[inline]
    pub fn record_mut(&mut self, tag: u16) -> Option<&mut Record> {
        self.records.get_mut(usize::from(tag))
    }

    /// Whether this tag is free, and [`Self::start`] with it will not need the heap.
    #[inline]
    pub fn is_ready(&self, tag: u16) -> bool {
        matches!(self.records.get(usize::from(tag)), Some(Record::Free))
    }

    /// Checks that this tag is free, and makes sure that [`Self::start`] with it will not need the heap.
    #[inline]
    pub fn check_tag(&mut self, tag: u16, payer: Payer<'_>) -> Result<(), Refusal> {
        match self.records.get(usize::from(tag)) {
            Some(Record::Free) => Ok(()),
            Some(_) => Err(status::BAD_TAG.into()),
            None => self.grow(tag, payer),
        }
    }

    /// Makes room for the record of a tag that was never used.
    #[cold]
    fn grow(&mut self, tag: u16, payer: Payer<'_>) -> Result<(), Refusal> {
        if usize::from(tag) >= PENDING_RECORDS {
            return Err(status::BAD_TAG.into());
        }
        let missing = (usize::from(tag) + 1).saturating_sub(self.records.len());
        make_room(&mut self.records, missing, payer)?;
        self.records.extend(iter::repeat_with(|| Record::Free).take(missing));
        Ok(())
    }

    /// The list of the capabilities that the call under a tag is to carry.
    #[inline]
    pub fn list(&mut self, tag: u16, payer: Payer<'_>) -> Result<&mut SentCaps, Refusal> {
        if usize::from(tag) >= self.sent.len() {
            self.grow_lists(tag, payer)?;
        }
        self.sent.get_mut(usize::from(tag)).ok_or(status::BAD_TAG.into())
    }

    /// Makes room for the list of a tag that never had one.
    #[cold]
    fn grow_lists(&mut self, tag: u16, payer: Payer<'_>) -> Result<(), Refusal> {
        let missing = (usize::from(tag) + 1).saturating_sub(self.sent.len());
        make_room(&mut self.sent, missing, payer)?;
        self.sent.extend(iter::repeat_n(SentCaps::NONE, missing));
        Ok(())
    }

    /// The capabilities that the call under this tag carries; none if no call under it ever carried any.
    pub fn carried(&self, tag: u16) -> &SentCaps {
        self.sent.get(usize::from(tag)).unwrap_or(&SentCaps::NONE)
    }

    /// Stores a record under a tag that was checked.
    #[inline(always)]
    pub fn start(&mut self, tag: u16, record: Record) {
        let deadline = record.deadline();
        if deadline != 0 {
            self.earliest_deadline =
                if self.with_deadline == 0 { deadline } else { self.earliest_deadline.min(deadline) };
            self.with_deadline += 1;
        }
        if let Some(place) = self.records.get_mut(usize::from(tag)) {
            *place = record;
        }
    }

    /// Takes the record of a call out; the tag is free again.
    #[inline(always)]
    pub fn end_call(&mut self, tag: u16) -> Option<CallRecord> {
        let place = self.records.get_mut(usize::from(tag))?;
        if !matches!(place, Record::Call(_)) {
            return None;
        }
        let Record::Call(call) = core::mem::replace(place, Record::Free) else { return None };
        self.with_deadline -= u32::from(call.deadline != 0);
        Some(call)
    }

    /// Takes the record out; the tag is free again.
    #[inline]
    pub fn finish(&mut self, tag: u16) -> Record {
        let record =
            self.records.get_mut(usize::from(tag)).map_or(Record::Free, |r| core::mem::replace(r, Record::Free));
        self.with_deadline -= u32::from(record.deadline() != 0);
        record
    }

    /// Gives the memory of the records back, all of which have ended.
    pub fn free(&mut self, ledger: &mut Ledger) {
        self.records.clear();
        self.sent.clear();
        heap::free(&mut self.records, ledger);
        heap::free(&mut self.sent, ledger);
    }

    /// Bytes of the kernel's heap that it holds.
    pub fn held(&self) -> u64 {
        heap::held(&self.records) + heap::held(&self.sent)
    }

    /// Tags in use, or once in use.
    pub fn tags(&self) -> core::ops::Range<u16> {
        0..self.records.len() as u16
    }

    /// The first tag from this one on whose record satisfies the condition.
    pub fn next(&self, first: u16, is_meant: impl Fn(&Record) -> bool) -> Option<u16> {
        let records = self.records.get(usize::from(first)..)?;
        let at = records.iter().position(is_meant)?;
        Some(first + at as u16)
    }

    /// Whether a pending operation has a deadline.
    #[inline]
    pub fn has_deadlines(&self) -> bool {
        self.with_deadline > 0
    }

    /// When to look for deadlines that have passed: no pending operation has an earlier one.
    pub fn earliest_deadline(&self) -> Option<u64> {
        (self.with_deadline > 0).then_some(self.earliest_deadline)
    }

    /// Looks at all deadlines for the earliest of them.
    pub fn find_earliest_deadline(&mut self) {
        let deadlines = self.records.iter().map(Record::deadline);
        self.earliest_deadline = deadlines.filter(|&deadline| deadline != 0).min().unwrap_or(u64::MAX);
    }
}

/// Whether a submission with this head only completes.
#[inline]
fn is_nop(head: SubmissionHead) -> bool {
    head.op == op::NOP && head.flags == 0
}
