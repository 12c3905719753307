//! The answers to the kernel's requests.

use crate::kernel::Kernel;
use crate::memory::{Arena, DIRECT_MAP, Map, direct};
use crate::refusal::{Refusal, refusal};
use crate::screen::Screen;
use alloc::vec::Vec;
use alloc::{format, vec};
use capos_abi::boot::SEED_NAME;
use capos_abi::limine::{
    BootTime, CommandLine, DirectMap, File, Framebuffers, KernelAddress, Modules, RootPointer, feature,
};
use uefi::runtime::{self, Time};
use uefi::system;
use uefi::table::cfg::ConfigTableEntry;

/// Paths of the modules. The kernel knows the seed by its name.
const PACKAGE_PATH: &str = "/capos/package";
const SEED_FOLDER: &str = "/capos/";
/// The answer knows of modes.
const FRAMEBUFFERS_REVISION: u64 = 1;

/// What the answers are made of, and where they go.
pub struct Answers<'a> {
    /// The kernel that asks.
    pub kernel: &'a mut Kernel<'static>,
    /// Where the answers lie.
    pub arena: &'a mut Arena,
    /// The memory map to be.
    pub map: &'a Map,
    /// The boot package.
    pub package: &'static [u8],
    /// Random bytes for the kernel.
    pub seed: Option<&'static [u8]>,
    /// The kernel's command line.
    pub command_line: &'a str,
    /// The screen.
    pub screen: Option<Screen>,
}

impl Answers<'_> {
    /// Answers everything that the kernel asks and this machine has.
    pub fn give(mut self) -> Result<(), Refusal> {
        if !self.kernel.accept_base_revision() {
            return Err(refusal!("the kernel does not ask for base revision 3 of the Limine protocol"));
        }
        self.kernel.answer(feature::MEMORY_MAP, self.map.address());
        self.answer(feature::DIRECT_MAP, DirectMap { offset: DIRECT_MAP, ..Default::default() })?;
        let (physical, virtual_) = (self.kernel.physical(), self.kernel.start());
        self.answer(feature::KERNEL_ADDRESS, KernelAddress { physical, virtual_, ..Default::default() })?;
        self.modules()?;
        self.command_line()?;
        if let Some(address) = root_pointer() {
            self.answer(feature::ROOT_POINTER, RootPointer { address, ..Default::default() })?;
        }
        if let Some(unix_seconds) = runtime::get_time().ok().and_then(unix_seconds) {
            self.answer(feature::BOOT_TIME, BootTime { unix_seconds, ..Default::default() })?;
        }
        self.framebuffer()
    }

    fn modules(&mut self) -> Result<(), Refusal> {
        let mut files = vec![self.file(PACKAGE_PATH, self.package)?];
        if let Some(seed) = self.seed {
            files.push(self.file(&format!("{SEED_FOLDER}{SEED_NAME}"), seed)?);
        }
        let modules = direct(self.arena.place_all(&files)?.as_ptr());
        self.answer(feature::MODULES, Modules { module_count: files.len() as u64, modules, ..Default::default() })
    }

    /// The address of a file's description.
    fn file(&mut self, path: &str, content: &'static [u8]) -> Result<u64, Refusal> {
        let file = File {
            address: direct(content.as_ptr()),
            bytes: content.len() as u64,
            path: self.text(path)?,
            text: self.text("")?,
            ..Default::default()
        };
        self.arena.place(file)
    }

    fn command_line(&mut self) -> Result<(), Refusal> {
        let text = self.text(self.command_line)?;
        self.answer(feature::COMMAND_LINE, CommandLine { text, ..Default::default() })
    }

    fn framebuffer(&mut self) -> Result<(), Refusal> {
        let Some(screen) = self.screen else { return Ok(()) };
        let framebuffer = self.arena.place(screen.describe())?;
        let framebuffers = self.arena.place(framebuffer)?;
        let answer = Framebuffers { revision: FRAMEBUFFERS_REVISION, framebuffer_count: 1, framebuffers };
        self.answer(feature::FRAMEBUFFERS, answer)
    }

    /// The address of a text that ends with a zero byte.
    fn text(&mut self, text: &str) -> Result<u64, Refusal> {
        let bytes: Vec<u8> = text.bytes().chain([0]).collect();
        self.arena.place_all(&bytes).map(|text| direct(text.as_ptr()))
    }

    fn answer<T: Copy + 'static>(&mut self, feature: [u64; 2], answer: T) -> Result<(), Refusal> {
        let address = self.arena.place(answer)?;
        self.kernel.answer(feature, address);
        Ok(())
    }
}

/// Physical address of ACPI's root pointer, of the newest version that there is.
fn root_pointer() -> Option<u64> {
    system::with_config_table(|tables| {
        let find = |guid| tables.iter().find(|table| table.guid == guid).map(|table| table.address as u64);
        find(ConfigTableEntry::ACPI2_GUID).or_else(|| find(ConfigTableEntry::ACPI_GUID))
    })
}

/// Seconds since the start of 1970.
fn unix_seconds(time: Time) -> Option<i64> {
    // Minutes west of UTC; unknown is taken as UTC.
    let zone = i64::from(time.time_zone().unwrap_or(0));
    let seconds = i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second());
    time.is_valid().ok()?;
    Some(days(i64::from(time.year()), i64::from(time.month()), i64::from(time.day())) * 86400 + seconds + zone * 60)
}

/// Days from the start of 1970 to a date of the Gregorian calendar. Years are counted from March, so that leap days come last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let months = (month + 9) % 12;
    year * 365 + year / 4 - year / 100 + year / 400 + (months * 153 + 2) / 5 + day - 1 - 719_468
}
