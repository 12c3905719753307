//! Messages that arrive on a ring: read in place, as the runtime does, as a schema with lists, texts and structs.

use capos_rt::hooks::reader::MessageReader;
use schema::manifest_capnp::manifest;

/// Reads the segment as one message.
pub fn run(bytes: &[u8]) {
    let chunks = bytes.chunks_exact(8).map(|chunk| u64::from_le_bytes(chunk.try_into().expect("eight bytes")));
    let words: Vec<u64> = chunks.collect();
    let reader = MessageReader::new();
    // SAFETY: the words outlive the reader, and nobody writes them.
    unsafe { reader.start(words.as_ptr(), words.len() as u32) };
    // What is wrong with the message ends the reading.
    let _ = read(&reader);
    if let Ok(root) = reader.root() {
        let _ = root.target_size();
    }
}

fn read(reader: &MessageReader) -> capnp::Result<()> {
    for program in reader.root()?.get_as::<manifest::Reader<'_>>()?.get_programs()? {
        let _ = program.get_name()?.to_str();
        for argument in program.get_arguments()? {
            let _ = argument?.to_str();
        }
        for grant in program.get_grants()? {
            let _ = (grant.get_slot()?.to_str(), grant.get_source().which());
        }
    }
    Ok(())
}
