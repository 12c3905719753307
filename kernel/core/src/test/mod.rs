//! The core on a machine of plain vectors: whole systems of processes, without a processor.
mod calls;
mod death;
mod fairness;
mod frames;
mod grants;
mod hostile;
mod large;
mod machine;
mod memory;
mod models;
mod parts;
mod process;
mod races;
mod reclaim;
mod scheduling;
mod sessions;
mod world;
