// SPDX-License-Identifier: GPL-2.0-or-later
//! What a client shows. IronRDP's crates decode frames and bitmaps; this draws them, and the orders
//! that these crates don't know (MS-RDPEGDI 2.2.2.2.1.1), by the specification and not by
//! annex-rdp's code.

use anyhow::{bail, ensure, Context, Result};
use ironrdp_bulk::{BulkCompressor, CompressionType};
use ironrdp_core::{decode, decode_cursor, ReadCursor};
use ironrdp_graphics::rdp6::BitmapStreamDecoder;
use ironrdp_pdu::bitmap::BitmapUpdateData;
use ironrdp_pdu::fast_path::{FastPathHeader, FastPathUpdatePdu, Fragmentation, UpdateCode};

/// Red, green, blue, and 255.
const BYTES: usize = 4;

/// A screen that fast-path updates are drawn into.
pub struct Drawn {
    bulk: BulkCompressor,
    bitmaps: BitmapStreamDecoder,
    width: usize,
    height: usize,
    frame: Vec<u8>,
    orders: Orders,
    /// How many orders were drawn.
    pub number: usize,
}

impl Drawn {
    /// A black screen.
    pub fn new(width: u16, height: u16) -> Self {
        let mut drawn = Self {
            bulk: BulkCompressor::new(CompressionType::Rdp61),
            bitmaps: BitmapStreamDecoder::default(),
            width: 0,
            height: 0,
            frame: Vec::new(),
            orders: Orders::default(),
            number: 0,
        };
        drawn.resize(width, height);
        drawn
    }

    /// The session has begun anew with a screen of this size. What was decompressed before still
    /// counts.
    pub fn resize(&mut self, width: u16, height: u16) {
        (self.width, self.height) = (width.into(), height.into());
        self.frame = [0, 0, 0, u8::MAX].repeat(self.width * self.height);
        self.orders = Orders::default();
    }

    /// Columns, rows, and the pixels.
    pub fn shown(&self) -> (usize, usize, &[u8]) {
        (self.width, self.height, &self.frame)
    }

    /// Draws what a frame says.
    pub fn draw(&mut self, frame: &[u8]) -> Result<()> {
        let mut cursor = ReadCursor::new(frame);
        decode_cursor::<FastPathHeader>(&mut cursor)?;
        while !cursor.is_empty() {
            let update = decode_cursor::<FastPathUpdatePdu<'_>>(&mut cursor)?;
            let data = match (update.compression_flags, update.compression_type) {
                (Some(flags), Some(kind)) => {
                    let flags = u32::from(flags.bits() | kind.as_u8());
                    self.bulk.decompress(update.data, flags)?.to_vec()
                }
                _ => update.data.to_vec(),
            };
            match update.update_code {
                UpdateCode::Bitmap | UpdateCode::Orders
                    if update.fragmentation != Fragmentation::Single =>
                {
                    bail!("a picture in fragments");
                }
                UpdateCode::Bitmap => self.draw_bitmaps(&data).context("bitmaps")?,
                UpdateCode::Orders => self.draw_orders(&data).context("orders")?,
                // Pointers, which aren't looked at.
                _ => {}
            }
        }
        Ok(())
    }

    fn draw_bitmaps(&mut self, data: &[u8]) -> Result<()> {
        let update: BitmapUpdateData<'_> = decode(data)?;
        for bitmap in update.rectangles {
            let (width, height) = (usize::from(bitmap.width), usize::from(bitmap.height));
            ensure!(
                bitmap.bits_per_pixel == 32,
                "{} bits",
                bitmap.bits_per_pixel
            );
            let mut pixels = Vec::new();
            self.bitmaps.decode_bitmap_stream_to_rgb24(
                bitmap.bitmap_data,
                &mut pixels,
                width,
                height,
            )?;
            let [left, top] = [bitmap.rectangle.left, bitmap.rectangle.top].map(usize::from);
            ensure!(left + width <= self.width && top + height <= self.height);
            // They come from the bottom.
            for (y, row) in pixels.chunks_exact(width * 3).rev().enumerate() {
                let at = ((top + y) * self.width + left) * BYTES;
                let to = self.frame[at..at + width * BYTES].chunks_exact_mut(BYTES);
                for (to, from) in to.zip(row.chunks_exact(3)) {
                    to[..3].copy_from_slice(from);
                }
            }
        }
        Ok(())
    }

