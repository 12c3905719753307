//! How what runs is stopped, answered for, ended and put away.
pub(crate) mod birth;
pub(crate) mod burial;
pub(crate) mod chore;
pub(crate) mod fault;
pub(crate) mod life;
pub(crate) mod open_fault;
pub(crate) mod reclaim;
pub(crate) mod suspend;
