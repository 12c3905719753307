//! The Limine boot protocol, base revision 3: what the kernel asks, and what the loader answers.
//!
//! The kernel's image holds [`Requests`]; a loader finds the block by its markers and writes the address of each answer
//! behind the question. All addresses in answers are virtual, in the direct map that [`DirectMap`] names, unless said
//! otherwise. Names follow this project; the protocol's own stand in each comment.

use core::mem::size_of;

/// Base revision that the kernel asks for. A loader that knows it writes [`BASE_REVISION_ACCEPTED`] in its place.
pub const BASE_REVISION: u64 = 3;
/// Says that the loader keeps to the base revision asked for.
pub const BASE_REVISION_ACCEPTED: u64 = 0;
/// First words of the base revision tag.
pub const BASE_REVISION_TAG: [u64; 2] = [0xf956_2b2d_5c95_a6c8, 0x6a7b_3849_4453_6bdc];
/// In front of the first request.
pub const START_MARKER: [u64; 4] =
    [0xf6b8_f4b3_9de7_d1ae, 0xfab9_1a69_40fc_b9cf, 0x785c_6ed0_15d3_e316, 0x181e_920a_7852_b9d9];
/// Behind the last request.
pub const END_MARKER: [u64; 2] = [0xadc0_e053_1bb1_0d03, 0x9572_709f_3176_4c62];
/// First words of every request.
pub const COMMON_MAGIC: [u64; 2] = [0xc7b1_dd30_df4c_8b88, 0x0a82_e883_a194_f07b];

/// Last words of each request.
pub mod feature {
    /// Memory map; the answer is a [`super::MemoryMap`].
    pub const MEMORY_MAP: [u64; 2] = [0x67cf_3d9d_378a_806f, 0xe304_acdf_c50c_3c62];
    /// Higher half direct map (HHDM); the answer is a [`super::DirectMap`].
    pub const DIRECT_MAP: [u64; 2] = [0x48dc_f1cb_8ad2_b852, 0x6398_4e95_9a98_244b];
    /// Files loaded beside the kernel; the answer is a [`super::Modules`].
    pub const MODULES: [u64; 2] = [0x3e7e_2797_02be_32af, 0xca1c_4f3b_d128_0cee];
    /// ACPI's root pointer (RSDP); the answer is a [`super::RootPointer`].
    pub const ROOT_POINTER: [u64; 2] = [0xc5e7_7b6b_397e_7b43, 0x2763_7845_accd_cf3c];
    /// The kernel's command line; the answer is a [`super::CommandLine`].
    pub const COMMAND_LINE: [u64; 2] = [0x4b16_1536_e598_651e, 0xb390_ad4a_2f1f_303a];
    /// Framebuffers; the answer is a [`super::Framebuffers`].
    pub const FRAMEBUFFERS: [u64; 2] = [0x9d58_27dc_d881_dd75, 0xa314_8604_f6fa_b11b];
    /// Where the kernel lies (executable address); the answer is a [`super::KernelAddress`].
    pub const KERNEL_ADDRESS: [u64; 2] = [0x71ba_7686_3cc5_5f63, 0xb264_4a48_c516_a487];
    /// Date at boot; the answer is a [`super::BootTime`].
    pub const BOOT_TIME: [u64; 2] = [0x5027_46e1_84c0_88aa, 0xfbc5_ec83_e632_7893];
}

/// Kinds of memory in a [`MemoryMapEntry`].
pub mod kind {
    /// Free.
    pub const USABLE: u64 = 0;
    /// Not to be touched.
    pub const RESERVED: u64 = 1;
    /// ACPI tables; free once they have been read.
    pub const ACPI_RECLAIMABLE: u64 = 2;
    /// Belongs to the firmware for ever.
    pub const ACPI_NVS: u64 = 3;
    /// Broken.
    pub const BAD: u64 = 4;
    /// The loader's answers, page tables, stack and descriptor table; free once the kernel needs them no more.
    pub const LOADER_RECLAIMABLE: u64 = 5;
    /// The kernel and the modules.
    pub const KERNEL_AND_MODULES: u64 = 6;
    /// A framebuffer.
    pub const FRAMEBUFFER: u64 = 7;
}

