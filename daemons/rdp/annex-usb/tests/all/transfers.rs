// SPDX-License-Identifier: GPL-2.0-or-later
//! Transfers of every kind, through both ends.

use rdp_usb::testing::{command_block, IsoLoop, Keyboard, Serial, Stick, BLOCK};
use urbdrc::Config;
use usbredir::{Packet, Status};

use crate::ends::Ends;

const OK: Status = Status::SUCCESS;

pub fn bulk(endpoint: u8, length: usize, data: &[u8]) -> Packet {
    Packet::Bulk {
        endpoint,
        status: OK,
        length: length as u32,
        stream: 0,
        data: data.to_vec(),
    }
}

pub fn control(endpoint: u8, request_type: u8, request: u8, index: u16, length: u16) -> Packet {
    let data = match endpoint {
        0 => vec![5; length.into()],
        _ => vec![],
    };
    Packet::Control {
        endpoint,
        request,
        request_type,
        status: OK,
        value: 0,
        index,
        length,
        data,
    }
}

/// Reads from the stick; nothing if its endpoint is stalled, which is cleared.
async fn read(ends: &mut Ends, room: usize) -> Option<Vec<u8>> {
    match ends.ask(bulk(0x81, room, b"")).await {
        Packet::Bulk {
            status: Status::STALL,
            ..
        } => {
            let clear = control(0, 2, 1, 0x81, 0);
            assert_eq!(ends.ask(clear.clone()).await, clear);
            None
        }
        Packet::Bulk {
            status: OK, data, ..
        } => Some(data),
        other => panic!("{other:?}"),
    }
}

/// A SCSI command: its data, and whether it went well.
pub async fn scsi(ends: &mut Ends, cdb: &[u8], out: &[u8], room: usize) -> (Vec<u8>, bool) {
    let wrapper = command_block(cdb, out.len(), room);
    assert_eq!(ends.ask(bulk(2, 31, &wrapper)).await, bulk(2, 31, b""));
    if !out.is_empty() {
        let sent = ends.ask(bulk(2, out.len(), out)).await;
        assert_eq!(sent, bulk(2, out.len(), b""));
    }
    let data = match room {
        0 => None,
        room => read(ends, room).await,
    };
    let status = read(ends, 13).await.expect("a status");
    (data.unwrap_or_default(), status[12] == 0)
}

pub async fn with(device: impl rdp_usb::testing::Device + Send + 'static) -> Ends {
    let mut ends = Ends::new(Config::default(), 1).await;
    ends.plug(device).await;
    assert!(ends.guests[0].device.is_some(), "{:?}", ends.events);
    ends
}

#[tokio::test]
async fn a_stick_is_read_and_written() {
    let mut ends = with(Stick::new(1024)).await;
    let blocks: Vec<u8> = (0..256 * BLOCK).map(|i| ((i * 7) >> 5) as u8).collect();
    let write = [0x2a, 0, 0, 0, 0, 5, 0, 1, 0, 0];
    assert!(scsi(&mut ends, &write, &blocks, 0).await.1);
    let reading = [0x28, 0, 0, 0, 0, 5, 0, 1, 0, 0];
    let told = scsi(&mut ends, &reading, &[], blocks.len()).await;
    assert_eq!(told, (blocks, true));
    // Beyond its end: a stall, and the next command goes well.
    let beyond = [0x28, 0, 0, 0, 4, 0, 0, 0, 8, 0];
    let told = scsi(&mut ends, &beyond, &[], 8 * BLOCK).await;
    assert_eq!(told, (vec![], false));
    assert!(scsi(&mut ends, &[0; 6], &[], 0).await.1);
}

