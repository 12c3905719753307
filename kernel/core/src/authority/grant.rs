//! The grant tree: which capability was copied from which, and what was mapped with it.
//!
//! The children of a node form a list whose ends point back to the node (a threaded tree), so nobody stores a parent that would have
//! to be rewritten. Copying puts a child first, mapping puts one last, releasing puts the node's children in its place, moving puts
//! another slot there: each is O(1), whatever hangs below.
use crate::authority::handle::{MAX_SLOTS, SlotRef};
use crate::execution::process::Process;
use crate::memory::mapping::Mappings;
use crate::slab::{Id, Slab};

/// A node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    process: Id<Process>,
    /// Of a slot; behind those, of a mapping.
    index: u32,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Derived {
    /// A capability.
    Slot(SlotRef),
    /// What was mapped with one: in this process, in this place among its mappings.
    Mapping(Id<Process>, u32),
}

impl From<SlotRef> for Node {
    fn from(slot: SlotRef) -> Self {
        Self { process: slot.process, index: slot.index }
    }
}

impl Node {
    /// The node of a mapping.
    pub fn mapping(process: Id<Process>, place: u32) -> Self {
        Self { process, index: MAX_SLOTS + place }
    }

    /// What it is.
    pub fn derived(self) -> Derived {
        match self.index.checked_sub(MAX_SLOTS) {
            Some(place) => Derived::Mapping(self.process, place),
            None => Derived::Slot(SlotRef { process: self.process, index: self.index }),
        }
    }
}

/// What lies next to a node in its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbour {
    /// Nothing: the list has no parent, its nodes are roots.
    None,
    /// A child of the same parent.
    Sibling(Node),
    /// The parent: this is the end of the list.
    Parent(Node),
}

/// A node's place in its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Links {
    previous: Neighbour,
    next: Neighbour,
    /// First and last child.
    children: Option<(Node, Node)>,
}

impl Links {
    /// A tree of its own.
    pub const ROOT: Self = Self { previous: Neighbour::None, next: Neighbour::None, children: None };
}

#[inline(always)]
fn links(processes: &mut Slab<Process>, at: Node) -> &mut Links {
    let process = &mut processes[at.process];
    match process.handles.slot_mut(at.index) {
        Some(slot) => &mut slot.links,
        None => mapping_links(&mut process.mappings, at.index),
    }
}

#[cold]
#[inline(never)]
fn mapping_links(mappings: &mut Mappings, index: u32) -> &mut Links {
    let mapping = index.checked_sub(MAX_SLOTS).and_then(|place| mappings.get_mut(place));
    &mut mapping.expect("a linked node exists").links
}

/// Hangs the slot `child`, a tree of its own, below `parent`, before all that hangs there.
pub fn insert_first(processes: &mut Slab<Process>, parent: SlotRef, child: SlotRef) {
    let (parent, child) = (parent.into(), child.into());
    let children = &mut links(processes, parent).children;
    let before = *children;
    *children = Some((child, before.map_or(child, |(_, last)| last)));
    let next = match before {
        None => Neighbour::Parent(parent),
        Some((first, _)) => {
            links(processes, first).previous = Neighbour::Sibling(child);
            Neighbour::Sibling(first)
        }
    };
    *links(processes, child) = Links { previous: Neighbour::Parent(parent), next, children: None };
}

/// Hangs `child`, a tree of its own, below `parent`, behind all that hangs there.
pub fn insert_last(processes: &mut Slab<Process>, parent: SlotRef, child: Node) {
    let parent = parent.into();
    let children = &mut links(processes, parent).children;
    let before = *children;
    *children = Some((before.map_or(child, |(first, _)| first), child));
    let previous = match before {
        None => Neighbour::Parent(parent),
        Some((_, last)) => {
            links(processes, last).next = Neighbour::Sibling(child);
            Neighbour::Sibling(last)
        }
    };
    *links(processes, child) = Links { previous, next: Neighbour::Parent(parent), children: None };
}

