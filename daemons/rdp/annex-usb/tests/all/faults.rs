// SPDX-License-Identifier: GPL-2.0-or-later
//! Devices, clients and sessions that go at any time.

use annex_usb::client::Event;
use rdp_usb::testing::{Keyboard, Serial, Stick};
use urbdrc::Config;
use usbredir::{Packet, Status};

use crate::ends::Ends;
use crate::transfers::{bulk, scsi, with};

fn seen(ends: &Ends) -> Vec<bool> {
    ends.guests
        .iter()
        .map(|guest| guest.device.is_some())
        .collect()
}

#[tokio::test]
async fn several_devices_and_one_too_many() {
    let mut ends = Ends::new(Config::default(), 2).await;
    let stick = ends.plug(Stick::new(64)).await;
    let keyboard = ends.plug(Keyboard::default()).await;
    let third = ends.plug(Serial::default()).await;
    assert_eq!(seen(&ends), [true, true]);
    let expected = [
        Event::Taken(stick),
        Event::Taken(keyboard),
        Event::Taken(third),
        Event::Refused(third),
    ];
    assert_eq!(ends.events, expected);
    ends.unplug(stick).await;
    assert_eq!(seen(&ends), [false, true]);
    ends.plug(Stick::new(64)).await;
    assert_eq!(seen(&ends), [true, true]);
    assert!(scsi(&mut ends, &[0; 6], &[], 0).await.1);
}

#[tokio::test]
async fn a_device_is_unplugged_in_the_middle_of_a_transfer() {
    let mut ends = Ends::new(Config::default(), 1).await;
    for _ in 0..10 {
        let serial = ends.plug(Serial::default()).await;
        assert_eq!(seen(&ends), [true]);
        let id = ends.guests[0].ask(bulk(0x81, 64, b""));
        ends.settle().await;
        ends.unplug(serial).await;
        let Some(Packet::Bulk { status, .. }) = ends.guests[0].answers.remove(&id) else {
            panic!("no answer");
        };
        assert_eq!(status, Status::CANCELLED);
        assert_eq!(seen(&ends), [false]);
    }
}

#[tokio::test]
async fn a_client_is_killed_and_comes_back() {
    let mut ends = with(Serial::default()).await;
    for _ in 0..5 {
        let id = ends.guests[0].ask(bulk(0x81, 64, b""));
        ends.settle().await;
        ends.kill_client().await;
        assert!(ends.guests[0].answers.remove(&id).is_some());
        assert_eq!(seen(&ends), [false]);
        ends.connect().await;
        ends.plug(Serial::default()).await;
        assert_eq!(seen(&ends), [true]);
        assert_eq!(ends.ask(bulk(2, 2, b"hi")).await, bulk(2, 2, b""));
        assert_eq!(ends.ask(bulk(0x81, 64, b"")).await, bulk(0x81, 2, b"hi"));
    }
}

/// A session that begins while another stands ends that one, as a second client's does.
#[tokio::test]
async fn a_session_takes_over() {
    let mut ends = with(Stick::new(64)).await;
    ends.connect().await;
    assert_eq!(seen(&ends), [false]);
    ends.plug(Keyboard::default()).await;
    assert_eq!(seen(&ends), [true]);
}

#[tokio::test]
async fn a_filter_is_told_to_the_client() {
    let filter = usbredir::Filter::parse("3,-1,-1,-1,0|-1,-1,-1,-1,1", ',').expect("a filter");
    let config = Config {
        filter: Some(filter),
        ..Config::default()
    };
    let mut ends = Ends::new(config, 1).await;
    let keyboard = ends.plug(Keyboard::default()).await;
    assert_eq!(
        ends.events,
        [Event::Taken(keyboard), Event::Refused(keyboard)]
    );
    ends.plug(Stick::new(64)).await;
    assert_eq!(seen(&ends), [true]);
}
