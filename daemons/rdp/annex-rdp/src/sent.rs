// SPDX-License-Identifier: GPL-2.0-or-later
//! What a client shows already: of a tile that may have changed, only what has is sent. QEMU says
//! that more was drawn than was (a page of memory, a line of text, the same again).

use crate::areas::Pair;
use crate::damage::Rect;
use crate::orders::Order;
use crate::pixels::BYTES;
use crate::screen::{Size, Tile};

#[cfg(test)]
mod tests;

/// Pixels that are sent together: RDP's compressed bitmaps are a multiple of four wide.
const COLUMNS: usize = 4;

/// How many parts of what has moved alike are moved.
const PARTS: usize = 2;

/// A client's picture, as large as its desktop.
pub struct Sent {
    width: usize,
    /// What it shows. Pictures are opaque: a pixel whose last byte is 0 isn't known.
    frame: Vec<u8>,
}

impl Sent {
    /// A client with a desktop of this size, of which it has seen nothing.
    pub fn new(size: Size) -> Self {
        let (width, height) = (usize::from(size.width), usize::from(size.height));
        Self {
            width,
            frame: vec![0; width * height * BYTES],
        }
    }

    /// The client has lost its picture.
    pub fn forget(&mut self) {
        self.frame.fill(0);
    }

    /// What a few bytes can draw of a picture of the desktop's size, of which these tiles may have
    /// changed: it counts as sent from now on. The tiles are in reading order.
    pub fn orders(&mut self, picture: &[u8], tiles: &[Rect]) -> Vec<Order> {
        let mut orders = Vec::new();
        if let Some(area) = self.pair(picture).differing(tiles) {
            let mut others = Vec::new();
            for way in self.pair(picture).moves(area) {
                // Something else may lie upon what has moved, so that its parts are apart.
                for _ in 0..PARTS {
                    let Some((rect, from)) = self.pair(picture).moved(area, way, &others) else {
                        break;
                    };
                    self.take(picture, rect);
                    others.push(rect);
                    orders.push(Order::ScrBlt(rect, from));
                }
            }
        }
        for (rect, colour) in self.pair(picture).filled(tiles) {
            self.take(picture, rect);
            orders.push(Order::OpaqueRect(rect, colour));
        }
        orders
    }

    fn pair<'a>(&'a self, new: &'a [u8]) -> Pair<'a> {
        Pair {
            width: self.width,
            old: &self.frame,
            new,
        }
    }

    /// The client has this area of the picture.
    fn take(&mut self, picture: &[u8], rect: Rect) {
        for y in rect.y..rect.y + rect.height {
            let at = (y * self.width + rect.x) * BYTES;
            let row = at..at + rect.width * BYTES;
            self.frame[row.clone()].copy_from_slice(&picture[row]);
        }
    }

    /// The part of a tile that the client doesn't have yet, which counts as sent from now on.
    /// Tiles are those of [`crate::damage`], of a desktop of this size.
    pub fn changed(&mut self, tile: Tile) -> Option<Tile> {
        let Rect { x, y, width, .. } = tile.rect;
        let group = COLUMNS * BYTES;
        let (mut rows, mut groups) = (Span::default(), Span::default());
        for (row, new) in tile.pixels.chunks_exact(width * BYTES).enumerate() {
            let at = ((y + row) * self.width + x) * BYTES;
            let old = &mut self.frame[at..at + width * BYTES];
            if old == new {
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