/// Takes a node out; its children come into its place. Returns a root that has lost its last child by it.
#[inline(always)]
pub fn unlink(processes: &mut Slab<Process>, node: Node) -> Option<Node> {
    let Links { previous, next, children } = core::mem::replace(links(processes, node), Links::ROOT);
    if let Some((first, last)) = children {
        links(processes, first).previous = previous;
        links(processes, last).next = next;
        set_next(processes, previous, Neighbour::Sibling(first), first);
        set_previous(processes, next, Neighbour::Sibling(last), last);
        return None;
    }
    if let (Neighbour::Parent(parent), Neighbour::Parent(_)) = (previous, next) {
        let parent_links = links(processes, parent);
        parent_links.children = None;
        let is_root = parent_links.previous == Neighbour::None && parent_links.next == Neighbour::None;
        return is_root.then_some(parent);
    }
    if let Neighbour::Sibling(at) = previous {
        links(processes, at).next = next;
    }
    if let Neighbour::Sibling(at) = next {
        links(processes, at).previous = previous;
    }
    match (previous, next) {
        (Neighbour::Parent(parent), Neighbour::Sibling(at)) => set_first(processes, parent, at),
        (Neighbour::Sibling(at), Neighbour::Parent(parent)) => set_last(processes, parent, at),
        _ => {}
    }
    None
}

/// Puts the slot `to`, a tree of its own, in the place of `from`.
pub fn replace(processes: &mut Slab<Process>, from: SlotRef, to: SlotRef) {
    let (from, to) = (from.into(), to.into());
    let moved = core::mem::replace(links(processes, from), Links::ROOT);
    *links(processes, to) = moved;
    if let Some((first, last)) = moved.children {
        links(processes, first).previous = Neighbour::Parent(to);
        links(processes, last).next = Neighbour::Parent(to);
    }
    set_next(processes, moved.previous, Neighbour::Sibling(to), to);
    set_previous(processes, moved.next, Neighbour::Sibling(to), to);
}

/// What was derived from a capability, the first of it.
pub fn first_child(processes: &mut Slab<Process>, slot: SlotRef) -> Option<Node> {
    links(processes, slot.into()).children.map(|(first, _)| first)
}

/// The capability that a node was derived from. Walks to the end of the node's list.
#[cfg(test)]
pub fn parent(processes: &mut Slab<Process>, node: impl Into<Node>) -> Option<Node> {
    let mut at = links(processes, node.into()).next;
    loop {
        match at {
            Neighbour::None => return None,
            Neighbour::Parent(parent) => return Some(parent),
            Neighbour::Sibling(next) => at = links(processes, next).next,
        }
    }
}

/// What stands before a list's node `first` now leads to it.
fn set_next(processes: &mut Slab<Process>, before: Neighbour, leads_to: Neighbour, first: Node) {
    match before {
        Neighbour::None => {}
        Neighbour::Sibling(at) => links(processes, at).next = leads_to,
        Neighbour::Parent(parent) => set_first(processes, parent, first),
    }
}

/// What stands behind a list's node `last` now leads back to it.
fn set_previous(processes: &mut Slab<Process>, behind: Neighbour, leads_to: Neighbour, last: Node) {
    match behind {
        Neighbour::None => {}
        Neighbour::Sibling(at) => links(processes, at).previous = leads_to,
        Neighbour::Parent(parent) => set_last(processes, parent, last),
    }
}

fn set_first(processes: &mut Slab<Process>, parent: Node, first: Node) {
    let children = &mut links(processes, parent).children;
    *children = Some((first, children.map_or(first, |(_, last)| last)));
}

fn set_last(processes: &mut Slab<Process>, parent: Node, last: Node) {
    let children = &mut links(processes, parent).children;
    *children = Some((children.map_or(last, |(first, _)| first), last));
}
