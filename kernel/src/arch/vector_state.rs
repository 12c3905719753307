//! The x87, SSE and AVX registers of threads, saved only when a thread was preempted.
//!
//! A voluntary entry clobbers the vector registers by contract; only MXCSR and the x87 control word outlive it.

use super::features::{self, Features};
use capos_abi::PAGE_BYTES;
use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};
use x86_64::registers::xcontrol::{XCr0, XCr0Flags};

/// MXCSR of a fresh thread: all exceptions masked.
const INITIAL_MXCSR: u32 = 0x1f80;
/// x87 control word of a fresh thread: all exceptions masked, extended precision.
const INITIAL_CONTROL_WORD: u16 = 0x37f;
/// Bytes of the area that `fxsave` fills.
const LEGACY_BYTES: u64 = 512;
/// Largest state that is offered to programs.
const MAX_STATE_BYTES: u64 = PAGE_BYTES - 512;

/// State components that `xsave` saves; 0 if the processor has no `xsave`.
static COMPONENTS: AtomicU64 = AtomicU64::new(0);
/// Bytes of one thread's area.
static BYTES: AtomicU64 = AtomicU64::new(LEGACY_BYTES);

/// The control words that a voluntary entry preserves.
#[derive(Clone, Copy, Debug)]
pub struct Control {
    mxcsr: u32,
    control_word: u16,
}

/// The control words of a fresh thread.
pub const INITIAL_CONTROL: Control = Control { mxcsr: INITIAL_MXCSR, control_word: INITIAL_CONTROL_WORD };

/// What `xrstor` and `fxrstor` load into a thread that has nothing saved.
#[repr(C, align(64))]
struct InitialState([u32; 256]);

static INITIAL_STATE: InitialState = InitialState({
    let mut words = [0; 256];
    words[0] = INITIAL_CONTROL_WORD as u32;
    words[6] = INITIAL_MXCSR;
    words
});

/// Switches the extended state on in this processor.
pub fn init(features: Features) {
    if !features.xsave {
        return;
    }
    let leaf = features::leaf(0xd, 0);
    let supported = XCr0Flags::from_bits_truncate(u64::from(leaf.edx) << 32 | u64::from(leaf.eax));
    let vector512 = XCr0Flags::OPMASK | XCr0Flags::ZMM_HI256 | XCr0Flags::HI16_ZMM;
    let mut wanted = XCr0Flags::X87 | XCr0Flags::SSE;
    if supported.contains(XCr0Flags::AVX) {
        wanted |= XCr0Flags::AVX;
        if supported.contains(vector512) {
            wanted |= vector512;
        }
    }
    // SAFETY: CPUID announces every component, and OSXSAVE is on.
    unsafe { XCr0::write(wanted) };
    let bytes = u64::from(features::leaf(0xd, 0).ebx);
    if bytes > MAX_STATE_BYTES {
        crate::panic::refuse(format_args!(
            "the processor's vector state takes {bytes} bytes, more than {MAX_STATE_BYTES}"
        ));
    }
    COMPONENTS.store(wanted.bits(), Ordering::Relaxed);
    BYTES.store(bytes, Ordering::Relaxed);
}

/// Bytes of an area for [`save`].
pub fn bytes() -> u64 {
    BYTES.load(Ordering::Relaxed)
}

/// Saves the registers of this processor.
///
/// # Safety
/// `area` is 64-byte aligned and has [`bytes`] bytes, zeroed before its first use.
pub unsafe fn save(area: *mut u8) {
    let components = COMPONENTS.load(Ordering::Relaxed);
    // SAFETY: the caller vouches for the area; the instruction exists where CPUID announced it.
    unsafe {
        if components == 0 {
            asm!("fxsave64 [{}]", in(reg) area, options(nostack, preserves_flags));
        } else {
            let (low, high) = (components as u32, (components >> 32) as u32);
            asm!("xsave64 [{}]", in(reg) area, in("eax") low, in("edx") high, options(nostack, preserves_flags));
        }
    }
}

/// Loads registers that [`save`] saved.
///
/// # Safety
/// `area` was filled by [`save`].
pub unsafe fn load(area: *const u8) {
    let components = COMPONENTS.load(Ordering::Relaxed);
    // SAFETY: as in `save`; what `save` wrote is valid to load.
    unsafe {
        if components == 0 {
            asm!("fxrstor64 [{}]", in(reg) area, options(nostack, preserves_flags, readonly));
        } else {
            let (low, high) = (components as u32, (components >> 32) as u32);
            asm!("xrstor64 [{}]", in(reg) area, in("eax") low, in("edx") high, options(nostack, preserves_flags, readonly));
        }
    }
}

/// Loads the registers of a fresh thread, with these control words.
pub fn load_initial(control: &Control) {
    let Control { mxcsr, control_word } = control;
    // SAFETY: the area has valid control words, and with no component marked as saved all registers are initialised; both control
    // words were read from these registers, or are those of a fresh thread.
    unsafe {
        load((&raw const INITIAL_STATE).cast());
        asm!("ldmxcsr [{}]", "fldcw [{}]", in(reg) mxcsr, in(reg) control_word, options(nostack, preserves_flags, readonly));
    }
}

/// Stores the control words of this processor.
pub fn save_control(control: &mut Control) {
    let Control { mxcsr, control_word } = control;
    // SAFETY: both instructions only write the given places.
    unsafe {
        asm!("stmxcsr [{}]", "fnstcw [{}]", in(reg) mxcsr, in(reg) control_word, options(nostack, preserves_flags))
    };
}
