//! The grant tree: which capability was copied from which.
//!
//! The children of a node form a list whose ends point back to the node (a threaded tree), so nobody stores a parent that would have
//! to be rewritten. Copying puts a child first, releasing puts the node's children in its place, moving puts another slot there:
//! each is O(1), whatever hangs below.
use crate::authority::handle::SlotRef;
use crate::execution::process::Process;
use crate::slab::Slab;

/// What lies next to a node in its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbour {
    /// Nothing: the list has no parent, its nodes are roots.
    None,
    /// A child of the same parent.
    Sibling(SlotRef),
    /// The parent: this is the end of the list.
    Parent(SlotRef),
}

/// A node's place in its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Links {
    previous: Neighbour,
    next: Neighbour,
    /// First and last child.
    children: Option<(SlotRef, SlotRef)>,
}

impl Links {
    /// A tree of its own.
    pub const ROOT: Self = Self { previous: Neighbour::None, next: Neighbour::None, children: None };
}

fn links(processes: &mut Slab<Process>, at: SlotRef) -> &mut Links {
    &mut processes[at.process].handles.slot_mut(at.index).expect("a linked slot exists").links
}

/// Hangs the slot `child`, a tree of its own, below `parent`.
pub fn insert_child(processes: &mut Slab<Process>, parent: SlotRef, child: SlotRef) {
    let children = links(processes, parent).children;
    let (next, last) = match children {
        None => (Neighbour::Parent(parent), child),
        Some((first, last)) => {
            links(processes, first).previous = Neighbour::Sibling(child);
            (Neighbour::Sibling(first), last)
        }
    };
    links(processes, parent).children = Some((child, last));
    *links(processes, child) = Links { previous: Neighbour::Parent(parent), next, children: None };
}

/// Takes a node out; its children come into its place. Returns a root that has lost its last child by it.
pub fn unlink(processes: &mut Slab<Process>, node: SlotRef) -> Option<SlotRef> {
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
    let moved = core::mem::replace(links(processes, from), Links::ROOT);
    *links(processes, to) = moved;
    if let Some((first, last)) = moved.children {
        links(processes, first).previous = Neighbour::Parent(to);
        links(processes, last).next = Neighbour::Parent(to);
    }
    set_next(processes, moved.previous, Neighbour::Sibling(to), to);
    set_previous(processes, moved.next, Neighbour::Sibling(to), to);
}

/// A capability derived from this one, if there is one.
pub fn first_child(processes: &mut Slab<Process>, node: SlotRef) -> Option<SlotRef> {
    links(processes, node).children.map(|(first, _)| first)
}

/// The capability that this one was derived from. Walks to the end of the node's list.
pub fn parent(processes: &mut Slab<Process>, node: SlotRef) -> Option<SlotRef> {
    let mut at = links(processes, node).next;
    loop {
        match at {
            Neighbour::None => return None,
            Neighbour::Parent(parent) => return Some(parent),
            Neighbour::Sibling(next) => at = links(processes, next).next,
        }
    }
}

/// What stands before a list's node `first` now leads to it.
fn set_next(processes: &mut Slab<Process>, before: Neighbour, leads_to: Neighbour, first: SlotRef) {
    match before {
        Neighbour::None => {}
        Neighbour::Sibling(at) => links(processes, at).next = leads_to,
        Neighbour::Parent(parent) => set_first(processes, parent, first),
    }
}

/// What stands behind a list's node `last` now leads back to it.
fn set_previous(processes: &mut Slab<Process>, behind: Neighbour, leads_to: Neighbour, last: SlotRef) {
    match behind {
        Neighbour::None => {}
        Neighbour::Sibling(at) => links(processes, at).previous = leads_to,
        Neighbour::Parent(parent) => set_last(processes, parent, last),
    }
}

fn set_first(processes: &mut Slab<Process>, parent: SlotRef, first: SlotRef) {
    let children = &mut links(processes, parent).children;
    *children = Some((first, children.map_or(first, |(_, last)| last)));
}

fn set_last(processes: &mut Slab<Process>, parent: SlotRef, last: SlotRef) {
    let children = &mut links(processes, parent).children;
    *children = Some((children.map_or(last, |(first, _)| first), last));
}
