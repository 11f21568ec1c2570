// SPDX-License-Identifier: GPL-2.0-or-later
//! What the fuzz target runs, and a test with its seeds.

use std::time::Duration;

use rdp_usb::testing::{Device, Guest, Input, IsoLoop, Keyboard, Serial, Stick};
use rdp_usb::Limits;

use super::rig::{add_device, channel, completion, words, Rig, CONTROL};
use crate::hub::{ChannelId, Config, MAX_DEVICES};

/// `usb-redir`s.
const LINKS: usize = 2;
/// Small ones, so that they are reached.
const LIMITS: Limits = Limits {
    transfer: 4096,
    bytes: 1 << 14,
    requests: 16,
    faults: 50,
};
/// Sessions of an input.
const SESSIONS: u64 = 8;

/// Lets a hub have clients' messages, good ones and any others, and packets of guests, with
/// devices, sessions and `usb-redir`s that come and go.
///
/// # Panics
///
/// It doesn't; or it sends what a client or a guest can't read, answers what wasn't asked,
/// has more in flight or more channels than it may, or leaves something behind.
pub fn exercise(input: &[u8]) {
    let mut input = Input::new(input);
    let config = Config {
        limits: LIMITS,
        ..Config::default()
    };
    let mut rig = Rig::new(config, LINKS);
    rig.manual = true;
    let mut packets = 0;
    while !input.is_empty() {
        match input.byte() % 10 {
            0 => plug(&mut rig, &mut input),
            // Any message, on any channel.
            1 => {
                let number = u32::from(input.byte() % 8);
                let message = input.bytes();
                rig.client(channel(rig.session, number), &message);
            }
            2 => answer(&mut rig),
            3 => answer_anyhow(&mut rig, &mut input),
            4 | 5 => {
                packets += 1;
                ask(&mut rig, &mut input, packets);
            }
            6 => rig.later(Duration::from_secs(input.byte().into())),
            7 => {
                let number = u32::from(input.byte() % 8);
                if number != CONTROL.number {
                    rig.close(channel(rig.session, number));
                }
            }
            8 if rig.session < SESSIONS => {
                rig.end();
                rig.session += 1;
                rig.control();
            }
            9 => {
                let link = usize::from(input.byte()) % LINKS;
                rig.hub.disconnected(link, rig.now);
                rig.guests[link] = Guest::new();
                rig.settle();
                rig.hub.connected(link, rig.now);
            }
            _ => (),
        }
        rig.settle();
        check(&rig);
    }
    rig.end();
    for guest in &rig.guests {
        assert_eq!(guest.device, None, "a device without a session");
    }
    assert_eq!(rig.channels(), 0);
}

fn check(rig: &Rig) {
    assert!(rig.channels() <= MAX_DEVICES, "{} channels", rig.channels());
    // What was cancelled is the client's to answer, and another device's requests come beside it.
    let waiting = rig.asked.len() - rig.cancelled.len().min(rig.asked.len());
    assert!(
        waiting <= LINKS * (LIMITS.requests + 1),
        "{waiting} requests in flight"
    );
}

/// The newest channel of the session, if it has one beside its control channel.
fn newest(rig: &Rig) -> Option<ChannelId> {
    let number = rig.last_channel();
    (number > CONTROL.number).then(|| channel(rig.session, number))
}

/// A good client has a device.
fn plug(rig: &mut Rig, input: &mut Input<'_>) {
    let device: Box<dyn Device> = match input.byte() % 4 {
        0 => Box::new(Stick::new(8)),
        1 => Box::new(Keyboard::default()),
        2 => Box::new(Serial::default()),
        _ => Box::new(IsoLoop::default()),
    };
    let before = newest(rig);
    rig.client(
        channel(rig.session, CONTROL.number),
        &words(&[0x4000_0001, 0, 0x100]),
    );
    // None is opened for a client that has too many, or isn't listened to any more.
    let Some(channel) = newest(rig).filter(|it| Some(*it) != before) else {
        return;
    };
    rig.client(channel, &words(&[0, 1, 1, 0]));
    rig.client(channel, &words(&[0x4000_0003, 1, 0x100, 1, 0, 0]));
    rig.devices.insert(channel, device);
    rig.client(channel, &add_device(5, u32::from(input.byte() % 2)));
}

/// A good client's answer to the oldest request.
fn answer(rig: &mut Rig) {
    if let Some(asked) = rig.asked.pop_front() {
        rig.answer(asked);
    }
}

/// Any client's answer to any request.
fn answer_anyhow(rig: &mut Rig, input: &mut Input<'_>) {
    if rig.asked.is_empty() {
        return;
    }
    let at = usize::from(input.byte()) % rig.asked.len();
    let Some(asked) = rig.asked.remove(at) else {
        return;
    };
    let function = 0x100 + u32::from(input.byte() % 3);
    let status = [0, 0xc000_0004, 0xc001_0000, 0x8000_0000][usize::from(input.byte() % 4)];
    let (body, data) = (input.bytes(), input.bytes());
    let size = match input.byte() {
        0 => data.len() as u32,
        other => other.into(),
    };
    let message = completion(&asked, function, status, &body, size, &data);
    rig.client(asked.channel, &message);
}

/// A guest's packet.
fn ask(rig: &mut Rig, input: &mut Input<'_>, number: u64) {
    let link = usize::from(input.byte()) % LINKS;
    let packet = input.packet(number);
    let guest = &mut rig.guests[link];
    // It may have an answer, which is expected then.
    if guest.connection.send(number, &packet).is_ok() {
        guest.waiting.insert(number);
    }
}
