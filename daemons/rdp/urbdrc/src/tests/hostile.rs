// SPDX-License-Identifier: GPL-2.0-or-later
//! Clients that send what can't be.

use proptest::prelude::*;
use rdp_usb::testing::{Serial, Stick};
use usbredir::Packet;

use crate::hub::Config;
use crate::testing::{add_device, channel, completion, words, Rig, CONTROL, URB_COMPLETION};

/// A device that makes no sense is ended, and the one beside it goes on.
#[test]
fn a_device_that_makes_no_sense_is_ended_alone() {
    let mut rig = Rig::new(Config::default(), 2);
    let good = rig.plug(Stick::new(8));
    let bad = rig.plug(Serial::default());
    for _ in 0..200 {
        rig.client(bad, b"no message at all");
    }
    assert_eq!(rig.closed, [bad]);
    assert_eq!(rig.guests[1].device, None);
    assert!(rig.guests[0].device.is_some());
    rig.client(CONTROL, b"nor this");
    let third = rig.plug(Stick::new(8));
    assert!(rig.guests[1].device.is_some());
    assert!(rig.devices.contains_key(&good) && rig.devices.contains_key(&third));
}

#[test]
fn messages_that_are_too_long_are_not_looked_at() {
    let (mut rig, channel) = Rig::with(Serial::default());
    for _ in 0..100 {
        rig.client(channel, &vec![0; 3 << 20]);
        rig.client(CONTROL, &vec![0; 3 << 20]);
    }
    assert_eq!(rig.closed, [channel]);
    // Nor is the control channel any more.
    rig.client(CONTROL, &words(&[0x4000_0001, 0, 0x100]));
    assert_eq!(rig.closed, [channel]);
}

/// Whoever waits for an answer that can't be has one all the same.
#[test]
fn an_answer_that_cant_be_ends_the_transfer() {
    let (mut rig, channel) = Rig::with(Serial::default());
    rig.manual = true;
    for _ in 0..50 {
        let id = rig.ask(Packet::Bulk {
            endpoint: 0x81,
            status: usbredir::Status::SUCCESS,
            length: 4,
            stream: 0,
            data: vec![],
        });
        let asked = rig.asked.pop_front().expect("a transfer");
        // More than there is room for.
        let answer = completion(&asked, URB_COMPLETION, 0, &[], 5, &[1; 5]);
        rig.client(channel, &answer);
        let Packet::Bulk { status, length, .. } = rig.answered(id) else {
            panic!("another packet");
        };
        assert_eq!((status, length), (usbredir::Status::IO_ERROR, 0));
    }
    assert!(rig.guests[0].device.is_some());
}

#[test]
fn a_second_device_on_a_channel_is_nobody() {
    let (mut rig, channel) = Rig::with(Serial::default());
    rig.client(channel, &add_device(6, 0));
    assert!(rig.guests[0].device.is_some());
}

usbredir::seed_tests!("urbdrc", 5, crate::testing::exercise);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Messages that are near good ones, at any time: nothing panics, and a good client goes on.
    #[test]
    fn anything(
        messages in prop::collection::vec(
            (
                0u32..3,
                0usize..7,
                prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
                any::<prop::sample::Index>(),
            ),
            1..40,
        )
    ) {
        let mut rig = Rig::new(Config::default(), 2);
        let device = rig.plug(Serial::default());
        rig.manual = true;
        for (to, which, damage, cut) in messages {
            if rig.guests[0].device.is_some() {
                rig.guests[0].ask(Packet::Bulk {
                    endpoint: 0x81,
                    status: usbredir::Status::SUCCESS,
                    length: 64,
                    stream: 0,
                    data: vec![],
                });
            }
            rig.settle();
            let asked = rig.asked.pop_front();
            let answer = |function| asked.as_ref().map(|asked| {
                completion(asked, function, 0, &[0; 8], 3, b"abc")
            });
            let mut message = match which {
                0 => words(&[0x4000_0001, 0, 0x100]),
                1 => words(&[0, 1, 1, 0]),
                2 => words(&[0x4000_0003, 1, 0x100, 1, 0, 0]),
                3 => add_device(5, 1),
                4 => answer(0x100).unwrap_or_default(),
                5 => answer(0x101).unwrap_or_default(),
                _ => answer(0x102).unwrap_or_default(),
            };
            for (at, byte) in damage {
                if !message.is_empty() {
                    let at = at.index(message.len());
                    message[at] = byte;
                }
            }
            message.truncate(message.len() - cut.index(message.len() + 1) / 4);
            let number = CONTROL.number + to % (device.number + 1);
            rig.client(channel(rig.session, number), &message);
        }
        // Another device can still come, unless there is no channel left to ask for one.
        rig.end();
        prop_assert!(rig.guests.iter().all(|guest| guest.device.is_none()));
        prop_assert!(rig.guests.iter().all(|guest| guest.waiting.is_empty()));
    }
}