/// A question, and the place of its answer.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Request {
    /// [`COMMON_MAGIC`].
    pub magic: [u64; 2],
    /// One of [`feature`].
    pub feature: [u64; 2],
    /// Revision of the request: 0.
    pub revision: u64,
    /// Address of the answer, 0 = none.
    pub response: u64,
}

const _: () = assert!(size_of::<Request>() == 48);

/// A request for nothing, without an answer.
const BLANK: Request = Request { magic: COMMON_MAGIC, feature: [0; 2], revision: 0, response: 0 };

/// All that the kernel asks, between the markers that a loader looks for.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Requests {
    /// [`START_MARKER`].
    pub start: [u64; 4],
    /// [`BASE_REVISION_TAG`].
    pub base_revision_tag: [u64; 2],
    /// [`BASE_REVISION`], then what the loader writes.
    pub base_revision: u64,
    /// [`feature::MEMORY_MAP`].
    pub memory_map: Request,
    /// [`feature::DIRECT_MAP`].
    pub direct_map: Request,
    /// [`feature::MODULES`].
    pub modules: Request,
    /// [`feature::ROOT_POINTER`].
    pub root_pointer: Request,
    /// [`feature::COMMAND_LINE`].
    pub command_line: Request,
    /// [`feature::FRAMEBUFFERS`].
    pub framebuffers: Request,
    /// [`feature::KERNEL_ADDRESS`].
    pub kernel_address: Request,
    /// [`feature::BOOT_TIME`].
    pub boot_time: Request,
    /// [`END_MARKER`].
    pub end: [u64; 2],
}

const _: () = assert!(size_of::<Requests>() == 32 + 24 + 8 * size_of::<Request>() + 16);

/// The questions without answers, as they stand in the kernel's file.
pub const REQUESTS: Requests = Requests {
    start: START_MARKER,
    base_revision_tag: BASE_REVISION_TAG,
    base_revision: BASE_REVISION,
    memory_map: Request { feature: feature::MEMORY_MAP, ..BLANK },
    direct_map: Request { feature: feature::DIRECT_MAP, ..BLANK },
    modules: Request { feature: feature::MODULES, ..BLANK },
    root_pointer: Request { feature: feature::ROOT_POINTER, ..BLANK },
    command_line: Request { feature: feature::COMMAND_LINE, ..BLANK },
    framebuffers: Request { feature: feature::FRAMEBUFFERS, ..BLANK },
    kernel_address: Request { feature: feature::KERNEL_ADDRESS, ..BLANK },
    boot_time: Request { feature: feature::BOOT_TIME, ..BLANK },
    end: END_MARKER,
};

/// The memory map, sorted; usable and reclaimable entries are whole pages and overlap nothing.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryMap {
    /// Revision of the answer.
    pub revision: u64,
    /// Number of entries.
    pub entry_count: u64,
    /// Address of the addresses of the [`MemoryMapEntry`]s.
    pub entries: u64,
}

const _: () = assert!(size_of::<MemoryMap>() == 24);

/// A range of physical memory.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryMapEntry {
    /// First physical address.
    pub start: u64,
    /// Bytes.
    pub bytes: u64,
    /// One of [`kind`].
    pub kind: u64,
}

const _: () = assert!(size_of::<MemoryMapEntry>() == 24);

/// Where physical memory is mapped.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct DirectMap {
    /// Revision of the answer.
    pub revision: u64,
    /// Virtual address of physical address 0.
    pub offset: u64,
}

const _: () = assert!(size_of::<DirectMap>() == 16);

/// The files that were loaded beside the kernel.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Modules {
    /// Revision of the answer.
    pub revision: u64,
    /// Number of files.
    pub module_count: u64,
    /// Address of the addresses of the [`File`]s.
    pub modules: u64,
}

const _: () = assert!(size_of::<Modules>() == 24);

