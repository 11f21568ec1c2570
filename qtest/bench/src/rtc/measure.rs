// SPDX-License-Identifier: GPL-2.0-or-later
//! A run of each case in each mode.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use annex_peers::backend::{socket, Backend};
use annex_peers::rtc::{counter, kind, of_clock, Counter, Device, Wanted, ENABLED};
use annex_peers::tsc;
use annex_peers::vhost_user::{Part, Shape};
use annex_qtest::files::Dir;
use anyhow::{ensure, Context, Result};
use rustix::time::{
    clock_gettime, timerfd_create, timerfd_settime, ClockId, Itimerspec, TimerfdClockId,
    TimerfdFlags, TimerfdTimerFlags, Timespec,
};

use super::cases::{Case, Figures, Mode, IN_FLIGHT};
use super::echo::Echo;
use super::guest::InGuest;

/// Names another daemon than the workspace's.
const VARIABLE: &str = "ANNEX_RTC_DAEMON";

/// How far ahead alarms are set.
const AHEAD: u64 = 2_000_000;

/// The monotonic clock's number: the daemon's second.
const MONOTONIC: u16 = 1;

/// A daemon, its driver, and its rival; a daemon with a guest, once one is wanted.
pub struct Rig {
    dir: Dir,
    device: Device,
    echo: Echo,
    /// Ends when this is dropped.
    _daemon: Backend,
    guest: Option<(InGuest, Backend)>,
}

/// The daemon that was built as this program was: it lies beside it.
fn program() -> Result<PathBuf> {
    let path = match std::env::var_os(VARIABLE) {
        Some(path) => PathBuf::from(path),
        None => std::env::current_exe()?.with_file_name("vhost-device-rtc"),
    };
    let path_shown = path.display();
    ensure!(
        Path::new(&path).exists(),
        "{path_shown} is missing: scripts/bench builds it"
    );
    Ok(path)
}

/// Starts a daemon with these clocks.
fn daemon(dir: &Dir, name: &str, clocks: &str) -> Result<Backend> {
    let socket = socket(dir, name)?;
    let mut command = Command::new(program()?);
    command.arg("--socket-path").arg(&socket);
    command.args(["--clock", clocks]);
    Backend::start(command, dir, name, socket)
}

impl Rig {
    /// Starts all but the guest.
    pub fn start(dir: Dir) -> Result<Self> {
        let daemon = daemon(&dir, "daemon", "utc,monotonic")?;
        let mut device = Device::prepare(&daemon.socket, Wanted::ALL)?;
        let counter = Counter {
            kind: counter::X86_TSC,
            valid: true,
            shift: 0,
            ratio: 1,
            offset: 0,
        };
        device.frontend.set_config(0, 0, &counter.bytes())?;
        device.start()?;
        for _ in 0..4 {
            device.lend()?;
        }
        Ok(Self {
            dir,
            device,
            echo: Echo::start()?,
            _daemon: daemon,
            guest: None,
        })
    }

    /// One run, of `count` round trips; of alarms there are fewer.
    pub fn run(&mut self, case: Case, mode: Mode, count: usize) -> Result<Figures> {
        let alarms = (count / 100).max(20);
        match (case, mode) {
            (Case::Read | Case::Cross | Case::Stream, Mode::Bare) => {
                each(count, || self.echo.round_trip())
            }
            (Case::Read, Mode::Daemon) => each(count, || self.device.read(MONOTONIC).map(drop)),
            (Case::Cross, Mode::Daemon) => each(count, || {
                let answer = self.device.read_cross(MONOTONIC, counter::X86_TSC);
                answer.map(drop)
            }),
            (Case::Stream, Mode::Daemon) => self.stream(count),
            (Case::Alarm | Case::AlarmAtLoad, Mode::Daemon) => {
                self.alarms(alarms, case == Case::AlarmAtLoad)
            }
            (Case::Alarm | Case::AlarmAtLoad, Mode::Bare) => {
                self.timers(alarms, case == Case::AlarmAtLoad)
            }
            (Case::Together, Mode::Daemon) => together(count.min(2_000), || {
                self.device.read_cross(MONOTONIC, counter::X86_TSC)
            }),
            (Case::Together, Mode::Bare) => together(count.min(2_000), || {
                let before = tsc::read().context("this host has no TSC")?;
                let reading = self.device.read(MONOTONIC)?;
                let after = tsc::read().context("this host has no TSC")?;
                Ok((reading, before + (after - before) / 2))
            }),
            (Case::GuestRtc | Case::GuestPtp, _) => {
                // A reading takes a guest longer.
                self.guest()?.run(case, mode, count.min(1_000))
            }
        }
    }

    /// The guest, booted when it is first asked for.
    fn guest(&mut self) -> Result<&InGuest> {
        if self.guest.is_none() {
            let daemon = daemon(&self.dir, "guests-daemon", "utc,smeared=noon-linear")?;
            self.guest = Some((InGuest::boot(&self.dir, &daemon.socket)?, daemon));
        }
        let (guest, _) = self.guest.as_ref().context("just made")?;
        Ok(guest)
    }

