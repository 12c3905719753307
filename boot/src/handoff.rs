//! The end of the loader: the firmware goes, the machine gets the state that the protocol asks for, the kernel starts.

use crate::memory::{Map, RECLAIMABLE};
use core::arch::asm;
use core::arch::x86_64::__cpuid;
use uefi::boot;

/// Null; 16-bit code and data; 32-bit code and data; 64-bit code and data.
pub const DESCRIPTORS: [u64; 7] = [
    0,
    0x0000_9a00_0000_ffff,
    0x0000_9200_0000_ffff,
    0x00cf_9a00_0000_ffff,
    0x00cf_9200_0000_ffff,
    0x0020_9b00_0000_0000,
    0x0000_9300_0000_0000,
];
/// Selectors of the last two.
const CODE: u64 = 5 * 8;
const DATA: u64 = 6 * 8;

/// The page attribute table of the protocol: WB, WT, UC-, UC, WP, WC, and twice UC.
const PAGE_ATTRIBUTES: u64 = 0x0000_0105_0007_0406;
const PAGE_ATTRIBUTES_REGISTER: u32 = 0x277;
const FEATURE_REGISTER: u32 = 0xc000_0080;
const NO_EXECUTE_ENABLE: u64 = 1 << 11;
/// Write protection also for the kernel.
const WRITE_PROTECT: u64 = 1 << 16;
/// Data ports of the two legacy interrupt controllers.
const INTERRUPT_CONTROLLERS: [u16; 2] = [0x21, 0xa1];

/// Everything that the last instructions need.
pub struct Handoff {
    /// Physical address of the page tables' root.
    pub root: u64,
    /// The kernel's address of the end of its first stack.
    pub stack: u64,
    /// The kernel's entry.
    pub entry: u64,
    /// The kernel's address of [`DESCRIPTORS`].
    pub descriptors: u64,
    /// The memory map to be filled in.
    pub map: Map,
}

impl Handoff {
    /// Ends the firmware's services and enters the kernel.
    pub fn enter(self) -> ! {
        // SAFETY: no protocol is open, and nothing is printed or allocated from here on.
        let firmware = unsafe { boot::exit_boot_services(Some(RECLAIMABLE)) };
        // Its memory is never given back: there is nobody to give it to.
        self.map.fill(firmware);
        mask_interrupts();
        set_registers();
        let table = DescriptorTable { limit: size_of_val(&DESCRIPTORS) as u16 - 1, base: self.descriptors };
        // SAFETY: the new page tables map this code where it runs, and stack, descriptors and kernel where the kernel finds
        // them; all of the old world is left behind.
        unsafe {
            asm!(
                "lgdt [{table}]",
                "mov cr3, {root}",
                "mov rsp, {stack}",
                "push {code}",
                "lea rax, [rip + 2f]",
                "push rax",
                "retfq",
                "2:",
                "mov ds, {data:e}",
                "mov es, {data:e}",
                "mov fs, {data:e}",
                "mov gs, {data:e}",
                "mov ss, {data:e}",
                "push 0",
                "push {entry}",
                "xor eax, eax",
                "xor ebx, ebx",
                "xor ecx, ecx",
                "xor edx, edx",
                "xor esi, esi",
                "xor edi, edi",
                "xor ebp, ebp",
                "xor r8d, r8d",
                "xor r9d, r9d",
                "xor r10d, r10d",
                "xor r11d, r11d",
                "xor r12d, r12d",
                "xor r13d, r13d",
                "xor r14d, r14d",
                "xor r15d, r15d",
                "ret",
                table = in(reg) &table,
                root = in(reg) self.root,
                stack = in(reg) self.stack,
                entry = in(reg) self.entry,
                code = const CODE,
                data = in(reg) DATA,
                in("rax") 0_u64,
                options(noreturn)
            )
        }
    }
}

/// The operand of `lgdt`.
#[repr(C, packed)]
struct DescriptorTable {
    limit: u16,
    base: u64,
}

/// No interrupt of the old world reaches the kernel.
fn mask_interrupts() {
    // SAFETY: interrupts off, every line of the legacy controllers masked: nobody waits for one any more.
    unsafe {
        asm!("cli", "cld", options(nomem, nostack));
        for port in INTERRUPT_CONTROLLERS {
            asm!("out dx, al", in("dx") port, in("al") 0xff_u8, options(nomem, nostack));
        }
    }
}

/// No-execute, write protection, page attributes.
fn set_registers() {
    let has_page_attributes = __cpuid(1).edx >> 16 & 1 == 1;
    // SAFETY: x86-64 has these registers; the firmware's mappings use only attributes that stay as they are, and nothing
    // is written to read-only pages.
    unsafe {
        write_register(FEATURE_REGISTER, read_register(FEATURE_REGISTER) | NO_EXECUTE_ENABLE);
        if has_page_attributes {
            write_register(PAGE_ATTRIBUTES_REGISTER, PAGE_ATTRIBUTES);
        }
        asm!("mov {0}, cr0", "or {0}, {1}", "mov cr0, {0}", out(reg) _, in(reg) WRITE_PROTECT, options(nostack));
    }
}

/// # Safety
/// The register exists.
unsafe fn read_register(register: u32) -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: as above.
    unsafe { asm!("rdmsr", in("ecx") register, out("eax") low, out("edx") high, options(nomem, nostack)) };
    u64::from(high) << 32 | u64::from(low)
}

/// # Safety
/// The register exists and takes the value, and whatever depends on it agrees.
unsafe fn write_register(register: u32, value: u64) {
    let (low, high) = (value as u32, (value >> 32) as u32);
    // SAFETY: as above.
    unsafe { asm!("wrmsr", in("ecx") register, in("eax") low, in("edx") high, options(nostack)) };
}