/// A loaded file.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct File {
    /// Revision of this structure: 0.
    pub revision: u64,
    /// Address of the content, on a page boundary.
    pub address: u64,
    /// Bytes of the content.
    pub bytes: u64,
    /// Address of the path, ending in a zero byte.
    pub path: u64,
    /// Address of the text that the loader's configuration gives the file, ending in a zero byte.
    pub text: u64,
    /// What it was loaded from; 0 = a disk of some kind.
    pub media: u32,
    /// Zero.
    pub reserved: u32,
    /// Address of the TFTP server; 0 = none.
    pub tftp_address: u32,
    /// Port of the TFTP server; 0 = none.
    pub tftp_port: u32,
    /// Number of the partition; 0 = none or unknown.
    pub partition: u32,
    /// Identity in the disk's MBR; 0 = none or unknown.
    pub mbr_disk: u32,
    /// Identity of the disk; zeros = unknown.
    pub gpt_disk: [u8; 16],
    /// Identity of the partition; zeros = unknown.
    pub gpt_partition: [u8; 16],
    /// Identity of the file system; zeros = unknown.
    pub file_system: [u8; 16],
}

const _: () = assert!(size_of::<File>() == 112);

/// ACPI's root pointer.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct RootPointer {
    /// Revision of the answer.
    pub revision: u64,
    /// Its address: physical in base revision 3, in the direct map in others.
    pub address: u64,
}

const _: () = assert!(size_of::<RootPointer>() == 16);

/// The kernel's command line.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct CommandLine {
    /// Revision of the answer.
    pub revision: u64,
    /// Address of the text, ending in a zero byte.
    pub text: u64,
}

const _: () = assert!(size_of::<CommandLine>() == 16);

/// The framebuffers.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Framebuffers {
    /// Revision of the answer.
    pub revision: u64,
    /// Number of framebuffers.
    pub framebuffer_count: u64,
    /// Address of the addresses of the [`Framebuffer`]s.
    pub framebuffers: u64,
}

const _: () = assert!(size_of::<Framebuffers>() == 24);

/// `Framebuffer::memory_model`: red, green and blue, each in bits of their own.
pub const MEMORY_MODEL_RGB: u8 = 1;

/// A picture in memory.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Framebuffer {
    /// Address of the first pixel.
    pub address: u64,
    /// Pixels in a line.
    pub width: u64,
    /// Lines.
    pub height: u64,
    /// Bytes from line to line.
    pub pitch: u64,
    /// Bits of a pixel.
    pub bits_per_pixel: u16,
    /// [`MEMORY_MODEL_RGB`].
    pub memory_model: u8,
    /// Bits of red.
    pub red_bits: u8,
    /// Lowest bit of red.
    pub red_shift: u8,
    /// Bits of green.
    pub green_bits: u8,
    /// Lowest bit of green.
    pub green_shift: u8,
    /// Bits of blue.
    pub blue_bits: u8,
    /// Lowest bit of blue.
    pub blue_shift: u8,
    /// Zero.
    pub reserved: [u8; 7],
    /// Bytes of the screen's description (EDID); 0 = none.
    pub edid_bytes: u64,
    /// Address of the screen's description; 0 = none.
    pub edid: u64,
    /// Number of modes, from revision 1 of the answer on.
    pub mode_count: u64,
    /// Address of the addresses of the modes; 0 = none.
    pub modes: u64,
}

const _: () = assert!(size_of::<Framebuffer>() == 80);

/// Where the kernel's image starts.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct KernelAddress {
    /// Revision of the answer.
    pub revision: u64,
    /// Physical address.
    pub physical: u64,
    /// Virtual address.
    pub virtual_: u64,
}

const _: () = assert!(size_of::<KernelAddress>() == 24);

/// The time at boot.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct BootTime {
    /// Revision of the answer.
    pub revision: u64,
    /// Seconds since the start of 1970, UTC.
    pub unix_seconds: i64,
}

const _: () = assert!(size_of::<BootTime>() == 16);
