// SPDX-License-Identifier: GPL-2.0-or-later
//! A client that draws what it is sent has every picture, and is sent little.

use proptest::prelude::*;

use super::*;
use crate::damage::{Damage, TILE};

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
    let black = tile(64, 64, &[0, 0, 0, 255].repeat(TILE * TILE));
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
    let black_pixel = [0, 0, 0, 255];
    let dot = [1, 0, 0, 255];
    assert_eq!(
        part.pixels,
        [black_pixel, black_pixel, dot, black_pixel].concat()
    );
    assert_eq!(sent.changed(dotted.clone()), None);
    sent.forget();
    assert_eq!(sent.changed(dotted.clone()), Some(dotted));
}

/// A client's picture, and what is drawn in it.
struct Client {
    width: usize,
    frame: Vec<u8>,
}

impl Client {
    fn new(size: Size) -> Self {
        let (width, height) = (usize::from(size.width), usize::from(size.height));
        Self {
            width,
            frame: [1, 2, 3, 255].repeat(width * height),
        }
    }

    fn put(&mut self, rect: Rect, pixels: &[u8]) {
        for (y, row) in pixels.chunks_exact(rect.width * BYTES).enumerate() {
            let at = ((rect.y + y) * self.width + rect.x) * BYTES;
            self.frame[at..at + row.len()].copy_from_slice(row);
        }
    }

    fn copy(&self, rect: Rect) -> Vec<u8> {
        let row = |y| {
            let at = (y * self.width + rect.x) * BYTES;
            &self.frame[at..at + rect.width * BYTES]
        };
        (rect.y..rect.y + rect.height)
            .flat_map(row)
            .copied()
            .collect()
    }

    fn draw(&mut self, order: Order) {
        match order {
            Order::OpaqueRect(rect, [blue, green, red]) => {
                let pixels = [blue, green, red, 255].repeat(rect.width * rect.height);
                self.put(rect, &pixels);
            }
            Order::ScrBlt(rect, (x, y)) => {
                let pixels = self.copy(Rect { x, y, ..rect });
                self.put(rect, &pixels);
            }
        }
    }

    /// Is sent a picture, all of which may have changed: the orders, and how many tiles.
    fn show(&mut self, sent: &mut Sent, picture: &Client) -> (Vec<Order>, usize) {
        let height = picture.frame.len() / BYTES / self.width;
        let tiles = Damage::all(self.width, height).take(usize::MAX);
        let orders = sent.orders(&picture.frame, &tiles);
        for order in &orders {
            self.draw(*order);
        }
        let mut number = 0;
        for rect in tiles {
            let pixels = picture.copy(rect);
            if let Some(part) = sent.changed(Tile { rect, pixels }) {
                self.put(part.rect, &part.pixels);
                number += 1;
            }
        }
        assert!(self.frame == picture.frame, "it shows something else");
        (orders, number)
    }
}

const SCREEN: Size = Size {
    width: 400,
    height: 300,
};

fn area(x: usize, y: usize, width: usize, height: usize) -> Rect {
    Rect {
        x,
        y,
        width,
        height,
    }
}

/// What a window or a page shows: no row is another's.
fn noise(rect: Rect, seed: u32) -> Vec<u8> {
    let mut state = seed * 2 + 1;
    let pixel = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let bit = (state >> 30) as u8 & 1;
        [bit * 100, 50, bit, 255]
    };
    (0..rect.width * rect.height).flat_map(pixel).collect()
}

#[test]
fn what_scrolls_is_moved() {
    let (mut sent, mut client) = (Sent::new(SCREEN), Client::new(SCREEN));
    let mut picture = Client::new(SCREEN);
    // Beside it, something that stays.
    picture.put(area(320, 0, 80, 300), &noise(area(0, 0, 80, 300), 1));
    let text = noise(area(0, 0, 320, 330), 2);
    picture.put(area(0, 0, 320, 300), &text[..320 * 300 * BYTES]);
    client.show(&mut sent, &picture);
    picture.put(area(0, 0, 320, 300), &text[320 * 30 * BYTES..]);
    let (orders, tiles) = client.show(&mut sent, &picture);
    assert_eq!(orders, [Order::ScrBlt(area(0, 0, 320, 270), (0, 30))]);
    assert_eq!(tiles, 5);
    // And back, which overlaps the other way.
    picture.put(area(0, 0, 320, 300), &text[..320 * 300 * BYTES]);
    let (orders, _) = client.show(&mut sent, &picture);
    assert_eq!(orders, [Order::ScrBlt(area(0, 30, 320, 270), (0, 0))]);
    // What is seen of a guest that isn't done: its last row comes from where nothing has changed.
    picture.put(
        area(0, 0, 320, 150),
        &text[320 * 30 * BYTES..320 * 180 * BYTES],
    );
    let (orders, tiles) = client.show(&mut sent, &picture);
    assert_eq!(orders, [Order::ScrBlt(area(0, 0, 320, 150), (0, 30))]);
    assert_eq!(tiles, 0);
    picture.put(area(0, 0, 320, 300), &text[..320 * 300 * BYTES]);
    client.show(&mut sent, &picture);
    // Nothing is moved from what isn't known.
    sent.forget();
    picture.put(area(0, 0, 320, 300), &text[320 * 30 * BYTES..]);
    assert_eq!(client.show(&mut sent, &picture).0, []);
}

