//! The runtime on the host, over a [`model`] of the kernel.
mod deadlines;
mod hooks;
mod local;
mod model;
mod promises;
mod remote;
mod ring;
mod world;
