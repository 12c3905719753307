//! The page tables that a machine uses, read from outside: what is mapped where, and how.

use crate::Running;
use tools::qemu::Qmp;

/// Words of a table, and bytes of the smallest page.
const ENTRIES: usize = 512;
const PAGE_BYTES: u64 = 4096;
/// Level of the root table; tables of level 0 map pages of 4 KiB.
const ROOT_LEVEL: u32 = 3;
/// Bits of an entry.
const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const LARGE: u64 = 1 << 7;
const GLOBAL: u64 = 1 << 8;
const NO_EXECUTE: u64 = 1 << 63;
const PHYSICAL: u64 = 0x000f_ffff_ffff_f000;

/// A page, as programs and kernel may use it.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Its first address.
    pub address: u64,
    /// Where it lies in memory.
    pub physical: u64,
    /// 4 KiB, 2 MiB or 1 GiB.
    pub bytes: u64,
    /// It may be written.
    pub writable: bool,
    /// Instructions may be fetched from it.
    pub executable: bool,
    /// Programs may use it.
    pub user: bool,
    /// Its translation outlives a change of address space.
    pub global: bool,
}

/// A control register of every processor.
#[track_caller]
pub fn control_registers(machine: &Running, number: u32) -> Vec<u64> {
    let registers = machine.qmp().monitor("info registers -a");
    let registers = registers.unwrap_or_else(|error| machine.fail(&format!("no registers: {error}")));
    let name = format!("CR{number}=");
    let value = |text: &str| u64::from_str_radix(text.split_whitespace().next()?, 16).ok();
    let values: Option<Vec<u64>> = registers.split(&name).skip(1).map(value).collect();
    values.unwrap_or_else(|| machine.fail(&format!("what are these registers?\n{registers}")))
}

/// Every page that the tables behind this root map, in the order of addresses. The machine should stand still meanwhile.
#[track_caller]
pub fn pages(machine: &Running, root: u64) -> Vec<Page> {
    let mut walk = Walk { machine, qmp: machine.qmp(), pages: Vec::new() };
    walk.table(root & PHYSICAL, ROOT_LEVEL, 0, WRITABLE | USER);
    walk.pages
}

struct Walk<'a> {
    machine: &'a Running,
    qmp: Qmp,
    pages: Vec<Page>,
}

impl Walk<'_> {
    /// A table for the addresses from `start` on. What the tables above permit stands in `above`, with [`NO_EXECUTE`] if they forbid
    /// that.
    fn table(&mut self, table: u64, level: u32, start: u64, above: u64) {
        let bytes = self.qmp.memory(table, PAGE_BYTES, &self.machine.file("table"));
        let bytes = bytes.unwrap_or_else(|error| self.machine.fail(&format!("table at {table:#x}: {error}")));
        let covered = PAGE_BYTES << (9 * level);
        for (index, entry) in bytes.as_chunks().0.iter().enumerate() {
            let entry = u64::from_le_bytes(*entry);
            // The upper half of the addresses is at their end.
            let sign = if level == ROOT_LEVEL && index >= ENTRIES / 2 { 0xffff << 48 } else { 0 };
            let address = (start + index as u64 * covered) | sign;
            let flags = (entry & above & (WRITABLE | USER)) | ((entry | above) & NO_EXECUTE);
            match entry & PRESENT != 0 {
                true if level == 0 || entry & LARGE != 0 => self.pages.push(Page {
                    address,
                    physical: entry & PHYSICAL & !(covered - 1),
                    bytes: covered,
                    writable: flags & WRITABLE != 0,
                    executable: flags & NO_EXECUTE == 0,
                    user: flags & USER != 0,
                    global: entry & GLOBAL != 0,
                }),
                true => self.table(entry & PHYSICAL, level - 1, address, flags),
                false => {}
            }
        }
    }
}
