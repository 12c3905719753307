//! A disk with a GUID partition table, also the one that makes an ISO a disk.

use super::identity;
use anyhow::{Context, Result, ensure};
use gpt::GptConfig;
use gpt::mbr::ProtectiveMBR;
use gpt::partition::Partition;
use gpt::partition_types::EFI;
use std::collections::BTreeMap;
use std::io::Cursor;

/// Bytes of a block.
pub const BLOCK_BYTES: usize = 512;
/// Where the partition starts, as every tool aligns it.
const START_BYTES: usize = 1 << 20;
/// Bytes behind the partition that hold the table's copy.
pub const TABLE_BYTES: usize = 64 << 10;

/// A disk with one EFI system partition.
pub fn build(system: &[u8]) -> Result<Vec<u8>> {
    let mut disk = vec![0; START_BYTES];
    disk.extend_from_slice(system);
    disk.resize(disk.len() + TABLE_BYTES, 0);
    partition(disk, START_BYTES, system.len())
}

/// Writes the tables: one EFI system partition of so many bytes at `start`.
pub fn partition(disk: Vec<u8>, start: usize, bytes: usize) -> Result<Vec<u8>> {
    ensure!(start.is_multiple_of(BLOCK_BYTES) && bytes.is_multiple_of(BLOCK_BYTES), "a partition is whole blocks");
    let content = disk.get(start..start + bytes).context("a partition lies on its disk")?;
    let (disk_id, partition_id) = (identity("disk", content), identity("partition", content));
    let blocks = u32::try_from(disk.len() / BLOCK_BYTES - 1).unwrap_or(u32::MAX);
    let mut device = Cursor::new(disk);
    ProtectiveMBR::with_lb_size(blocks).overwrite_lba0(&mut device)?;
    let mut table = GptConfig::new().writable(true).create_from_device(device, Some(disk_id))?;
    let first = (start / BLOCK_BYTES) as u64;
    let system = Partition {
        part_type_guid: EFI,
        part_guid: partition_id,
        first_lba: first,
        last_lba: first + (bytes / BLOCK_BYTES) as u64 - 1,
        flags: 0,
        name: "capOS".into(),
    };
    table.update_partitions(BTreeMap::from([(1, system)]))?;
    Ok(table.write()?.into_inner())
}
