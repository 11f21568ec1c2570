// SPDX-License-Identifier: GPL-2.0-or-later
//! Tiles and pointers as fast-path updates (MS-RDPBCGR 2.2.9.1.2).
//!
//! What a few bytes can draw becomes orders ([`crate::orders`]). A tile becomes a bitmap of RDP 6.0
//! (MS-RDPEGDI 2.2.2.5.1): planes that are run-length coded, which every client decodes and which
//! lose nothing. If the client has asked for it, an update is
//! then compressed in bulk ([`crate::bulk`]), which loses nothing either.

use anyhow::Context;
use ironrdp_core::{encode_vec, Encode, WriteCursor};
use ironrdp_graphics::rdp6::{BgrAChannels, BitmapStreamEncoder};
use ironrdp_pdu::bitmap::{BitmapData, BitmapUpdateData, CompressedDataHeader, Compression};
use ironrdp_pdu::fast_path::{
    EncryptionFlags, FastPathHeader, FastPathUpdatePdu, Fragmentation, UpdateCode,
};
use ironrdp_pdu::geometry::InclusiveRectangle;
use ironrdp_pdu::pointer::{ColorPointerAttribute, Point16, PointerAttribute};

use crate::bulk::Bulk;
use crate::damage::TILE;
use crate::grid;
use crate::orders::{self, Order, Orders};
use crate::pixels::BYTES;
use crate::screen::{Pointer, Tile};

/// Bytes of data in a TS_FP_UPDATE_PDU: its length has 15 bits, but clients expect less than
/// 16 KiB with the headers.
const FRAGMENT: usize = 16_374;
/// What goes before them: the message's header and the update's, with the fields for compression
/// (MS-RDPBCGR 2.2.9.1.2, 2.2.9.1.2.1).
const HEADERS: usize = 3 + 4;
/// The most that a tile can become: three planes of it, each row with a control byte for 15
/// bytes (MS-RDPEGDI 3.1.9.2.3), and headers. It fits into a fragment, so that no client has to
/// reassemble pictures.
const TILE_BOUND: usize = TILE * (TILE + TILE.div_ceil(15)) * 3 + 64;
/// What goes before the bitmaps of an update.
const UPDATE_HEADER: usize = 4;

/// Makes a session's updates, one after another: what is compressed in bulk refers to what was
/// sent before.
#[derive(Default)]
pub struct Encoder {
    bulk: Option<Bulk>,
    orders: Orders,
}

impl Encoder {
    /// One that compresses in bulk, or not.
    pub fn new(bulk: Option<Bulk>) -> Self {
        Self {
            bulk,
            orders: Orders::default(),
        }
    }

    /// The session begins, or does so anew (MS-RDPBCGR 1.3.1.3): orders don't refer to earlier ones.
    pub fn activated(&mut self) {
        self.orders = Orders::default();
    }

    /// Fast-path messages, ready to be written, by which a client draws these.
    pub fn orders(&mut self, orders: &[Order]) -> anyhow::Result<Vec<u8>> {
        let mut out = Vec::new();
        for some in orders.chunks((FRAGMENT - 2) / orders::BOUND) {
            let mut data = (some.len() as u16).to_le_bytes().to_vec();
            for order in some {
                self.orders.encode(*order, &mut data);
            }
            self.fragments(UpdateCode::Orders, &data, &mut out)?;
        }
        Ok(out)
    }

    /// Fast-path messages, ready to be written, that show these tiles.
    pub fn tiles(&mut self, tiles: Vec<Tile>) -> anyhow::Result<Vec<u8>> {
        let mut out = Vec::new();
        let mut message = Vec::new();
        let mut number = 0;
        // Without a history there is nothing that a letter could be found in.
        let cut = match &self.bulk {
            Some(_) => grid::cut,
            None => |tile| vec![tile],
        };
        for tile in tiles.into_iter().flat_map(cut) {
            let bitmap = bitmap(&tile)?;
            if !message.is_empty() && UPDATE_HEADER + message.len() + bitmap.len() > FRAGMENT {
                self.update(&std::mem::take(&mut message), number, &mut out)?;
                number = 0;
            }
            message.extend_from_slice(&bitmap);
            number += 1;
        }
        if number > 0 {
            self.update(&message, number, &mut out)?;
        }
        Ok(out)
    }

    /// A fast-path message that gives the client's pointer this shape. `bounds` is as large as the
    /// client's pointers can be.
    pub fn pointer(&mut self, pointer: &Pointer, bounds: u16) -> anyhow::Result<Vec<u8>> {
        let mut out = Vec::new();
        match pointer {
            Pointer::Hidden => self.fragments(UpdateCode::HiddenPointer, &[], &mut out)?,
            Pointer::Shape { size, hot, pixels } if size.width.max(size.height) <= bounds => {
                let xor_mask = bottom_up(pixels, usize::from(size.width) * BYTES);
                // One bit a pixel, rows of whole words; without a bit the alpha counts.
                let and_row = usize::from(size.width).div_ceil(16) * 2;
                let and_mask = vec![0; and_row * usize::from(size.height)];
                let shape = PointerAttribute {
                    xor_bpp: 32,
                    color_pointer: ColorPointerAttribute {
                        cache_index: 0,
                        hot_spot: Point16 { x: hot.0, y: hot.1 },
                        width: size.width,
                        height: size.height,
                        xor_mask: &xor_mask,
                        and_mask: &and_mask,
                    },
                };
                let data = encode_vec(&shape).context("encode a pointer")?;
                self.fragments(UpdateCode::NewPointer, &data, &mut out)?;
            }
            Pointer::Default | Pointer::Shape { .. } => {
                self.fragments(UpdateCode::DefaultPointer, &[], &mut out)?;
            }
        }
        Ok(out)
    }

