//! The system tests: each boots capOS in QEMU and talks to it as a person or a program would.

mod boot_paths;
mod calls;
mod console;
mod dialogue;
mod entropy;
mod firmware;
mod first_service;
mod kaslr;
mod lifecycle;
mod machines;
mod objects;
mod observing;
mod package;
mod page_tables;
mod panic;
mod power;
mod remote;
mod sharing;
mod standard_library;
mod start_page;
mod stays;
#[cfg(stock_limine)]
mod stock_limine;
mod stress;
mod supervision;
mod trials;
