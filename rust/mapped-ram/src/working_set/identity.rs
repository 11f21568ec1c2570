// SPDX-License-Identifier: GPL-2.0-or-later
//! What tells one snapshot from another, without reading its pages.
//!
//! A digest of
//!
//! - the file's length in sectors of [`SECTOR`] bytes, and zeros up to the end of the last: a block
//!   node that shows the file, as from an NBD server, has whole ones,
//! - each block's name, length, page size, and where its bitmap and pages are,
//! - each block's bitmap: which pages are in the file and which are zero,
//! - the first [`DEVICE_STATE_BYTES`] of what follows RAM: the state of clocks, CPUs and devices.
//!
//! The last is what changes whenever a machine is saved again: its clocks, time stamp counters and
//! registers differ as soon as it ran in between, even if memory's layout stayed the same. All in
//! all that is 32 KiB for each GiB of RAM, and the device state, which a load reads anyway; a digest
//! of the pages themselves would read the whole file, which is what a load on demand avoids. Names,
//! inode numbers and times aren't in it: a snapshot that was copied or moved, or is had from another
//! host, keeps its working set.
//!
//! Not told: pages that somebody changed in the file by other means. Since a set only says what to
//! bring first, and the bytes always come from the snapshot, that does no harm.

use std::io;

use sha2::{Digest, Sha256};

use crate::format::BlockImage;
use crate::source::PageSource;

/// So much of the device state is looked at: all of it for most machines, and of others the part
/// with the clocks, which come first.
pub const DEVICE_STATE_BYTES: u64 = 1 << 20;

/// What block nodes are a multiple of, in bytes.
pub const SECTOR: u64 = 512;

/// See the module's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity(pub [u8; 32]);

impl Identity {
    /// Of the snapshot in `source`, whose blocks follow each other like this.
    pub fn of<'a>(
        source: &dyn PageSource,
        blocks: impl Iterator<Item = &'a BlockImage>,
    ) -> io::Result<Self> {
        let size = source.size()?;
        let sectors = size.div_ceil(SECTOR);
        let mut digest = Sha256::new();
        let mut device_state = 0;
        digest.update(sectors.to_le_bytes());
        for block in blocks {
            digest.update((block.name.len() as u64).to_le_bytes());
            digest.update(&block.name);
            let BlockImage {
                length,
                page_size,
                bitmap_offset,
                pages_offset,
                ..
            } = *block;
            for number in [length, page_size, bitmap_offset, pages_offset] {
                digest.update(number.to_le_bytes());
            }
            let end = bitmap_offset + block.bitmap_bytes();
            update(&mut digest, source, bitmap_offset..end)?;
            device_state = device_state.max(block.next_offset());
        }
        let looked_at = device_state.saturating_add(DEVICE_STATE_BYTES);
        let end = size.min(looked_at);
        update(&mut digest, source, device_state.min(end)..end)?;
        let padding = (sectors * SECTOR).min(looked_at) - end;
        digest.update(&[0; SECTOR as usize][..padding as usize]);
        Ok(Self(digest.finalize().into()))
    }
}

fn update(
    digest: &mut Sha256,
    source: &dyn PageSource,
    range: std::ops::Range<u64>,
) -> io::Result<()> {
    const CHUNK: usize = 256 << 10;
    let mut buf = vec![0; CHUNK.min((range.end - range.start) as usize)];
    for start in range.clone().step_by(CHUNK) {
        let len = (range.end - start).min(CHUNK as u64) as usize;
        source.read_at(&mut buf[..len], start)?;
        digest.update(&buf[..len]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::bitmap::Bitmap;
    use crate::testing::{Snapshot, PAGE};

    fn images(snapshot: &Snapshot) -> Vec<BlockImage> {
        let size = snapshot.source().size().unwrap();
        let image = |block: &crate::testing::SnapshotBlock| {
            BlockImage::parse(&block.name, block.length(), PAGE, &block.header, size).unwrap()
        };
        snapshot.blocks.iter().map(image).collect()
    }

    fn identity(snapshot: &Snapshot, images: &[BlockImage]) -> Identity {
        Identity::of(&snapshot.source(), images.iter()).unwrap()
    }

    #[test]
    fn a_block_node_of_the_file_is_the_same_snapshot() {
        let mut data = Bitmap::new(700);
        data.set(5..600);
        let snapshot = Snapshot::new(&[("a", data)]);
        let images = images(&snapshot);
        let end = images[0].next_offset();
        // Within a sector, at its end, and where what is looked at ends in the middle of one.
        for len in [1, 511, 512, 513, DEVICE_STATE_BYTES - 1, DEVICE_STATE_BYTES] {
            let file = &snapshot.file;
            file.set_len(end).unwrap();
            file.write_all_at(&vec![7; len as usize], end).unwrap();
            let first = identity(&snapshot, &images);
            file.set_len((end + len).next_multiple_of(SECTOR)).unwrap();
            assert_eq!(first, identity(&snapshot, &images), "{len}");
            file.set_len((end + len).next_multiple_of(SECTOR) + 1)
                .unwrap();
            assert_ne!(first, identity(&snapshot, &images), "{len}");
        }
    }

    #[test]
    fn changes_with_all_that_it_is_of_and_with_nothing_else() {
        let mut data = Bitmap::new(700);
        data.set(5..600);
        let snapshot = Snapshot::new(&[("a", data.clone()), ("b", data)]);
        let images = images(&snapshot);
        let end = images[1].next_offset();
        let file = &snapshot.file;
        file.write_all_at(&[7; 3000], end).unwrap();
        let first = identity(&snapshot, &images);
        assert_eq!(first, identity(&snapshot, &images));

        // A page.
        file.write_all_at(&[1], images[0].pages_offset + 5 * PAGE)
            .unwrap();
        assert_eq!(first, identity(&snapshot, &images));

        for offset in [
            images[0].bitmap_offset,
            images[1].bitmap_offset + 80,
            end,
            end + 2999,
        ] {
            let mut byte = [0];
            file.read_exact_at(&mut byte, offset).unwrap();
            file.write_all_at(&[!byte[0]], offset).unwrap();
            assert_ne!(first, identity(&snapshot, &images), "{offset:#x}");
            file.write_all_at(&byte, offset).unwrap();
            assert_eq!(first, identity(&snapshot, &images));
        }
        let other = |change: fn(&mut BlockImage)| {
            let mut images = images.clone();
            change(&mut images[0]);
            identity(&snapshot, &images)
        };
        assert_ne!(first, other(|image| image.name = "c".into()));
        assert_ne!(first, other(|image| image.pages_offset += PAGE));
        // Far behind what is looked at, but the length.
        file.set_len(end + 4 * DEVICE_STATE_BYTES).unwrap();
        let longer = identity(&snapshot, &images);
        assert_ne!(first, longer);
        file.write_all_at(&[1], end + 3 * DEVICE_STATE_BYTES)
            .unwrap();
        assert_eq!(longer, identity(&snapshot, &images));
    }
}
