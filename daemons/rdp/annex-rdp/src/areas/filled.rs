// SPDX-License-Identifier: GPL-2.0-or-later
//! Areas of one colour: an empty screen, a background that fades.

use std::collections::BTreeMap;

use super::Pair;
use crate::damage::Rect;
use crate::pixels::BYTES;

/// The most bands of one colour in a tile: with more of them its bitmap is small enough.
const BANDS: usize = 16;

/// An area, and its colour: blue, green, red.
pub type Filled = (Rect, [u8; 3]);

impl Pair<'_> {
    /// Areas of one colour that aren't what they were, in tiles that have no others. Tiles are in
    /// reading order, and a row of them has the same rows of pixels.
    pub fn filled(&self, tiles: &[Rect]) -> Vec<Filled> {
        let mut areas: Vec<Filled> = Vec::new();
        for tile in tiles {
            let bands = self.bands(*tile).unwrap_or_default();
            for (band, colour) in bands.into_iter().filter(|(band, _)| self.differs(*band)) {
                // Those of the tile to the left are the last ones.
                let beside = areas
                    .iter_mut()
                    .rev()
                    .take(2 * BANDS)
                    .find(|(rect, other)| {
                        let ends = (rect.x + rect.width, rect.y, rect.height);
                        *other == colour && ends == (band.x, band.y, band.height)
                    });
                match beside {
                    Some((rect, _)) => rect.width += band.width,
                    None => areas.push((band, colour)),
                }
            }
        }
        stacked(areas)
    }

    fn differs(&self, area: Rect) -> bool {
        let mut rows = area.y..area.y + area.height;
        rows.any(|y| self.was(area.x, y, area.width) != self.is(area.x, y, area.width))
    }

    /// What a tile consists of, if each of its rows is of one colour.
    fn bands(&self, tile: Rect) -> Option<Vec<Filled>> {
        let mut bands: Vec<Filled> = Vec::new();
        for y in tile.y..tile.y + tile.height {
            let row = self.is(tile.x, y, tile.width);
            // Each pixel is the one before it.
            if row[BYTES..] != row[..row.len() - BYTES] {
                return None;
            }
            let colour = [row[0], row[1], row[2]];
            let number = bands.len();
            match bands.last_mut() {
                Some((rect, last)) if *last == colour => rect.height += 1,
                _ if number == BANDS => return None,
                _ => bands.push((
                    Rect {
                        y,
                        height: 1,
                        ..tile
                    },
                    colour,
                )),
            }
        }
        Some(bands)
    }
}

/// The same areas; those that stand one on another, as wide and of the same colour, are one.
fn stacked(mut areas: Vec<Filled>) -> Vec<Filled> {
    let mut all: Vec<Filled> = Vec::new();
    // Which of them ends at a place, with a width.
    let mut ends: BTreeMap<(usize, usize, usize), usize> = BTreeMap::new();
    areas.sort_by_key(|(rect, _)| (rect.y, rect.x));
    for (rect, colour) in areas {
        let above = ends.remove(&(rect.x, rect.y, rect.width));
        let at = match above.filter(|&at| all[at].1 == colour) {
            Some(at) => {
                all[at].0.height += rect.height;
                at
            }
            None => {
                all.push((rect, colour));
                all.len() - 1
            }
        };
        ends.insert((rect.x, rect.y + rect.height, rect.width), at);
    }
    all
}
