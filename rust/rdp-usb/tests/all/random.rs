// SPDX-License-Identifier: GPL-2.0-or-later
//! Any order in which things may happen, against a model of the stick.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rdp_usb::testing::{Rig, Serial, Step, Stick, BLOCK};
use rdp_usb::{Completion, Limits, Outcome, UsbdStatus};
use usbredir::{Packet, Status};

use crate::{bulk_in, bulk_out, command, outcome, wrapped};

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..600usize).prop_map(Step::FromGuest),
        (1..600usize).prop_map(Step::ToGuest),
        Just(Step::Request),
        (0..8usize).prop_map(Step::Device),
        Just(Step::Answer),
    ]
}

const BLOCKS: usize = 16;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Commands whose three packets are sent at once, as a driver may, while everything moves in
    /// any order: what was written is read.
    #[test]
    fn a_stick_keeps_what_is_written(
        commands in prop::collection::vec(
            (any::<bool>(), 0..BLOCKS, 1..4usize, any::<u8>(), prop::collection::vec(steps(), 0..60)),
            1..20,
        ),
    ) {
        let mut rig = Rig::with(Stick::new(BLOCKS));
        let mut model = vec![0; BLOCKS * BLOCK];
        let mut expected = BTreeMap::new();
        for (tag, (write, lba, count, byte, steps)) in commands.into_iter().enumerate() {
            let count = count.min(BLOCKS - lba);
            let bytes = count * BLOCK;
            let range = lba * BLOCK..lba * BLOCK + bytes;
            let code = if write { 0x2a } else { 0x28 };
            let cdb = command(code, lba as u32, count as u16);
            rig.guest.ask(bulk_out(2, &wrapped(tag as u8, !write, bytes, &cdb)));
            if write {
                model[range].fill(byte);
                rig.guest.ask(bulk_out(2, &vec![byte; bytes]));
            } else {
                let id = rig.guest.ask(bulk_in(0x81, bytes as u32));
                expected.insert(id, model[range].to_vec());
            }
            let id = rig.guest.ask(bulk_in(0x81, 13));
            let status = [b"USBS", &[tag as u8, 0, 0, 0][..], &[0; 5]].concat();
            expected.insert(id, status);
            for step in steps {
                rig.step(step);
            }
        }
        rig.settle();
        prop_assert!(rig.guest.waiting.is_empty());
        for (id, data) in expected {
            let (status, _, got) = outcome(&rig.guest.answers[&id]);
            prop_assert_eq!(status, Status::SUCCESS);
            prop_assert!(got == data);
        }
        prop_assert_eq!(&rig.device().blocks, &model);
        prop_assert_eq!(rig.events.len(), 1);
    }

    /// A device that comes and goes, with transfers, cancellations and streams under way, answers
    /// of before it, and answers that can't be: each of the guest's requests is answered once, and
    /// the next device works.
    #[test]
    fn each_request_is_answered_once(
        doings in prop::collection::vec(
            prop_oneof![
                8 => steps().prop_map(Ok),
                4 => (0..9u8).prop_map(Err),
            ],
            0..400,
        ),
    ) {
        let mut rig = Rig::new(Limits { requests: 8, faults: 5, ..Limits::default() }, None);
        let mut last = 0;
        for doing in doings {
            let seen = rig.guest.device.is_some();
            match doing {
                Ok(step) => {
                    rig.step(step);
                }
                Err(0) if rig.client.is_none() && rig.slot.is_free() => rig.plug(Serial::default()),
                Err(1) => {
                    rig.unplug(true);
                }
                Err(2) if seen => last = rig.guest.ask(bulk_in(0x81, 64)),
                Err(3) if seen => last = rig.guest.ask(bulk_out(2, b"data")),
                Err(4) if seen => rig.guest.tell(last, Packet::CancelDataPacket {}),
                Err(5) if seen => {
                    let start = Packet::StartBulkReceiving {
                        stream: 0,
                        bytes_per_transfer: 64,
                        endpoint: 0x81,
                        transfers: 3,
                    };
                    rig.guest.tell(0, start);
                }
                Err(6) if seen => {
                    last = rig.guest.ask(Packet::SetConfiguration { configuration: 1 });
                }
                Err(7) if seen => {
                    rig.guest.tell(0, Packet::StopBulkReceiving { stream: 0, endpoint: 0x81 });
                }
                Err(8) => rig.slot.complete(Completion {
                    request: 0x7000_0000,
                    status: UsbdStatus::SUCCESS,
                    outcome: Outcome::None,
                }),
                Err(_) => (),
            }
        }
        rig.unplug(true);
        rig.settle();
        prop_assert_eq!(rig.guest.device, None);
        prop_assert!(rig.slot.is_free());
        prop_assert!(rig.guest.waiting.is_empty(), "{:?}", rig.guest.waiting);
        rig.plug(Serial::default());
        rig.settle();
        rig.ask(bulk_out(2, b"again"));
        let answer = rig.ask(bulk_in(0x81, 64));
        prop_assert_eq!(outcome(&answer).2, b"again");
    }
}
