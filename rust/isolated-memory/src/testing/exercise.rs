// SPDX-License-Identifier: GPL-2.0-or-later
//! What fuzzing does: any bytes as the doings of a guest and of a back-end, checked by the model.

use std::ops::Range;

use super::model::Model;
use crate::layout::{Layout, QueueSpec, BUFFERS_MIN};
use crate::request::{Options, Scrub};
use crate::rules::{Rule, OTHERS, TABLE};

/// Bytes of the guest's memory.
const GUEST: usize = 64 << 10;

/// Carries out `input`: options, then operations. Panics where a promise is broken.
pub fn exercise(input: &[u8]) {
    let mut input = Input(input);
    let flags = input.byte();
    let entries = 2 << (flags & 3);
    let options = Options {
        entries,
        // Not far from where indexes begin again, or 0.
        base: 0u16.wrapping_sub(u16::from(flags & 7)),
        event_idx: flags & 4 != 0,
        indirect: flags & 8 != 0,
        chain_max: if flags & 16 != 0 { 3 } else { u16::MAX },
        descriptor_max: if flags & 32 != 0 { 3000 } else { u32::MAX },
        rule: if flags & 64 != 0 {
            let row = TABLE.get(usize::from(input.byte()) % (TABLE.len() + 1));
            row.map_or(OTHERS, |row| row.rule)
        } else {
            Rule::STREAM
        },
        scrub: [Scrub::Always, Scrub::Idle, Scrub::Never, Scrub::Idle][usize::from(flags >> 5 & 3)],
    };
    let specs = [
        QueueSpec {
            ring: entries,
            buffers: BUFFERS_MIN + (u64::from(flags >> 7) << 15),
        },
        QueueSpec {
            ring: 4,
            buffers: BUFFERS_MIN,
        },
    ];
    let layout = Layout::new(&specs).expect("a layout");
    // No byte is zero, or what an operation writes.
    let memory = (0..GUEST).map(|at| 0x80 | (at % 113) as u8).collect();
    let mut model = Model::new(layout, options, memory);
    while !input.0.is_empty() {
        operation(&mut model, &mut input);
    }
    model.reap();
    model.check_stats();
    model.reset();
    model.check_stats();
}

fn operation(model: &mut Model, input: &mut Input) {
    let code = input.byte();
    match code & 15 {
        0..=3 => {
            let [out, into] = [code >> 4 & 3, code >> 6];
            let readable = segments(model, input, out);
            let writable = segments(model, input, into);
            model.lend(readable, writable);
        }
        4 => model.publish(),
        5..=7 if model.lent() > 0 => {
            let chain = model.chain(usize::from(code >> 4) % model.lent());
            let len = input.word();
            model.backend.answer(&chain, &vec![code | 1; len.into()]);
            model.backend.push(chain.head.into(), len.into());
        }
        8 | 9 => model.reap(),
        10 => {
            // Anywhere in the ring, an aligned word: the fields that count.
            let ring = model.ring();
            let at = u64::from(input.word()) * 2 % (ring.end - ring.start);
            let word = [input.byte(), if code & 16 == 0 { 0 } else { input.byte() }];
            model.scribble(ring.start + at, &word);
        }
        11 => {
            let len = usize::from(code >> 4) * 64 + 1;
            let at = u64::from(input.word()) * 37 % (model.area() - len as u64);
            model.scribble(at, &vec![input.byte(); len]);
        }
        12 if code & 16 == 0 => model.clean(),
        12 => model.scrub(u32::from(code >> 5)),
        13 => model.poll(code & 16 != 0),
        14 if code >> 4 == 0 => {
            model.reset();
        }
        14 if code >> 4 < 8 => model.suspend(),
        14 => model.renew(),
        _ => {
            // A used element of any kind.
            let (id, len) = (input.byte() & 31, input.word());
            model.backend.push(id.into(), u32::from(len) << 8);
        }
    }
}

/// Up to `count` segments, or for 3 up to 63, anywhere in the guest's memory.
fn segments(model: &Model, input: &mut Input, count: u8) -> Vec<Range<usize>> {
    let count = match count {
        3 => input.byte() & 63,
        count => count,
    };
    let segment = |_| {
        let len = match input.word() {
            // Some are longer than all that there is for buffers, together.
            long @ 0xf000.. => usize::from(long),
            len => usize::from(len & 0x1fff),
        };
        let start = usize::from(input.word()) % (model.memory() - len + 1);
        start..start + len
    };
    (0..count).map(segment).collect()
}

/// Bytes, and zeros after their end.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        first
    }

    fn word(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }
}