    fn update(&mut self, bitmaps: &[u8], number: u16, out: &mut Vec<u8>) -> anyhow::Result<()> {
        let mut data = vec![0; UPDATE_HEADER];
        BitmapUpdateData::encode_header(number, &mut WriteCursor::new(&mut data))
            .context("encode an update's header")?;
        data.extend_from_slice(bitmaps);
        self.fragments(UpdateCode::Bitmap, &data, out)
    }

    fn fragments(
        &mut self,
        code: UpdateCode,
        data: &[u8],
        out: &mut Vec<u8>,
    ) -> anyhow::Result<()> {
        let parts: Vec<_> = match data {
            [] => vec![data],
            data => data.chunks(FRAGMENT).collect(),
        };
        let last = parts.len() - 1;
        for (index, data) in parts.into_iter().enumerate() {
            let fragmentation = match (index, last) {
                (0, 0) => Fragmentation::Single,
                (0, _) => Fragmentation::First,
                (index, last) if index == last => Fragmentation::Last,
                _ => Fragmentation::Next,
            };
            let (compression, data) = match &mut self.bulk {
                Some(bulk) => bulk.compress(data),
                None => (None, data),
            };
            let update = FastPathUpdatePdu {
                fragmentation,
                update_code: code,
                compression_flags: compression.map(|(flags, _)| flags),
                compression_type: compression.map(|(_, kind)| kind),
                data,
            };
            let header = FastPathHeader::new(EncryptionFlags::empty(), update.size());
            out.extend(encode_vec(&header).context("encode a fast-path header")?);
            out.extend(encode_vec(&update).context("encode a fast-path update")?);
        }
        Ok(())
    }
}

/// Rows in the order of bitmaps: from the bottom.
fn bottom_up(pixels: &[u8], row: usize) -> Vec<u8> {
    pixels.chunks_exact(row).rev().flatten().copied().collect()
}

fn bitmap(tile: &Tile) -> anyhow::Result<Vec<u8>> {
    let rect = tile.rect;
    let pixels = tile
        .pixels
        .chunks_exact(rect.width * BYTES)
        .rev()
        .flat_map(|row| row.chunks_exact(BYTES));
    let mut data = vec![0; TILE_BOUND];
    let length = BitmapStreamEncoder::new(rect.width, rect.height)
        .encode_pixels_stream::<_, BgrAChannels>(pixels, &mut data, true)
        .context("compress a tile")?;
    let [left, top, width, height] =
        [rect.x, rect.y, rect.width, rect.height].map(|side| side as u16);
    encode_vec(&BitmapData {
        rectangle: InclusiveRectangle {
            left,
            top,
            right: left + width - 1,
            bottom: top + height - 1,
        },
        width,
        height,
        bits_per_pixel: 32,
        compression_flags: Compression::BITMAP_COMPRESSION,
        compressed_data_header: Some(CompressedDataHeader {
            main_body_size: length as u16,
            scan_width: width,
            uncompressed_size: (rect.width * rect.height * BYTES) as u16,
        }),
        bitmap_data: &data[..length],
    })
    .context("encode a tile")
}

/// The largest pointer that a client draws without the capability of large ones.
pub const POINTER: u16 = 32;
/// The largest with it (LARGE_POINTER_FLAG_96x96).
pub const LARGE_POINTER: u16 = 96;

const _: () = assert!(TILE * TILE * BYTES <= u16::MAX as usize);
const _: () = assert!(UPDATE_HEADER + TILE_BOUND < FRAGMENT);
const _: () = assert!(HEADERS + FRAGMENT < 1 << 14);

#[cfg(test)]
mod tests {
    use ironrdp_core::{decode_cursor, ReadCursor};
    use ironrdp_graphics::rdp6::BitmapStreamDecoder;
    use proptest::prelude::*;

    use super::*;
    use crate::damage::Rect;
    use crate::screen::Size;

    /// What a client makes of messages: its updates, put together.
    fn updates(bytes: &[u8]) -> Vec<(UpdateCode, Vec<u8>)> {
        let mut cursor = ReadCursor::new(bytes);
        let mut all: Vec<(UpdateCode, Vec<u8>)> = Vec::new();
        while !cursor.is_empty() {
            decode_cursor::<FastPathHeader>(&mut cursor).unwrap();
            let update = decode_cursor::<FastPathUpdatePdu<'_>>(&mut cursor).unwrap();
            match update.fragmentation {
                Fragmentation::Single | Fragmentation::First => {
                    all.push((update.update_code, update.data.to_vec()));
                }
                _ => all.last_mut().unwrap().1.extend_from_slice(update.data),
            }
        }
        all
    }

