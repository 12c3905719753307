//! Broken ACPI tables against the parser that the kernel ships: each is refused in words, and a good one is read.

use fuzz::targets::acpi::{mend, read, with_sums};
use kernel_core::machine::firmware::{IoApicAddress, LineOverride, Register, SoftOff};
use kernel_core::machine::tables::{BadTable, Flaw, MAX_TABLE_BYTES};

const RSDT: usize = 0x40;
const XSDT: usize = 0x80;
const MADT: usize = 0x100;
const FADT: usize = 0x200;
const OTHER: usize = 0x300;
const DSDT: usize = 0x380;
const END: usize = 0x400;

/// Offsets: a table's checksum, the first entry of a list, the first entry of the MADT.
const SUM: usize = 9;
const LIST: usize = 36;
const ENTRIES: usize = 44;

/// Two processors, an I/O APIC, an override, a reset port, a timer; and a table of a kind that nobody reads.
fn good() -> Vec<u8> {
    let mut memory = vec![0; END];
    put(&mut memory, 0, b"RSD PTR \0CAPOS \x02");
    put(&mut memory, 16, &(RSDT as u32).to_le_bytes());
    put(&mut memory, 20, &36u32.to_le_bytes());
    put(&mut memory, 24, &(XSDT as u64).to_le_bytes());
    table(&mut memory, RSDT, b"RSDT", &[MADT, FADT, OTHER].map(|at| (at as u32).to_le_bytes()).concat());
    table(&mut memory, XSDT, b"XSDT", &[MADT, FADT, OTHER].map(|at| (at as u64).to_le_bytes()).concat());
    let entries: [&[u8]; 6] = [
        &[0; 8],
        &[0, 8, 0, 0, 1, 0, 0, 0],
        &[0, 8, 1, 1, 1, 0, 0, 0],
        &[1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0],
        &[2, 10, 0, 9, 9, 0, 0, 0, 0x0f, 0],
        &[9, 16, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0],
    ];
    table(&mut memory, MADT, b"APIC", &entries.concat());
    let mut fadt = [0; 208];
    put(&mut fadt, 40 - 36, &(DSDT as u32).to_le_bytes());
    put(&mut fadt, 64 - 36, &0x604u32.to_le_bytes());
    put(&mut fadt, 76 - 36, &0x608u32.to_le_bytes());
    put(&mut fadt, 112 - 36, &(1u32 << 10).to_le_bytes());
    put(&mut fadt, 116 - 36, &[1, 8, 0, 0, 0xf9, 0x0c, 0, 0, 0, 0, 0, 0, 0x0f]);
    table(&mut memory, FADT, b"FACP", &fadt);
    table(&mut memory, OTHER, b"OEM1", b"what the kernel does not read");
    table(&mut memory, DSDT, b"DSDT", b"\x08_S5_\x12\x06\x04\x0a\x05\x0a\x05");
    mend(&mut memory, DSDT);
    with_sums(&memory)
}

fn put(memory: &mut [u8], at: usize, bytes: &[u8]) {
    memory[at..at + bytes.len()].copy_from_slice(bytes);
}

fn table(memory: &mut [u8], at: usize, signature: &[u8; 4], content: &[u8]) {
    put(memory, at, signature);
    put(memory, at + 4, &(36 + content.len() as u32).to_le_bytes());
    put(memory, at + 8, &[2]);
    put(memory, at + 36, content);
}

/// What the parser says of good tables after a change; checksums are right unless the change is to one.
fn flaw_after(change: impl Fn(&mut Vec<u8>)) -> BadTable {
    let mut memory = good();
    change(&mut memory);
    read(&with_sums(&memory)).expect_err("broken tables are refused")
}

#[test]
fn good_tables_are_read() {
    let firmware = read(&good()).expect("they are good");
    assert_eq!(firmware.processors, [0, 1]);
    assert_eq!(firmware.io_apics, [IoApicAddress { physical: 0xfec0_0000, first_interrupt: 0 }]);
    assert_eq!(firmware.overrides, [LineOverride { line: 9, interrupt: 9, level: true, active_low: true }]);
    assert_eq!(firmware.reset, Some((Register::Port(0xcf9), 0x0f)));
    let off = SoftOff::Control { registers: [Some((0x604, 5)), None], hand_over: None };
    assert_eq!(firmware.soft_off, Some(off));
    assert_eq!(firmware.power_timer, Some(0x608));
}

#[test]
fn tables_of_the_first_revision_are_read() {
    let mut memory = good();
    memory[15] = 0;
    assert_eq!(read(&with_sums(&memory)), read(&good()));
    memory[15] = 2;
    put(&mut memory, 24, &[0; 8]);
    assert_eq!(read(&with_sums(&memory)), read(&good()), "without a list of 64-bit addresses");
}

