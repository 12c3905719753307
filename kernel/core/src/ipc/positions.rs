//! Where a ring stands: how far its queues have come, and the places for completions that are set aside.
use capos_abi::ring::{COMPLETION_ENTRIES, SUBMISSION_ENTRIES};

/// The kernel's own positions. They count up and wrap.
#[derive(Clone, Copy, Debug, Default)]
pub struct Positions {
    /// Next submission to start.
    pub submission_head: u32,
    /// Next place for a completion.
    pub completion_tail: u32,
    completion_head: u32,
    reserved: u32,
}

impl Positions {
    /// Takes the next submission before `tail` off the queue and sets a place for its completion aside; `None` if there is
    /// neither.
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
    #[inline]
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
    #[cfg(test)]
    pub fn free_completions(&self) -> u32 {
        COMPLETION_ENTRIES.saturating_sub(self.unread() + self.reserved)
    }

    /// Whether so many places for completions, at least one and at most all, are neither unread nor reserved.
    #[inline]
    pub fn has_free(&self, count: u32) -> bool {
        self.unread() + self.reserved <= COMPLETION_ENTRIES - count
    }

    /// Sets places aside for completions to come.
    #[must_use]
    #[inline]
    pub fn reserve(&mut self, count: u32) -> bool {
        let fits = self.has_free(count);
        if fits {
            self.reserve_free(count);
        }
        fits
    }

    /// Sets places aside that were seen to be free.
    #[inline]
    pub fn reserve_free(&mut self, count: u32) {
        debug_assert!(self.has_free(count), "the places are free");
        self.reserved += count;
    }

    /// Gives places back that will not be used.
    #[inline]
    pub fn unreserve(&mut self, count: u32) {
        self.reserved -= count;
    }

    /// The next place for a completion, out of those reserved.
    #[inline]
    pub fn take_completion(&mut self) -> u32 {
        self.unreserve(1);
        let position = self.completion_tail;
        self.completion_tail = position.wrapping_add(1);
        position
    }
}
