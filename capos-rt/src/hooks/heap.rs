//! Messages on the heap, for calls that do not go over the ring.
use super::results;
use alloc::boxed::Box;
use alloc::rc::Rc;
use capnp::capability::Promise;
use capnp::message::{Builder, HeapAllocator};
use capnp::private::capability::{ParamsHook, PipelineHook, RequestHook, ResponseHook, ResultsHook};
use capnp::private::layout::CapTable;
use capnp::traits::{Imbue, ImbueMut};
use capnp::{Error, Result, any_pointer};
use core::cell::Cell;

/// A message with its capabilities.
pub struct Message {
    builder: Builder<HeapAllocator>,
    caps: CapTable,
}

impl Message {
    /// An empty message.
    pub fn new() -> Self {
        Self { builder: Builder::new(HeapAllocator::new()), caps: CapTable::new() }
    }

    /// The root pointer, to build at.
    pub fn root(&mut self) -> Result<any_pointer::Builder<'_>> {
        let mut root: any_pointer::Builder<'_> = self.builder.get_root()?;
        root.imbue_mut(&mut self.caps);
        Ok(root)
    }

    /// The root pointer, to read from.
    pub fn read(&self) -> Result<any_pointer::Reader<'_>> {
        let mut root: any_pointer::Reader<'_> = self.builder.get_root_as_reader()?;
        root.imbue(&self.caps);
        Ok(root)
    }
}

impl Default for Message {
    fn default() -> Self {
        Self::new()
    }
}

impl ParamsHook for Message {
    fn get(&self) -> Result<any_pointer::Reader<'_>> {
        self.read()
    }
}

impl ResponseHook for Message {
    fn get(&self) -> Result<any_pointer::Reader<'_>> {
        self.read()
    }
}

/// Results that are left for the caller when they are dropped.
pub struct HeapResults {
    message: Message,
    filled: Filled,
}

/// Where results are left.
pub type Filled = Rc<Cell<Option<Message>>>;

impl HeapResults {
    /// Results, and where they will be left.
    pub fn new() -> (Self, Filled) {
        let filled = Filled::default();
        (Self { message: Message::new(), filled: filled.clone() }, filled)
    }
}

impl Drop for HeapResults {
    fn drop(&mut self) {
        self.filled.set(Some(core::mem::take(&mut self.message)));
    }
}

impl ResultsHook for HeapResults {
    fn get(&mut self) -> Result<any_pointer::Builder<'_>> {
        self.message.root()
    }

    fn set_pipeline(&mut self) -> Result<()> {
        Ok(())
    }

    fn allow_cancellation(&self) {}

    fn tail_call(self: Box<Self>, request: Box<dyn RequestHook>) -> Promise<(), Error> {
        results::tail_call(self, request)
    }

    fn direct_tail_call(self: Box<Self>, request: Box<dyn RequestHook>) -> (Promise<(), Error>, Box<dyn PipelineHook>) {
        results::direct_tail_call(self, request)
    }
}
