//! Memory: what is mapped where, for the kernel and for programs.

pub mod address_space;
pub mod boot_frames;
pub mod heap;
pub mod kernel_space;
pub mod layout;
pub mod page_table;
pub mod ring_area;
pub mod shootdown;
pub mod stack;
pub mod wide;
