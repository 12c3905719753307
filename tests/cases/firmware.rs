//! What the firmware's tables say is used, and what is broken in them is named. QEMU adds the tables of these tests to its own, with
//! right checksums; what it would never hand over is written into memory before the kernel runs.

use crate::boot_paths::{contents, disk};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use tests::{Exit, Handover, Machine};
use tools::qemu::Medium;

/// What the console says when every service runs.
const READY: &str = "operator name: ";
/// Bytes of every table's header, which QEMU writes.
const HEADER_BYTES: usize = 36;
/// Ports of a PC's second UART.
const SECOND_UART: [u8; 8] = [0xf8, 0x02, 0, 0, 0, 0, 0, 0];

/// A machine whose firmware has a further table, with this content behind its header.
fn with_table(signature: &str, content: &[u8]) -> Machine {
    add_table(Machine::new(), signature, content)
}

fn add_table(machine: Machine, signature: &str, content: &[u8]) -> Machine {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{number}.table"));
    fs::write(&path, content).expect("a file for the table");
    let table = format!("sig={signature},data={}", path.display());
    machine.arg("-acpitable").arg(table)
}

/// The content of a serial port console redirection table: the interface type, the address space and the address.
fn console(interface: u8, space: u8, address: [u8; 8]) -> Vec<u8> {
    let mut content = vec![0; 80 - HEADER_BYTES];
    content[0] = interface;
    content[4..8].copy_from_slice(&[space, 8, 0, 1]);
    content[8..16].copy_from_slice(&address);
    content
}

#[test]
fn buses_and_remapping_units_are_listed() {
    let mut machine = Machine::new().arg("-device").arg("intel-iommu").boot();
    machine.expect("boot: PCI configuration space of segment 0 at 0xb0000000, buses 0 to 255");
    machine.expect("boot: DMA remapping unit at 0xfed90000, segment 0, devices named: ");
    machine.expect(READY);
    machine.power_off();
}

#[test]
fn a_broken_table_that_the_kernel_can_do_without_is_named_and_not_used() {
    let mut remapping = vec![0; 48 - HEADER_BYTES];
    remapping[0] = 38;
    // A unit of no length.
    remapping.extend([0; 16]);
    // Buses that end before they begin.
    let mut window = vec![0; 44 - HEADER_BYTES];
    window.extend([0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 0, 9, 8, 0, 0, 0, 0]);
    // A console that stops in the middle.
    let cut = &console(0, 1, SECOND_UART)[..20];
    for (name, content, flaw) in [
        ("DMAR", remapping.as_slice(), "has an entry of impossible length at byte 48"),
        ("MCFG", &window, "has an impossible value at byte 44"),
        ("SPCR", cut, "has an impossible length of 56 bytes"),
    ] {
        let mut machine = with_table(name, content).boot();
        machine.expect(&format!("boot: the ACPI table {name} at 0x"));
        machine.expect(&format!("{flaw}: it is not used"));
        machine.expect(READY);
        machine.power_off();
    }
}

#[test]
fn a_broken_table_that_the_kernel_needs_ends_the_boot() {
    ends_the_boot(Machine::new());
}

#[test]
fn a_broken_table_that_uefi_hands_on_ends_the_boot() {
    ends_the_boot(Machine::firmware(disk("table", &contents()), Medium::Disk));
}

/// Offsets of the byte that makes a table's sum zero, and the root pointer's.
const TABLE_SUM: u64 = 9;
const POINTER_SUM: u64 = 8;
/// Offset of the root table's address in the root pointer.
const ROOT_TABLE: u64 = 16;
/// Bytes of the root pointer of ACPI's first revision.
const POINTER_BYTES: usize = 20;

/// Makes the sum of a table or root pointer wrong; where it is.
fn spoil(handover: &mut Handover, address: u64, sum: u64) -> u64 {
    let [byte] = handover.read(address + sum, 1)[..] else { panic!("one byte") };
    handover.write(address + sum, &[byte ^ 1]);
    address
}

