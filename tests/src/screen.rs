//! What a machine shows on its screen, read back as text: the kernel writes in one font, in cells of one size.

use crate::Running;
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};
use serde_json::json;

const HEIGHT: usize = RasterHeight::Size16 as usize;
const WIDTH: usize = get_raster_width(FontWeight::Regular, RasterHeight::Size16);
/// Characters that the kernel writes.
const CHARACTERS: std::ops::RangeInclusive<char> = ' '..='~';

/// A picture in shades of grey.
struct Picture {
    width: usize,
    shades: Vec<u8>,
}

/// The lines of the screen.
#[track_caller]
pub fn read(machine: &Running) -> String {
    let path = machine.file("screen");
    let dumped = machine.qmp().execute("screendump", json!({ "filename": path.display().to_string() }));
    let picture = dumped.and_then(|_| std::fs::read(&path));
    let picture = picture.ok().and_then(|file| Picture::parse(&file)).unwrap_or_else(|| machine.fail("no picture"));
    let lines = picture.shades.len() / picture.width / HEIGHT;
    let line = |row| (0..picture.width / WIDTH).map(|column| picture.character(column, row)).collect::<String>();
    (0..lines).map(|row| line(row).trim_end().to_owned() + "\n").collect()
}

impl Picture {
    /// Reads a PPM file of three bytes a pixel.
    fn parse(file: &[u8]) -> Option<Picture> {
        let mut words = file.split(u8::is_ascii_whitespace);
        let header: Vec<&[u8]> = words.by_ref().take(4).collect();
        let [b"P6", width, _, b"255"] = header[..] else { return None };
        let start = header.iter().map(|word| word.len() + 1).sum();
        let shades = file.get(start..)?.chunks_exact(3).map(|pixel| pixel[0]).collect();
        Some(Picture { width: str::from_utf8(width).ok()?.parse().ok()?, shades })
    }

    /// The character in a cell; U+FFFD if it is none.
    fn character(&self, column: usize, row: usize) -> char {
        let same = |character: &char| {
            let Some(raster) = get_raster(*character, FontWeight::Regular, RasterHeight::Size16) else { return false };
            (row * HEIGHT..).zip(raster.rows()).all(|(y, line)| {
                let start = y * self.width + column * WIDTH;
                self.shades.get(start..start + WIDTH) == Some(line)
            })
        };
        CHARACTERS.into_iter().find(same).unwrap_or('\u{fffd}')
    }
}
