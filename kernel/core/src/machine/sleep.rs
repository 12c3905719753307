//! The sleep type of soft-off, out of ACPI byte code that nobody interprets.
//!
//! A definition block names the package `\_S5_`, whose first two elements are what `SLP_TYPa` and `SLP_TYPb` must be for the
//! machine to turn itself off. Compilers write it in one form only, which is looked for byte by byte.

/// Bytes of a table's header.
const HEADER_BYTES: usize = 36;
const NAME_OP: u8 = 0x08;
const ROOT: u8 = b'\\';
const PACKAGE_OP: u8 = 0x12;
const NAME: &[u8; 4] = b"_S5_";
const BYTE_PREFIX: u8 = 0x0a;
const WORD_PREFIX: u8 = 0x0b;
const DOUBLE_WORD_PREFIX: u8 = 0x0c;
/// A sleep type has three bits.
const MAX_TYPE: u32 = 7;

/// What is written for soft-off: `SLP_TYPa` and `SLP_TYPb`.
pub type SleepTypes = [u8; 2];

/// The sleep types of soft-off in a whole definition block (DSDT or SSDT). None: its checksum is wrong, it names no such
/// package, or it names several that differ.
pub fn soft_off(table: &[u8]) -> Option<SleepTypes> {
    if table.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)) != 0 {
        return None;
    }
    let code = table.get(HEADER_BYTES..)?;
    let mut found = (0..code.len()).filter(|at| code.get(*at..*at + NAME.len()) == Some(NAME)).filter_map(|at| {
        let (before, behind) = (code.get(..at)?, code.get(at + NAME.len()..)?);
        is_definition(before).then(|| package(behind)).flatten()
    });
    let first = found.next()?;
    found.all(|other| other == first).then_some(first)
}

/// Whether what stands before a name makes it the name of a new object.
fn is_definition(before: &[u8]) -> bool {
    matches!(before, [.., NAME_OP] | [.., NAME_OP, ROOT])
}

/// The first two elements of a package that lies whole in `code`.
fn package(code: &[u8]) -> Option<SleepTypes> {
    let (&PACKAGE_OP, code) = code.split_first()? else { return None };
    let (length, length_bytes) = package_length(code)?;
    let (_count, elements) = code.get(length_bytes..length)?.split_first()?;
    let (first, rest) = integer(elements)?;
    // Firmware for machines with one register may leave the second element out.
    let second = integer(rest).map_or(0, |(second, _)| second);
    let kind = |value: u32| u8::try_from(value).ok().filter(|_| value <= MAX_TYPE);
    Some([kind(first)?, kind(second)?])
}

/// A package length, counted from its own first byte, and its bytes.
fn package_length(code: &[u8]) -> Option<(usize, usize)> {
    let lead = usize::from(*code.first()?);
    let more = lead >> 6;
    if more == 0 {
        return Some((lead & 0x3f, 1));
    }
    let high = code.get(1..=more)?.iter().rev().fold(0, |value, byte| value << 8 | usize::from(*byte));
    Some((high << 4 | lead & 0xf, more + 1))
}

/// A constant and what is behind it.
fn integer(code: &[u8]) -> Option<(u32, &[u8])> {
    let (prefix, rest) = code.split_first()?;
    let bytes = match *prefix {
        constant @ (0 | 1) => return Some((u32::from(constant), rest)),
        BYTE_PREFIX => 1,
        WORD_PREFIX => 2,
        DOUBLE_WORD_PREFIX => 4,
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(bytes)?;
    Some((value.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte)), rest))
}

#[cfg(test)]
mod test {
    use super::*;
    use proptest::prelude::*;

    /// A table with a sound checksum.
    fn table(code: &[u8]) -> Vec<u8> {
        let mut table = vec![0; HEADER_BYTES];
        table.extend_from_slice(code);
        table[9] = 0u8.wrapping_sub(table.iter().fold(0, |sum, byte| sum.wrapping_add(*byte)));
        table
    }

    fn of(code: &[u8]) -> Option<SleepTypes> {
        soft_off(&table(code))
    }

    #[test]
    fn every_form_that_compilers_write() {
        assert_eq!(of(b"\x08_S5_\x12\x06\x04\x00\x00\x00\x00"), Some([0, 0]));
        assert_eq!(of(b"..\x08\\_S5_\x12\x08\x04\x0a\x05\x0a\x06\x00\x00.."), Some([5, 6]));
        assert_eq!(of(b"\x08_S5_\x12\x06\x02\x0b\x07\x00\x01"), Some([7, 1]));
        assert_eq!(of(b"\x08_S5_\x12\x0a\x01\x0c\x05\x00\x00\x00\x00\x00\x00"), Some([5, 0]));
        assert_eq!(of(b"\x08_S5_\x12\x46\x00\x02\x0a\x05\x01"), Some([5, 1]));
    }

    #[test]
    fn what_only_looks_like_one() {
        assert_eq!(of(b"\x10_S5_\x12\x06\x04\x00\x00\x00\x00"), None, "not a name");
        assert_eq!(of(b"\x08_S5_\x14\x06\x04\x00\x00\x00\x00"), None, "a method");
        assert_eq!(of(b"\x08_S5_\x12\x07\x04\x0a\x08\x00\x00\x00"), None, "no sleep type");
        assert_eq!(of(b"\x08_S5_\x12\x3f\x04\x00\x00\x00\x00"), None, "longer than the table");
        assert_eq!(of(b"\x08_S5_\x12\x02\x04\x00\x00\x00\x00"), None, "empty");
        assert_eq!(of(b"\x08_S5_\x12\x06\x04ABCD"), None, "names, not constants");
        assert_eq!(of(b"\x08_S5_"), None, "cut");
    }

    #[test]
    fn several_must_agree() {
        let one = b"\x08_S5_\x12\x04\x02\x00\x00".as_slice();
        assert_eq!(of(&[one, one].concat()), Some([0, 0]));
        assert_eq!(of(&[one, b"\x08_S5_\x12\x04\x02\x01\x00"].concat()), None);
    }

    #[test]
    fn a_wrong_checksum_says_nothing() {
        let mut table = table(b"\x08_S5_\x12\x06\x04\x00\x00\x00\x00");
        table[0] ^= 1;
        assert_eq!(soft_off(&table), None);
    }

    proptest! {
        #[test]
        fn no_bytes_confuse_it(code in proptest::collection::vec(prop_oneof![
            Just(0x08u8), Just(b'_'), Just(b'S'), Just(b'5'), Just(0x12), Just(0x0a), any::<u8>()
        ], 0..200)) {
            if let Some(types) = of(&code) {
                prop_assert!(types.iter().all(|kind| *kind <= 7));
            }
        }
    }
}
