//! What this processor can do, found by CPUID and switched on.

use core::arch::x86_64::{__cpuid, __cpuid_count, CpuidResult};
use x86_64::registers::control::{Cr0, Cr0Flags, Cr4, Cr4Flags};
use x86_64::registers::model_specific::{Efer, EferFlags};

/// The features that the kernel looks at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Features {
    /// Instructions fetched from user pages fault in the kernel.
    pub smep: bool,
    /// Accesses to user pages fault in the kernel.
    pub smap: bool,
    /// `sgdt` and its like fault in user mode.
    pub umip: bool,
    /// Extended state beyond SSE.
    pub xsave: bool,
    /// Pages of 1 GiB.
    pub huge_pages: bool,
    /// The timer can be set to a time-stamp.
    pub tsc_deadline: bool,
    /// Machine checks, with banks that say what happened.
    pub machine_check: bool,
    /// `rdrand`.
    pub rdrand: bool,
    /// `rdseed`.
    pub rdseed: bool,
}

impl Features {
    /// Asks the processor.
    pub fn detect() -> Features {
        let (basic, structured, extended) = (leaf(1, 0), leaf(7, 0), leaf(0x8000_0001, 0));
        Features {
            smep: bit(structured.ebx, 7),
            smap: bit(structured.ebx, 20),
            umip: bit(structured.ecx, 2),
            xsave: bit(basic.ecx, 26),
            huge_pages: bit(extended.edx, 26),
            tsc_deadline: bit(basic.ecx, 24),
            machine_check: bit(basic.edx, 7) && bit(basic.edx, 14),
            rdrand: bit(basic.ecx, 30),
            rdseed: bit(structured.ebx, 18),
        }
    }

    /// Switches protection on in the processor that this runs on.
    pub fn enable(self) {
        // SAFETY: no-execute and `syscall` are part of x86-64; no page table in use has reserved bits set.
        unsafe { Efer::update(|flags| flags.insert(EferFlags::NO_EXECUTE_ENABLE | EferFlags::SYSTEM_CALL_EXTENSIONS)) };
        // SAFETY: the kernel writes through writable mappings only, and puts back what it uses of the vector registers.
        unsafe {
            Cr0::update(|flags| {
                flags.insert(Cr0Flags::WRITE_PROTECT | Cr0Flags::MONITOR_COPROCESSOR | Cr0Flags::NUMERIC_ERROR);
                flags.remove(
                    Cr0Flags::EMULATE_COPROCESSOR
                        | Cr0Flags::TASK_SWITCHED
                        | Cr0Flags::CACHE_DISABLE
                        | Cr0Flags::NOT_WRITE_THROUGH,
                );
            });
        }
        let mut wanted = Cr4Flags::PAGE_GLOBAL | Cr4Flags::OSFXSR | Cr4Flags::OSXMMEXCPT_ENABLE;
        wanted.set(Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION, self.smep);
        wanted.set(Cr4Flags::SUPERVISOR_MODE_ACCESS_PREVENTION, self.smap);
        wanted.set(Cr4Flags::USER_MODE_INSTRUCTION_PREVENTION, self.umip);
        wanted.set(Cr4Flags::OSXSAVE, self.xsave);
        // SAFETY: each flag is set only where CPUID announces it, and the kernel never touches user pages.
        unsafe { Cr4::update(|flags| flags.insert(wanted)) };
    }
}

/// How many bits a physical address has.
pub fn physical_bits() -> u32 {
    const LEAST: u32 = 36;
    (leaf(0x8000_0008, 0).eax & 0xff).max(LEAST)
}

/// One leaf of CPUID; zeros if the processor has none of that number.
pub fn leaf(number: u32, sub: u32) -> CpuidResult {
    let highest = __cpuid(number & 0x8000_0000).eax;
    if number > highest {
        return CpuidResult { eax: 0, ebx: 0, ecx: 0, edx: 0 };
    }
    __cpuid_count(number, sub)
}

fn bit(word: u32, index: u32) -> bool {
    word >> index & 1 == 1
}
