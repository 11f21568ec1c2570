// SPDX-License-Identifier: GPL-2.0-or-later
//! Which tiles of a picture have changed since they were last sent: one bit for each, however
//! often and by whomever they were drawn. This is what keeps a slow client from being a queue.

/// Pixels along a tile's side. A tile of 32 bits a pixel, and what it may grow by when it is
/// compressed, is well below the 64 KiB of a TS_BITMAP_DATA (MS-RDPBCGR 2.2.9.1.1.3.1.2.2).
pub const TILE: usize = 64;

/// A rectangle of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    /// The leftmost column.
    pub x: usize,
    /// The topmost row.
    pub y: usize,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl Rect {
    /// Whether a part of a row, one pixel high, lies in it.
    pub fn touches(self, x: usize, y: usize, width: usize) -> bool {
        (self.y..self.y + self.height).contains(&y) && x < self.x + self.width && self.x < x + width
    }
}

/// The changed tiles of a picture.
#[derive(Clone, Debug, Default)]
pub struct Damage {
    width: usize,
    height: usize,
    columns: usize,
    tiles: Vec<bool>,
    changed: usize,
    /// Where the next take begins, so that a region that always changes doesn't starve others.
    next: usize,
    /// Something was added since it was last looked at as a whole.
    fresh: bool,
}

impl Damage {
    /// A picture of this size, all of it changed.
    pub fn all(width: usize, height: usize) -> Self {
        let columns = width.div_ceil(TILE);
        let number = columns * height.div_ceil(TILE);
        Self {
            width,
            height,
            columns,
            tiles: vec![true; number],
            changed: number,
            next: 0,
            fresh: true,
        }
    }

    /// Marks everything as changed.
    pub fn add_all(&mut self) {
        *self = Self::all(self.width, self.height);
    }

    /// Marks the tiles that a rectangle touches; what lies outside of the picture isn't there.
    pub fn add(&mut self, rect: Rect) {
        let right = rect.x.saturating_add(rect.width).min(self.width);
        let bottom = rect.y.saturating_add(rect.height).min(self.height);
        if rect.x >= right || rect.y >= bottom {
            return;
        }
        for row in rect.y / TILE..bottom.div_ceil(TILE) {
            for column in rect.x / TILE..right.div_ceil(TILE) {
                let tile = &mut self.tiles[row * self.columns + column];
                self.changed += usize::from(!*tile);
                *tile = true;
            }
        }
        self.fresh = true;
    }

    /// All changed tiles in reading order, if there are others than when this was asked last. None
    /// of them counts as sent.
    pub fn look(&mut self) -> Option<Vec<Rect>> {
        let fresh = std::mem::take(&mut self.fresh) && self.changed > 0;
        fresh.then(|| {
            let tiles = self.tiles.iter().enumerate();
            let changed = tiles.filter(|(_, changed)| **changed);
            changed.map(|(tile, _)| self.rect(tile)).collect()
        })
    }

    /// Whether nothing has changed.
    pub fn is_empty(&self) -> bool {
        self.changed == 0
    }

    /// At most `most` of the changed tiles, which count as sent from now on: in reading order,
    /// from where the last take ended.
    pub fn take(&mut self, most: usize) -> Vec<Rect> {
        let mut taken = Vec::new();
        for _ in 0..self.tiles.len() {
            if self.changed == 0 || taken.len() == most {
                break;
            }
            let tile = self.next;
            self.next = (self.next + 1) % self.tiles.len();
            if std::mem::take(&mut self.tiles[tile]) {
                self.changed -= 1;
                taken.push(self.rect(tile));
            }
        }
        taken
    }

    fn rect(&self, tile: usize) -> Rect {
        let (x, y) = (tile % self.columns * TILE, tile / self.columns * TILE);
        Rect {
            x,
            y,
            width: TILE.min(self.width - x),
            height: TILE.min(self.height - y),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rect(x: usize, y: usize, width: usize, height: usize) -> Rect {
        Rect {
            x,
            y,
            width,
            height,
        }
    }

    #[test]
    fn a_picture_is_sent_once_and_clipped_at_its_edges() {
        let mut damage = Damage::all(100, 70);
        let all = [
            rect(0, 0, 64, 64),
            rect(64, 0, 36, 64),
            rect(0, 64, 64, 6),
            rect(64, 64, 36, 6),
        ];
        assert_eq!(damage.take(9), all);
        assert!(damage.is_empty());
        assert_eq!(damage.take(9), []);
    }

    #[test]
    fn drawn_twice_is_sent_once() {
        let mut damage = Damage::all(640, 480);
        damage.take(usize::MAX);
        damage.add(rect(63, 63, 2, 1));
        damage.add(rect(0, 0, 1, 1));
        assert_eq!(damage.take(9), [rect(0, 0, 64, 64), rect(64, 0, 64, 64)]);
        damage.add(rect(640, 0, 5, 5));
        damage.add(rect(0, 0, 0, 5));
        damage.add(rect(usize::MAX, usize::MAX, usize::MAX, usize::MAX));
        assert!(damage.is_empty());
    }

    #[test]
    fn what_is_new_is_looked_at_once_and_stays_to_be_sent() {
        let mut damage = Damage::all(100, 64);
        assert_eq!(
            damage.look(),
            Some(vec![rect(0, 0, 64, 64), rect(64, 0, 36, 64)])
        );
        assert_eq!(damage.look(), None);
        assert_eq!(damage.take(9).len(), 2);
        damage.add(rect(70, 0, 1, 1));
        damage.add(rect(70, 0, 1, 1));
        assert_eq!(damage.look(), Some(vec![rect(64, 0, 36, 64)]));
        assert_eq!(damage.look(), None);
        damage.add(rect(0, 0, 1, 1));
        damage.take(9);
        assert_eq!(damage.look(), None);
    }

    #[test]
    fn what_always_changes_starves_nobody() {
        let mut damage = Damage::all(256, 64);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..4 {
            damage.add(rect(0, 0, 1, 1));
            seen.extend(damage.take(1).iter().map(|rect| rect.x));
        }
        assert_eq!(seen.len(), 4);
    }

    proptest! {
        #[test]
        fn every_changed_pixel_is_sent_and_none_outside(
            (width, height) in (1_usize..300, 1_usize..300),
            rects in proptest::collection::vec(
                (0_usize..400, 0_usize..400, 0_usize..400, 0_usize..400), 0..5),
            most in 1_usize..6,
        ) {
            let mut damage = Damage::all(width, height);
            damage.take(usize::MAX);
            let mut wanted = std::collections::BTreeSet::new();
            for (x, y, w, h) in rects {
                damage.add(rect(x, y, w, h));
                // Corners and edges decide.
                let xs = [x, (x + w).min(width).saturating_sub(1)];
                let ys = [y, (y + h).min(height).saturating_sub(1)];
                for (x, y) in xs.into_iter().flat_map(|x| ys.map(|y| (x, y))) {
                    if w > 0 && h > 0 && x < width && y < height && x >= xs[0] && y >= ys[0] {
                        wanted.insert((x, y));
                    }
                }
            }
            while !damage.is_empty() {
                let taken = damage.take(most);
                prop_assert!(!taken.is_empty() && taken.len() <= most);
                for tile in taken {
                    prop_assert!(tile.x + tile.width <= width && tile.y + tile.height <= height);
                    wanted.retain(|&(x, y)| {
                        !(tile.x..tile.x + tile.width).contains(&x)
                            || !(tile.y..tile.y + tile.height).contains(&y)
                    });
                }
            }
            prop_assert!(wanted.is_empty(), "{wanted:?}");
        }
    }
}
