// SPDX-License-Identifier: GPL-2.0-or-later
//! An isolated disk behind an IOMMU that a driver without a guest has set up,
//! and what becomes of buffers that the IOMMU doesn't let the device have.

use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Result};

use crate::backend::{Backend, Hostile};
use crate::rig::SOON;
use annex_peers::bare::driver::{Driver, Part, Request};
use annex_peers::bare::{Bare, NEEDS_RESET};

inventory::submit! { Family(|add| {
    add("isolation/iommu/denied".into(), Box::new(denied));
}) }

/// Where the device has RAM. There is nothing without the IOMMU.
const IOVA: u64 = 1 << 30;
/// How much of RAM it has.
const MAPPED: u64 = 16 << 20;
const PAGE: u64 = 4096;

/// Registers of VT-d, where q35 has it.
const VTD: u64 = 0xfed9_0000;
const GLOBAL_COMMAND: u64 = VTD + 0x18;
const ROOT_TABLE: u64 = VTD + 0x20;
const SET_ROOT: u64 = 1 << 30;
const TRANSLATE: u64 = 1 << 31;

/// The tables, a page each; the last ones follow one another.
const ROOT: u64 = 0x18_0000;
const CONTEXTS: u64 = ROOT + PAGE;
const LEVEL_3: u64 = CONTEXTS + PAGE;
const LEVEL_2: u64 = LEVEL_3 + PAGE;
const LEVEL_1: u64 = LEVEL_2 + PAGE;

/// In a context: three levels of tables.
const THREE_LEVELS: u64 = 1;
/// Of a page.
const READ: u64 = 1;
const WRITE: u64 = 2;

/// Of a request's data: two pages. QEMU bounces one that isn't there, not two.
const LEN: usize = 2 * PAGE as usize;
/// Slots of whose data the device may only read the pages, has none, and
/// hasn't the first.
const READ_ONLY: usize = 1;
const MISSING: usize = 2;
const HALF: usize = 3;

/// Maps RAM, `flags` saying what the device may do with a page.
fn translate(driver: &mut Driver, flags: impl Fn(u64) -> u64) -> Result<()> {
    let of = |at: u64, level: u64| (at >> (12 + 9 * (level - 1))) % 512 * 8;
    let present = READ | WRITE;
    driver.store(ROOT, &[0; (LEVEL_1 - ROOT) as usize])?;
    let mut entry = |at: u64, value: u64| driver.store(at, &value.to_le_bytes());
    entry(ROOT, CONTEXTS | 1)?;
    for function in 0..256 {
        entry(CONTEXTS + 16 * function, LEVEL_3 | 1)?;
        entry(CONTEXTS + 16 * function + 8, THREE_LEVELS)?;
    }
    entry(LEVEL_3 + of(IOVA, 3), LEVEL_2 | present)?;
    for table in 0..MAPPED >> 21 {
        entry(
            LEVEL_2 + of(IOVA + (table << 21), 2),
            (LEVEL_1 + table * PAGE) | present,
        )?;
    }
    for page in (0..MAPPED).step_by(PAGE as usize) {
        entry(LEVEL_1 + page / PAGE * 8, page | flags(page))?;
    }
    driver
        .machine
        .ask(&format!("writeq {ROOT_TABLE:#x} {ROOT:#x}"))?;
    for command in [SET_ROOT, TRANSLATE] {
        driver
            .machine
            .ask(&format!("writel {GLOBAL_COMMAND:#x} {command:#x}"))?;
    }
    Ok(())
}

fn request(reads: bool, sector: u64) -> Request {
    let header = [u64::from(!reads), sector].map(u64::to_le_bytes).concat();
    let data = if reads {
        Part::Room(LEN as u32)
    } else {
        Part::Any(LEN as u32)
    };
    Request {
        parts: vec![Part::Bytes(header), data, Part::Room(1)],
        indirect: false,
    }
}

/// Carries out a request, which has to succeed.
fn does(driver: &mut Driver, slot: usize, request: &Request) -> Result<()> {
    driver.submit(0, slot, request)?;
    driver.machine.notify(0)?;
    wait::until("the request to come back", SOON, || {
        ensure!(
            driver.machine.status()? & NEEDS_RESET == 0,
            "the device is broken"
        );
        Ok((driver.reap(0)?.len() == 1).then_some(()))
    })
}

/// Submits one that breaks the device, and resets that.
fn breaks(driver: &mut Driver, slot: usize, request: &Request) -> Result<()> {
    driver.submit(0, slot, request)?;
    driver.machine.notify(0)?;
    wait::until("the device to be broken", SOON, || {
        ensure!(driver.reap(0)?.is_empty(), "it was carried out");
        Ok((driver.machine.status()? & NEEDS_RESET != 0).then_some(()))
    })?;
    driver.reset()
}

/// The device reads and writes what it is given, and breaks when it is given
/// what it may not write, or may not read; neither memory nor disk change.
fn denied(dir: &Dir) -> Result<()> {
    let backend = Backend::hostile(dir, "backend", "none", &[])?;
    let machine = ["-machine", "q35", "-device", "intel-iommu"];
    let device =
        "vhost-user-blk-pci,num-queues=1,queue-size=64,disable-legacy=on,iommu_platform=on";
    let mut machine = Bare::start_with(dir, &machine, &backend.socket, device)?;
    machine.iova = IOVA;
    let mut driver = Driver::of(machine, 1)?;
    translate(&mut driver, |page| {
        let is = |slot, number| page == Driver::data_at(slot) + number * PAGE;
        if is(READ_ONLY, 0) || is(READ_ONLY, 1) {
            READ
        } else if is(MISSING, 0) || is(MISSING, 1) || is(HALF, 0) {
            0
        } else {
            READ | WRITE
        }
    })?;
    driver.reset()?;

    let written = driver.data(READ_ONLY, LEN)?;
    does(&mut driver, READ_ONLY, &request(false, 0))?;
    does(&mut driver, 0, &request(true, 0))?;
    ensure!(
        driver.data(0, LEN)? == written,
        "the disk hasn't what was written"
    );

    // What the disk has there are other bytes.
    breaks(&mut driver, READ_ONLY, &request(true, 64))?;
    ensure!(
        driver.data(READ_ONLY, LEN)? == written,
        "a read-only page was written"
    );

    let missing = driver.data(MISSING, LEN)?;
    breaks(&mut driver, MISSING, &request(false, 0))?;
    breaks(&mut driver, MISSING, &request(true, 0))?;
    ensure!(
        driver.data(MISSING, LEN)? == missing,
        "a missing page was written"
    );
    does(&mut driver, 0, &request(true, 0))?;
    ensure!(
        driver.data(0, LEN)? == written,
        "the disk has what couldn't be read"
    );

    // As with any device of QEMU's, the page reads as zeros and isn't written.
    let page = PAGE as usize;
    let half = driver.data(HALF, LEN)?;
    does(&mut driver, HALF, &request(false, 128))?;
    does(&mut driver, 0, &request(true, 128))?;
    let expected = [&vec![0; page], &half[page..]].concat();
    ensure!(
        driver.data(0, LEN)? == expected,
        "not zeros and the second page were written"
    );
    does(&mut driver, HALF, &request(true, 0))?;
    let expected = [&half[..page], &written[page..]].concat();
    ensure!(
        driver.data(HALF, LEN)? == expected,
        "not the second page alone was read"
    );
    driver.check_ram()?;
    driver.machine.vm.quit()
}
