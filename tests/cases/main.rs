//! The system tests: each boots capOS in QEMU and talks to it as a person or a program would.
