//! Broken ACPI tables against the parser that the kernel ships: each is refused in words, and a good one is read.

use fuzz::targets::acpi::{mend, read, with_sums};
use kernel_core::machine::dmar::{Device, RemappingUnit, ReservedMemory};
use kernel_core::machine::firmware::{Firmware, IoApicAddress, LineOverride, Register, SoftOff};
use kernel_core::machine::mcfg::ConfigWindow;
use kernel_core::machine::spcr::SerialConsole;
use kernel_core::machine::tables::{BadTable, Flaw, MAX_TABLE_BYTES};

const RSDT: usize = 0x40;
const XSDT: usize = 0x80;
const MADT: usize = 0x100;
const FADT: usize = 0x200;
const OTHER: usize = 0x300;
const DSDT: usize = 0x380;
const MCFG: usize = 0x400;
const HPET: usize = 0x480;
const SPCR: usize = 0x500;
const DMAR: usize = 0x580;
const END: usize = 0x600;

/// Every table that the root table lists.
const LISTED: [usize; 7] = [MADT, FADT, OTHER, MCFG, HPET, SPCR, DMAR];

/// Offsets: a table's checksum, the first entry of a list, the first entries of the MADT and the MCFG, the first structures of
/// the DMAR and a device of each.
const SUM: usize = 9;
const LIST: usize = 36;
const ENTRIES: usize = 44;
const UNIT: usize = 48;
const UNIT_DEVICE: usize = UNIT + 16;
const RESERVED: usize = UNIT + 24;
const RESERVED_DEVICE: usize = RESERVED + 24;

/// Two processors, an I/O APIC, an override, a reset port, two timers, a console, a range of buses, a remapping unit; and a table of
/// a kind that nobody reads.
fn good() -> Vec<u8> {
    let mut memory = vec![0; END];
    put(&mut memory, 0, b"RSD PTR \0CAPOS \x02");
    put(&mut memory, 16, &(RSDT as u32).to_le_bytes());
    put(&mut memory, 20, &36u32.to_le_bytes());
    put(&mut memory, 24, &(XSDT as u64).to_le_bytes());
    table(&mut memory, RSDT, b"RSDT", &LISTED.map(|at| (at as u32).to_le_bytes()).concat());
    table(&mut memory, XSDT, b"XSDT", &LISTED.map(|at| (at as u64).to_le_bytes()).concat());
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
    put_devices(&mut memory);
    with_sums(&memory)
}

