//! How the kernel maps itself and memory, read from outside while a machine stands still.

use serde_json::json;
use std::ops::Range;
use tests::page_tables::{Page, control_registers, pages};
use tests::{Machine, Running};
use tools::{artifacts, symbols};

/// What the console says when every service runs.
const READY: &str = "operator name: ";
const PAGE: u64 = 4 << 10;
const LARGE_PAGE: u64 = 2 << 20;
const HUGE_PAGE: u64 = 1 << 30;
/// The windows of the kernel's addresses.
const KERNEL_HALF: u64 = 0xffff_8000_0000_0000;
const DIRECT_MAP: Range<u64> = KERNEL_HALF..0xffff_c000_0000_0000;
const STACKS: Range<u64> = 0xffff_e000_0000_0000..0xffff_f000_0000_0000;
const IMAGE: u64 = 0xffff_ffff_8000_0000;
/// Pages of a processor's stacks: the kernel's, and one each for double fault, non-maskable interrupt and machine check.
const STACK_PAGES: [u64; 4] = [16, 4, 4, 4];
/// Bits of CR4 by what they are for.
const CR4: [(u64, &str); 4] = [(7, "global pages"), (11, "UMIP"), (20, "SMEP"), (21, "SMAP")];

#[test]
fn nothing_is_writable_and_executable_and_the_kernels_pages_are_its_own() {
    let machine = Machine::new().arg("-S").boot();
    // What ran before has been mapped.
    machine.run_to(symbols::address(&artifacts::program("init"), "__capos_main").expect("init has a main function"));
    let pages = pages(&machine, root(&machine));
    let (kernel, programs): (Vec<Page>, Vec<Page>) = pages.iter().partition(|page| page.address >= KERNEL_HALF);
    let none = |what: &str, wrong: Option<&Page>| assert!(wrong.is_none(), "{what}: {wrong:x?}");
    none("writable and executable", pages.iter().find(|page| page.writable && page.executable));
    none("open to programs", kernel.iter().find(|page| page.user));
    none("not global", kernel.iter().find(|page| !page.global));
    none("the kernel's in a program's half", programs.iter().find(|page| !page.user || page.global));
    none("executable outside of the image", kernel.iter().find(|page| page.executable && page.address < IMAGE));
    for half in [kernel, programs] {
        assert!(
            half.iter().any(|page| page.executable) && half.iter().any(|page| page.writable),
            "there is code and data"
        );
    }
    machine.power_off();
}

#[test]
fn every_stack_has_guard_pages() {
    let machine = stopped(Machine::new().cpus(4));
    let pages = pages(&machine, root(&machine));
    let stacks: Vec<u64> = runs(pages.iter().filter(|page| STACKS.contains(&page.address)));
    assert_eq!(stacks, [STACK_PAGES; 4].concat());
    // The boot processor started on a stack in the image's data: the page below it is the only one that the image lacks.
    let image: Vec<u64> = runs(pages.iter().filter(|page| page.address >= IMAGE));
    assert_eq!(image.len(), 2, "{image:?}");
    machine.power_off();
}

#[test]
fn memory_is_mapped_in_pages_as_large_as_fit() {
    let direct = |machine: Machine| {
        let machine = stopped(machine);
        let all = pages(&machine, root(&machine)).into_iter().filter(|page| DIRECT_MAP.contains(&page.address));
        let count = all.fold([0u64; 3], |[small, large, huge], page| match page.bytes {
            PAGE => [small + 1, large, huge],
            LARGE_PAGE => [small, large + 1, huge],
            HUGE_PAGE => [small, large, huge + 1],
            bytes => panic!("a page of {bytes} bytes"),
        });
        machine.power_off();
        count
    };
    let [_, large, huge] = direct(Machine::new().memory(4096));
    assert!(huge >= 2 && large > 0, "{huge} pages of 1 GiB, {large} of 2 MiB");
    let [_, large, huge] = direct(Machine::new().memory(4096).cpu("max,-pdpe1gb"));
    assert!(huge == 0 && large >= 2000, "{huge} pages of 1 GiB, {large} of 2 MiB");
}

#[test]
fn every_processor_has_its_walls_up() {
    let machine = stopped(Machine::new().cpus(4));
    let registers = control_registers(&machine, 4);
    assert_eq!(registers.len(), 4);
    for (processor, register) in registers.iter().enumerate() {
        let down = CR4.iter().find(|(bit, _)| register >> bit & 1 == 0);
        assert!(down.is_none(), "processor {processor} has CR4 {register:#x}: {down:?}");
    }
    machine.power_off();
}

/// A machine in the middle of its work.
#[track_caller]
fn stopped(machine: Machine) -> Running {
    let mut machine = machine.boot();
    machine.expect(READY);
    let stopped = machine.qmp().execute("stop", json!({}));
    stopped.unwrap_or_else(|error| machine.fail(&format!("it does not stop: {error}")));
    machine
}

/// The root that the first processor uses.
#[track_caller]
fn root(machine: &Running) -> u64 {
    control_registers(machine, 3)[0]
}

/// How many pages each run of neighbours has.
fn runs<'a>(pages: impl Iterator<Item = &'a Page>) -> Vec<u64> {
    let mut runs = Vec::new();
    let mut end = 0;
    for page in pages {
        match runs.last_mut() {
            Some(run) if page.address == end => *run += 1,
            _ => runs.push(1),
        }
        end = page.address + page.bytes;
    }
    runs
}
