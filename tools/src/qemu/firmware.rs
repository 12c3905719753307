//! Booting from an image by firmware, as a real machine does.

use std::path::PathBuf;

/// Where distributions put UEFI for QEMU; the variable `CAPOS_FIRMWARE` names another.
const FIRMWARE: [&str; 6] = [
    "/usr/share/ovmf/OVMF.fd",
    "/usr/share/OVMF/OVMF.fd",
    "/usr/share/qemu/OVMF.fd",
    "/usr/share/edk2/ovmf/OVMF_CODE.fd",
    "/usr/share/edk2/x64/OVMF.4m.fd",
    "/usr/share/edk2-ovmf/x64/OVMF.fd",
];

/// The UEFI firmware, if it is installed.
pub fn uefi() -> Option<PathBuf> {
    let named = std::env::var_os("CAPOS_FIRMWARE").map(PathBuf::from);
    named.or_else(|| FIRMWARE.iter().map(PathBuf::from).find(|path| path.exists()))
}

/// What the machine finds an image on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// A SATA disk.
    Disk,
    /// A USB stick on an xHCI controller.
    Usb,
    /// A SATA CD drive.
    Cd,
}

impl Medium {
    /// QEMU's devices for it, with the drive named `image`.
    pub(super) fn devices(self) -> &'static [&'static str] {
        match self {
            Medium::Disk => &["-device", "ide-hd,drive=image"],
            Medium::Usb => &["-device", "qemu-xhci", "-device", "usb-storage,drive=image"],
            Medium::Cd => &["-device", "ide-cd,drive=image"],
        }
    }
}
