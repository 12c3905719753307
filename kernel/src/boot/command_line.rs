//! The words of the kernel's command line.

use capos_abi::boot::BootInfo;

/// Whether a word stands there.
pub fn has(info: &BootInfo, wanted: &str) -> bool {
    words(info).any(|word| word == wanted.as_bytes())
}

/// What follows `option` in the first word that starts with it; empty if that is not UTF-8.
pub fn value<'a>(info: &'a BootInfo, option: &str) -> Option<&'a str> {
    let value = words(info).find_map(|word| word.strip_prefix(option.as_bytes()))?;
    Some(str::from_utf8(value).unwrap_or_default())
}

fn words(info: &BootInfo) -> impl Iterator<Item = &[u8]> {
    let line = info.command_line.get(..info.command_line_bytes as usize).unwrap_or_default();
    line.split(u8::is_ascii_whitespace)
}
