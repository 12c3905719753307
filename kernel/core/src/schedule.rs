//! Which thread runs where: a fair queue for each processor, hand-over to the thread just woken, stealing when idle.
use crate::burial::CHORE_INTERVAL_NANOSECONDS;
use crate::platform::{ContextIndex, Platform, Space};
use crate::slab::Id;
use crate::thread::{State, Thread};
use crate::{Kernel, MAX_PROCESSORS};

/// Nanoseconds that a thread runs while others wait.
pub const SLICE_NANOSECONDS: u64 = 5_000_000;

/// What a processor does when it leaves the kernel.
#[must_use = "the processor must do what was decided"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Runs this thread.
    Run {
        /// Its register context.
        context: ContextIndex,
        /// Its address space.
        space: Space,
    },
    /// Waits for an interrupt.
    Idle,
}

/// One processor's share of the scheduler.
#[derive(Clone, Copy)]
struct Processor {
    current: Option<Id<Thread>>,
    /// What it does while `current` stays the same.
    next: Next,
    first: Option<Id<Thread>>,
    last: Option<Id<Thread>>,
    waiting: u32,
    slice_end: u64,
    armed: u64,
}

/// All processors' run queues.
pub struct Scheduler {
    processors: [Processor; MAX_PROCESSORS],
    /// Woken in this stay in the kernel; runs next here if the current thread blocks.
    hand_over: Option<Id<Thread>>,
}

impl Scheduler {
    /// Empty queues.
    pub const fn new() -> Self {
        let processor = Processor {
            current: None,
            next: Next::Idle,
            first: None,
            last: None,
            waiting: 0,
            slice_end: 0,
            armed: u64::MAX,
        };
        Self { processors: [processor; MAX_PROCESSORS], hand_over: None }
    }

    fn of(&mut self, processor: usize) -> &mut Processor {
        &mut self.processors[processor % MAX_PROCESSORS]
    }
}

impl<P: Platform> Kernel<P> {
    /// The thread that runs on this processor.
    pub(crate) fn current(&self, processor: usize) -> Option<Id<Thread>> {
        self.scheduler.processors[processor % MAX_PROCESSORS].current
    }

    /// A blocked or new thread can run. It runs next on this processor if the current thread blocks now.
    pub(crate) fn wake(&mut self, thread: Id<Thread>) {
        self.threads[thread].state = State::Ready;
        if let Some(earlier) = self.scheduler.hand_over.replace(thread) {
            self.enqueue(earlier, None);
        }
    }

    /// The decision at the end of every stay in the kernel: whether the current thread goes on or another one.
    ///
    /// A thread that was just woken goes on in the slice of the one that blocked, so that two threads which hand over to each
    /// other keep nobody else from running.
    pub(crate) fn settle(&mut self, processor: usize) -> Next {
        if !self.chores.is_empty() {
            self.do_chores();
        }
        let current = self.runnable(processor);
        match (current, self.scheduler.hand_over.take()) {
            (Some(_), None) => {}
            (Some(_), Some(woken)) => self.enqueue(woken, Some(processor)),
            (None, Some(woken)) => self.switch(processor, woken),
            (None, None) => match self.dequeue(processor).or_else(|| self.steal(processor)) {
                Some(next) => {
                    self.scheduler.of(processor).slice_end = self.platform.now() + SLICE_NANOSECONDS;
                    self.switch(processor, next);
                }
                None => self.idle(processor),
            },
        }
        self.arm_timer(processor);
        self.scheduler.of(processor).next
    }

    /// Lets the next thread in line run if the current one has had its slice.
    pub(crate) fn rotate(&mut self, processor: usize, now: u64) {
        let state = self.scheduler.of(processor);
        if now < state.slice_end || state.waiting == 0 {
            return;
        }
        if let Some(current) = state.current.take() {
            self.threads[current].state = State::Ready;
            self.push(processor, current);
        }
    }

