//! Ledgers: what may be used up, and what is.
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

/// One account.
pub struct Ledger {
    /// Slots, processes and objects that refer to it.
    pub references: u32,
    parent: Option<Id<Ledger>>,
    limits: Amounts,
    used: Amounts,
}

impl Ledger {
    /// The machine's own ledger.
    pub fn root(limits: Amounts) -> Self {
        Self { references: 1, parent: None, limits, used: Amounts::default() }
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

    /// Charges, or says what is missing.
    pub fn charge(&mut self, resource: Resource, amount: u64) -> Result<(), Exhausted> {
        let i = resource.index();
        let remaining = self.limits.0[i] - self.used.0[i];
        if amount > remaining {
            return Err(Exhausted { resource: resource as u8, remaining });
        }
        self.used.0[i] += amount;
        Ok(())
    }

    /// Takes a charge back.
    pub fn refund(&mut self, resource: Resource, amount: u64) {
        let used = &mut self.used.0[resource.index()];
        debug_assert!(*used >= amount, "{resource:?} refunded twice");
        *used = used.saturating_sub(amount);
    }

    /// A child ledger whose limits are taken from this one.
    pub fn child(ledgers: &mut Slab<Self>, parent: Id<Self>, limits: Amounts) -> Result<Self, Exhausted> {
        let account = &mut ledgers[parent];
        for resource in Resource::ALL {
            let remaining = account.limits.of(resource) - account.used.of(resource);
            if limits.of(resource) > remaining {
                return Err(Exhausted { resource: resource as u8, remaining });
            }
        }
        Resource::ALL.iter().for_each(|r| account.used.0[r.index()] += limits.of(*r));
        account.references += 1;
        Ok(Self { references: 0, parent: Some(parent), limits, used: Amounts::default() })
    }

    /// Gives the limits of a child that is gone back to its parent.
    pub fn reclaim(&mut self, child: &Self) {
        Resource::ALL.iter().for_each(|&r| self.refund(r, child.limits.of(r)));
    }
}
