//! Lists through their members: each knows those at its sides, so it comes and leaves without a look at the others, and needs no memory
//! but its own.

/// A member's neighbours in its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Links<K> {
    before: Option<K>,
    behind: Option<K>,
}

impl<K> Links<K> {
    /// Of a member that is in no list.
    pub const NONE: Self = Self { before: None, behind: None };
}

/// Where the members of lists are found.
pub trait Members<K> {
    /// The links of a member; `None` if it can be in no list.
    fn links(&mut self, member: K) -> Option<&mut Links<K>>;
}

/// A list.
pub struct List<K> {
    /// The first member and the last one.
    ends: Option<(K, K)>,
}

impl<K: Copy> List<K> {
    /// A list without members.
    pub const EMPTY: Self = Self { ends: None };

    /// The first member.
    pub fn first(&self) -> Option<K> {
        self.ends.map(|(first, _)| first)
    }

    /// Puts a member that is in no list behind the others.
    pub fn push(&mut self, members: &mut impl Members<K>, member: K) {
        let last = self.ends.map(|(_, last)| last);
        self.ends = Some((self.first().unwrap_or(member), member));
        change(members, Some(member), |links| links.before = last);
        change(members, last, |links| links.behind = Some(member));
    }

    /// Takes out a member of this list.
    pub fn remove(&mut self, members: &mut impl Members<K>, member: K) {
        let Some(links) = members.links(member) else { return };
        let Links { before, behind } = core::mem::replace(links, Links::NONE);
        change(members, before, |links| links.behind = behind);
        change(members, behind, |links| links.before = before);
        self.ends = self.ends.and_then(|(first, last)| {
            let first = if before.is_none() { behind } else { Some(first) };
            let last = if behind.is_none() { before } else { Some(last) };
            first.zip(last)
        });
    }
}

/// Changes the links of a member, if there is one.
fn change<K>(members: &mut impl Members<K>, member: Option<K>, change: impl FnOnce(&mut Links<K>)) {
    if let Some(links) = member.and_then(|member| members.links(member)) {
        change(links);
    }
}
