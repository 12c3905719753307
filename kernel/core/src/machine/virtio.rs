//! virtio devices in memory that no table lists: small hypervisors name them on the command line, as
//! `virtio_mmio.device=SIZE@ADDRESS:INTERRUPT`, with `K` or `M` behind the size and an optional `:NUMBER` at the end.

const OPTION: &str = "virtio_mmio.device=";

/// A device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// Physical address of its registers.
    pub address: u64,
    /// Bytes of its registers.
    pub bytes: u64,
    /// Its interrupt.
    pub interrupt: u32,
}

/// Each device that a command line names; what names none is passed over.
pub fn devices(command_line: &str) -> impl Iterator<Item = Device> {
    command_line.split_ascii_whitespace().filter_map(|word| device(word.strip_prefix(OPTION)?))
}

fn device(text: &str) -> Option<Device> {
    let (bytes, rest) = text.split_once('@')?;
    let mut rest = rest.split(':');
    let device = Device {
        bytes: size(bytes).filter(|bytes| *bytes > 0)?,
        address: number(rest.next()?)?,
        interrupt: u32::try_from(number(rest.next()?)?).ok()?,
    };
    let number_is_sound = rest.next().is_none_or(|text| number(text).is_some());
    (number_is_sound && rest.next().is_none() && device.address.checked_add(device.bytes).is_some()).then_some(device)
}

fn size(text: &str) -> Option<u64> {
    let units = [('K', 1u64 << 10), ('k', 1 << 10), ('M', 1 << 20), ('m', 1 << 20)];
    let unit = units.into_iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, bytes)));
    let (text, unit) = unit.unwrap_or((text, 1));
    number(text)?.checked_mul(unit)
}

/// A decimal number, or a hexadecimal one behind `0x`.
fn number(text: &str) -> Option<u64> {
    let (digits, radix) = text.strip_prefix("0x").map_or((text, 10), |digits| (digits, 16));
    // A sign is no digit.
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u64::from_str_radix(digits, radix).ok()).flatten()
}

#[cfg(test)]
mod test {
    use super::*;

    fn of(line: &str) -> Vec<(u64, u64, u32)> {
        devices(line).map(|device| (device.address, device.bytes, device.interrupt)).collect()
    }

    #[test]
    fn every_form() {
        let line = "console=ttyS0 virtio_mmio.device=512@0xfeb00000:5 virtio_mmio.device=4K@0xd0000000:6:0 trace";
        assert_eq!(of(line), [(0xfeb0_0000, 512, 5), (0xd000_0000, 4096, 6)]);
        assert_eq!(of("virtio_mmio.device=0x200@4096:1"), [(4096, 512, 1)]);
    }

    #[test]
    fn what_is_no_device() {
        for text in
            ["", "512", "512@", "512@1", "512@1:", "@1:2", "0@1:2", "512@x:2", "512@1:2:", "512@1:2:3:4", "+1@1:2"]
        {
            assert_eq!(of(&format!("virtio_mmio.device={text}")), [], "{text:?}");
        }
        assert_eq!(of("virtio_mmio.device=2@0xffffffffffffffff:2 virtio_mmio.device=0x1000000000000000K@0:1"), []);
    }
}
