// SPDX-License-Identifier: GPL-2.0-or-later
//! Primary drawing orders (MS-RDPEGDI 2.2.2.2.1.1): a few bytes that have the client fill an area,
//! or move one that it shows already. Each says only what is another than in the last of its kind.

use crate::damage::Rect;

/// TS_STANDARD: a primary order.
const STANDARD: u8 = 0x01;
/// TS_TYPE_CHANGE: the order's type follows; else it is the last one's.
const TYPE_CHANGE: u8 = 0x08;
/// TS_DELTA_COORDINATES: coordinates are differences of one byte.
const DELTA_COORDINATES: u8 = 0x10;
/// TS_ZERO_FIELD_BYTE_BIT0: no field follows, nor the byte that says which.
const ZERO_FIELD_BYTE: u8 = 0x40;

/// The ternary raster operation that copies, SRCCOPY (MS-RDPEGDI 2.2.2.2.1.1.1.7).
const SRCCOPY: u16 = 0xcc;

/// The most bytes that an order takes: its flags, its type, which fields there are, and the fields.
pub const BOUND: usize = 3 + FIELDS * 2;
/// How many fields an order of either kind has.
const FIELDS: usize = 7;

/// What a client is to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Fills an area with a colour: blue, green, red (MS-RDPEGDI 2.2.2.2.1.1.2.5).
    OpaqueRect(Rect, [u8; 3]),
    /// Fills an area with what is shown in another one of its size, whose top left corner this is
    /// (MS-RDPEGDI 2.2.2.2.1.1.2.7). The two may overlap.
    ScrBlt(Rect, (usize, usize)),
}

/// A kind of order: its number, which of its fields are coordinates, and what it had in them the last
/// time, if there was one.
#[derive(Debug)]
struct Kind {
    number: u8,
    coordinates: [bool; FIELDS],
    told: Option<[u16; FIELDS]>,
}

/// What a client was told last, by which the next order is told. The first one of a kind says
/// everything, whatever the client begins with.
#[derive(Debug)]
pub struct Orders {
    /// The number of the last order's kind.
    last: Option<u8>,
    opaque_rect: Kind,
    scr_blt: Kind,
}

impl Default for Orders {
    fn default() -> Self {
        Self {
            last: None,
            opaque_rect: Kind {
                number: 0x0a,
                coordinates: [true, true, true, true, false, false, false],
                told: None,
            },
            scr_blt: Kind {
                number: 0x02,
                coordinates: [true, true, true, true, false, true, true],
                told: None,
            },
        }
    }
}

impl Orders {
    /// Appends an order: at most [`BOUND`] bytes. No coordinate is above 32,767.
    pub fn encode(&mut self, order: Order, out: &mut Vec<u8>) {
        let corner = |rect: Rect| [rect.x, rect.y, rect.width, rect.height].map(|it| it as u16);
        let (kind, values) = match order {
            Order::OpaqueRect(rect, [blue, green, red]) => {
                let [left, top, width, height] = corner(rect);
                let colour = [red, green, blue].map(u16::from);
                (
                    &mut self.opaque_rect,
                    [left, top, width, height, colour[0], colour[1], colour[2]],
                )
            }
            Order::ScrBlt(rect, (x, y)) => {
                let [left, top, width, height] = corner(rect);
                let from = [x, y].map(|it| it as u16);
                (
                    &mut self.scr_blt,
                    [left, top, width, height, SRCCOPY, from[0], from[1]],
                )
            }
        };
        let changes_type = self.last.replace(kind.number) != Some(kind.number);
        let told = kind.told.replace(values);
        let changed = |&at: &usize| told.is_none_or(|told| told[at] != values[at]);
        let delta = |at: usize| {
            let told = told?[at];
            i8::try_from(i32::from(values[at]) - i32::from(told)).ok()
        };
        let deltas = (0..FIELDS)
            .filter(changed)
            .all(|at| !kind.coordinates[at] || delta(at).is_some());
        let present = (0..FIELDS).filter(changed).fold(0, |all, at| all | 1 << at);
        let mut flags = STANDARD;
        for (set, flag) in [
            (changes_type, TYPE_CHANGE),
            (deltas, DELTA_COORDINATES),
            (present == 0, ZERO_FIELD_BYTE),
        ] {
            flags |= if set { flag } else { 0 };
        }
        out.push(flags);
        if changes_type {
            out.push(kind.number);
        }
        if present != 0 {
            out.push(present);
        }
        for at in (0..FIELDS).filter(changed) {
            match delta(at) {
                Some(delta) if deltas && kind.coordinates[at] => out.push(delta as u8),
                _ if kind.coordinates[at] => out.extend(values[at].to_le_bytes()),
                _ => out.push(values[at] as u8),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECT: Rect = Rect {
        x: 0x102,
        y: 3,
        width: 0x204,
        height: 5,
    };

    fn encoded(orders: &[Order]) -> Vec<Vec<u8>> {
        let mut state = Orders::default();
        let encode = |order: &Order| {
            let mut out = Vec::new();
            state.encode(*order, &mut out);
            assert!(out.len() <= BOUND);
            out
        };
        orders.iter().map(encode).collect()
    }

    /// By hand, after MS-RDPEGDI 2.2.2.2.1.1.2 and the orders' own sections.
    #[test]
    fn each_says_what_is_new_in_it() {
        let fill = |rect, red| Order::OpaqueRect(rect, [7, 8, red]);
        let below = Rect { y: 8, ..RECT };
        let away = Rect {
            x: 0x302,
            y: 9,
            ..RECT
        };
        let copied = Order::ScrBlt(RECT, (1, 0x104));
        let bytes = encoded(&[
            fill(RECT, 9),
            fill(below, 9),
            fill(below, 9),
            fill(away, 10),
            copied,
            Order::ScrBlt(RECT, (0, 0x103)),
            fill(away, 11),
        ]);
        let expected: [&[u8]; 7] = [
            &[0x09, 0x0a, 0x7f, 2, 1, 3, 0, 4, 2, 5, 0, 9, 8, 7],
            &[0x11, 0x02, 5],
            // The same once more.
            &[0x51],
            &[0x01, 0x13, 2, 3, 9, 0, 10],
            &[0x09, 0x02, 0x7f, 2, 1, 3, 0, 4, 2, 5, 0, 0xcc, 1, 0, 4, 1],
            &[0x11, 0x60, 0xff, 0xff],
            &[0x19, 0x0a, 0x10, 11],
        ];
        for (number, (bytes, expected)) in bytes.iter().zip(expected).enumerate() {
            assert_eq!(bytes, expected, "order {number}");
        }
    }

    #[test]
    fn the_first_of_a_kind_says_all_even_zeros() {
        let nothing = Rect {
            x: 0,
            y: 0,
            width: 1,
            height: 1,
        };
        let bytes = encoded(&[Order::OpaqueRect(nothing, [0; 3])]);
        assert_eq!(
            bytes[0],
            [0x09, 0x0a, 0x7f, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0]
        );
    }
}
