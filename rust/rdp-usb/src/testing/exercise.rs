// SPDX-License-Identifier: GPL-2.0-or-later
//! What the fuzz target runs, and a test with its seeds.

use usbredir::{Caps, Connection, Role, Speed};

use super::{Device, Input, IsoLoop};
use crate::slot::{Limits, Slot};
use crate::urb::{
    Buffer, Completion, IsoResult, Outcome, Pipe, Request, SelectedInterface, UsbdStatus,
};

const LIMITS: Limits = Limits {
    transfer: 4096,
    bytes: 1 << 14,
    requests: 16,
    faults: 50,
};

/// Lets a slot have packets of a guest and answers of a client, good ones and any others, with
/// devices that come and go.
///
/// # Panics
///
/// It doesn't, or sends what a guest refuses, or keeps more in flight than it may.
pub fn exercise(input: &[u8]) {
    let mut input = Input::new(input);
    let device = IsoLoop::default();
    let mut slot = Slot::new(LIMITS, None);
    let mut guest = Connection::new(Role::Guest, "fuzz", Caps::ALL, usbredir::Limits::default());
    let mut open: Vec<(u32, Request)> = Vec::new();
    let mut id = 0;
    // What the two agree on is what the guest has said, if its hello came first and as it is.
    let (mut greeted, mut agreed) = (false, true);
    while !input.is_empty() {
        match input.byte() % 8 {
            0 => {
                slot.unplug();
                open.clear();
            }
            1 if slot.is_free() => slot.plug(Speed(input.byte() % 5)),
            // Anything, without the guest's knowledge.
            2 => {
                agreed &= greeted;
                slot.receive(&mut &input.bytes()[..]);
            }
            3 | 4 => {
                id += 1;
                let _ = guest.send(id, &input.packet(id));
            }
            // A good client's answer, and any.
            kind if !open.is_empty() => {
                let at = usize::from(input.byte()) % open.len();
                let (request, what) = open.remove(at);
                let outcome = match kind {
                    5 => outcome(&mut input),
                    _ => good(&device, &what),
                };
                let status = match (kind, input.byte()) {
                    (5, 0) => UsbdStatus::STALL_PID,
                    (5, 1) => UsbdStatus::CANCELED,
                    (5, 2) => UsbdStatus(0x8000_0000),
                    _ => UsbdStatus::SUCCESS,
                };
                slot.complete(Completion {
                    request,
                    status,
                    outcome,
                });
            }
            _ => {
                let (request, outcome) = (input.byte().into(), Outcome::None);
                slot.complete(Completion {
                    request,
                    status: UsbdStatus::SUCCESS,
                    outcome,
                });
            }
        }
        let mut bytes = guest.unsent();
        let before = bytes.len();
        slot.receive(&mut bytes);
        let taken = before - bytes.len();
        guest.sent(taken);
        greeted = true;
        let mut bytes = slot.unsent();
        let count = bytes.len();
        while let Some(answer) = guest.receive(&mut bytes) {
            assert!(answer.is_ok() || !agreed, "a guest refuses: {answer:?}");
        }
        slot.sent(count);
        open.extend(std::iter::from_fn(|| slot.poll_request()));
        open.retain(|(_, request)| !matches!(request, Request::Cancel { .. }));
        while slot.poll_event().is_some() {}
        assert!(
            open.len() <= LIMITS.requests + 1,
            "{} in flight",
            open.len()
        );
    }
}

/// What a client with the device says.
fn good(device: &IsoLoop, request: &Request) -> Outcome {
    let result = |length: &u16| IsoResult {
        length: *length,
        status: UsbdStatus::SUCCESS,
    };
    let selected = |alt, pipes: &[Pipe]| {
        Outcome::Selected(vec![SelectedInterface {
            interface: 0,
            alt,
            pipes: pipes.to_vec(),
        }])
    };
    match request {
        Request::Control {
            setup,
            buffer: Buffer::In(room),
        } => {
            let mut data = match setup[3] {
                1 => device.descriptor(),
                _ => device.configuration(),
            };
            data.truncate(*room as usize);
            Outcome::Data(data)
        }
        Request::Control { buffer, .. } | Request::Transfer { buffer, .. } => match buffer {
            Buffer::In(room) => Outcome::Data(vec![0; *room as usize]),
            Buffer::Out(data) => Outcome::Sent(data.len() as u32),
        },
        Request::Iso {
            packets, buffer, ..
        } => {
            let data = match buffer {
                Buffer::In(room) => vec![0; *room as usize],
                Buffer::Out(_) => vec![],
            };
            Outcome::Iso {
                packets: packets.iter().map(result).collect(),
                data,
            }
        }
        Request::SelectConfiguration { .. } => selected(0, &[]),
        Request::SelectInterface { alt: 1, .. } => selected(
            1,
            &[
                Pipe {
                    endpoint: 0x83,
                    handle: 1,
                },
                Pipe {
                    endpoint: 0x04,
                    handle: 2,
                },
            ],
        ),
        Request::SelectInterface { alt, .. } => selected(*alt, &[]),
        _ => Outcome::None,
    }
}

/// What any client may say.
fn outcome(input: &mut Input<'_>) -> Outcome {
    match input.byte() % 5 {
        0 => Outcome::Data(input.bytes()),
        1 => Outcome::Sent(input.byte().into()),
        2 => {
            let length = input.byte().into();
            let packets = vec![
                IsoResult {
                    length,
                    status: UsbdStatus::SUCCESS
                };
                2
            ];
            Outcome::Iso {
                packets,
                data: input.bytes(),
            }
        }
        3 => {
            let pipe = Pipe {
                endpoint: input.byte(),
                handle: input.byte().into(),
            };
            let (interface, alt) = (input.byte() % 2, input.byte() % 2);
            Outcome::Selected(vec![SelectedInterface {
                interface,
                alt,
                pipes: vec![pipe],
            }])
        }
        _ => Outcome::None,
    }
}
