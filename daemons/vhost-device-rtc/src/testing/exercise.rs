// SPDX-License-Identifier: GPL-2.0-or-later
//! What a fuzz target does with its input, and a test with the seeds: doings of a driver and of
//! time, and what has to hold whatever they are.

use virtio_queue::QueueT;
use vm_memory::{Bytes, GuestAddress};

use super::driver::{Driver, ENTRIES, MEMORY};
use super::{counter_message, FakeHost};
use crate::clocks::Clocks;
use crate::counter::Counter;
use crate::device::Device;
use crate::host::SECOND;
use crate::kind::{Kind, Smearing};
use crate::protocol::{answer, message, HEAD, MAX_ANSWER};
use crate::queue::{answer_requests, notify_alarms};
use crate::state;

const KINDS: [Kind; 5] = [
    Kind::Utc,
    Kind::Tai,
    Kind::Monotonic,
    Kind::Smeared(Smearing::NoonLinear),
    Kind::MaybeSmeared,
];

/// Bytes that are taken from the front; zeros behind their end.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        let taken = N.min(self.0.len());
        let (front, rest) = self.0.split_at(taken);
        bytes[..taken].copy_from_slice(front);
        self.0 = rest;
        bytes
    }

    fn byte(&mut self) -> u8 {
        self.bytes::<1>()[0]
    }

    fn word(&mut self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }

    fn more(&self) -> bool {
        !self.0.is_empty()
    }
}

fn device() -> Device {
    let mut device = Device::new(Clocks::new(&KINDS, None));
    device.set_has_alarms(true);
    device
}

/// Something other than a request happens.
fn happen(what: u8, input: &mut Input, device: &mut Device, host: &mut FakeHost) {
    match what % 8 {
        0 => host.advance(input.word() % (100_000 * SECOND)),
        1 => host.step(i64::from(input.byte() as i8)),
        2 => *host = FakeHost::before_leap(input.byte() & 1 == 0, input.word() % SECOND, 37).0,
        3 => device.set_has_alarms(input.byte() & 1 == 0),
        4 => device.reset(),
        5 => {
            let (kind, flags, shift) = (input.byte(), input.byte(), input.byte());
            let bytes = counter_message(kind, flags, shift, input.word(), input.word());
            if let Ok(counter) = Counter::parse(0, &bytes) {
                device.set_counter(counter);
            }
        }
        6 => {
            let mut bytes = state::save(device, host);
            let at = usize::from(input.byte()) % bytes.len();
            bytes[at] ^= input.byte();
            let _ = state::load(&bytes, device, host);
        }
        _ => drop(device.look(host)),
    }
}

/// Requests of any bytes and lengths. Each has the answer that its lengths allow.
pub fn exercise_protocol(input: &[u8]) {
    let (mut input, mut device, mut host) = (Input(input), device(), FakeHost::new());
    let mut monotonic = 0;
    while input.more() {
        let what = input.byte();
        if what & 0x80 != 0 {
            happen(what, &mut input, &mut device, &mut host);
            continue;
        }
        let length = usize::from(what) % 33;
        let room = usize::from(input.byte()) % 33;
        let mut request = [0; 32];
        request[..24].copy_from_slice(&input.bytes::<24>());
        let answer = answer(&mut device, &mut host, &request[..length], room);
        let bytes = answer.bytes();
        let kind = u16::from_le_bytes([request[0], request[1]]);
        let row = message(kind).filter(|_| length >= HEAD);
        assert_eq!(bytes.len(), room.min(row.map_or(HEAD, |row| row.answer)));
        let Some(&status) = bytes.first() else {
            continue;
        };
        assert!(matches!(status, 0 | 2..=5), "status {status}");
        assert!(
            bytes.iter().skip(1).take(7).all(|byte| *byte == 0),
            "reserved bytes"
        );
        if status == 0 {
            let row = row.expect("an unknown message was obeyed");
            assert!(length >= row.request && room >= row.answer, "too short");
            if row.name == "READ" && request[8] == 2 {
                let mut reading = [0; 8];
                reading.copy_from_slice(&bytes[8..16]);
                let reading = u64::from_le_bytes(reading);
                assert!(reading >= monotonic, "monotonic time went back");
                monotonic = reading;
            }
        }
        for alarm in device.alarms() {
            assert!(!alarm.due() || alarm.enabled(), "a disabled alarm is due");
        }
    }
}

/// Rings and descriptors of any bytes. Each buffer that is available comes back, once, with no
/// more written than fits into it, and the queue goes on.
pub fn exercise_queue(input: &[u8]) {
    let mut input = Input(input);
    let event_idx = input.byte() & 1 == 1;
    let (mut driver, mut device, mut host) = (Driver::new(event_idx), device(), FakeHost::new());
    // A descriptor may lead into the rings: what is in them then is the driver's own doing.
    let mut hostile = false;
    // A descriptor that isn't there can't come back.
    let mut lost = false;
    while input.more() {
        let what = input.byte();
        match what % 5 {
            // Descriptors, indirect tables and buffers; not the rings' indices.
            0 => {
                hostile = true;
                let at = (input.word() % MEMORY) & !15;
                let at = if (0x1000..0x3000).contains(&at) {
                    at & 0xfff
                } else {
                    at
                };
                let bytes = input.bytes::<16>();
                let _ = driver.memory.write_slice(&bytes, GuestAddress(at));
            }
            1 => {
                // No ring holds more: it is broken then.
                hostile |= driver.out() >= ENTRIES;
                let bytes = input.bytes::<24>();
                let cut = usize::from(input.byte()) % 25;
                let rooms = [usize::from(input.byte()) % 25, MAX_ANSWER];
                driver.request(&bytes, &[cut, 24 - cut], &rooms, what & 0x80 != 0);
            }
            2 => {
                hostile = true;
                let head = u16::from(input.byte()) % (ENTRIES + 4);
                lost |= head >= ENTRIES;
                driver.available(head)
            }
            3 => happen(input.byte(), &mut input, &mut device, &mut host),
            _ => driver.call_at(u16::from(input.byte())),
        }
        let before = driver.queue.next_avail();
        let requests = what & 0x40 == 0;
        let result = if requests {
            answer_requests(&mut driver.queue, &driver.memory, &mut device, &mut host)
        } else {
            device.look(&mut host);
            notify_alarms(&mut driver.queue, &driver.memory, &mut device)
        };
        let taken = driver.queue.next_avail().wrapping_sub(before);
        let mut back = 0;
        while let Some((_, written)) = driver.used() {
            assert!(
                hostile || written as usize <= MAX_ANSWER,
                "{written} bytes written"
            );
            back += 1;
        }
        assert!(
            back == taken || lost && back < taken,
            "{back} of {taken} buffers came back"
        );
        assert!(hostile || (taken <= ENTRIES && result.is_ok()));
    }
}
