// SPDX-License-Identifier: GPL-2.0-or-later
//! A device at the other end of a guest's stream.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use rdp_usb::testing::{Guest, Redirected, Serial};
use rdp_usb::Event;
use usbredir::Status;

use crate::{bulk_in, bulk_out, outcome};

/// How long a guest waits for its device.
const LIMIT: Duration = Duration::from_secs(60);

fn until(guest: &mut Guest, stream: &mut UnixStream, is_done: impl Fn(&Guest) -> bool) {
    let mut buffer = [0; 4096];
    while !is_done(guest) {
        let unsent = guest.connection.unsent().to_vec();
        stream.write_all(&unsent).expect("a stream");
        guest.connection.sent(unsent.len());
        let count = stream.read(&mut buffer).expect("an answer in time");
        guest.receive(&buffer[..count]);
    }
}

#[test]
fn a_device_is_there_until_its_stream_is_closed() {
    let (here, mut there) = UnixStream::pair().expect("a pair");
    here.set_read_timeout(Some(Duration::from_millis(1)))
        .expect("a time-out");
    there.set_read_timeout(Some(LIMIT)).expect("a time-out");
    let mut redirected = Redirected::new(Serial::default(), here).expect("good descriptors");
    let ended = thread::spawn(move || {
        while redirected.turn().expect("a stream") {}
        redirected.events
    });

    let mut guest = Guest::new();
    until(&mut guest, &mut there, |guest| guest.device.is_some());
    assert_eq!(guest.device, Some((0x10c4, 0xea60)));
    // The line is empty when it is read: the device is asked again.
    let read = guest.ask(bulk_in(0x81, 64));
    let written = guest.ask(bulk_out(0x02, b"on the line"));
    until(&mut guest, &mut there, |guest| guest.answers.len() == 2);
    assert_eq!(
        outcome(&guest.answers[&read]),
        (Status::SUCCESS, 11, &b"on the line"[..])
    );
    assert_eq!(outcome(&guest.answers[&written]).0, Status::SUCCESS);

    drop(there);
    let plugged = Event::Plugged {
        vendor: 0x10c4,
        product: 0xea60,
    };
    assert_eq!(ended.join().expect("no panic"), [plugged]);
}
