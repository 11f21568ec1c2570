// SPDX-License-Identifier: GPL-2.0-or-later
//! Each request at each length of its own and of its response, and with each
//! value of its fields: the answers are those of [`table`](crate::table).

use annex_peers::rtc::{counter, kind, Counter, Device, Wanted, F_ALARM};
use annex_peers::vhost_user::{features, Answer, Part, Shape};
use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use anyhow::{bail, ensure, Context, Result};

use crate::rig::Daemon;
use crate::table::{fault, outcome, Message, Setting, Tsc, MESSAGES, UNKNOWN};

/// The longest request and response: longer than all that there are.
const LONGEST: usize = 40;

/// What is past the end of a request: nobody may look at it.
const PAST: u8 = 0xa5;

inventory::submit! { Family(|add| {
    for (name, wanted) in [
        ("all", Wanted::ALL),
        ("no-alarms", Wanted::ALL.without(F_ALARM)),
        ("no-event-index", Wanted::ALL.without(features::EVENT_IDX)),
        ("bare", Wanted::ALL.without(F_ALARM | features::EVENT_IDX | features::INDIRECT)),
    ] {
        add(format!("rtc/matrix/lengths/{name}"), Box::new(move |dir| lengths(dir, wanted)));
    }
    for (name, tsc) in [("never", Tsc::Never), ("not-now", Tsc::NotNow), ("now", Tsc::Now)] {
        add(format!("rtc/matrix/fields/tsc-{name}"), Box::new(move |dir| fields(dir, tsc)));
    }
    add("rtc/matrix/capabilities".into(), Box::new(capabilities));
    add("rtc/matrix/no-alarm-option".into(), Box::new(no_alarm_option));
    add("rtc/matrix/steady".into(), Box::new(steady));
}) }

/// The clocks of these trials, and their types.
const CLOCKS: &str =
    "utc,monotonic,smeared=noon-linear,smeared=utc-sls,smeared=unspecified,maybe-smeared";
const TYPES: [[u8; 2]; 6] = [[0, 0], [2, 0], [3, 1], [3, 2], [3, 0], [4, 0]];

/// A request of `length` bytes for the first clock.
fn request(message: &Message, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; message.request];
    bytes[..2].copy_from_slice(&message.kind.to_le_bytes());
    if message.kind == kind::SET_ALARM {
        // An alarm that never goes off.
        bytes[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
    }
    if let Some(at) = message.counter {
        bytes[at] = counter::X86_TSC;
    }
    bytes.resize(length, PAST);
    bytes
}

/// Requests and their rooms; the answers are checked in one go.
struct Batch<'a> {
    device: &'a mut Device,
    setting: Setting,
    sent: Vec<(Vec<u8>, usize)>,
    /// How many there were.
    count: usize,
}

impl Batch<'_> {
    const LEN: usize = 64;

    fn add(&mut self, request: Vec<u8>, room: usize) -> Result<()> {
        self.sent.push((request, room));
        match self.sent.len() {
            Self::LEN => self.check(),
            _ => Ok(()),
        }
    }

    /// Has the device answer all of them.
    fn check(&mut self) -> Result<()> {
        for (request, room) in &self.sent {
            let mut parts = vec![Part::Bytes(request.clone()), Part::Room(*room)];
            if request.is_empty() {
                parts.remove(0);
            } else if *room == 0 {
                parts.pop();
            }
            self.device.requests.submit(&parts, Shape::Direct)?;
        }
        self.device.requests.kick()?;
        for (request, room) in std::mem::take(&mut self.sent) {
            let answer = self.device.requests.wait(Device::LIMIT)?;
            let what = || format!("{request:02x?} with room for {room} bytes");
            let answer = answer.with_context(|| format!("no answer to {}", what()))?;
            self.count += 1;
            let expected = outcome(&request, room, self.setting);
            if let Some(fault) = fault(&expected, &answer.room, answer.len as usize) {
                bail!("{}: {fault}", what());
            }
        }
        Ok(())
    }
}

fn batch(device: &mut Device, setting: Setting) -> Batch<'_> {
    Batch {
        device,
        setting,
        sent: Vec::new(),
        count: 0,
    }
}

fn lengths(dir: &Dir, wanted: Wanted) -> Result<()> {
    let daemon = Daemon::start(dir, "daemon", &["--clock", CLOCKS])?;
    let mut device = Device::open_with(&daemon.socket, wanted)?;
    let setting = Setting {
        clocks: TYPES.len() as u16,
        alarms: device.features & F_ALARM != 0,
        tsc: Tsc::Never,
    };
    ensure!(
        device.features == wanted.features,
        "features: {:#x} of {:#x}",
        device.features,
        wanted.features
    );
    let mut batch = batch(&mut device, setting);
    for length in 0..=LONGEST {
        for room in 0..=LONGEST {
            for message in &MESSAGES {
                batch.add(request(message, length), room)?;
            }
            for kind in UNKNOWN {
                let mut bytes = kind.to_le_bytes().to_vec();
                bytes.resize(length, 0);
                batch.add(bytes, room)?;
            }
        }
    }
    batch.check()?;
    dir.log(format!("{} requests", batch.count));
    // It is as it was.
    device.read(0).map(drop)
}

