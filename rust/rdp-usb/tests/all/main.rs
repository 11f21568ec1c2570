// SPDX-License-Identifier: GPL-2.0-or-later
//! Both halves, with devices in software, as one program: it is linked once.

mod faults;
mod life;
mod random;
mod redirected;
mod share;
mod streams;
mod transfers;

use usbredir::{Packet, Status};

/// A control transfer with room for data from the device.
fn control_in(request_type: u8, request: u8, value: u16, length: u16) -> Packet {
    Packet::Control {
        endpoint: 0x80,
        request,
        request_type,
        status: Status::SUCCESS,
        value,
        index: 0,
        length,
        data: vec![],
    }
}

/// A control transfer with data to the device, or none.
fn control_out(request_type: u8, request: u8, value: u16, index: u16, data: &[u8]) -> Packet {
    Packet::Control {
        endpoint: 0,
        request,
        request_type,
        status: Status::SUCCESS,
        value,
        index,
        length: data.len() as u16,
        data: data.to_vec(),
    }
}

fn bulk_in(endpoint: u8, length: u32) -> Packet {
    Packet::Bulk {
        endpoint,
        status: Status::SUCCESS,
        length,
        stream: 0,
        data: vec![],
    }
}

fn bulk_out(endpoint: u8, data: &[u8]) -> Packet {
    let length = data.len() as u32;
    Packet::Bulk {
        endpoint,
        status: Status::SUCCESS,
        length,
        stream: 0,
        data: data.to_vec(),
    }
}

/// What a bulk or control packet says: how it went, how much, and what.
fn outcome(packet: &Packet) -> (Status, u32, &[u8]) {
    match packet {
        Packet::Bulk {
            status,
            length,
            data,
            ..
        } => (*status, *length, data),
        Packet::Control {
            status,
            length,
            data,
            ..
        } => (*status, (*length).into(), data),
        other => panic!("{other:?}"),
    }
}

/// A command of a stick's, wrapped.
fn wrapped(tag: u8, data_in: bool, length: usize, command: &[u8]) -> Vec<u8> {
    let mut wrapper = [0; 31];
    wrapper[..4].copy_from_slice(b"USBC");
    wrapper[4] = tag;
    wrapper[8..12].copy_from_slice(&(length as u32).to_le_bytes());
    wrapper[12] = if data_in { 0x80 } else { 0 };
    wrapper[14] = command.len() as u8;
    wrapper[15..15 + command.len()].copy_from_slice(command);
    wrapper.to_vec()
}

/// READ(10) or WRITE(10).
fn command(code: u8, lba: u32, blocks: u16) -> Vec<u8> {
    let [a, b, c, d] = lba.to_be_bytes();
    let [high, low] = blocks.to_be_bytes();
    vec![code, 0, a, b, c, d, 0, high, low, 0]
}
