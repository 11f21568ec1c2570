// SPDX-License-Identifier: GPL-2.0-or-later
//! Servers whose requests can't be.

use rdp_usb::testing::{Device, IsoLoop, Stick};
use rdp_usb::{
    Buffer, Completion, Done, Operation, Outcome, Request, SelectedInterface, Share, ShareLimits,
    UsbdStatus,
};
use usbredir::Speed;

const OK: UsbdStatus = UsbdStatus::SUCCESS;

/// A share whose configuration is selected, and its interfaces.
fn selected(device: &impl Device, limits: ShareLimits) -> (Share, Vec<SelectedInterface>) {
    let configurations = vec![device.configuration()];
    let mut share = Share::new(Speed::HIGH, configurations, limits).expect("a share");
    let descriptor = Some(device.configuration());
    share.handle(1, Request::SelectConfiguration { descriptor });
    let (operation, what) = share.poll_operation().expect("an operation");
    assert_eq!(what, Operation::SetConfiguration(Some(1)));
    share.done(operation, Done::with(OK));
    match share.poll_completion() {
        Some(Completion {
            request: 1,
            status: OK,
            outcome: Outcome::Selected(told),
        }) => (share, told),
        other => panic!("{other:?}"),
    }
}

/// How a request is refused; nothing if the device is asked.
fn refused(share: &mut Share, request: Request) -> Option<UsbdStatus> {
    share.handle(50, request);
    let completion = share.poll_completion()?;
    assert_eq!(
        (completion.request, completion.outcome),
        (50, Outcome::None)
    );
    assert_eq!(share.poll_operation(), None);
    Some(completion.status)
}

#[test]
fn what_the_user_didnt_share_isnt_touched() {
    let (mut share, told) = selected(&Stick::new(8), ShareLimits::default());
    let pipes = &told[0].pipes;
    let (read, write) = (pipes[0].handle, pipes[1].handle);
    let bad = Some(UsbdStatus::INVALID_PARAMETER);
    let no_pipe = Some(UsbdStatus::INVALID_PIPE_HANDLE);
    let control = |setup: [u8; 8], buffer| Request::Control { setup, buffer };
    let transfer = |pipe, buffer| Request::Transfer { pipe, buffer };
    let cases = [
        (control([0x80, 6, 0, 1, 0, 0, 18, 0], Buffer::In(19)), bad),
        (
            control([0x00, 9, 1, 0, 0, 0, 0, 0], Buffer::Out(vec![])),
            bad,
        ),
        (
            control([0x00, 5, 1, 0, 0, 0, 0, 0], Buffer::Out(vec![])),
            bad,
        ),
        (control([0x01, 11, 1, 0, 0, 0, 0, 0], Buffer::In(0)), bad),
        (control([0x21, 9, 0, 0, 0, 0, 1, 0], Buffer::In(1)), bad),
        (transfer(99, Buffer::In(1)), no_pipe),
        (transfer(read, Buffer::Out(vec![1])), no_pipe),
        (transfer(write, Buffer::In(1)), no_pipe),
        (transfer(read, Buffer::In(u32::MAX)), bad),
        (
            Request::Iso {
                pipe: read,
                packets: vec![8],
                buffer: Buffer::In(8),
            },
            bad,
        ),
        (
            Request::SelectInterface {
                interface: 0,
                alt: 1,
            },
            bad,
        ),
        (
            Request::SelectInterface {
                interface: 1,
                alt: 0,
            },
            bad,
        ),
        (
            Request::SelectConfiguration {
                descriptor: Some(vec![9, 2, 0]),
            },
            bad,
        ),
        (
            Request::SelectConfiguration {
                descriptor: Some(vec![9, 2, 9, 0, 0, 2, 0, 0, 0]),
            },
            bad,
        ),
        (Request::ResetPipe { pipe: 99 }, no_pipe),
    ];
    for (request, status) in cases {
        assert_eq!(refused(&mut share, request.clone()), status, "{request:?}");
    }
    assert_eq!(refused(&mut share, transfer(read, Buffer::In(1))), None);
    // One request after the other may have a number.
    assert_eq!(
        {
            share.poll_operation();
            refused(&mut share, transfer(read, Buffer::In(1)))
        },
        bad
    );
}

#[test]
fn handles_of_a_setting_that_was_left_are_none() {
    let device = IsoLoop::default();
    let (mut share, _) = selected(&device, ShareLimits::default());
    let mut select = |alt| {
        share.handle(2, Request::SelectInterface { interface: 0, alt });
        let (operation, _) = share.poll_operation().expect("an operation");
        share.done(operation, Done::with(OK));
        match share.poll_completion().expect("an answer").outcome {
            Outcome::Selected(told) => told[0].pipes.clone(),
            other => panic!("{other:?}"),
        }
    };
    let before = select(1);
    assert_eq!(select(0), []);
    let after = select(1);
    let iso = |pipe, packets: &[u16], room| Request::Iso {
        pipe,
        packets: packets.to_vec(),
        buffer: Buffer::In(room),
    };
    let no_pipe = Some(UsbdStatus::INVALID_PIPE_HANDLE);
    assert_eq!(refused(&mut share, iso(before[0].handle, &[8], 8)), no_pipe);
    let bad = Some(UsbdStatus::INVALID_PARAMETER);
    assert_eq!(refused(&mut share, iso(after[0].handle, &[8, 8], 8)), bad);
    assert_eq!(refused(&mut share, iso(after[0].handle, &[0; 256], 0)), bad);
    assert_eq!(refused(&mut share, iso(after[0].handle, &[8, 8], 16)), None);
}

#[test]
fn a_server_gets_no_more_than_its_share() {
    let limits = ShareLimits {
        transfer: 100,
        bytes: 150,
        requests: 3,
    };
    let (mut share, told) = selected(&Stick::new(8), limits);
    let pipe = told[0].pipes[0].handle;
    let read = |room| Request::Transfer {
        pipe,
        buffer: Buffer::In(room),
    };
    let bad = Some(UsbdStatus::INVALID_PARAMETER);
    assert_eq!(refused(&mut share, read(101)), bad);
    share.handle(10, read(100));
    share.handle(11, read(50));
    let first = share.poll_operation().expect("an operation").0;
    assert!(share.poll_operation().is_some());
    assert_eq!(refused(&mut share, read(1)), bad);
    share.handle(12, read(0));
    assert!(share.poll_operation().is_some());
    assert_eq!(refused(&mut share, read(0)), bad);
    share.done(
        first,
        Done {
            data: vec![1],
            ..Done::with(OK)
        },
    );
    assert_eq!(share.poll_completion().expect("an answer").request, 10);
    // There is room for as much again.
    share.handle(14, read(100));
    let again = share.poll_operation().expect("an operation").0;
    share.done(again, Done::with(OK));
    assert_eq!(
        share.poll_completion().map(|it| (it.request, it.status)),
        Some((14, OK))
    );
    // An operation ends once.
    share.done(first, Done::with(OK));
    assert_eq!(share.poll_completion(), None);
    share.handle(13, Request::Cancel { request: 11 });
    assert_eq!(
        share.poll_operation().map(|it| it.1),
        Some(Operation::Cancel(2))
    );
    share.handle(13, Request::Cancel { request: 99 });
    assert_eq!(share.poll_operation(), None);
    share.gone();
    let ended: Vec<_> = std::iter::from_fn(|| share.poll_completion()).collect();
    assert_eq!(
        ended.iter().map(|it| it.request).collect::<Vec<_>>(),
        [11, 12]
    );
    assert!(ended.iter().all(|it| it.status == UsbdStatus::DEVICE_GONE));
}