#[test]
fn a_wrong_checksum_that_matters_ends_the_boot() {
    type Spoil = fn(&mut Handover) -> u64;
    let cases: [(&str, Spoil); 4] = [
        ("RSDP", |handover| {
            let address = handover.root_pointer();
            spoil(handover, address, POINTER_SUM)
        }),
        ("RSDT", |handover| {
            let address = handover.root_table();
            spoil(handover, address, TABLE_SUM)
        }),
        ("APIC", |handover| spoil_table(handover, "APIC")),
        ("FACP", |handover| spoil_table(handover, "FACP")),
    ];
    for (name, spoil) in cases {
        let mut address = 0;
        let mut machine = Machine::new().boot_after(|handover| address = spoil(handover));
        machine.expect(&format!("capOS cannot start: the ACPI table {name} at {address:#x} has a wrong checksum"));
        machine.ends_with(Exit::Refused);
    }
}

fn spoil_table(handover: &mut Handover, name: &str) -> u64 {
    let address = handover.table(name);
    spoil(handover, address, TABLE_SUM)
}

#[test]
fn a_wrong_checksum_that_does_not_matter_is_named() {
    let names = ["HPET", "MCFG"];
    let mut addresses = [0; 2];
    let mut machine = Machine::new().boot_after(|handover| addresses = names.map(|name| spoil_table(handover, name)));
    let said = machine.expect(READY);
    for (name, address) in names.into_iter().zip(addresses) {
        let named = format!("boot: the ACPI table {name} at {address:#x} has a wrong checksum: it is not used");
        assert!(said.contains(&named), "{named}\n{said}");
    }
    assert!(said.contains("by the power management timer; the PIT agrees"), "there is no HPET:\n{said}");
    machine.power_off();
}

#[test]
fn a_root_pointer_that_leads_back_to_itself_ends_the_boot() {
    let mut root_pointer = 0;
    let mut machine = Machine::new().boot_after(|handover| {
        root_pointer = handover.root_pointer();
        handover.write(root_pointer + ROOT_TABLE, &(root_pointer as u32).to_le_bytes());
        mend(handover, root_pointer, POINTER_BYTES, POINTER_SUM);
    });
    machine.expect(&format!("the ACPI table RSDT at {root_pointer:#x} does not start with its signature"));
    machine.ends_with(Exit::Refused);
}

#[test]
fn a_root_table_that_lists_itself_does_no_harm() {
    let mut machine = Machine::new().cpus(2).boot_after(|handover| {
        let (root_table, place) = (handover.root_table(), handover.listed("HPET"));
        handover.write(place, &(root_table as u32).to_le_bytes());
        mend_table(handover, root_table);
    });
    machine.expect("boot: 2 of 2 processors run");
    machine.expect(READY);
    machine.power_off();
}

/// Makes the sum of a table right.
fn mend_table(handover: &mut Handover, address: u64) {
    let length = handover.read(address + 4, 4).try_into().map(u32::from_le_bytes).expect("four bytes");
    mend(handover, address, length as usize, TABLE_SUM);
}

fn mend(handover: &mut Handover, address: u64, count: usize, sum: u64) {
    let bytes = handover.read(address, count);
    let excess = bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    handover.write(address + sum, &[bytes[sum as usize].wrapping_sub(excess)]);
}

/// The machine gets a list of processors with an entry of no length.
#[track_caller]
fn ends_the_boot(machine: Machine) {
    let mut entries = vec![0; 44 - HEADER_BYTES];
    entries.extend([1, 0, 0, 0]);
    let mut machine = add_table(machine, "APIC", &entries).boot();
    machine.expect("capOS cannot start: the ACPI table APIC at 0x");
    machine.expect("has an entry of impossible length at byte 44");
    machine.ends_with(Exit::Refused);
}

#[test]
fn the_kernel_says_everything_where_the_firmware_has_its_console() {
    // The first line leads nowhere, so that the second is the one that the test hears.
    let machine = with_table("SPCR", &console(0, 1, SECOND_UART)).arg("-serial").arg("null");
    let mut machine = machine.boot();
    machine.expect("is starting");
    machine.expect("boot: the console goes on at I/O port 0x2f8, where the firmware has it");
    machine.expect("boot: 1 of 1 processors run");
    machine.expect("ticks from the entry to init");
    machine.power_off();
}

#[test]
fn a_console_that_the_kernel_does_not_serve_is_named() {
    let mut machine = with_table("SPCR", &console(0x0d, 0, [0, 0, 0, 0x0a, 0, 0, 0, 0])).boot();
    machine.expect(
        "boot: the firmware's console is a serial port of interface type 13 at address 0xa000000, which the kernel does not serve",
    );
    machine.expect(READY);
    machine.power_off();
}
