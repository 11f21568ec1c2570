// SPDX-License-Identifier: GPL-2.0-or-later
//! Requests whose descriptors are cut anywhere, and chains that no driver makes.
//! The daemon goes on, and so does a queue whose ring is sane.

use annex_peers::rtc::{kind, of_clock, status, Device, Wanted};
use annex_peers::vhost_user::{features, Entry, Part, Shape};
use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use anyhow::{bail, ensure, Context, Result};

use crate::rig::Daemon;
use crate::table::{fault, outcome, Message, Setting, Tsc, MESSAGES};

inventory::submit! { Family(|add| {
    for (name, features) in [("event-index", 0), ("flags", features::EVENT_IDX)] {
        for (shape, how) in [("direct", Shape::Direct), ("indirect", Shape::Indirect)] {
            let wanted = Wanted::ALL.without(features);
            add(
                format!("rtc/chains/cut/{shape}/{name}"),
                Box::new(move |dir| cut(dir, how, wanted)),
            );
        }
    }
    for odd in ODD {
        add(format!("rtc/chains/odd/{}", odd.0), Box::new(move |dir| go_on(dir, odd.1)));
    }
    for broken in BROKEN {
        add(format!("rtc/chains/broken/{}", broken.0), Box::new(move |dir| live_on(dir, broken.1)));
    }
    add("rtc/chains/odd/head-past-the-end".into(), Box::new(head_past_the_end));
    add("rtc/chains/wrap".into(), Box::new(wrap));
}) }

const SETTING: Setting = Setting {
    clocks: 2,
    alarms: true,
    tsc: Tsc::Never,
};

fn daemon(dir: &Dir) -> Result<Daemon> {
    Daemon::start(dir, "daemon", &["--clock", "utc,monotonic"])
}

/// A request for clock 0 that changes nothing.
fn harmless(message: &Message) -> Vec<u8> {
    let mut bytes = vec![0; message.request];
    bytes[..2].copy_from_slice(&message.kind.to_le_bytes());
    bytes
}

/// `bytes` in two parts, or in one if it is cut at an end.
fn halves(bytes: &[u8], at: usize) -> Vec<Part> {
    [&bytes[..at], &bytes[at..]]
        .into_iter()
        .filter(|half| !half.is_empty())
        .map(|half| Part::Bytes(half.to_vec()))
        .collect()
}

/// The same of room.
fn rooms(size: usize, at: usize) -> Vec<Part> {
    [at, size - at]
        .into_iter()
        .filter(|half| *half != 0)
        .map(Part::Room)
        .collect()
}

fn cut(dir: &Dir, shape: Shape, wanted: Wanted) -> Result<()> {
    let daemon = daemon(dir)?;
    let mut device = Device::open_with(&daemon.socket, wanted)?;
    for message in &MESSAGES {
        let request = harmless(message);
        // Response space to spare, so that a cut may lie past the response's end.
        let size = message.response + 8;
        let mut chains = Vec::new();
        for at in 0..=request.len() {
            chains.push([halves(&request, at), rooms(size, 0)].concat());
        }
        for at in 0..=size {
            chains.push([halves(&request, 0), rooms(size, at)].concat());
            chains.push([halves(&request, at.min(request.len())), rooms(size, at)].concat());
        }
        let bytes = request.iter().map(|byte| Part::Bytes(vec![*byte]));
        chains.push(bytes.chain((0..size).map(|_| Part::Room(1))).collect());
        // Descriptors of no length here and there.
        let parts = [Part::Bytes(vec![]), Part::Bytes(request.clone())];
        let rest = [Part::Bytes(vec![]), Part::Room(0), Part::Room(size)];
        chains.push([parts.as_slice(), &rest, &[Part::Room(0)]].concat());
        let expected = outcome(&request, size, SETTING);
        for parts in chains {
            let answer = device.ask_in(&parts, shape)?;
            if let Some(fault) = fault(&expected, &answer.room, answer.len as usize) {
                bail!("{parts:02x?}: {fault}");
            }
        }
    }
    Ok(())
}

