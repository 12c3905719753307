//! A stay in the kernel is short, because interrupts are off meanwhile.
//!
//! 1. Who does something long spends from the budget of the stay, and stops between two steps when nothing is left.
//! 2. A thread whose submissions are not all started by then enters again by itself ([`Platform::enter_again`]); so does one in
//!    the middle of an entry that says [`crate::ipc::operation::Step::Again`].
//! 3. The ends of threads and processes go on in later stays, of whatever processor (`chores`).
use crate::Kernel;
use crate::platform::Platform;

/// What a stay may spend, in instructions by estimate. The step that spends the last of it is not counted: it is at most the
/// copy of a message.
pub const STAY_BUDGET: u32 = 8_000;

/// What a stay may spend beside other processors.
const BESIDE_BUDGET: u32 = STAY_BUDGET / 4;

/// What steps cost, in instructions by estimate.
pub mod cost {
    /// An entry of a ring, whatever it is.
    pub const ENTRY: u32 = 200;
    /// A call that is delivered or answered, without its bytes.
    pub const TRANSFER: u32 = 700;
    /// A call that is put into a queue.
    pub const QUEUE: u32 = 500;
    /// A notice that comes to wait, or is posted.
    pub const NOTICE: u32 = 400;
    /// A mapping that has lost its last piece.
    pub const UNMAPPED: u32 = 300;
    /// A deadline that has passed, and its thread, which runs again.
    pub const EXPIRY: u32 = 1_500;
    /// A pending operation that is ended.
    pub const ABORT: u32 = 500;
    /// The reference of a session that a call through a new handle tells.
    pub const REFERENCE: u32 = 1_000;
    /// A place of a table that is looked at.
    pub const PLACE: u32 = 60;
    /// An entry of a short list that is looked at.
    pub const LISTED: u32 = 6;
    /// Memory of the kernel's heap for a list that has no room, without the copy.
    pub const ALLOCATION: u32 = 300;
    /// A pending record that is looked at.
    pub const RECORD: u32 = 8;
    /// A chore that is taken up, and its end.
    pub const CHORE: u32 = 600;
    /// A thread that is stopped.
    pub const STOP: u32 = 600;
    /// A slot that is emptied.
    pub const SLOT: u32 = 600;
    /// A range of an address map that is looked up.
    pub const LOOK_UP: u32 = 100;
    /// A range of an address map that is changed or taken out, ...
    pub const RANGE: u32 = 350;
    /// ... for each of those that may have to make room.
    pub const MOVED_RANGE: u32 = 8;
    /// A page that is unmapped, protected or given back.
    pub const PAGE: u32 = 110;
    /// An entry of a page table that is looked at.
    pub const TABLE_ENTRY: u32 = 14;
    /// A frame that goes back to its free neighbours.
    pub const FREED_FRAME: u32 = 150;
    /// A page that is mapped.
    pub const MAPPING: u32 = 150;
    /// A page table that is looked up.
    pub const TABLE: u32 = 60;
    /// A page table that is freed.
    pub const FREED_TABLE: u32 = 300 + FREED_FRAME;
    /// A page table that is made and cleared.
    pub const NEW_TABLE: u32 = 700;
    /// A thread's record and context, without its ring area.
    pub const THREAD: u32 = 3_000;
    /// A capability that is given to a process among others.
    pub const GRANT: u32 = 300;
    /// A method that makes or changes an object.
    pub const METHOD: u32 = 1_000;
    /// A word of a program's stack that is read for a crash record.
    pub const RECORD_WORD: u32 = 60;
    /// A byte that the console shows.
    pub const CONSOLE_BYTE: u32 = 60;
    /// A byte that is written into the log.
    pub const LOG_BYTE: u32 = 10;
    /// Bytes that are copied or cleared by one instruction.
    pub const BYTES_PER_INSTRUCTION: u32 = 8;
}

/// What is left of this stay.
#[derive(Default)]
pub struct Stay {
    /// Less than nothing once the last step was too long.
    left: i64,
    #[cfg(test)]
    pub seen: Seen,
}

/// What tests ask of the stays so far.
#[cfg(test)]
#[derive(Default)]
pub struct Seen {
    /// How many there were.
    pub stays: u32,
    /// What was left of the one that spent most.
    pub least: i64,
}

impl Stay {
    /// A stay begins.
    pub fn begin(&mut self) {
        self.left = STAY_BUDGET.into();
        #[cfg(test)]
        (self.seen.stays += 1);
    }

    /// The first part of a stay, beside other processors: it may have to go on alone, and then begins.
    pub fn beside_others() -> Self {
        Self {
            left: BESIDE_BUDGET.into(),
            #[cfg(test)]
            seen: Seen::default(),
        }
    }

    /// Something was done that costs so much.
    pub fn spend(&mut self, cost: u32) {
        self.left -= i64::from(cost);
        #[cfg(test)]
        (self.seen.least = self.seen.least.min(self.left));
    }

    /// So many bytes were copied or cleared.
    pub fn spend_on_bytes(&mut self, bytes: u64) {
        self.spend((bytes / u64::from(cost::BYTES_PER_INSTRUCTION)) as u32);
    }

    /// Nothing more is to be done in this stay.
    pub fn end(&mut self) {
        self.left = self.left.min(0);
    }

    /// Whether nothing is left: what is long goes on in the next stay.
    pub fn is_over(&self) -> bool {
        self.left <= 0
    }
}

impl<P: Platform> Kernel<P> {
    /// A processor comes into the kernel.
    #[inline]
    pub(crate) fn begin_stay(&mut self, processor: usize) {
        self.inside = Some(processor);
        self.frames.enter(processor);
        self.stay.begin();
        if self.scheduler.has_strays() {
            self.collect_strays(processor);
        }
    }
}
