//! What firmware and loader hand to a kernel that is entered by PVH, before it runs: for a test that hands over something else.

use crate::Running;
use crate::debugger::Debugger;
use tools::{artifacts, symbols};

/// The kernel's first instruction.
const ENTRY: &str = "pvh_entry";
/// gdb's number of the register in which the start info's address is.
const EBX: usize = 1;
/// Offsets in the start info of PVH: the number of modules, their list, the ACPI root pointer.
const MODULE_COUNT: u64 = 12;
const MODULES: u64 = 16;
const ROOT_POINTER: u64 = 32;
/// Words of a module's entry in the list: address, bytes, address of its command line, nothing.
const MODULE_WORDS: usize = 4;
/// Offsets of the root table's address in the root pointer, and of the length and the list in a table.
const ROOT_TABLE: u64 = 16;
const LENGTH: u64 = 4;
const LIST: u64 = 36;
const PAGE_BYTES: u64 = 4096;

/// A machine that stands at the kernel's entry. Addresses are physical.
pub struct Handover<'a> {
    machine: &'a Running,
    debugger: Debugger,
    start_info: u64,
}

impl<'a> Handover<'a> {
    /// Lets a machine that was started stopped run to the kernel's entry.
    pub(crate) fn of(machine: &'a Running) -> Handover<'a> {
        let connected = Debugger::connect(&machine.debugged(), machine.patience());
        let mut debugger = connected.unwrap_or_else(|error| machine.fail(&format!("no debugger: {error}")));
        let entry = symbols::physical_address(&artifacts::kernel(), ENTRY);
        let entry = entry.unwrap_or_else(|error| machine.fail(&format!("{error:#}")));
        let start_info = debugger.run_to(entry).and_then(|()| debugger.register(EBX));
        let start_info =
            start_info.unwrap_or_else(|error| machine.fail(&format!("the kernel is not entered: {error}")));
        Handover { machine, debugger, start_info }
    }

    /// Reads memory.
    #[track_caller]
    pub fn read(&mut self, address: u64, count: usize) -> Vec<u8> {
        let read = self.debugger.read(address, count);
        read.unwrap_or_else(|error| self.machine.fail(&format!("memory at {address:#x}: {error}")))
    }

    /// Writes memory.
    #[track_caller]
    pub fn write(&mut self, address: u64, bytes: &[u8]) {
        if let Err(error) = self.debugger.write(address, bytes) {
            self.machine.fail(&format!("memory at {address:#x}: {error}"));
        }
    }

    /// Where the ACPI root pointer is.
    pub fn root_pointer(&mut self) -> u64 {
        self.number(self.start_info + ROOT_POINTER, 8)
    }

    /// Where the root table is, the list of all others. QEMU's is the one of ACPI's first revision.
    pub fn root_table(&mut self) -> u64 {
        let root_pointer = self.root_pointer();
        self.number(root_pointer + ROOT_TABLE, 4)
    }

    /// The place in the root table that lists the table of this name.
    #[track_caller]
    pub fn listed(&mut self, name: &str) -> u64 {
        let root_table = self.root_table();
        let end = root_table + self.number(root_table + LENGTH, 4);
        for place in (root_table + LIST..end).step_by(4) {
            let table = self.number(place, 4);
            if self.read(table, name.len()) == name.as_bytes() {
                return place;
            }
        }
        self.machine.fail(&format!("the firmware has no table {name}"))
    }

    /// Where the table of this name is.
    #[track_caller]
    pub fn table(&mut self, name: &str) -> u64 {
        let place = self.listed(name);
        self.number(place, 4)
    }

    /// Hands over one module more, which lies at `address`, at the start of a page that is not in use, with another page behind.
    pub fn add_module(&mut self, command_line: &str, content: &[u8], address: u64) {
        let count = self.number(self.start_info + MODULE_COUNT, 4);
        let list = self.number(self.start_info + MODULES, 8);
        let mut entries = self.read(list, count as usize * MODULE_WORDS * size_of::<u64>());
        let (new_list, text) = (address + PAGE_BYTES, address + PAGE_BYTES + PAGE_BYTES / 2);
        entries.extend([address, content.len() as u64, text, 0].iter().flat_map(|word| word.to_le_bytes()));
        self.write(address, content);
        self.write(new_list, &entries);
        self.write(text, &[command_line.as_bytes(), b"\0"].concat());
        self.write(self.start_info + MODULES, &new_list.to_le_bytes());
        self.write(self.start_info + MODULE_COUNT, &(count as u32 + 1).to_le_bytes());
    }

    /// Lets the kernel begin.
    pub(crate) fn go_on(self) {
        if let Err(error) = self.debugger.detach() {
            self.machine.fail(&format!("the machine does not go on: {error}"));
        }
    }

    fn number(&mut self, address: u64, bytes: usize) -> u64 {
        self.read(address, bytes).iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}