/// More requests than a 16-bit index counts.
fn wrap(dir: &Dir) -> Result<()> {
    let daemon = daemon(dir)?;
    let mut device = Device::open(&daemon.socket)?;
    let parts = [Part::Bytes(of_clock(kind::READ, 1)), Part::Room(16)];
    let mut last = 0;
    for _ in 0..(1 << 16) / 64 + 2 {
        for _ in 0..64 {
            device.requests.submit(&parts, Shape::Indirect)?;
        }
        device.requests.kick()?;
        for _ in 0..64 {
            let answer = device.requests.wait(Device::LIMIT)?.context("no answer")?;
            let reading = annex_peers::rtc::word(&answer.room, 8);
            ensure!(reading >= last, "the clock went from {last} to {reading}");
            last = reading;
        }
    }
    Ok(())
}

/// A chain of descriptors of the ring: the first is the head.
type Odd = fn(&Device) -> Vec<(u16, Entry)>;

/// A place that isn't in the guest's memory.
const NOWHERE: u64 = 0x7fff_0000_0000;

fn readable(at: u64, len: u32, next: u16) -> Entry {
    let flags = if next == 0 { 0 } else { Entry::NEXT };
    Entry {
        at,
        len,
        flags,
        next,
    }
}

fn writable(at: u64, len: u32, next: u16) -> Entry {
    let entry = readable(at, len, next);
    Entry {
        flags: entry.flags | Entry::WRITE,
        ..entry
    }
}

/// Chains that a device can give back, whatever it makes of them. Descriptor 10
/// is the head, whose page holds a READ of clock 0.
const ODD: [(&str, Odd); 14] = [
    ("readable-after-writable", |device| {
        let page = device.requests.page(10);
        vec![
            (10, writable(page + 0x400, 16, 11)),
            (11, readable(page, 16, 0)),
        ]
    }),
    ("writable-between", |device| {
        let page = device.requests.page(10);
        vec![
            (10, readable(page, 8, 11)),
            (11, writable(page + 0x400, 16, 12)),
            (12, readable(page + 8, 8, 0)),
        ]
    }),
    ("loop-of-one", |device| {
        vec![(10, readable(device.requests.page(10), 16, 10))]
    }),
    ("loop-of-three", |device| {
        let page = device.requests.page(10);
        vec![
            (10, readable(page, 16, 11)),
            (11, writable(page + 0x400, 16, 12)),
            (12, writable(page + 0x400, 16, 11)),
        ]
    }),
    ("next-past-the-end", |device| {
        vec![(10, readable(device.requests.page(10), 16, 300))]
    }),
    ("request-nowhere", |device| {
        let page = device.requests.page(10);
        vec![
            (10, readable(NOWHERE, 16, 11)),
            (11, writable(page + 0x400, 16, 0)),
        ]
    }),
    ("response-nowhere", |device| {
        let page = device.requests.page(10);
        vec![(10, readable(page, 16, 11)), (11, writable(NOWHERE, 16, 0))]
    }),
    ("request-over-the-edge", |device| {
        let page = device.requests.page(10);
        let edge = annex_peers::rtc::GUEST + annex_peers::rtc::SIZE;
        vec![
            (10, readable(edge - 8, 16, 11)),
            (11, writable(page + 0x400, 16, 0)),
        ]
    }),
    ("response-over-the-edge", |device| {
        let page = device.requests.page(10);
        let edge = annex_peers::rtc::GUEST + annex_peers::rtc::SIZE;
        vec![
            (10, readable(page, 16, 11)),
            (11, writable(edge - 8, 16, 0)),
        ]
    }),
    ("address-wraps", |device| {
        let page = device.requests.page(10);
        vec![
            (10, readable(u64::MAX - 7, 16, 11)),
            (11, writable(page + 0x400, 16, 0)),
        ]
    }),
    ("four-gibibytes", |device| {
        let page = device.requests.page(10);
        vec![
            (10, readable(page, u32::MAX, 11)),
            (11, writable(page + 0x400, u32::MAX, 12)),
            (12, writable(page + 0x400, u32::MAX, 0)),
        ]
    }),
    ("table-nowhere", |_| {
        let table = readable(NOWHERE, 32, 0);
        vec![(
            10,
            Entry {
                flags: Entry::INDIRECT,
                ..table
            },
        )]
    }),
    ("table-of-no-length", |device| {
        let table = readable(device.requests.page(10) + 0x800, 0, 0);
        vec![(
            10,
            Entry {
                flags: Entry::INDIRECT,
                ..table
            },
        )]
    }),
    ("table-of-a-descriptor-and-a-half", |device| {
        let table = readable(device.requests.page(10) + 0x800, 24, 0);
        vec![(
            10,
            Entry {
                flags: Entry::INDIRECT,
                ..table
            },
        )]
    }),
];

