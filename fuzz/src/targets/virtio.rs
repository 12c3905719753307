//! The kernel's command line, searched for virtio devices in memory.

use kernel_core::machine::virtio;

/// Reads the line.
pub fn run(bytes: &[u8]) {
    let Ok(line) = str::from_utf8(bytes) else { return };
    for device in virtio::devices(line) {
        assert!(device.bytes > 0 && device.address.checked_add(device.bytes).is_some());
    }
}
