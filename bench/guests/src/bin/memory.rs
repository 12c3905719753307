//! Measures memory: committed, touched and given back; and the fault of a first touch alone.

use bench_guests::{measure, shut_down};
use capos_abi::PAGE_BYTES;
use capos_rt::objects::{commit, decommit, reserve};
use std::process::ExitCode;

/// Measurements of small operations.
const SAMPLES: usize = 400;
/// Measurements of large ones.
const LARGE_SAMPLES: usize = 50;
/// Pages of a large operation.
const PAGES: u64 = 256;

fn main() -> ExitCode {
    capos_service::run(async |context| {
        let start = reserve((SAMPLES as u64).max(PAGES) * PAGE_BYTES).map_err(|failure| format!("{failure:?}"))?;
        measure("vm.page1", SAMPLES, 1, || use_pages(start, 1));
        measure("vm.page256", LARGE_SAMPLES, 1, || use_pages(start, PAGES));
        faults(start);
        shut_down(&context).await
    })
}

/// Commits pages, touches each and gives them back. They have to be zeroed, though the last round has written to them.
fn use_pages(start: u64, pages: u64) -> bool {
    commit(start, pages * PAGE_BYTES).is_ok()
        && (0..pages).all(|page| touch(start + page * PAGE_BYTES))
        && decommit(start, pages * PAGE_BYTES).is_ok()
}

/// Touches one fresh page after another.
fn faults(start: u64) {
    let mut next = start;
    let committed = commit(start, SAMPLES as u64 * PAGE_BYTES).is_ok();
    measure("fault.roundtrip", SAMPLES, 1, || {
        next += PAGE_BYTES;
        committed && touch(next - PAGE_BYTES)
    });
}

/// Writes to a page; whether it was zeroed.
fn touch(address: u64) -> bool {
    let page = std::ptr::with_exposed_provenance_mut::<u8>(address as usize);
    // SAFETY: the page is committed, and nothing else uses it.
    unsafe {
        page.write_volatile(1);
        let last = page.add(PAGE_BYTES as usize - 1);
        let zeroed = last.read_volatile() == 0;
        last.write_volatile(1);
        zeroed
    }
}