fn go_on(dir: &Dir, odd: Odd) -> Result<()> {
    let daemon = daemon(dir)?;
    let mut device = Device::open(&daemon.socket)?;
    let page = device.requests.page(10);
    device.memory.write(page, &of_clock(kind::READ, 0))?;
    // A good one, the odd one, a good one: in one go, and then each by itself.
    for together in [true, false] {
        let chain = odd(&device);
        let held: Vec<u16> = chain.iter().map(|(index, _)| *index).collect();
        for (index, entry) in chain {
            device.requests.describe(index, entry)?;
        }
        if together {
            let parts = [Part::Bytes(of_clock(kind::READ, 0)), Part::Room(16)];
            let before = device.requests.submit(&parts, Shape::Direct)?;
            device.requests.lend_raw(&held)?;
            let after = device.requests.submit(&parts, Shape::Direct)?;
            device.requests.kick()?;
            for head in [before, 10, after] {
                let answer = device.requests.wait(Device::LIMIT)?;
                let answer = answer.with_context(|| format!("chain {head} isn't answered"))?;
                ensure!(
                    answer.head == head,
                    "chain {} came back, not {head}",
                    answer.head
                );
                ensure!(
                    head == 10 || answer.room[0] == status::OK,
                    "a good request fails: {answer:02x?}"
                );
            }
        } else {
            device.requests.lend_raw(&held)?;
            device.requests.kick()?;
            let answer = device.requests.wait(Device::LIMIT)?;
            answer.context("the odd chain isn't answered")?;
        }
        device.read(0)?;
    }
    Ok(())
}

/// A head that is no descriptor can't be given back. What comes after it can.
fn head_past_the_end(dir: &Dir) -> Result<()> {
    let daemon = daemon(dir)?;
    let mut device = Device::open(&daemon.socket)?;
    let parts = [Part::Bytes(of_clock(kind::READ, 0)), Part::Room(16)];
    let before = device.requests.submit(&parts, Shape::Direct)?;
    device.requests.offer(4000)?;
    let after = device.requests.submit(&parts, Shape::Direct)?;
    device.requests.kick()?;
    for head in [before, after] {
        let answer = device.requests.wait(Device::LIMIT)?;
        let answer = answer.with_context(|| format!("chain {head} isn't answered"))?;
        ensure!(
            answer.head == head && answer.room[0] == status::OK,
            "a good request fails: {answer:02x?}"
        );
    }
    device.read(0).map(drop)
}

/// What no queue goes on after.
type Broken = fn(&mut Device) -> Result<()>;

const BROKEN: [(&str, Broken); 3] = [
    ("available-far-ahead", |device| {
        let far = device.requests.offered().wrapping_add(20_000);
        device.requests.set_offered(far)
    }),
    ("ring-overwritten", |device| {
        let [table, avail, used] = device.requests.parts();
        for at in [table, used, avail] {
            device.memory.write(at, &[0xff; 4096])?;
        }
        Ok(())
    }),
    ("nothing-there", |device| device.requests.kick_anyway()),
];

/// The daemon lives, and its next driver finds it well.
fn live_on(dir: &Dir, broken: Broken) -> Result<()> {
    let daemon = daemon(dir)?;
    let mut device = Device::open(&daemon.socket)?;
    device.read(0)?;
    broken(&mut device)?;
    device.requests.kick_anyway()?;
    // Its front-end is served in any case.
    device.restart()?;
    device.read(0)?;
    drop(device);
    Device::open(&daemon.socket)?.read(0).map(drop)
}
