// SPDX-License-Identifier: GPL-2.0-or-later
//! What a client shows already: of a tile that may have changed, only what has is sent. QEMU says
//! that more was drawn than was (a page of memory, a line of text, the same again).

use crate::damage::{Rect, TILE};
use crate::pixels::BYTES;
use crate::screen::{Size, Tile};

/// Pixels that are sent together: RDP's compressed bitmaps are a multiple of four wide.
const COLUMNS: usize = 4;

/// A client's picture, as large as its desktop.
pub struct Sent {
    width: usize,
    frame: Vec<u8>,
    /// For each tile, whether the client has it.
    known: Vec<bool>,
}

impl Sent {
    /// A client with a desktop of this size, of which it has seen nothing.
    pub fn new(size: Size) -> Self {
        let (width, height) = (usize::from(size.width), usize::from(size.height));
        Self {
            width,
            frame: vec![0; width * height * BYTES],
            known: vec![false; width.div_ceil(TILE) * height.div_ceil(TILE)],
        }
    }

    /// The client has lost its picture.
    pub fn forget(&mut self) {
        self.known.fill(false);
    }

    /// The part of a tile that the client doesn't have yet, which counts as sent from now on.
    /// Tiles are those of [`crate::damage`], of a desktop of this size.
    pub fn changed(&mut self, tile: Tile) -> Option<Tile> {
        let Rect { x, y, width, .. } = tile.rect;
        let number = y / TILE * self.width.div_ceil(TILE) + x / TILE;
        let known = std::mem::replace(&mut self.known[number], true);
        let group = COLUMNS * BYTES;
        let (mut rows, mut groups) = (Span::default(), Span::default());
        for (row, new) in tile.pixels.chunks_exact(width * BYTES).enumerate() {
            let at = ((y + row) * self.width + x) * BYTES;
            let old = &mut self.frame[at..at + width * BYTES];
            if known && old == new {
                continue;
            }
            rows.add(row);
            let pairs = || old.chunks(group).zip(new.chunks(group));
            if let Some(first) = pairs().position(|(old, new)| old != new) {
                groups.add(first);
            }
            if let Some(back) = pairs().rev().position(|(old, new)| old != new) {
                groups.add(pairs().len() - 1 - back);
            }
            old.copy_from_slice(new);
        }
        if !known {
            return Some(tile);
        }
        let (top, bottom) = rows.0?;
        let (left, right) = groups.0?;
        let right = ((right + 1) * COLUMNS).min(width);
        let left = left * COLUMNS;
        let rect = Rect {
            x: x + left,
            y: y + top,
            width: right - left,
            height: bottom + 1 - top,
        };
        let rows = tile.pixels.chunks_exact(width * BYTES);
        let pixels = rows
            .skip(top)
            .take(rect.height)
            .flat_map(|row| &row[left * BYTES..right * BYTES])
            .copied()
            .collect();
        Some(Tile { rect, pixels })
    }
}

/// The lowest and the highest of some numbers.
#[derive(Clone, Copy, Default)]
struct Span(Option<(usize, usize)>);

impl Span {
    fn add(&mut self, number: usize) {
        self.0 = Some(match self.0 {
            Some((low, high)) => (low.min(number), high.max(number)),
            None => (number, number),
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIZE: Size = Size {
        width: 200,
        height: 200,
    };

    fn tile(x: usize, y: usize, pixels: &[u8]) -> Tile {
        let rect = Rect {
            x,
            y,
            width: TILE.min(200 - x),
            height: TILE.min(200 - y),
        };
        assert_eq!(pixels.len(), rect.width * rect.height * BYTES);
        Tile {
            rect,
            pixels: pixels.to_vec(),
        }
    }

    #[test]
    fn what_is_there_isnt_sent_again() {
        let mut sent = Sent::new(SIZE);
        let black = tile(64, 64, &[0; TILE * TILE * BYTES]);
        assert_eq!(sent.changed(black.clone()), Some(black.clone()));
        assert_eq!(sent.changed(black.clone()), None);
        let mut dotted = black.clone();
        dotted.pixels[(5 * TILE + 6) * BYTES] = 1;
        let part = sent.changed(dotted.clone()).unwrap();
        let rect = Rect {
            x: 68,
            y: 69,
            width: 4,
            height: 1,
        };
        assert_eq!(part.rect, rect);
        assert_eq!(part.pixels, [[0; 4], [0; 4], [1, 0, 0, 0], [0; 4]].concat());
        assert_eq!(sent.changed(dotted.clone()), None);
        sent.forget();
        assert_eq!(sent.changed(dotted.clone()), Some(dotted));
    }

    proptest! {
        /// A client that draws what it is sent has every picture, in the last tile as well, which
        /// is smaller.
        #[test]
        fn a_client_has_every_picture(
            last in any::<bool>(),
            steps in proptest::collection::vec(
                proptest::collection::vec((0_usize..64, 0_usize..64, any::<u8>()), 0..4), 1..6),
        ) {
            let (x, y, side) = if last { (192, 192, 8) } else { (0, 0, 64) };
            let mut sent = Sent::new(SIZE);
            let mut now = vec![0; side * side * BYTES];
            let mut client = vec![9; side * side * BYTES];
            for step in steps {
                for (column, row, value) in step {
                    now[(row % side * side + column % side) * BYTES] = value;
                }
                if let Some(part) = sent.changed(tile(x, y, &now)) {
                    prop_assert!(part.rect.width.is_multiple_of(COLUMNS));
                    let row = part.rect.width * BYTES;
                    for (number, pixels) in part.pixels.chunks_exact(row).enumerate() {
                        let at = ((part.rect.y - y + number) * side + part.rect.x - x) * BYTES;
                        client[at..at + row].copy_from_slice(pixels);
                    }
                }
                prop_assert!(client == now);
            }
        }
    }
}