    fn decoded(data: &[u8]) -> Vec<(Rect, Vec<u8>)> {
        let update: BitmapUpdateData<'_> = ironrdp_core::decode(data).unwrap();
        let decode = |bitmap: BitmapData<'_>| {
            let (width, height) = (usize::from(bitmap.width), usize::from(bitmap.height));
            let mut rgb = Vec::new();
            BitmapStreamDecoder::default()
                .decode_bitmap_stream_to_rgb24(bitmap.bitmap_data, &mut rgb, width, height)
                .unwrap();
            let rows = rgb
                .chunks_exact(width * 3)
                .rev()
                .flatten()
                .copied()
                .collect::<Vec<_>>();
            let pixels = rows
                .chunks_exact(3)
                .flat_map(|p| [p[2], p[1], p[0], 255])
                .collect();
            let [x, y] = [bitmap.rectangle.left, bitmap.rectangle.top].map(usize::from);
            (
                Rect {
                    x,
                    y,
                    width,
                    height,
                },
                pixels,
            )
        };
        update.rectangles.into_iter().map(decode).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn tiles_lose_nothing(
            shapes in proptest::collection::vec(
                (0_usize..100, 0_usize..100, 1_usize..=16, 1_usize..=64, any::<u64>(), 0_u32..3), 1..6),
        ) {
            let given: Vec<_> = shapes
                .into_iter()
                .map(|(x, y, fours, height, seed, noise)| {
                    let width = fours * 4;
                    // Noise, few colours, or one.
                    let mut state = seed | 1;
                    let pixels = (0..width * height).flat_map(|_| {
                        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        let value = (state >> 33) as u32;
                        let value = [value, value & 0x0101, seed as u32][noise as usize];
                        let [b, g, r, _] = value.to_le_bytes();
                        [b, g, r, 255]
                    });
                    Tile { rect: Rect { x, y, width, height }, pixels: pixels.collect() }
                })
                .collect();
            let bytes = Encoder::default().tiles(given.clone()).unwrap();
            let shown: Vec<_> = updates(&bytes)
                .iter()
                .flat_map(|(code, data)| {
                    assert_eq!(*code, UpdateCode::Bitmap);
                    assert!(data.len() <= FRAGMENT);
                    decoded(data)
                })
                .map(|(rect, pixels)| Tile { rect, pixels })
                .collect();
            prop_assert!(shown == given);
        }
    }

    #[test]
    fn a_message_is_one_fragment_even_of_noise() {
        let mut state = 1_u32;
        let pixels = (0..TILE * TILE * BYTES).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        let rect = Rect {
            x: 0,
            y: 0,
            width: TILE,
            height: TILE,
        };
        let tile = Tile {
            rect,
            pixels: pixels.collect(),
        };
        let bytes = Encoder::default().tiles(vec![tile; 3]).unwrap();
        assert_eq!(updates(&bytes).len(), 3);
        assert!(Encoder::default().tiles(Vec::new()).unwrap().is_empty());
    }

    #[test]
    fn one_colour_costs_little() {
        let rect = Rect {
            x: 0,
            y: 0,
            width: TILE,
            height: TILE,
        };
        let tile = Tile {
            rect,
            pixels: [1, 2, 3, 255].repeat(TILE * TILE),
        };
        let length = Encoder::default().tiles(vec![tile]).unwrap().len();
        assert!(length < 1024, "{length} bytes");
    }

    #[test]
    fn pointers_that_a_client_cant_draw_are_its_own() {
        let shape = |side: u16| Pointer::Shape {
            size: Size {
                width: side,
                height: side,
            },
            hot: (1, 2),
            pixels: (0..usize::from(side).pow(2) * BYTES)
                .map(|at| at as u8)
                .collect(),
        };
        let code = |shape, bounds| {
            let all = updates(&Encoder::default().pointer(&shape, bounds).unwrap());
            assert_eq!(all.len(), 1);
            all.into_iter().next().unwrap()
        };
        assert_eq!(code(shape(33), POINTER).0, UpdateCode::DefaultPointer);
        assert_eq!(code(shape(96), LARGE_POINTER).0, UpdateCode::NewPointer);
        assert_eq!(code(Pointer::Hidden, POINTER).0, UpdateCode::HiddenPointer);
        assert_eq!(
            code(Pointer::Default, POINTER).0,
            UpdateCode::DefaultPointer
        );
        let (code, data) = code(shape(2), POINTER);
        assert_eq!(code, UpdateCode::NewPointer);
        let shown: PointerAttribute<'_> = ironrdp_core::decode(&data).unwrap();
        let shown = shown.color_pointer;
        assert_eq!((shown.hot_spot.x, shown.hot_spot.y), (1, 2));
        assert_eq!(
            shown.xor_mask,
            [8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7]
        );
        assert_eq!(shown.and_mask, [0; 4]);
    }
}
