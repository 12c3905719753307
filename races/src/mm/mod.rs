//! The kernel's side of memory that it shares.

pub mod kernel_space;
pub mod layout;
#[path = "../../../kernel/src/mm/ring_area.rs"]
pub mod ring_area;
#[path = "../../../kernel/src/mm/shootdown.rs"]
pub mod shootdown;
