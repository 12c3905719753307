//! Free frames in the order in which they were put away, so that the one that was used last is used next. A stack never grows: its room is
//! made once.
use super::Frame;
use alloc::vec::Vec;

/// A stack of free frames.
pub struct FrameStack {
    places: Vec<Frame>,
    len: usize,
}

impl FrameStack {
    /// A stack without room.
    pub const NONE: Self = Self { places: Vec::new(), len: 0 };

    /// An empty stack with room for so many. `None`: the heap is too small.
    pub fn new(room: usize) -> Option<Self> {
        let mut places = Vec::new();
        places.try_reserve_exact(room).ok()?;
        places.resize(room, Frame(0));
        Some(Self { places, len: 0 })
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether there is no room left.
    pub fn is_full(&self) -> bool {
        self.len == self.places.len()
    }

    /// Puts a frame away; false: there is no room.
    #[inline]
    pub fn push(&mut self, frame: Frame) -> bool {
        let Some(place) = self.places.get_mut(self.len) else { return false };
        *place = frame;
        self.len += 1;
        true
    }

    /// The frame that was put away last.
    #[inline]
    pub fn pop(&mut self) -> Option<Frame> {
        let last = self.len.checked_sub(1)?;
        self.len = last;
        self.places.get(last).copied()
    }

    /// Whether it holds this frame.
    pub fn contains(&self, frame: Frame) -> bool {
        self.places.iter().take(self.len).any(|held| *held == frame)
    }
}