    /// Forgets a thread that will not run any more.
    pub(crate) fn forget(&mut self, thread: Id<Thread>) {
        if self.scheduler.hand_over == Some(thread) {
            self.scheduler.hand_over = None;
            return;
        }
        let processor = self.threads[thread].processor;
        let (mut at, mut previous) = (self.scheduler.of(processor).first, None);
        while let Some(candidate) = at {
            let next = self.threads[candidate].next_ready;
            if candidate == thread {
                let queue = self.scheduler.of(processor);
                queue.waiting -= 1;
                if queue.last == at {
                    queue.last = previous;
                }
                match previous {
                    Some(previous) => self.threads[previous].next_ready = next,
                    None => queue.first = next,
                }
                return;
            }
            (previous, at) = (at, next);
        }
    }

    /// Where a new thread should run.
    pub(crate) fn quietest_processor(&mut self) -> usize {
        let load = |s: &Processor| s.waiting + u32::from(s.current.is_some());
        (0..self.platform.processors()).min_by_key(|&p| load(self.scheduler.of(p))).unwrap_or(0)
    }

    /// Puts a ready thread in line, on an idle processor if there is one.
    fn enqueue(&mut self, thread: Id<Thread>, here: Option<usize>) {
        let home = self.threads[thread].processor;
        let is_idle = |k: &Self, p: usize| k.current(p).is_none() && Some(p) != here;
        let idle = core::iter::once(home).chain(0..self.platform.processors()).find(|&p| is_idle(self, p));
        let target = idle.unwrap_or(home);
        self.push(target, thread);
        if Some(target) != here && (idle.is_some() || self.scheduler.of(target).waiting == 1) {
            self.platform.interrupt_processor(target);
        }
    }

    fn push(&mut self, processor: usize, thread: Id<Thread>) {
        let entry = &mut self.threads[thread];
        entry.next_ready = None;
        entry.processor = processor;
        let queue = self.scheduler.of(processor);
        queue.waiting += 1;
        match queue.last.replace(thread) {
            Some(last) => self.threads[last].next_ready = Some(thread),
            None => queue.first = Some(thread),
        }
    }

    fn dequeue(&mut self, processor: usize) -> Option<Id<Thread>> {
        let thread = self.scheduler.of(processor).first?;
        let next = self.threads[thread].next_ready.take();
        let queue = self.scheduler.of(processor);
        queue.first = next;
        queue.waiting -= 1;
        if next.is_none() {
            queue.last = None;
        }
        Some(thread)
    }

    fn steal(&mut self, processor: usize) -> Option<Id<Thread>> {
        let busiest = (0..self.platform.processors())
            .filter(|&p| p != processor)
            .max_by_key(|&p| self.scheduler.of(p).waiting)?;
        self.dequeue(busiest)
    }

    fn switch(&mut self, processor: usize, thread: Id<Thread>) {
        let entry = &mut self.threads[thread];
        entry.state = State::Running(processor);
        entry.processor = processor;
        let space = self.processes[entry.process].space.expect("a running thread's process has an address space");
        let state = self.scheduler.of(processor);
        state.current = Some(thread);
        state.next = Next::Run { context: thread.index(), space };
    }

    fn idle(&mut self, processor: usize) {
        let state = self.scheduler.of(processor);
        state.current = None;
        state.next = Next::Idle;
    }

    fn arm_timer(&mut self, processor: usize) {
        let mut earliest = self.timers.earliest();
        if !self.chores.is_empty() {
            let interval = if self.current(processor).is_some() { CHORE_INTERVAL_NANOSECONDS } else { 0 };
            earliest = earliest.min(self.platform.now() + interval);
        }
        let state = self.scheduler.of(processor);
        let deadline = if state.waiting > 0 { earliest.min(state.slice_end) } else { earliest };
        if state.armed != deadline {
            state.armed = deadline;
            self.platform.set_timer(processor, deadline);
        }
    }

    /// This processor's timer has fired and is not armed any more.
    pub(crate) fn timer_fired(&mut self, processor: usize) {
        self.scheduler.of(processor).armed = u64::MAX;
    }
}
