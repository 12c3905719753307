//! Ledgers: what may be used up, and what is.
use crate::ipc::operation::Refusal;
use crate::lifecycle::reclaim::Reclaim;
use crate::slab::{Id, Slab};
use capos_abi::interface::ledger as abi;
use capos_abi::status::{exhausted, resource};

/// What a ledger counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Resource {
    /// Page frames.
    Frames = resource::FRAMES,
    /// Handle slots.
    Handles = resource::HANDLES,
    /// Kernel objects.
    Objects = resource::OBJECTS,
    /// Threads.
    Threads = resource::THREADS,
    /// Bytes of the kernel's heap.
    KernelMemory = resource::KERNEL_MEMORY,
}

/// Kinds of resources.
pub const RESOURCES: usize = 5;

/// Bytes of the kernel's heap that an object takes at most, lists aside: its record, in a table that grows in pieces, and its places
/// in the queues of what is to be put away.
pub const OBJECT_BYTES: u64 = 1024;
/// The same of a thread, with its register context and its places in the queues of processors and timers.
pub const THREAD_BYTES: u64 = 6 << 10;

/// An amount of each resource, in the order of [`Resource`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts(pub [u64; RESOURCES]);

impl Resource {
    const ALL: [Self; RESOURCES] = [Self::Frames, Self::Handles, Self::Objects, Self::Threads, Self::KernelMemory];

    fn index(self) -> usize {
        self as usize - 1
    }

    /// Bytes of the kernel's heap that each unit takes in any case.
    fn kernel_bytes(self) -> u64 {
        match self {
            Self::Objects => OBJECT_BYTES,
            Self::Threads => THREAD_BYTES,
            Self::Frames | Self::Handles | Self::KernelMemory => 0,
        }
    }
}

impl Amounts {
    /// So many frames, handles, objects and threads, and the kernel memory that comes with them.
    pub const fn new([frames, handles, objects, threads]: [u64; RESOURCES - 1]) -> Self {
        let kernel_memory = frames
            .saturating_mul(abi::KERNEL_BYTES_PER_FRAME)
            .saturating_add(handles.saturating_mul(abi::KERNEL_BYTES_PER_HANDLE))
            .saturating_add(objects.saturating_mul(abi::KERNEL_BYTES_PER_OBJECT))
            .saturating_add(threads.saturating_mul(abi::KERNEL_BYTES_PER_THREAD));
        Self([frames, handles, objects, threads, kernel_memory])
    }

    /// The amount of one resource.
    pub fn of(&self, resource: Resource) -> u64 {
        self.0[resource.index()]
    }
}

/// A ledger, or the machine, has too little left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// Number of the resource in `capos_abi::status::resource`.
    pub resource: u8,
    /// Number of the ledger, or `exhausted::MACHINE`.
    pub ledger: u32,
    /// What was asked for.
    pub requested: u64,
    /// What remained: less than that.
    pub remaining: u64,
}

impl Exhausted {
    /// No ledger refuses this, but the machine, or a table of the kernel.
    pub fn machine(resource: u8, requested: u64, remaining: u64) -> Self {
        Self { resource, ledger: exhausted::MACHINE, requested, remaining }
    }
}

/// Ledgers below each other at most.
pub const MAX_DEPTH: u8 = 16;

/// One account.
pub struct Ledger {
    /// Slots, processes and objects that refer to it.
    pub references: u32,
    /// Being reclaimed, or gone: nothing can be charged.
    pub closed: bool,
    /// Where its reclaiming stands.
    pub reclaim: Option<Reclaim>,
    /// What programs call it.
    number: u32,
    parent: Option<Id<Ledger>>,
    children: u32,
    depth: u8,
    limits: Amounts,
    used: Amounts,
}

impl Ledger {
    /// Adds the machine's own ledger.
    pub fn root(ledgers: &mut Slab<Self>, limits: Amounts) -> Result<Id<Self>, Refusal> {
        Self::insert(ledgers, 1, None, 0, limits)
    }