    /// READs, so many in flight that the daemon always has some.
    fn stream(&mut self, count: usize) -> Result<Figures> {
        let parts = [Part::Bytes(of_clock(kind::READ, MONOTONIC)), Part::Room(16)];
        let start = Instant::now();
        let (mut sent, mut back) = (0, 0);
        let mut each = Vec::with_capacity(count);
        while back < count {
            while sent < count && sent - back < IN_FLIGHT {
                self.device.requests.submit(&parts, Shape::Direct)?;
                sent += 1;
            }
            self.device.requests.kick()?;
            let mut answer = self.device.requests.wait(Device::LIMIT)?;
            ensure!(answer.is_some(), "no answer");
            while let Some(one) = answer {
                ensure!(one.room[0] == 0, "{one:02x?}");
                back += 1;
                each.push(0.0);
                answer = self.device.requests.reap()?;
            }
        }
        // What counts is how many there were in that time.
        Ok(Figures::of(each, start.elapsed().as_secs_f64()))
    }

    /// Alarms in a little while, each after the other, of the daemon's; at load
    /// READs are asked for without a pause.
    fn alarms(&mut self, count: usize, load: bool) -> Result<Figures> {
        let start = Instant::now();
        let mut late = Vec::with_capacity(count);
        for _ in 0..count {
            let time = self.device.read(MONOTONIC)? + AHEAD;
            // The daemon's clock and this one go alike; how far apart they are
            // is known to a round trip.
            let before = now();
            let reading = self.device.read(MONOTONIC)?;
            let apart = before.wrapping_sub(reading) as i64;
            self.device.set_alarm(MONOTONIC, time, ENABLED)?;
            let told = loop {
                let limit = match load {
                    true => Duration::ZERO,
                    false => Device::LIMIT,
                };
                if let Some(clock) = self.device.alarm(limit)? {
                    break clock;
                }
                self.device.read(MONOTONIC)?;
            };
            let after = now();
            ensure!(told == MONOTONIC, "clock {told}'s alarm");
            late.push((after as i64 - (time as i64 + apart)) as f64);
            self.device.lend()?;
        }
        Ok(Figures::of(late, start.elapsed().as_secs_f64()))
    }

    /// The same of a timer of this process's own.
    fn timers(&mut self, count: usize, load: bool) -> Result<Figures> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let mut file = std::fs::File::from(timer.try_clone()?);
        let start = Instant::now();
        let mut late = Vec::with_capacity(count);
        for _ in 0..count {
            let time = now() + AHEAD;
            let spec = Itimerspec {
                it_interval: Timespec::default(),
                it_value: Timespec {
                    tv_sec: (time / 1_000_000_000) as i64,
                    tv_nsec: (time % 1_000_000_000) as i64,
                },
            };
            timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME, &spec)?;
            loop {
                if load {
                    self.device.read(MONOTONIC)?;
                } else {
                    let mut fds = [rustix::event::PollFd::new(
                        &timer,
                        rustix::event::PollFlags::IN,
                    )];
                    rustix::event::poll(&mut fds, None)?;
                }
                if file.read(&mut [0; 8]).is_ok() {
                    break;
                }
            }
            late.push((now() as i64 - time as i64) as f64);
        }
        Ok(Figures::of(late, start.elapsed().as_secs_f64()))
    }
}

/// The host's monotonic clock in ns.
fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Each one's time.
fn each(count: usize, mut once: impl FnMut() -> Result<()>) -> Result<Figures> {
    let start = Instant::now();
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let before = Instant::now();
        once()?;
        times.push(before.elapsed().as_nanos() as f64);
    }
    Ok(Figures::of(times, start.elapsed().as_secs_f64()))
}

/// Pairs of a reading and the counter: how far each lies off the line through
/// all of them, in ns of the clock.
fn together(count: usize, mut pair: impl FnMut() -> Result<(u64, u64)>) -> Result<Figures> {
    let start = Instant::now();
    let pairs = (0..count).map(|_| pair()).collect::<Result<Vec<_>>>()?;
    let seconds = start.elapsed().as_secs_f64();
    Ok(Figures::of(deviations(&pairs)?, seconds))
}

/// Of the least squares' line.
fn deviations(pairs: &[(u64, u64)]) -> Result<Vec<f64>> {
    let (first_reading, first_cycles) = *pairs.first().context("no pairs")?;
    let points: Vec<(f64, f64)> = pairs
        .iter()
        .map(|(reading, cycles)| {
            let x = cycles.wrapping_sub(first_cycles) as f64;
            (x, reading.wrapping_sub(first_reading) as f64)
        })
        .collect();
    let count = points.len() as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let (mut up, mut down) = (0.0, 0.0);
    for (x, y) in &points {
        up += (x - mean_x) * (y - mean_y);
        down += (x - mean_x) * (x - mean_x);
    }
    ensure!(down > 0.0, "the counter stands still");
    let slope = up / down;
    let off = |&(x, y): &(f64, f64)| (y - mean_y - slope * (x - mean_x)).abs();
    Ok(points.iter().map(off).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_a_line_deviates_by_nothing() {
        let line: Vec<_> = (0..100).map(|n| (1_000 + n * 10, 7 + n * 25)).collect();
        assert!(deviations(&line).unwrap().iter().all(|off| *off < 1e-6));
        let mut bent = line;
        bent[50].0 += 1_000;
        let most = deviations(&bent).unwrap().into_iter().fold(0.0, f64::max);
        assert!((900.0..1_000.0).contains(&most), "{most}");
        assert!(deviations(&[(1, 1), (2, 1)]).is_err());
    }

    #[test]
    fn centiles_are_of_the_sorted() {
        let figures = Figures::of((0..=100).rev().map(f64::from).collect(), 2.0);
        assert_eq!((figures.median, figures.centile99), (50.0, 99.0));
        assert_eq!(figures.rate(), Some(50.5));
    }
}
