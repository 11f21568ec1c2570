// SPDX-License-Identifier: GPL-2.0-or-later
//! Packed rings of sizes that a split one can't have. Each request is one
//! descriptor, with a table of its own.

use std::os::unix::fs::FileExt;
use std::path::Path;

use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Result};

use crate::backend::{Backend, Hostile};
use crate::rig::SOON;
use annex_peers::bare::driver::{ring, F_VERSION_1};
use annex_peers::bare::Bare;

inventory::submit! { Family(|add| {
    for size in [1, 2, 3, 100, 128] {
        for thread in ["own", "main-loop"] {
            add(format!("isolation/odd-rings/{size}-{thread}"), Box::new(move |dir| {
                served(dir, size, thread)
            }));
        }
    }
}) }

const F_INDIRECT: u64 = 1 << 28;
const F_PACKED: u64 = 1 << 34;

/// Of a packed descriptor.
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;
const AVAIL: u16 = 1 << 7;
const USED: u16 = 1 << 15;

/// Where a request has its table, its header, what is read and the status.
const TABLE: u64 = 0x20_0000;
const HEADER: u64 = 0x20_1000;
const DATA: u64 = 0x20_2000;
const STATUS: u64 = 0x20_4000;
const LEN: u32 = 4096;

fn descriptor(at: u64, len: u32, id: u16, flags: u16) -> Vec<u8> {
    [
        at.to_le_bytes().as_slice(),
        &len.to_le_bytes(),
        &id.to_le_bytes(),
        &flags.to_le_bytes(),
    ]
    .concat()
}

fn served(dir: &Dir, size: u16, thread: &str) -> Result<()> {
    let backend = Backend::hostile(dir, "backend", "none", &[])?;
    let mut machine = start(dir, &backend.socket, thread)?;
    machine.reset()?;
    let ring = ring(0);
    machine
        .ram
        .write_all_at(&vec![0; 16 * usize::from(size)], ring.table)?;
    machine.ram.write_all_at(&[0; 4], ring.avail)?;
    machine.ram.write_all_at(&[0; 4], ring.used)?;
    machine.make_ready(F_VERSION_1 | F_INDIRECT | F_PACKED, &[ring], size)?;
    // Each place of the ring three times, in both wraps.
    for round in 0..3 * usize::from(size) {
        let index = (round % usize::from(size)) as u64;
        let wrap = (round / usize::from(size)) % 2 == 0;
        // A read of the first page, which holds zeros.
        machine.ram.write_all_at(&[0; 16], HEADER)?;
        machine.ram.write_all_at(&[0xff; LEN as usize], DATA)?;
        machine.ram.write_all_at(&[0xff], STATUS)?;
        let table = [
            descriptor(HEADER, 16, 0, 0),
            descriptor(DATA, LEN, 0, WRITE),
            descriptor(STATUS, 1, 0, WRITE),
        ];
        machine.ram.write_all_at(&table.concat(), TABLE)?;
        let offered = if wrap { AVAIL } else { USED };
        let id = round as u16;
        let head = descriptor(TABLE, 48, id, INDIRECT | offered);
        machine.ram.write_all_at(&head, ring.table + 16 * index)?;
        machine.notify(0)?;
        let used = if wrap { AVAIL | USED } else { 0 };
        wait::until(&format!("request {round} to be used"), SOON, || {
            machine.check_device()?;
            let mut bytes = [0; 16];
            machine
                .ram
                .read_exact_at(&mut bytes, ring.table + 16 * index)?;
            let flags = u16::from_le_bytes([bytes[14], bytes[15]]);
            let id_used = u16::from_le_bytes([bytes[12], bytes[13]]);
            Ok((flags & (AVAIL | USED) == used && id_used == id).then_some(()))
        })?;
        let mut data = vec![0; LEN as usize + 1];
        machine.ram.read_exact_at(&mut data[..LEN as usize], DATA)?;
        machine
            .ram
            .read_exact_at(&mut data[LEN as usize..], STATUS)?;
        ensure!(
            data.iter().all(|&byte| byte == 0),
            "request {round}: wrong data or status"
        );
    }
    machine.vm.quit()
}

fn start(dir: &Dir, socket: &Path, thread: &str) -> Result<Bare> {
    let mut disk = String::from("vhost-user-blk-pci,num-queues=1,packed=on");
    if thread == "main-loop" {
        disk += ",memory-isolation-main-loop=on";
    }
    Bare::start(dir, socket, &disk)
}
