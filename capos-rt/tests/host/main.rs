//! The runtime on the host, over a [`model`] of the kernel.
mod hooks;
mod model;
mod promises;
mod remote;
mod ring;
