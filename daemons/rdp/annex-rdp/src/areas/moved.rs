// SPDX-License-Identifier: GPL-2.0-or-later
//! Areas that were shown elsewhere: text that scrolls, a window that is moved.

use std::collections::BTreeMap;

use super::Pair;
use crate::damage::Rect;
use crate::pixels::BYTES;

/// Pixels of a row that are told from others together, and by which an area is found again. Four
/// letters of a small font: fewer are often the same.
const SEGMENT: usize = 32;
/// One of so many segments is looked for, chosen by what it shows: the same ones in both pictures.
const CHOSEN: u64 = 32;
/// One of so many rows is looked for, of all that were there.
const ROWS: usize = 4;
/// Columns that are looked at together for how far an area goes.
const CELL: usize = 16;
/// Rows and columns below which it isn't worth a look.
const LEAST: usize = 64;
/// Pixels around what has changed where it may have come from, too. A guest that is shown while it
/// scrolls has drawn the upper lines only: the last of them comes from one that is still there.
const BEYOND: usize = 64;
/// Pixels above which it would take too long.
const MOST: usize = 1 << 22;
/// How many segments have to have moved alike.
const VOTES: usize = 3;
/// The most ways to move that are tried.
const MOVES: usize = 8;

/// How far something has moved, to the right and down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Move {
    x: isize,
    y: isize,
}

impl Move {
    /// Where that was which is here now, if it was within an area.
    fn from(self, x: usize, y: usize, within: Rect) -> Option<(usize, usize)> {
        let from = (
            x.checked_add_signed(-self.x)?,
            y.checked_add_signed(-self.y)?,
        );
        let inside = (within.x..within.x + within.width).contains(&from.0)
            && (within.y..within.y + within.height).contains(&from.1);
        inside.then_some(from)
    }
}

/// The area that has all of these in it.
fn bounds(rects: &[Rect]) -> Option<Rect> {
    rects.iter().copied().reduce(|all, rect| {
        let (x, y) = (all.x.min(rect.x), all.y.min(rect.y));
        let right = (all.x + all.width).max(rect.x + rect.width);
        let bottom = (all.y + all.height).max(rect.y + rect.height);
        Rect {
            x,
            y,
            width: right - x,
            height: bottom - y,
        }
    })
}