    fn insert(
        ledgers: &mut Slab<Self>,
        references: u32,
        parent: Option<Id<Self>>,
        depth: u8,
        limits: Amounts,
    ) -> Result<Id<Self>, Refusal> {
        let used = Amounts::default();
        let made =
            Self { references, closed: false, reclaim: None, number: 0, parent, children: 0, depth, limits, used };
        let id = ledgers.insert(made)?;
        ledgers[id].number = exhausted::MACHINE + 1 + id.index();
        Ok(id)
    }

    /// What programs call it, as long as it exists.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// What may be used.
    pub fn limits(&self) -> &Amounts {
        &self.limits
    }

    /// What is used.
    pub fn used(&self) -> &Amounts {
        &self.used
    }

    /// Where the limits were taken from.
    pub fn parent(&self) -> Option<Id<Self>> {
        self.parent
    }

    /// Whether ledgers below it exist.
    pub fn has_children(&self) -> bool {
        self.children > 0
    }

    /// What may still be charged.
    fn remaining(&self, resource: Resource) -> u64 {
        if self.closed { 0 } else { self.limits.of(resource) - self.used.of(resource) }
    }

    /// Whether so much could be charged; or what is missing.
    pub fn check(&self, resource: Resource, amount: u64) -> Result<(), Exhausted> {
        let remaining = self.remaining(resource);
        if amount <= remaining {
            return Ok(());
        }
        Err(Exhausted { resource: resource as u8, ledger: self.number, requested: amount, remaining })
    }

    /// Charges, together with what each unit takes of the kernel's heap; or says what is missing.
    pub fn charge(&mut self, resource: Resource, amount: u64) -> Result<(), Exhausted> {
        let kernel_bytes = amount.saturating_mul(resource.kernel_bytes());
        self.check(resource, amount)?;
        self.check(Resource::KernelMemory, kernel_bytes)?;
        self.used.0[resource.index()] += amount;
        self.used.0[Resource::KernelMemory.index()] += kernel_bytes;
        Ok(())
    }

    /// Takes a charge back.
    pub fn refund(&mut self, resource: Resource, amount: u64) {
        self.take_back(resource, amount);
        self.take_back(Resource::KernelMemory, amount * resource.kernel_bytes());
    }

    fn take_back(&mut self, resource: Resource, amount: u64) {
        let used = &mut self.used.0[resource.index()];
        debug_assert!(*used >= amount, "{resource:?} refunded twice");
        *used = used.saturating_sub(amount);
    }

    /// Adds a ledger whose limits are taken from this one. The parent is less than [`MAX_DEPTH`] deep.
    pub fn child(ledgers: &mut Slab<Self>, parent: Id<Self>, limits: Amounts) -> Result<Id<Self>, Refusal> {
        let account = &ledgers[parent];
        let depth = account.depth + 1;
        Resource::ALL.into_iter().try_for_each(|resource| account.check(resource, limits.of(resource)))?;
        let child = Self::insert(ledgers, 0, Some(parent), depth, limits)?;
        let account = &mut ledgers[parent];
        Resource::ALL.iter().for_each(|r| account.used.0[r.index()] += limits.of(*r));
        account.references += 1;
        account.children += 1;
        Ok(child)
    }

    /// Whether ledgers can be made below it.
    pub fn can_have_children(&self) -> bool {
        self.depth < MAX_DEPTH
    }

    /// Takes a child's limits back, which is empty and gives up its place in the tree. The reference to the parent, which
    /// this returns, is the caller's.
    pub fn detach(ledgers: &mut Slab<Self>, child: Id<Self>) -> Option<Id<Self>> {
        let account = &mut ledgers[child];
        let parent = account.parent.take()?;
        let limits = core::mem::take(&mut account.limits);
        account.closed = true;
        let parent_account = &mut ledgers[parent];
        parent_account.children -= 1;
        Resource::ALL.iter().for_each(|&r| parent_account.take_back(r, limits.of(r)));
        Some(parent)
    }
}