#[test]
fn a_window_is_moved_and_what_is_upon_it_isnt() {
    let (mut sent, mut client) = (Sent::new(SCREEN), Client::new(SCREEN));
    let mut picture = Client::new(SCREEN);
    let window = noise(area(0, 0, 150, 120), 3);
    picture.put(area(33, 21, 150, 120), &window);
    client.show(&mut sent, &picture);
    let mut picture = Client::new(SCREEN);
    picture.put(area(207, 99, 150, 120), &window);
    picture.put(area(250, 99, 20, 120), &noise(area(0, 0, 20, 120), 4));
    let (orders, _) = client.show(&mut sent, &picture);
    let moved: Vec<_> = orders
        .iter()
        .filter_map(|order| match order {
            Order::ScrBlt(rect, from) => Some((rect.x - from.0, rect.y - from.1, rect.width)),
            Order::OpaqueRect(..) => None,
        })
        .collect();
    // At either side of it, with some of the background.
    assert!(
        matches!(moved[..], [(174, 78, 87..), (174, 78, 43..)]),
        "{moved:?}"
    );
}

#[test]
fn a_colour_is_filled_in_over_many_tiles() {
    let (mut sent, mut client) = (Sent::new(SCREEN), Client::new(SCREEN));
    let mut picture = Client::new(SCREEN);
    let all = area(0, 0, 400, 300);
    let (orders, tiles) = client.show(&mut sent, &picture);
    assert_eq!(
        (&orders[..], tiles),
        (&[Order::OpaqueRect(all, [1, 2, 3])][..], 0)
    );
    assert_eq!(client.show(&mut sent, &picture), (vec![], 0));
    // Two bands, but for a tile with something else in it.
    for (y, colour) in [(0, 7), (100, 9)] {
        let band = area(0, y, 400, 300 - y);
        picture.put(band, &[colour, 0, 0, 255].repeat(400 * band.height));
    }
    picture.put(area(130, 70, 1, 1), &[9, 9, 9, 255]);
    let (orders, tiles) = client.show(&mut sent, &picture);
    assert_eq!(tiles, 1);
    assert!(orders.len() < 10, "{orders:?}");
    assert!(orders.contains(&Order::OpaqueRect(area(0, 0, 400, 64), [7, 0, 0])));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Whatever is drawn, moved and filled, one upon the other, on a desktop of any size.
    #[test]
    fn orders_draw_every_picture(
        (fours, height) in (50_u16..=100, 200_u16..=300),
        steps in proptest::collection::vec(proptest::collection::vec(
            (0_usize..400, 0_usize..300, 1_usize..400, 1_usize..300, 0_u32..9), 0..4), 1..5),
    ) {
        let size = Size { width: fours * 4, height };
        let [right, bottom] = [size.width, size.height].map(usize::from);
        let (mut sent, mut client) = (Sent::new(size), Client::new(size));
        let mut picture = Client::new(size);
        for step in steps {
            for (x, y, width, height, what) in step {
                let (x, y) = (x % right, y % bottom);
                let rect = area(x, y, width.min(right - x), height.min(bottom - y));
                let pixels = match what {
                    0..3 => [what as u8, 0, 0, 255].repeat(rect.width * rect.height),
                    // The same window each time, wherever it is.
                    3..6 => noise(rect, what),
                    _ => picture.copy(area(x / 2, y / 3, rect.width, rect.height)),
                };
                picture.put(rect, &pixels);
            }
            client.show(&mut sent, &picture);
        }
    }

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
        let mut now = [0, 0, 0, 255].repeat(side * side);
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