#[tokio::test]
async fn control_transfers_have_all_directions() {
    let mut ends = with(Keyboard::default()).await;
    // SET_REPORT of the class, to an interface.
    let mut set = control(0, 0x21, 9, 0, 1);
    if let Packet::Control { value, .. } = &mut set {
        *value = 0x200;
    }
    let told = ends.ask(set.clone()).await;
    assert_eq!(told, set.ended(OK, 1, vec![]));
    // GET_STATUS of the device.
    let status = control(0x80, 0x80, 0, 0, 2);
    let told = ends.ask(status.clone()).await;
    assert_eq!(told, status.ended(OK, 2, vec![0, 0]));
    // One that the device doesn't know, and a vendor's.
    for packet in [control(0x80, 0xc0, 7, 0, 4), control(0, 0x40, 7, 0, 4)] {
        let Packet::Control { status, .. } = ends.ask(packet).await else {
            panic!("another packet");
        };
        assert_eq!(status, Status::STALL);
    }
}

#[tokio::test]
async fn a_keyboard_is_polled() {
    let mut keyboard = Keyboard::default();
    keyboard
        .reports
        .extend((0..9).map(|key| [0, 0, key, 0, 0, 0, 0, 0]));
    let mut ends = with(keyboard).await;
    ends.guests[0].tell(0, Packet::StartInterruptReceiving { endpoint: 0x81 });
    ends.settle().await;
    let keys: Vec<u8> = ends.guests[0]
        .others
        .iter()
        .filter_map(|packet| match packet {
            Packet::Interrupt { data, .. } => Some(data[2]),
            _ => None,
        })
        .collect();
    assert_eq!(keys, (0..9).collect::<Vec<u8>>());
}

#[tokio::test]
async fn packets_come_and_go() {
    let mut ends = with(IsoLoop::default()).await;
    let alt = Packet::SetAltSetting {
        interface: 0,
        alt: 1,
    };
    let told = ends.ask(alt).await;
    let expected = Packet::AltSettingStatus {
        status: OK,
        interface: 0,
        alt: 1,
    };
    assert_eq!(told, expected);
    let start = Packet::StartIsoStream {
        endpoint: 0x83,
        packets_per_urb: 4,
        urbs: 2,
    };
    ends.guests[0].tell(0, start);
    // It goes on for as long as it isn't stopped.
    while ends.guests[0].others.len() < 50 {
        ends.turn().await;
    }
    ends.guests[0].tell(0, Packet::StopIsoStream { endpoint: 0x83 });
    ends.settle().await;
    let packets: Vec<Vec<u8>> = ends.guests[0]
        .others
        .drain(..)
        .filter_map(|packet| match packet {
            Packet::Iso {
                status: OK, data, ..
            } => Some(data),
            _ => None,
        })
        .collect();
    assert!(packets.len() >= 48, "{}", packets.len());
    for (count, packet) in packets.iter().enumerate() {
        assert_eq!(packet, &vec![count as u8; 1 + count % 4]);
    }
}

#[tokio::test]
async fn a_transfer_is_cancelled() {
    let mut ends = with(Serial::default()).await;
    let id = ends.guests[0].ask(bulk(0x81, 64, b""));
    ends.settle().await;
    assert!(ends.guests[0].answers.is_empty());
    ends.guests[0].tell(id, Packet::CancelDataPacket {});
    ends.settle().await;
    let Some(Packet::Bulk { status, .. }) = ends.guests[0].answers.remove(&id) else {
        panic!("no answer");
    };
    assert_eq!(status, Status::CANCELLED);
    // The line still works.
    assert_eq!(ends.ask(bulk(2, 2, b"hi")).await, bulk(2, 2, b""));
    assert_eq!(ends.ask(bulk(0x81, 64, b"")).await, bulk(0x81, 2, b"hi"));
}

#[tokio::test]
async fn a_reset_is_answered_and_the_device_goes_on() {
    let mut ends = with(Serial::default()).await;
    for _ in 0..3 {
        ends.guests[0].tell(0, Packet::Reset {});
        ends.settle().await;
    }
    let configuration = Packet::SetConfiguration { configuration: 1 };
    let expected = Packet::ConfigurationStatus {
        status: OK,
        configuration: 1,
    };
    assert_eq!(ends.ask(configuration).await, expected);
    assert_eq!(ends.ask(bulk(2, 2, b"hi")).await, bulk(2, 2, b""));
}
