//! A line typed to the shell: split, and split again while it is incomplete.

/// Reads the line, and every beginning of it.
pub fn run(bytes: &[u8]) {
    let line = String::from_utf8_lossy(bytes);
    let ends = line.char_indices().map(|(at, _)| at).chain([line.len()]);
    for end in ends {
        let _ = shell::syntax::parse(&line[..end]);
    }
}