impl Pair<'_> {
    /// The area, in whole cells, in which the two aren't the same, of those tiles that may have
    /// changed; if it is worth to look in it for what has moved.
    pub fn differing(&self, tiles: &[Rect]) -> Option<Rect> {
        let within = bounds(tiles)?;
        // A clock in one corner and a prompt in another are no window between them.
        let pixels: usize = tiles.iter().map(|it| it.width * it.height).sum();
        if 2 * pixels < within.width * within.height {
            return None;
        }
        let (mut left, mut right) = (usize::MAX, 0);
        let (mut top, mut bottom) = (usize::MAX, 0);
        for y in within.y..within.y + within.height {
            let was = self.was(within.x, y, within.width);
            let is = self.is(within.x, y, within.width);
            if was == is {
                continue;
            }
            (top, bottom) = (top.min(y), y + 1);
            let cells = || was.chunks(CELL * BYTES).zip(is.chunks(CELL * BYTES));
            left = left.min(cells().position(|(was, is)| was != is)?);
            right = right.max(cells().rposition(|(was, is)| was != is)? + 1);
        }
        let x = within.x + left.checked_mul(CELL)?;
        let area = Rect {
            x,
            y: top,
            width: (within.x + right * CELL).min(within.x + within.width) - x,
            height: bottom - top,
        };
        let worth = area.width >= LEAST && area.height >= LEAST;
        (worth && area.width * area.height <= MOST).then_some(area)
    }

    /// Where that may have been which is in an area now.
    fn source(&self, area: Rect) -> Rect {
        let (x, y) = (area.x.saturating_sub(BEYOND), area.y.saturating_sub(BEYOND));
        let height = self.old.len() / BYTES / self.width;
        Rect {
            x,
            y,
            width: (area.x + area.width + BEYOND).min(self.width) - x,
            height: (area.y + area.height + BEYOND).min(height) - y,
        }
    }

    /// How what is new in an area may have moved there: by what most has first.
    pub fn moves(&self, area: Rect) -> Vec<Move> {
        let mut now = Vec::new();
        for y in (area.y..area.y + area.height).step_by(ROWS) {
            segments(self.is(area.x, y, area.width), |x, hash| {
                let x = area.x + x;
                if self.is(x, y, SEGMENT) != self.was(x, y, SEGMENT) {
                    now.push((hash, x, y));
                }
            });
        }
        // Of a screen that is cleared, for one.
        if now.len() < VOTES {
            return Vec::new();
        }
        let mut before = Vec::new();
        let source = self.source(area);
        for y in source.y..source.y + source.height {
            segments(self.was(source.x, y, source.width), |x, hash| {
                before.push((hash, source.x + x, y))
            });
        }
        before.sort_unstable();
        // What was there twice tells nothing.
        let unique: Vec<_> = before
            .chunk_by(|one, other| one.0 == other.0)
            .filter_map(|same| <[_; 1]>::try_from(same).ok())
            .map(|[only]| only)
            .collect();
        let mut votes: BTreeMap<Move, usize> = BTreeMap::new();
        for (hash, x, y) in now {
            if let Ok(at) = unique.binary_search_by_key(&hash, |it| it.0) {
                let (_, from_x, from_y) = unique[at];
                let way = Move {
                    x: x as isize - from_x as isize,
                    y: y as isize - from_y as isize,
                };
                *votes.entry(way).or_default() += 1;
            }
        }
        let mut moves: Vec<_> = votes
            .into_iter()
            .filter(|(_, votes)| *votes >= VOTES)
            .collect();
        moves.sort_by_key(|(_, votes)| std::cmp::Reverse(*votes));
        moves.into_iter().take(MOVES).map(|(way, _)| way).collect()
    }

    /// The largest part of an area that was elsewhere, by this way, and isn't there already; and where
    /// its top left corner was. What lies in these others isn't asked for any more.
    pub fn moved(&self, area: Rect, way: Move, others: &[Rect]) -> Option<(Rect, (usize, usize))> {
        let source = self.source(area);
        let same = |x: usize, y: usize, width: usize| {
            if others.iter().any(|it| it.touches(x, y, width)) {
                return false;
            }
            // Its last pixel was there as well.
            match (way.from(x, y, source), way.from(x + width - 1, y, source)) {
                (Some((from, row)), Some(_)) => self.is(x, y, width) == self.was(from, row, width),
                _ => false,
            }
        };
        let cells = area.width / CELL;
        // How many rows of each column of cells have moved so, up to here.
        let mut heights = vec![0_usize; cells];
        let mut best = Rect {
            width: 0,
            height: 0,
            ..area
        };
        for y in area.y..area.y + area.height {
            for (cell, height) in heights.iter_mut().enumerate() {
                *height = if same(area.x + cell * CELL, y, CELL) {
                    *height + 1
                } else {
                    0
                };
            }
            let (first, number, height) = largest(&heights);
            if number * CELL * height > best.width * best.height {
                best = Rect {
                    x: area.x + first * CELL,
                    y: y + 1 - height,
                    width: number * CELL,
                    height,
                };
            }
        }
        // What it has beyond its cells.
        let column = |x: usize| (best.y..best.y + best.height).all(|y| same(x, y, 1));
        let left = (area.x..best.x).rev().take_while(|&x| column(x)).count();
        let right = (best.x + best.width..area.x + area.width)
            .take_while(|&x| column(x))
            .count();
        let rect = Rect {
            x: best.x - left,
            width: left + best.width + right,
            ..best
        };
        let gained: usize = (rect.y..rect.y + rect.height)
            .map(|y| {
                let was = self.was(rect.x, y, rect.width).chunks(BYTES);
                let is = self.is(rect.x, y, rect.width).chunks(BYTES);
                was.zip(is).filter(|(was, is)| was != is).count()
            })
            .sum();
        let worth = gained * 8 >= LEAST * LEAST && gained * 8 >= rect.width * rect.height;
        let from = way.from(rect.x, rect.y, source)?;
        worth.then_some((rect, from))
    }
}

/// Tells of some segments of a row where they begin and what they show, as a number. Those of one
/// colour aren't told.
fn segments(row: &[u8], mut tell: impl FnMut(usize, u64)) {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let leaving = (0..SEGMENT).fold(1_u64, |all, _| all.wrapping_mul(FACTOR));
    let (pixels, _) = row.as_chunks::<BYTES>();
    let values = || {
        pixels
            .iter()
            .map(|it| u64::from(u32::from_le_bytes(*it)) + 1)
    };
    // What leaves the segment when the next pixel comes: nothing at first.
    let olds = std::iter::repeat_n(0, SEGMENT).chain(values());
    let (mut hash, mut last, mut run) = (0_u64, 0, 0);
    for (at, (new, old)) in values().zip(olds).enumerate() {
        run = if new == last { run + 1 } else { 1 };
        last = new;
        hash = hash.wrapping_mul(FACTOR).wrapping_add(new);
        hash = hash.wrapping_sub(leaving.wrapping_mul(old));
        // The upper bits depend on all pixels.
        if at + 1 >= SEGMENT && run < SEGMENT && (hash >> 40).is_multiple_of(CHOSEN) {
            tell(at + 1 - SEGMENT, hash);
        }
    }
}

/// The largest rectangle below a skyline: where it begins, how wide and how high it is.
fn largest(heights: &[usize]) -> (usize, usize, usize) {
    let mut best = (0, 0, 0);
    // Rectangles that may become wider: where they begin, and their heights, which rise.
    let mut open: Vec<(usize, usize)> = Vec::new();
    for at in 0..=heights.len() {
        let height = heights.get(at).copied().unwrap_or(0);
        let mut begin = at;
        while let Some((first, higher)) = open.pop_if(|(_, open)| *open >= height) {
            begin = first;
            if (at - first) * higher > best.1 * best.2 {
                best = (first, at - first, higher);
            }
        }
        open.push((begin, height));
    }
    best
}
