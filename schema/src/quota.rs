//! Quotas, added up: what the programs of a system may use up has to be there.
use crate::ledger_capnp::ledger;
use std::array;

/// Resources that a quota grants.
const GRANTED: usize = 4;
/// Resources that a machine has: those, and bytes of the kernel's own memory.
const RESOURCES: usize = GRANTED + 1;

/// By resource: how a description of a machine calls it, and a sentence.
const NAMES: [(&str, &str); RESOURCES] = [
    ("frames", "frames"),
    ("handles", "handles"),
    ("objects", "objects"),
    ("threads", "threads"),
    ("kernelMemory", "bytes of kernel memory"),
];

/// Bytes of the kernel's own memory that come with each unit of a quota.
const KERNEL_BYTES: [u64; GRANTED] = [
    ledger::KERNEL_BYTES_PER_FRAME,
    ledger::KERNEL_BYTES_PER_HANDLE,
    ledger::KERNEL_BYTES_PER_OBJECT,
    ledger::KERNEL_BYTES_PER_THREAD,
];

/// A resource of which the quotas grant more than a machine has.
pub struct Excess {
    /// How a description of the machine calls the resource.
    pub field: &'static str,
    /// What is wrong, in one sentence.
    pub sentence: String,
}

/// Compares the sum of quotas (frames, handles, objects, threads) with what a machine has of each, and of the kernel's own memory.
pub fn excesses(quotas: impl Iterator<Item = [u64; GRANTED]>, machine: [u64; RESOURCES]) -> Vec<Excess> {
    let sums =
        quotas.map(with_kernel_bytes).fold([0u128; RESOURCES], |sums, quota| array::from_fn(|at| sums[at] + quota[at]));
    let compared = NAMES.into_iter().zip(sums).zip(machine);
    let too_large = compared.filter(|((_, sum), has)| *sum > u128::from(*has));
    let explain = |(((field, words), sum), has)| Excess {
        field,
        sentence: format!("the quotas add up to {sum} {words}, but the machine has {has}"),
    };
    too_large.map(explain).collect()
}

/// A quota, and the bytes of the kernel's own memory that it brings.
fn with_kernel_bytes(quota: [u64; GRANTED]) -> [u128; RESOURCES] {
    let kernel_bytes =
        quota.iter().zip(KERNEL_BYTES).map(|(&amount, each)| u128::from(amount) * u128::from(each)).sum();
    array::from_fn(|at| quota.get(at).map_or(kernel_bytes, |&amount| amount.into()))
}

#[cfg(test)]
mod test {
    use super::excesses;

    fn sentences(quotas: &[[u64; 4]], machine: [u64; 5]) -> Vec<String> {
        excesses(quotas.iter().copied(), machine).into_iter().map(|excess| excess.sentence).collect()
    }

    #[test]
    fn what_fits_exactly_is_enough() {
        let quotas = [[10, 20, 30, 40], [1, 2, 3, 4]];
        let kernel_bytes = 11 * 32 + 22 * 240 + 33 * 1536 + 44 * 8192;
        assert!(sentences(&quotas, [11, 22, 33, 44, kernel_bytes]).is_empty());
        let all = sentences(&quotas, [10, 21, 32, 43, kernel_bytes - 1]);
        assert_eq!(all.len(), 5, "{all:?}");
        assert_eq!(
            all[4],
            format!(
                "the quotas add up to {kernel_bytes} bytes of kernel memory, but the machine has {}",
                kernel_bytes - 1
            )
        );
    }

    #[test]
    fn no_quota_is_too_large_to_be_added_up() {
        assert_eq!(sentences(&[[u64::MAX; 4]; 3], [u64::MAX; 5]).len(), 5);
    }
}
