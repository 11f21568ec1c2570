// SPDX-License-Identifier: GPL-2.0-or-later
//! Devices that come and go.

use rdp_usb::testing::{Device, IsoLoop, Keyboard, Rig, Serial, Step, Stick};
use rdp_usb::{Event, Failure, Limits};
use usbredir::{Endpoint, Filter, Interface, Packet, Status, TransferType, Verdict};

use crate::{bulk_in, bulk_out, control_in, outcome};

fn sees<D: Device>(device: D, ids: (u16, u16), interface: Interface, endpoints: &[(u8, Endpoint)]) {
    let mut rig = Rig::with(device);
    assert_eq!(rig.guest.device, Some(ids));
    assert_eq!(rig.guest.interfaces, [interface]);
    let known = |address| {
        endpoints
            .iter()
            .any(|(it, _)| Endpoint::index(*it) == address)
    };
    for (address, endpoint) in endpoints {
        assert_eq!(
            rig.guest.endpoints[Endpoint::index(*address)],
            *endpoint,
            "{address:#x}"
        );
    }
    for (index, endpoint) in rig.guest.endpoints.iter().enumerate() {
        match index {
            0 | 16 => assert_eq!(endpoint.kind, TransferType::CONTROL),
            index if known(index) => (),
            _ => assert_eq!(endpoint.kind, TransferType::INVALID, "{index}"),
        }
    }
    let descriptor = rig.client.as_ref().expect("a device").0.descriptor();
    let answer = rig.ask(control_in(0x80, 6, 0x100, 64));
    assert_eq!(outcome(&answer), (Status::SUCCESS, 18, &descriptor[..]));
    assert_eq!(
        rig.events,
        [Event::Plugged {
            vendor: ids.0,
            product: ids.1
        }]
    );
}

#[test]
fn the_guest_sees_what_there_is() {
    let endpoint = |kind, max_packet_size, interval| Endpoint {
        kind,
        interval,
        interface: 0,
        max_packet_size,
        max_streams: 0,
    };
    let interface = |class, subclass, protocol| Interface {
        number: 0,
        class,
        subclass,
        protocol,
    };
    let bulk = endpoint(TransferType::BULK, 512, 0);
    sees(
        Stick::new(8),
        (0x46f4, 1),
        interface(8, 6, 0x50),
        &[(0x81, bulk), (2, bulk)],
    );
    let interrupt = endpoint(TransferType::INTERRUPT, 8, 8);
    sees(
        Keyboard::default(),
        (0x0627, 1),
        interface(3, 1, 1),
        &[(0x81, interrupt)],
    );
    let bulk = endpoint(TransferType::BULK, 64, 0);
    sees(
        Serial::default(),
        (0x10c4, 0xea60),
        interface(255, 0, 0),
        &[(0x81, bulk), (2, bulk)],
    );
    // In its alternate setting 0.
    sees(IsoLoop::default(), (0x1209, 3), interface(1, 2, 0), &[]);
}

#[test]
fn configurations_and_alternate_settings_are_selected() {
    let mut rig = Rig::with(IsoLoop::default());
    let alt = |status, alt| Packet::AltSettingStatus {
        status,
        interface: 0,
        alt,
    };
    let configured = |status, configuration| Packet::ConfigurationStatus {
        status,
        configuration,
    };
    let set_alt = |interface, alt| Packet::SetAltSetting { interface, alt };
    assert_eq!(
        rig.ask(Packet::GetConfiguration {}),
        configured(Status::SUCCESS, 1)
    );
    assert_eq!(
        rig.ask(Packet::GetAltSetting { interface: 0 }),
        alt(Status::SUCCESS, 0)
    );
    assert_eq!(rig.ask(set_alt(0, 1)), alt(Status::SUCCESS, 1));
    assert_eq!(rig.device().alt, 1);
    let iso = rig.guest.endpoints[Endpoint::index(0x83)];
    assert_eq!(
        (iso.kind, iso.max_packet_size, iso.interval),
        (TransferType::ISO, 192, 8)
    );
    assert_eq!(
        rig.ask(Packet::GetAltSetting { interface: 0 }),
        alt(Status::SUCCESS, 1)
    );
    assert_eq!(rig.ask(set_alt(0, 2)), alt(Status::STALL, 1));
    assert_eq!(
        rig.ask(set_alt(9, 0)),
        Packet::AltSettingStatus {
            status: Status::INVALID,
            interface: 9,
            alt: 0
        }
    );
    let set = |configuration| Packet::SetConfiguration { configuration };
    assert_eq!(rig.ask(set(7)), configured(Status::STALL, 1));
    assert_eq!(rig.ask(set(0)), configured(Status::SUCCESS, 0));
    assert_eq!(rig.guest.interfaces, []);
    assert_eq!(rig.ask(set(1)), configured(Status::SUCCESS, 1));
    assert_eq!(
        rig.ask(Packet::GetAltSetting { interface: 0 }),
        alt(Status::SUCCESS, 0)
    );
    assert_eq!(
        rig.guest.endpoints[Endpoint::index(0x83)].kind,
        TransferType::INVALID
    );
}

