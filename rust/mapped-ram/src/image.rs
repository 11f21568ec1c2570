// SPDX-License-Identifier: GPL-2.0-or-later
//! A block's header and page bitmap, read from where they are and checked.

use std::io;

use thiserror::Error;

use crate::bitmap::Bitmap;
use crate::format::{BlockImage, FormatError};
use crate::source::PageSource;

/// A block's header or bitmap that can't be true, or can't be read.
#[derive(Debug, Error)]
pub enum ImageError {
    /// It contradicts itself, the file or the machine.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The bitmap can't be read.
    #[error("can't read the snapshot's page bitmap of RAM block '{block}'")]
    Bitmap {
        /// The block's name.
        block: String,
        /// Why.
        source: io::Error,
    },
}

/// Checks the `header` of the block `name`, `length` bytes long, of a machine whose pages have
/// `page_size` bytes, and reads its bitmap from `source`, which has `file_size` bytes.
pub(crate) fn read_image(
    source: &dyn PageSource,
    file_size: u64,
    name: &str,
    length: u64,
    page_size: u64,
    header: &[u8],
) -> Result<(BlockImage, Bitmap), ImageError> {
    let image = BlockImage::parse(name, length, page_size, header, file_size)?;
    let mut bytes = vec![0; image.bitmap_bytes() as usize];
    source
        .read_at(&mut bytes, image.bitmap_offset)
        .map_err(|source| ImageError::Bitmap {
            block: name.to_owned(),
            source,
        })?;
    let bitmap = image.parse_bitmap(&bytes, file_size)?;
    Ok((image, bitmap))
}