fn fields(dir: &Dir, tsc: Tsc) -> Result<()> {
    let daemon = Daemon::start(dir, "daemon", &["--clock", CLOCKS])?;
    let mut device = Device::prepare(&daemon.socket, Wanted::ALL)?;
    if tsc != Tsc::Never {
        let counter = Counter {
            kind: counter::X86_TSC,
            valid: tsc == Tsc::Now,
            shift: 0,
            ratio: 1,
            offset: 0,
        };
        let word = device.frontend.set_config(0, 0, &counter.bytes())?;
        ensure!(word == 0, "the counter was refused");
    }
    device.start()?;
    let setting = Setting {
        clocks: TYPES.len() as u16,
        alarms: true,
        tsc,
    };
    let mut batch = batch(&mut device, setting);
    let clocks = (0..=setting.clocks + 1).chain([0xff, 0x100, 0x7fff, 0x8000, 0xffff]);
    for clock in clocks {
        for byte in 0..=0xff {
            for message in MESSAGES.iter().filter(|m| m.clock.is_some()) {
                // Nothing that would go off.
                if message.kind == kind::SET_ALARM_ENABLED && byte & 1 != 0 {
                    continue;
                }
                let at = message.counter.or(message.flags);
                let (Some(field), None | Some(_)) = (message.clock, at) else {
                    continue;
                };
                for room in [message.response, message.response - 1, LONGEST] {
                    let mut bytes = request(message, message.request);
                    bytes[field..field + 2].copy_from_slice(&clock.to_le_bytes());
                    if let Some(at) = at {
                        bytes[at] = byte;
                    } else if byte != 0 {
                        continue;
                    }
                    batch.add(bytes, room)?;
                }
            }
        }
    }
    batch.check()?;
    dir.log(format!("{} requests", batch.count));
    Ok(())
}

/// What the clocks are is what was asked for, in that order.
fn capabilities(dir: &Dir) -> Result<()> {
    let daemon = Daemon::start(dir, "daemon", &["--clock", CLOCKS])?;
    for (wanted, alarms) in [(Wanted::ALL, 1), (Wanted::ALL.without(F_ALARM), 0)] {
        let mut device = Device::open_with(&daemon.socket, wanted)?;
        ensure!(device.clocks()? == TYPES.len() as u16, "other clocks");
        for (clock, kind) in TYPES.into_iter().enumerate() {
            let found = device.capabilities(clock as u16)?;
            let expected = [kind[0], kind[1], alarms];
            ensure!(
                found == expected,
                "clock {clock}: {found:?}, not {expected:?}"
            );
        }
    }
    Ok(())
}

/// With `--no-alarm` there is no feature, no flag, and no such message.
fn no_alarm_option(dir: &Dir) -> Result<()> {
    let daemon = Daemon::start(dir, "daemon", &["--clock", "utc", "--no-alarm"])?;
    let mut device = Device::open(&daemon.socket)?;
    ensure!(
        device.features & F_ALARM == 0,
        "alarms are offered all the same"
    );
    ensure!(device.capabilities(0)?[2] == 0, "a clock has an alarm");
    let setting = Setting {
        clocks: 1,
        alarms: false,
        tsc: Tsc::Never,
    };
    let mut batch = batch(&mut device, setting);
    for message in MESSAGES.iter().filter(|message| message.alarm) {
        batch.add(request(message, message.request), message.response)?;
    }
    batch.check()
}

/// While the device is live, what it says of itself stays the same, whatever
/// becomes known of the counter.
fn steady(dir: &Dir) -> Result<()> {
    let daemon = Daemon::start(dir, "daemon", &["--clock", CLOCKS])?;
    let mut device = Device::prepare(&daemon.socket, Wanted::ALL)?;
    let mut counter = Counter {
        kind: counter::X86_TSC,
        valid: false,
        shift: 0,
        ratio: 1,
        offset: 0,
    };
    let tell = |device: &mut Device, counter: Counter| -> Result<()> {
        let word = device.frontend.set_config(0, 0, &counter.bytes())?;
        ensure!(word == 0, "the counter was refused");
        Ok(())
    };
    tell(&mut device, counter)?;
    device.start()?;
    let first = all(&mut device)?;
    for valid in [true, false, true] {
        counter.valid = valid;
        tell(&mut device, counter)?;
        ensure!(
            all(&mut device)? == first,
            "what the device says of itself changed"
        );
    }
    device.restart()?;
    ensure!(
        all(&mut device)? == first,
        "it isn't the same after a reset"
    );
    Ok(())
}

/// All that the device says of itself.
fn all(device: &mut Device) -> Result<Vec<Answer>> {
    let mut answers = vec![device.ask(&annex_peers::rtc::cfg(), 16)?];
    for clock in 0..TYPES.len() as u16 {
        let request = annex_peers::rtc::of_clock(kind::CLOCK_CAP, clock);
        answers.push(device.ask(&request, 16)?);
        for counter in [counter::ARM_VCT, counter::X86_TSC, 7, counter::INVALID] {
            let request = annex_peers::rtc::of_clock_and(kind::CROSS_CAP, clock, counter);
            answers.push(device.ask(&request, 16)?);
        }
    }
    // Heads are the driver's.
    for answer in &mut answers {
        answer.head = 0;
    }
    Ok(answers)
}