    fn draw_orders(&mut self, data: &[u8]) -> Result<()> {
        let mut rest = Bytes(data);
        for _ in 0..rest.word()? {
            let order = self.orders.next(&mut rest)?;
            let [left, top, width, height] = order.area;
            let inside = left >= 0
                && left + width <= self.width as i32
                && top >= 0
                && top + height <= self.height as i32;
            ensure!(inside && width > 0 && height > 0, "{order:?}");
            let [left, top, width, height] = order.area.map(|it| it as usize);
            let from = match order.what {
                What::Fill(colour) => {
                    [colour[0], colour[1], colour[2], u8::MAX].repeat(width * height)
                }
                What::Copy(x, y) => {
                    let inside = x >= 0
                        && x as usize + width <= self.width
                        && y >= 0
                        && y as usize + height <= self.height;
                    ensure!(inside, "{order:?}");
                    let row = |row: usize| {
                        let at = ((y as usize + row) * self.width + x as usize) * BYTES;
                        &self.frame[at..at + width * BYTES]
                    };
                    (0..height).flat_map(row).copied().collect()
                }
            };
            for (y, row) in from.chunks_exact(width * BYTES).enumerate() {
                let at = ((top + y) * self.width + left) * BYTES;
                self.frame[at..at + row.len()].copy_from_slice(row);
            }
            self.number += 1;
        }
        ensure!(rest.0.is_empty(), "{} bytes more than orders", rest.0.len());
        Ok(())
    }
}

#[derive(Debug)]
struct Order {
    /// Left, top, width and height.
    area: [i32; 4],
    what: What,
}

#[derive(Debug)]
enum What {
    Fill([u8; 3]),
    Copy(i32, i32),
}

/// The fields of the last order of each kind.
#[derive(Default)]
struct Orders {
    kind: u8,
    opaque_rect: [i32; 7],
    scr_blt: [i32; 7],
}

impl Orders {
    fn next(&mut self, bytes: &mut Bytes<'_>) -> Result<Order> {
        let flags = bytes.byte()?;
        ensure!(flags & 0x03 == 0x01, "not a primary order: {flags:#x}");
        ensure!(flags & 0x24 == 0, "bounds, which annex-rdp has no use for");
        if flags & 0x08 != 0 {
            self.kind = bytes.byte()?;
        }
        // Seven fields: one byte says which there are, unless there is none.
        let present = if flags & 0x40 != 0 { 0 } else { bytes.byte()? };
        let fields = match self.kind {
            0x02 => &mut self.scr_blt,
            0x0a => &mut self.opaque_rect,
            kind => bail!("an order that wasn't agreed upon: {kind:#x}"),
        };
        for (number, field) in fields.iter_mut().enumerate() {
            if present >> number & 1 == 0 {
                continue;
            }
            let coordinate = number < 4 || self.kind == 0x02 && number > 4;
            *field = match (coordinate, flags & 0x10 != 0) {
                (true, true) => *field + i32::from(bytes.byte()? as i8),
                (true, false) => i32::from(bytes.word()? as i16),
                (false, _) => bytes.byte()?.into(),
            };
        }
        let [left, top, width, height, rest @ ..] = *fields;
        let what = match self.kind {
            0x02 => {
                ensure!(rest[0] == 0xcc, "an operation that isn't SRCCOPY");
                What::Copy(rest[1], rest[2])
            }
            _ => What::Fill(rest.map(|it| it as u8)),
        };
        Ok(Order {
            area: [left, top, width, height],
            what,
        })
    }
}

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> Result<u8> {
        let (first, rest) = self.0.split_first().context("an order that is cut")?;
        self.0 = rest;
        Ok(*first)
    }

    fn word(&mut self) -> Result<u16> {
        Ok(u16::from_le_bytes([self.byte()?, self.byte()?]))
    }
}
