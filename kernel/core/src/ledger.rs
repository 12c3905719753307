//! Ledgers: what may be used up, and what is.
use crate::lifecycle::reclaim::Reclaim;
use crate::slab::{Id, Slab};
use capos_abi::status::resource;

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
}

/// Kinds of resources.
pub const RESOURCES: usize = 4;

/// An amount of each resource, in the order of [`Resource`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts(pub [u64; RESOURCES]);

impl Resource {
    const ALL: [Self; RESOURCES] = [Self::Frames, Self::Handles, Self::Objects, Self::Threads];

    fn index(self) -> usize {
        self as usize - 1
    }
}

impl Amounts {
    /// The amount of one resource.
    pub fn of(&self, resource: Resource) -> u64 {
        self.0[resource.index()]
    }
}

/// A ledger has too little left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// Number of the resource in `capos_abi::status::resource`.
    pub resource: u8,
    /// What remained.
    pub remaining: u64,
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
    parent: Option<Id<Ledger>>,
    children: u32,
    depth: u8,
    limits: Amounts,
    used: Amounts,
}

impl Ledger {
    /// The machine's own ledger.
    pub fn root(limits: Amounts) -> Self {
        Self::new(1, None, 0, limits)
    }

    fn new(references: u32, parent: Option<Id<Self>>, depth: u8, limits: Amounts) -> Self {
        Self { references, closed: false, reclaim: None, parent, children: 0, depth, limits, used: Amounts::default() }
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
        if amount > remaining { Err(Exhausted { resource: resource as u8, remaining }) } else { Ok(()) }
    }

    /// Charges, or says what is missing.
    pub fn charge(&mut self, resource: Resource, amount: u64) -> Result<(), Exhausted> {
        self.check(resource, amount)?;
        self.used.0[resource.index()] += amount;
        Ok(())
    }

    /// Takes a charge back.
    pub fn refund(&mut self, resource: Resource, amount: u64) {
        let used = &mut self.used.0[resource.index()];
        debug_assert!(*used >= amount, "{resource:?} refunded twice");
        *used = used.saturating_sub(amount);
    }

    /// A child ledger whose limits are taken from this one. The parent is less than [`MAX_DEPTH`] deep.
    pub fn child(ledgers: &mut Slab<Self>, parent: Id<Self>, limits: Amounts) -> Result<Self, Exhausted> {
        let account = &mut ledgers[parent];
        for resource in Resource::ALL {
            let remaining = account.remaining(resource);
            if limits.of(resource) > remaining {
                return Err(Exhausted { resource: resource as u8, remaining });
            }
        }
        Resource::ALL.iter().for_each(|r| account.used.0[r.index()] += limits.of(*r));
        account.references += 1;
        account.children += 1;
        Ok(Self::new(0, Some(parent), account.depth + 1, limits))
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
        Resource::ALL.iter().for_each(|&r| parent_account.refund(r, limits.of(r)));
        Some(parent)
    }
}