/// The tables of buses and devices.
fn put_devices(memory: &mut [u8]) {
    let window = [&[0; 8][..], &0xb000_0000u64.to_le_bytes(), &[0, 0, 0, 0xff, 0, 0, 0, 0]];
    table(memory, MCFG, b"MCFG", &window.concat());
    let timer = [&[0; 4][..], &[0, 64, 0, 0], &0xfed0_0000u64.to_le_bytes(), &[0; 4]];
    table(memory, HPET, b"HPET", &timer.concat());
    let port = [&[0, 0, 0, 0, 1, 8, 0, 1][..], &0x2f8u64.to_le_bytes(), &[0; 28]];
    table(memory, SPCR, b"SPCR", &port.concat());
    let remapping = [
        &[38, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
        &[0, 0, 24, 0, 1, 0, 0, 0],
        &0xfed9_0000u64.to_le_bytes(),
        &[3, 8, 0, 0, 7, 0xf0, 0x1f, 0],
        &[1, 0, 32, 0, 0, 0, 0, 0],
        &0x7000_0000u64.to_le_bytes(),
        &0x7000_1fffu64.to_le_bytes(),
        &[1, 8, 0, 0, 0, 0, 0x14, 1],
    ];
    table(memory, DMAR, b"DMAR", &remapping.concat());
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

/// What the parser says after a change to a table that the kernel can do without: that table is named and not read, all others are.
fn unused_after(change: impl Fn(&mut Vec<u8>)) -> BadTable {
    let mut memory = good();
    change(&mut memory);
    let firmware = read(&with_sums(&memory)).expect("the kernel can do without");
    let [bad] = firmware.broken[..] else { panic!("one table is broken: {:?}", firmware.broken) };
    let mut expected = Firmware { broken: vec![bad], ..read(&good()).expect("they are good") };
    match &bad.name {
        b"MCFG" => expected.config_windows.clear(),
        b"HPET" => expected.hpet = None,
        b"SPCR" => expected.serial_console = None,
        b"DMAR" => expected.remapping = Default::default(),
        name => panic!("{name:?} is needed"),
    }
    assert_eq!(firmware, expected);
    bad
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
    assert_eq!(firmware.hpet, Some(0xfed0_0000));
    assert_eq!(firmware.serial_console, Some(SerialConsole::Port(0x2f8)));
    let window = ConfigWindow { base: 0xb000_0000, segment: 0, first_bus: 0, last_bus: 255 };
    assert_eq!(firmware.config_windows, [window]);
    assert_eq!(firmware.broken, []);
}

#[test]
fn remapping_is_read() {
    let remapping = read(&good()).expect("they are good").remapping;
    let device = |kind, identity, bus, step| vec![Device { kind, identity, bus, path: vec![step] }];
    let unit =
        RemappingUnit { registers: 0xfed9_0000, segment: 0, all_others: true, devices: device(3, 7, 0xf0, [0x1f, 0]) };
    let (first, last) = (0x7000_0000, 0x7000_1fff);
    let region = ReservedMemory { first, last, segment: 0, devices: device(1, 0, 0, [0x14, 1]) };
    assert_eq!((remapping.address_bits, remapping.units, remapping.reserved), (39, vec![unit], vec![region]));
}

#[test]
fn a_machine_may_have_no_battery_backed_clock() {
    let mut memory = good();
    assert!(!read(&memory).expect("it is good").no_cmos_clock);
    memory[FADT + 109] = 1 << 5;
    assert!(read(&with_sums(&memory)).expect("it is good").no_cmos_clock);
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
fn a_broken_table_that_the_kernel_can_do_without_is_not_read() {
    for (table, name) in [(MCFG, b"MCFG"), (HPET, b"HPET"), (SPCR, b"SPCR"), (DMAR, b"DMAR")] {
        let mut memory = good();
        memory[table + SUM] ^= 1;
        let broken = read(&memory).expect("the kernel can do without").broken;
        assert_eq!(broken, [BadTable { name: *name, address: table as u64, flaw: Flaw::Checksum }]);
        for length in [0, 35, 40, MAX_TABLE_BYTES + 1, u32::MAX] {
            let bad = unused_after(|memory| put(memory, table + 4, &length.to_le_bytes()));
            assert_eq!((bad.address, bad.flaw), (table as u64, Flaw::Length(length)));
        }
        let bad = unused_after(|memory| put(memory, table + 4, &(END as u32).to_le_bytes()));
        assert_eq!((bad.name, bad.flaw), (*name, Flaw::NoMemory));
    }
}

#[test]
fn one_broken_table_of_several_takes_the_others_along() {
    let bad = unused_after(|memory| {
        put(memory, OTHER, b"MCFG");
        put(memory, OTHER + 4, &u32::MAX.to_le_bytes());
    });
    assert_eq!((bad.name, bad.address), (*b"MCFG", OTHER as u64));
}

#[test]
fn structures_of_no_length_end_the_reading() {
    let starts = [(UNIT + 2, UNIT), (RESERVED + 2, RESERVED)];
    for ((at, offset), length) in
        starts.into_iter().flat_map(|start| [0u16, 3, 15, 0xffff].map(|length| (start, length)))
    {
        let bad = unused_after(|memory| put(memory, DMAR + at, &length.to_le_bytes()));
        assert_eq!((bad.name, bad.flaw), (*b"DMAR", Flaw::Entry(offset)), "length {length}");
    }
    for (device, length) in [UNIT_DEVICE, RESERVED_DEVICE].into_iter().flat_map(|at| [0, 6, 7, 9, 255].map(|n| (at, n)))
    {
        let bad = unused_after(|memory| memory[DMAR + device + 1] = length);
        assert_eq!(bad.flaw, Flaw::Entry(device), "length {length}");
    }
}

#[test]
fn addresses_that_cannot_be_are_not_used() {
    let cases: [(usize, usize, &[u8], usize); 11] = [
        (MCFG, ENTRIES, &[0; 8], ENTRIES),
        (MCFG, ENTRIES, &0xb000_1000u64.to_le_bytes(), ENTRIES),
        (MCFG, ENTRIES, &(u64::MAX << 20).to_le_bytes(), ENTRIES),
        (MCFG, ENTRIES + 10, &[9, 8], ENTRIES),
        (HPET, 40, &[1], 40),
        (HPET, 44, &[4], 44),
        (HPET, 44, &(1u64 << 52).to_le_bytes(), 44),
        (DMAR, 36, &[64], 36),
        (DMAR, UNIT + 8, &0xfed9_0800u64.to_le_bytes(), UNIT + 8),
        (DMAR, RESERVED + 8, &0x7000_2000u64.to_le_bytes(), RESERVED + 8),
        (DMAR, RESERVED + 16, &u64::MAX.to_le_bytes(), RESERVED + 8),
    ];
    for (table, at, bytes, offset) in cases {
        let bad = unused_after(|memory| put(memory, table + at, bytes));
        assert_eq!((bad.address, bad.flaw), (table as u64, Flaw::Field(offset)), "{bytes:?} at {at}");
    }
}

#[test]
fn the_console_is_what_the_kernel_can_serve() {
    let console_after = |at: usize, bytes: &[u8]| {
        let mut memory = good();
        put(&mut memory, SPCR + at, bytes);
        read(&with_sums(&memory)).expect("it is good").serial_console
    };
    let unserved = |interface, ports, address| Some(SerialConsole::Unserved { interface, ports, address });
    assert_eq!(console_after(44, &[0; 8]), None, "the firmware has none");
    assert_eq!(console_after(36, &[0x12]), Some(SerialConsole::Port(0x2f8)));
    assert_eq!(console_after(36, &[3]), unserved(3, true, 0x2f8));
    assert_eq!(console_after(40, &[0]), unserved(0, false, 0x2f8));
    assert_eq!(console_after(44, &[0xf8, 0x0c]), unserved(0, true, 0xcf8), "there is something else");
}

#[test]
fn a_length_that_is_no_multiple_of_entries_is_rounded_down() {
    let mut memory = good();
    put(&mut memory, MCFG + 4, &75u32.to_le_bytes());
    assert_eq!(read(&with_sums(&memory)), read(&good()));
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
