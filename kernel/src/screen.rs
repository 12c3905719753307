//! The screen that firmware has set up, for the last words of the kernel: a machine without a serial line says them too.

use crate::mm::boot_frames::BootFrames;
use crate::mm::kernel_space::KernelSpace;
use capos_abi::boot::Framebuffer;
use core::fmt::{self, Write};
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};
use spin::Once;

/// Pixels of a character.
const HEIGHT: u64 = RasterHeight::Size16 as u64;
const WIDTH: u64 = get_raster_width(FontWeight::Regular, RasterHeight::Size16) as u64;
/// Bytes of a pixel.
const PIXEL_BYTES: u64 = 4;
/// Bytes of a screen at most, 8192 by 4320 pixels and more.
const MAX_BYTES: u64 = 256 << 20;

static SCREEN: Once<Screen> = Once::new();

/// A mapped framebuffer.
struct Screen {
    address: u64,
    width: u64,
    height: u64,
    pitch: u64,
}

/// Maps the framebuffer, if there is one.
pub fn init(space: &mut KernelSpace, frames: &mut BootFrames) {
    let Framebuffer { address, width, height, pitch } = frames.info().framebuffer;
    let bytes = pitch.saturating_mul(height);
    if address == 0 || bytes > MAX_BYTES || width.saturating_mul(PIXEL_BYTES) > pitch {
        return;
    }
    let address = space.map_devices(address, bytes, frames);
    SCREEN.call_once(|| Screen { address, width, height, pitch });
}

/// Shows these words and nothing else; of too many the last ones, which say what happened.
pub fn last_words(words: fmt::Arguments) {
    let Some(screen) = SCREEN.get() else { return };
    screen.clear();
    // Writing never fails. The first time counts rows, without drawing any.
    let mut pen = Pen { screen, column: 0, row: 0, hidden: u64::MAX };
    let _ = pen.write_fmt(words);
    let hidden = (pen.row + 1).saturating_sub(screen.height / HEIGHT);
    let _ = Pen { screen, column: 0, row: 0, hidden }.write_fmt(words);
}

impl Screen {
    fn clear(&self) {
        for y in 0..self.height {
            (0..self.width).for_each(|x| self.draw(x, y, 0));
        }
    }

    /// Draws a pixel in a shade of grey; outside of the screen nothing.
    fn draw(&self, x: u64, y: u64, shade: u8) {
        if x < self.width && y < self.height {
            let pixel = self.address + y * self.pitch + x * PIXEL_BYTES;
            // SAFETY: `init` has mapped `height` lines of `pitch` bytes, and a line holds `width` pixels.
            unsafe { (pixel as *mut u32).write_volatile(u32::from_ne_bytes([shade, shade, shade, 0])) };
        }
    }
}

/// Writes from left to right and from top to bottom; the first rows are not shown.
struct Pen<'a> {
    screen: &'a Screen,
    column: u64,
    row: u64,
    hidden: u64,
}

impl Pen<'_> {
    fn put(&mut self, character: char) {
        if character == '\n' || (self.column + 1) * WIDTH > self.screen.width {
            (self.column, self.row) = (0, self.row + 1);
        }
        let Some(raster) = get_raster(character, FontWeight::Regular, RasterHeight::Size16) else { return };
        if let Some(row) = self.row.checked_sub(self.hidden) {
            for (y, line) in (row * HEIGHT..).zip(raster.rows()) {
                (self.column * WIDTH..).zip(line).for_each(|(x, shade)| self.screen.draw(x, y, *shade));
            }
        }
        self.column += 1;
    }
}

impl Write for Pen<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().for_each(|character| self.put(character));
        Ok(())
    }
}
