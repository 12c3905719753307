//! The screen that the firmware has set up.

use crate::memory::DIRECT_MAP;
use capos_abi::PAGE_BYTES;
use capos_abi::limine::{Framebuffer, MEMORY_MODEL_RGB, MemoryMapEntry, kind};
use uefi::boot::{self, OpenProtocolAttributes, OpenProtocolParams};
use uefi::proto::console::gop::{GraphicsOutput, PixelFormat};

/// Bytes of a pixel.
const PIXEL_BYTES: u64 = 4;

/// A picture in memory, with eight bits for each colour.
#[derive(Clone, Copy)]
pub struct Screen {
    /// Physical address.
    pub start: u64,
    /// Bytes, in whole pages.
    pub bytes: u64,
    width: u64,
    height: u64,
    pitch: u64,
    red_shift: u8,
}

impl Screen {
    /// The first screen, if its pixels lie in memory.
    pub fn find() -> Option<Screen> {
        let handle = boot::get_handle_for_protocol::<GraphicsOutput>().ok()?;
        let parameters = OpenProtocolParams { handle, agent: boot::image_handle(), controller: None };
        // SAFETY: only looked at, while the console goes on using it.
        let output = unsafe { boot::open_protocol::<GraphicsOutput>(parameters, OpenProtocolAttributes::GetProtocol) };
        let mut output = output.ok()?;
        let mode = output.current_mode_info();
        let red_shift = match mode.pixel_format() {
            PixelFormat::Rgb => 0,
            PixelFormat::Bgr => 16,
            _ => return None,
        };
        let (width, height) = mode.resolution();
        let mut buffer = output.frame_buffer();
        Some(Screen {
            start: buffer.as_mut_ptr() as u64,
            bytes: (buffer.size() as u64).next_multiple_of(PAGE_BYTES),
            width: width as u64,
            height: height as u64,
            pitch: mode.stride() as u64 * PIXEL_BYTES,
            red_shift,
        })
    }

    /// Its entry in the memory map.
    pub fn memory(self) -> MemoryMapEntry {
        MemoryMapEntry { start: self.start, bytes: self.bytes, kind: kind::FRAMEBUFFER }
    }

    /// Its description for the kernel.
    pub fn describe(self) -> Framebuffer {
        Framebuffer {
            address: DIRECT_MAP + self.start,
            width: self.width,
            height: self.height,
            pitch: self.pitch,
            bits_per_pixel: 8 * PIXEL_BYTES as u16,
            memory_model: MEMORY_MODEL_RGB,
            red_bits: 8,
            red_shift: self.red_shift,
            green_bits: 8,
            green_shift: 8,
            blue_bits: 8,
            blue_shift: 16 - self.red_shift,
            ..Default::default()
        }
    }
}