#[test]
fn a_wrong_checksum_names_the_table() {
    let cases = [
        ("RSDP", 0, 8),
        ("RSDP", 0, 32),
        ("XSDT", XSDT, XSDT + SUM),
        ("APIC", MADT, MADT + SUM),
        ("FACP", FADT, FADT + SUM),
    ];
    for (name, address, byte) in cases {
        let mut memory = good();
        memory[byte] ^= 1;
        let bad = read(&memory).expect_err("a wrong checksum is refused");
        assert_eq!((bad.name.as_slice(), bad.address, bad.flaw), (name.as_bytes(), address as u64, Flaw::Checksum));
        assert_eq!(bad.to_string(), format!("the ACPI table {name} at {address:#x} has a wrong checksum"));
    }
}

#[test]
fn a_table_that_nobody_reads_may_be_broken() {
    let mut memory = good();
    memory[OTHER + SUM] ^= 1;
    put(&mut memory, OTHER + 4, &u32::MAX.to_le_bytes());
    assert_eq!(read(&memory), read(&good()));
}

#[test]
fn a_definition_block_that_cannot_be_believed_is_not_there() {
    let changes: [(usize, &[u8]); 4] = [
        (DSDT + SUM, &[0]),
        (DSDT + 4, &u32::MAX.to_le_bytes()),
        (DSDT + 4, &[0; 4]),
        (FADT + 40, &u32::MAX.to_le_bytes()),
    ];
    for (at, bytes) in changes {
        let mut memory = good();
        put(&mut memory, at, bytes);
        assert_eq!(read(&with_sums(&memory)).expect("the rest is good").soft_off, None);
    }
}

#[test]
fn pointers_that_loop_end() {
    for target in [RSDT, MADT, OTHER] {
        let bad = flaw_after(|memory| put(memory, 24, &(target as u64).to_le_bytes()));
        assert_eq!((bad.name, bad.address, bad.flaw), (*b"XSDT", target as u64, Flaw::Signature));
    }
    // A list that lists itself, its root pointer, and one table again and again.
    let mut memory = good();
    for (index, target) in [XSDT, 0, MADT].into_iter().enumerate() {
        put(&mut memory, XSDT + LIST + index * 8, &(target as u64).to_le_bytes());
    }
    assert_eq!(read(&with_sums(&memory)).expect("the rest is good").processors, [0, 1]);
}

#[test]
fn an_entry_of_no_length_ends_the_reading() {
    for length in [0, 1, 7, 255] {
        let bad = flaw_after(|memory| memory[MADT + ENTRIES + 8 + 1] = length);
        assert_eq!(bad.flaw, Flaw::Entry(ENTRIES + 8), "length {length}");
    }
    let bad = flaw_after(|memory| put(memory, MADT + 4, &(ENTRIES as u32 + 9).to_le_bytes()));
    assert_eq!(bad.flaw, Flaw::Entry(ENTRIES + 8), "one byte is no entry");
}

#[test]
fn a_register_wider_than_its_width_can_say_is_refused() {
    let bad = flaw_after(|memory| memory[FADT + 89] = 32);
    assert_eq!((bad.name, bad.flaw), (*b"FACP", Flaw::Field(89)));
}

#[test]
fn impossible_lengths_are_refused() {
    for (table, least) in [(XSDT, 36), (MADT, 44), (FADT, 116)] {
        for length in [0, 35, least - 1, MAX_TABLE_BYTES + 1, u32::MAX] {
            let bad = flaw_after(|memory| put(memory, table + 4, &length.to_le_bytes()));
            assert_eq!((bad.address, bad.flaw), (table as u64, Flaw::Length(length)));
        }
        let bad = flaw_after(|memory| put(memory, table + 4, &(END as u32).to_le_bytes()));
        assert_eq!((bad.address, bad.flaw), (table as u64, Flaw::NoMemory), "a table that ends behind memory");
    }
    let bad = flaw_after(|memory| put(memory, 20, &u32::MAX.to_le_bytes()));
    assert_eq!((bad.name, bad.flaw), (*b"RSDP", Flaw::Length(u32::MAX)));
}

#[test]
fn addresses_without_memory_are_refused() {
    let bad = flaw_after(|memory| put(memory, 24, &u64::MAX.to_le_bytes()));
    assert_eq!((bad.address, bad.flaw), (u64::MAX, Flaw::NoMemory));
    assert_eq!(read(&[]).expect_err("nothing is there").flaw, Flaw::NoMemory);
    let mut memory = good();
    put(&mut memory, XSDT + LIST + 16, &u64::MAX.to_le_bytes());
    assert_eq!(read(&with_sums(&memory)), read(&good()), "nobody reads a table that is not there");
}

/// The seed that the search starts from; `CAPOS_WRITE_SEEDS` writes it anew.
#[test]
fn the_seed_is_a_good_machine() {
    let path = fuzz::Target::named("acpi").expect("a target").seeds().join("good");
    if std::env::var_os("CAPOS_WRITE_SEEDS").is_some() {
        std::fs::write(&path, good()).expect("writable");
    }
    assert!(std::fs::read(&path).expect("in the tree") == good(), "CAPOS_WRITE_SEEDS=1 renews it");
}
