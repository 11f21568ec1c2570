// SPDX-License-Identifier: GPL-2.0-or-later
//! Text whose letters stand in columns, as a console has it: a tile of it is cut between them. Bulk
//! compression finds a letter again then, since all of it is in one place and nothing else is.

use crate::damage::Rect;
use crate::pixels::BYTES;
use crate::screen::Tile;

/// Pixels from a letter to the next. Larger ones are rare, and have to be a multiple of [`COLUMNS`].
const PITCH: usize = 8;
/// RDP's compressed bitmaps are a multiple of so many columns wide.
const COLUMNS: usize = 4;

/// The tile, in columns of letters if it has such.
pub fn cut(tile: Tile) -> Vec<Tile> {
    let Rect { width, .. } = tile.rect;
    let Some(first) = grid(&tile) else {
        return vec![tile];
    };
    let mut parts = Vec::new();
    // What is at the edges may overlap, so that its width is one that can be.
    if first > 0 {
        parts.push(columns(&tile, 0, first.next_multiple_of(COLUMNS)));
    }
    let mut at = first;
    while at + PITCH <= width {
        parts.push(columns(&tile, at, PITCH));
        at += PITCH;
    }
    if at < width {
        let rest = (width - at).next_multiple_of(COLUMNS);
        parts.push(columns(&tile, width - rest, rest));
    }
    parts
}

/// Where the first letter begins that does so in the tile.
fn grid(tile: &Tile) -> Option<usize> {
    let Rect { width, height, .. } = tile.rect;
    let paper = majority(&tile.pixels)?;
    let mut ink = vec![0; width];
    for row in tile.pixels.chunks_exact(width * BYTES) {
        for (ink, pixel) in ink.iter_mut().zip(row.chunks_exact(BYTES)) {
            *ink += usize::from(pixel != paper);
        }
    }
    let all: usize = ink.iter().sum();
    // A narrow one has too few letters to tell; an empty one has nothing to be found again.
    if width < 2 * PITCH || all * 16 < width * height {
        return None;
    }
    // How much ink is in the last columns of letters, and how many these are.
    let between = |first: usize| {
        let columns = ink.iter().skip((first + PITCH - 1) % PITCH).step_by(PITCH);
        columns.fold((0, 0), |(inked, number), ink| (inked + ink, number + 1))
    };
    let (first, (inked, gaps)) = (0..PITCH)
        .map(|first| (first, between(first)))
        .min_by_key(|(_, (inked, gaps))| inked * width / gaps)?;
    // By the column there is less of it than elsewhere: but a line below words goes through.
    (inked * 3 * (width - gaps) <= (all - inked) * gaps).then_some(first)
}

/// The pixel that most are, if more than half of them are the same.
fn majority(pixels: &[u8]) -> Option<&[u8]> {
    let mut paper = pixels.get(..BYTES)?;
    let mut lead = 0_usize;
    for pixel in pixels.chunks_exact(BYTES) {
        if pixel == paper {
            lead += 1;
        } else if lead == 0 {
            (paper, lead) = (pixel, 1);
        } else {
            lead -= 1;
        }
    }
    (lead > 0).then_some(paper)
}

fn columns(tile: &Tile, at: usize, width: usize) -> Tile {
    let rows = tile.pixels.chunks_exact(tile.rect.width * BYTES);
    let pixels = rows.flat_map(|row| &row[at * BYTES..(at + width) * BYTES]);
    Tile {
        rect: Rect {
            x: tile.rect.x + at,
            width,
            ..tile.rect
        },
        pixels: pixels.copied().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Letters that are boxes with a gap at their right, from a column on.
    fn text(width: usize, first: usize) -> Tile {
        let pixels = (0..32 * width).flat_map(|at| {
            let (x, y) = (at % width + PITCH - first, at / width);
            let ink = x % PITCH != PITCH - 1 && !(x / PITCH + y).is_multiple_of(3) && y % 16 > 8;
            [u8::from(ink) * 200, 10, 10, 255]
        });
        Tile {
            rect: Rect {
                x: 4,
                y: 7,
                width,
                height: 32,
            },
            pixels: pixels.collect(),
        }
    }

    #[test]
    fn text_is_cut_between_its_letters_and_stays_what_it_was() {
        for first in 0..PITCH {
            let whole = text(44, first);
            let parts = cut(whole.clone());
            assert!(parts.len() > 4, "{first}");
            let mut shown = vec![0; whole.pixels.len()];
            for Tile { rect, pixels } in parts {
                assert!(rect.width.is_multiple_of(COLUMNS));
                assert_eq!((rect.y, rect.height), (whole.rect.y, whole.rect.height));
                if (whole.rect.x + 1..whole.rect.x + 36).contains(&rect.x) {
                    assert!((rect.x - whole.rect.x + PITCH - first).is_multiple_of(PITCH));
                }
                for (y, row) in pixels.chunks_exact(rect.width * BYTES).enumerate() {
                    let at = (y * whole.rect.width + rect.x - whole.rect.x) * BYTES;
                    shown[at..at + row.len()].copy_from_slice(row);
                }
            }
            assert!(shown == whole.pixels, "{first}");
        }
    }

    #[test]
    fn other_pictures_stay_whole() {
        let rect = Rect {
            x: 0,
            y: 0,
            width: 64,
            height: 64,
        };
        let noise = |at: usize| [(at * at / 7) as u8, (at / 3) as u8, at as u8, 255];
        for pixel in [
            noise,
            |_| [1, 2, 3, 255],
            |at| [(at / 64 / 8) as u8, 0, 0, 255],
        ] {
            let pixels = (0..64 * 64).flat_map(pixel).collect();
            let tile = Tile { rect, pixels };
            assert_eq!(cut(tile.clone()), [tile]);
        }
        // Too narrow to tell.
        assert_eq!(cut(text(12, 0)).len(), 1);
    }
}
