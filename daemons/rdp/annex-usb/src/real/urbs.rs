// SPDX-License-Identifier: GPL-2.0-or-later
//! Operations as Linux's URBs, and what came of these.

use rdp_usb::{Buffer, Done, IsoResult, Operation, UsbdStatus};
use rustix::io::Errno;

use super::status::of_errno;
use super::usbfs::{Kind, Urb, MAX_PACKETS};
use super::IN;

/// An operation as Linux has it, in order; nothing for what can't be. Only packets are more than
/// one, if they are more than Linux takes at once.
pub(super) fn urbs(operation: Operation) -> Vec<Urb> {
    let (kind, endpoint, buffer) = match operation {
        Operation::Control { setup, buffer } => {
            // Without data the buffer may be of either direction.
            let data = if buffer.is_empty() {
                Some(vec![])
            } else {
                fitting(setup[0], buffer)
            };
            let urb = data.map(|data| Urb::control(setup, &data));
            return urb.into_iter().collect();
        }
        Operation::Iso {
            endpoint,
            packets,
            buffer,
        } => {
            let data = fitting(endpoint, buffer);
            return data.map_or(vec![], |data| isochronous(endpoint, &packets, data));
        }
        Operation::Bulk { endpoint, buffer } => (Kind::Bulk, endpoint, buffer),
        Operation::Interrupt { endpoint, buffer } => (Kind::Interrupt, endpoint, buffer),
        _ => return vec![],
    };
    let data = fitting(endpoint, buffer);
    let urb = data.map(|data| Urb::transfer(kind, endpoint, data));
    urb.into_iter().collect()
}

/// The data of a buffer, or room for it, if it has this direction.
fn fitting(direction: u8, buffer: Buffer) -> Option<Vec<u8>> {
    match buffer {
        Buffer::Out(data) => (direction & IN == 0).then_some(data),
        Buffer::In(room) => (direction & IN != 0).then(|| vec![0; room as usize]),
    }
}

fn isochronous(endpoint: u8, packets: &[u16], mut data: Vec<u8>) -> Vec<Urb> {
    if packets.iter().map(|it| usize::from(*it)).sum::<usize>() != data.len() {
        return vec![];
    }
    let mut urbs = Vec::new();
    for packets in packets.chunks(MAX_PACKETS) {
        let size = packets.iter().map(|it| usize::from(*it)).sum();
        let rest = data.split_off(size);
        urbs.extend(Urb::isochronous(endpoint, packets, data));
        data = rest;
    }
    urbs
}

/// Adds what came of a URB.
pub(super) fn add(done: &mut Done, urb: Urb) {
    if done.status.is_success() {
        done.status = status(urb.status());
    }
    let packets = urb.packets().map(|(ended, moved)| IsoResult {
        length: u16::try_from(moved).unwrap_or(u16::MAX),
        status: status(ended),
    });
    done.packets.extend(packets);
    let moved = urb.moved();
    if !urb.is_in() {
        done.sent += moved;
        return;
    }
    // Packets are where they were asked for, however short those before them are.
    let room = match urb.packets().next() {
        Some(_) => usize::MAX,
        None => moved,
    };
    done.data.extend(urb.into_data().into_iter().take(room));
}