#[test]
fn a_device_leaves_while_transfers_are_out_and_another_comes() {
    for late in [false, true] {
        let mut rig = Rig::with(Serial::default());
        let read = rig.guest.ask(bulk_in(0x81, 64));
        rig.settle();
        // Done by the device, and on its way.
        let written = rig.guest.ask(bulk_out(2, b"lost"));
        while !rig.step(Step::Device(0)) {
            rig.step(Step::FromGuest(usize::MAX));
            rig.step(Step::Request);
        }
        let device = rig.unplug(late).expect("a device");
        assert!(!rig.slot.is_free());
        // Answers of the client stay on their way.
        rig.step(Step::ToGuest(usize::MAX));
        rig.step(Step::FromGuest(usize::MAX));
        for id in [read, written] {
            assert_eq!(
                outcome(&rig.guest.answers[&id]),
                (Status::CANCELLED, 0, &[][..])
            );
        }
        assert_eq!(rig.guest.device, None);
        assert!(rig.slot.is_free());
        // Now they come: they are no fault of this one's client.
        rig.plug(device);
        rig.settle();
        assert_eq!(
            outcome(&rig.ask(bulk_in(0x81, 64))),
            (Status::SUCCESS, 4, &b"lost"[..])
        );
        let plugged = Event::Plugged {
            vendor: 0x10c4,
            product: 0xea60,
        };
        assert_eq!(rig.events, [plugged.clone(), plugged]);
    }
}

#[test]
fn filters_of_both_sides_are_kept() {
    let parse = |text| Filter::parse(text, ',').expect("a filter");
    let no_storage = parse("0x08,-1,-1,-1,0|-1,-1,-1,-1,1");
    let mut rig = Rig::new(Limits::default(), Some(no_storage.clone()));
    rig.plug(Stick::new(8));
    rig.settle();
    assert_eq!(rig.guest.device, None);
    assert_eq!(
        rig.events,
        [Event::Failed(Failure::Filter(Verdict::Denied))]
    );
    // The slot isn't spent.
    assert!(rig.slot.is_free());

    let mut rig = Rig::new(Limits::default(), None);
    rig.settle();
    rig.guest.tell(
        0,
        Packet::FilterFilter {
            filter: parse("0x03,-1,-1,-1,1"),
        },
    );
    rig.settle();
    rig.plug(Stick::new(8));
    rig.settle();
    assert_eq!(
        rig.events,
        [Event::Failed(Failure::Filter(Verdict::NoRule))]
    );

    // It may come when the device is there already.
    let mut rig = Rig::with(Stick::new(8));
    rig.guest
        .tell(0, Packet::FilterFilter { filter: no_storage });
    rig.settle();
    assert_eq!(rig.guest.device, None);
    assert_eq!(
        rig.events[1..],
        [Event::Failed(Failure::Filter(Verdict::Denied))]
    );

    let mut rig = Rig::with(Stick::new(8));
    rig.guest.tell(0, Packet::FilterReject {});
    rig.settle();
    assert_eq!(rig.guest.device, None);
    assert_eq!(rig.events[1..], [Event::Failed(Failure::Guest)]);
}

#[test]
fn a_reset_reaches_the_device() {
    let mut rig = Rig::with(Serial::default());
    rig.guest.tell(0, Packet::Reset {});
    rig.settle();
    assert_eq!(outcome(&rig.ask(bulk_out(2, b"x"))).0, Status::SUCCESS);
    assert_eq!(rig.events.len(), 1);
}
