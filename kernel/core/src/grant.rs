//! The grant tree: which capability was copied from which.
//!
//! Each tree is kept as its pre-order list, every node with its depth: the descendants of a node are the nodes behind it
//! that lie deeper. Copying inserts behind the parent, releasing unlinks; both are O(1), and the descendants of a released
//! node fall to its parent without being touched.
//!
//! A copy takes the depth of the node it pushes back, if that one lies below the parent, so that it does not become its parent.
use crate::handle::SlotRef;
use crate::process::Process;
use crate::slab::Slab;

/// A node's place in the pre-order list of its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Links {
    /// Node before.
    pub previous: Option<SlotRef>,
    /// Node behind.
    pub next: Option<SlotRef>,
    /// Edges to the root, at least; 0 for a root.
    pub depth: u32,
}

impl Links {
    /// A tree of its own.
    pub const ROOT: Self = Self { previous: None, next: None, depth: 0 };
}

fn links(processes: &mut Slab<Process>, at: SlotRef) -> &mut Links {
    &mut processes[at.process].handles.slot_mut(at.index).expect("a linked slot exists").links
}

/// Links of a copy of `parent`, to be stored in the slot `child`.
pub fn insert_child(processes: &mut Slab<Process>, parent: SlotRef, child: SlotRef) -> Links {
    let (next, depth) = {
        let parent = links(processes, parent);
        (parent.next.replace(child), parent.depth)
    };
    let next_depth = next.map_or(0, |next| {
        let next = links(processes, next);
        next.previous = Some(child);
        next.depth
    });
    Links { previous: Some(parent), next, depth: next_depth.max(depth + 1) }
}

/// Takes a node out of its tree. Returns the root if the root is all that remains.
pub fn unlink(processes: &mut Slab<Process>, node: SlotRef) -> Option<SlotRef> {
    let Links { previous, next, .. } = core::mem::replace(links(processes, node), Links::ROOT);
    if let Some(next) = next {
        links(processes, next).previous = previous;
    }
    let previous = previous?;
    let before = links(processes, previous);
    before.next = next;
    (next.is_none() && before.previous.is_none()).then_some(previous)
}

/// Whether a capability derived from this one exists.
pub fn has_descendants(processes: &mut Slab<Process>, node: SlotRef) -> bool {
    let Links { next, depth, .. } = *links(processes, node);
    next.is_some_and(|next| links(processes, next).depth > depth)
}