fn status(ended: Result<(), Errno>) -> UsbdStatus {
    ended.map_or_else(of_errno, |()| UsbdStatus::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: UsbdStatus = UsbdStatus::SUCCESS;

    fn iso(endpoint: u8, packets: &[u16], buffer: Buffer) -> Operation {
        Operation::Iso {
            endpoint,
            packets: packets.to_vec(),
            buffer,
        }
    }

    fn one(operation: Operation) -> Urb {
        let mut urbs = urbs(operation);
        assert_eq!(urbs.len(), 1);
        urbs.remove(0)
    }

    fn done(urbs: impl IntoIterator<Item = Urb>) -> Done {
        let mut done = Done::with(OK);
        for urb in urbs {
            add(&mut done, urb);
        }
        done
    }

    fn told(done: &Done) -> Vec<(u16, UsbdStatus)> {
        done.packets
            .iter()
            .map(|it| (it.length, it.status))
            .collect()
    }

    #[test]
    fn packets_go_out() {
        let mut urb = one(iso(1, &[2, 3], Buffer::Out(b"abcde".to_vec())));
        assert_eq!(urb.data(), b"abcde");
        let done = done([urb.ended(0, 5, &[(0, 2), (0, 3)])]);
        assert_eq!((done.status, done.sent), (OK, 5));
        assert_eq!(told(&done), [(2, OK), (3, OK)]);
        assert!(done.data.is_empty());
    }

    #[test]
    fn packets_come_at_their_places() {
        let mut urb = one(iso(0x83, &[4, 4, 4], Buffer::In(12)));
        urb.data().copy_from_slice(b"ab..cdef....");
        // Short, whole, and missed: EXDEV.
        let done = done([urb.ended(0, 6, &[(0, 2), (0, 4), (-18, 0)])]);
        assert_eq!(done.status, OK);
        assert_eq!(done.data, b"ab..cdef....");
        let missed = (0, UsbdStatus::XACT_ERROR);
        assert_eq!(told(&done), [(2, OK), (4, OK), missed]);
    }

    #[test]
    fn packets_are_more_than_linux_takes_at_once() {
        let lengths: Vec<u16> = (0..255).map(|it| it % 3).collect();
        let data: Vec<u8> = (0..255)
            .flat_map(|it| vec![it; usize::from(it) % 3])
            .collect();
        let mut urbs = urbs(iso(1, &lengths, Buffer::Out(data.clone())));
        assert_eq!(urbs.len(), 2);
        let parts: Vec<u8> = urbs.iter_mut().flat_map(|it| it.data().to_vec()).collect();
        assert_eq!(parts, data);
        let ended = urbs.into_iter().map(|urb| {
            let size = urb.packets().count();
            urb.ended(0, size, &vec![(0, 1); size])
        });
        let done = done(ended);
        assert_eq!((done.status, done.sent, done.packets.len()), (OK, 255, 255));

        let mut urbs = self::urbs(iso(0x81, &[1; 130], Buffer::In(130)));
        urbs[0].data().fill(1);
        urbs[1].data().fill(2);
        let second = urbs.remove(1).ended(-2, 0, &[(-18, 0); 2]);
        let done = self::done([urbs.remove(0).ended(0, 128, &[(0, 1); 128]), second]);
        assert_eq!(done.status, UsbdStatus::CANCELED);
        assert_eq!(done.data, [vec![1; 128], vec![2; 2]].concat());
    }

    #[test]
    fn what_cant_be_is_no_urb() {
        let out = |size| Buffer::Out(vec![0; size]);
        for operation in [
            iso(1, &[], out(0)),
            iso(1, &[2, 3], out(4)),
            iso(1, &[2, 3], out(6)),
            // The wrong direction.
            iso(0x81, &[4], out(4)),
            iso(1, &[4], Buffer::In(4)),
            Operation::Bulk {
                endpoint: 1,
                buffer: Buffer::In(4),
            },
            Operation::Control {
                setup: [0x80, 6, 0, 1, 0, 0, 4, 0],
                buffer: out(4),
            },
            Operation::Reset,
            Operation::SetConfiguration(None),
        ] {
            assert!(urbs(operation.clone()).is_empty(), "{operation:?}");
        }
    }

    #[test]
    fn other_transfers_have_what_was_moved() {
        let setup = [0xa1, 0x81, 0, 1, 0, 1, 4, 0];
        let buffer = Buffer::In(4);
        let mut control = one(Operation::Control { setup, buffer });
        control.data()[8..].copy_from_slice(b"ab..");
        let ended = done([control.ended(0, 2, &[])]);
        assert_eq!((ended.status, &ended.data[..]), (OK, &b"ab"[..]));

        let setup = [0x21, 1, 0, 1, 0, 2, 0, 0];
        let buffer = Buffer::Out(vec![]);
        let control = one(Operation::Control { setup, buffer });
        // EPIPE.
        let ended = done([control.ended(-32, 0, &[])]);
        assert_eq!(ended.status, UsbdStatus::STALL_PID);

        let (endpoint, buffer) = (0x82, Buffer::In(8));
        let mut interrupt = one(Operation::Interrupt { endpoint, buffer });
        interrupt.data()[..3].copy_from_slice(b"abc");
        // EOVERFLOW, and ENOENT of one that was discarded.
        let ended = done([interrupt.ended(-75, 3, &[])]);
        let expected = (UsbdStatus::DATA_OVERRUN, &b"abc"[..]);
        assert_eq!((ended.status, &ended.data[..]), expected);
        let (endpoint, buffer) = (2, Buffer::Out(b"abc".to_vec()));
        let bulk = one(Operation::Bulk { endpoint, buffer });
        let ended = done([bulk.ended(-2, 1, &[])]);
        assert_eq!((ended.status, ended.sent), (UsbdStatus::CANCELED, 1));
    }
}
