// SPDX-License-Identifier: GPL-2.0-or-later
//! One run of one case, without a guest.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{ensure, Result};

use crate::cases::{Case, Export, Operation, Shape};
use crate::daemon::cpu_time;
use crate::direct::{Direct, RING};
use crate::guest::Guest;
use crate::isolated::{area, Isolated};
use crate::lane::{run, Bell, Driver, Lane};
use crate::relayed::{carry, Relay, Relayed};
use crate::results::Figures;
use crate::session;
use crate::source::{Timed, Verify};
use crate::storage::Storage;
use crate::ways::{Mode, Way};

/// What is done with a connection's queues.
trait Task {
    type Out;
    fn on<D: Driver>(&self, lanes: &mut [Lane<'_, D>], guest: &Guest) -> Result<Self::Out>;
}

/// Connects, and has `task` use the queues.
fn connected<T: Task>(socket: &Path, mode: Mode, shape: Shape, task: &T) -> Result<T::Out> {
    let bells = (0..shape.queues)
        .map(|_| Bell::new())
        .collect::<Result<Vec<_>>>()?;
    let queues = 0..shape.queues;
    if mode == Mode::Direct {
        let guest = Guest::shared(shape, shape.queues * RING)?;
        let drivers: Vec<_> = queues.map(|queue| Direct::new(&guest, queue)).collect();
        let vrings: Vec<_> = drivers.iter().map(Direct::vring).collect();
        let (fd, len) = guest.shared_file()?;
        let _session = session::open(socket, fd, len, &vrings, &bells)?;
        return task.on(&mut lanes(drivers, &bells), &guest);
    }
    let guest = Guest::private(shape)?;
    let area = area(shape)?;
    let drivers = queues.map(|queue| Isolated::new(&guest, &area, queue));
    let drivers = drivers.collect::<Result<Vec<_>>>()?;
    let vrings: Vec<_> = drivers.iter().map(Isolated::vring).collect();
    let _session = session::open(socket, area.fd(), area.layout().len(), &vrings, &bells)?;
    let mut near = lanes(drivers, &bells);
    if mode == Mode::Isolated {
        return task.on(&mut near, &guest);
    }
    let relays = (0..shape.queues)
        .map(|_| Relay::new())
        .collect::<Result<Vec<_>>>()?;
    let end = AtomicBool::new(false);
    thread::scope(|scope| {
        let carrier = scope.spawn(|| carry(&mut near, &relays, mode == Mode::Polling, &end));
        let far = relays.iter().map(|relay| Lane {
            driver: Relayed::new(relay),
            bell: &relay.bell,
        });
        let out = task.on(&mut far.collect::<Vec<_>>(), &guest);
        end.store(true, Ordering::Release);
        relays[0].bell.kick.write(1)?;
        carrier.join().expect("the relay doesn't panic")?;
        out
    })
}

fn lanes<D>(drivers: Vec<D>, bells: &[Bell]) -> Vec<Lane<'_, D>> {
    drivers
        .into_iter()
        .zip(bells)
        .map(|(driver, bell)| Lane { driver, bell })
        .collect()
}

/// Measures `case` for `seconds`, after a quarter of that which doesn't count.
pub fn measure(storage: &Storage, case: Case, mode: Mode, seconds: f64) -> Result<Figures> {
    struct Measure<'a>(&'a Storage, Case, Duration);
    impl Task for Measure<'_> {
        type Out = Figures;
        fn on<D: Driver>(&self, lanes: &mut [Lane<'_, D>], guest: &Guest) -> Result<Figures> {
            let Self(storage, case, time) = *self;
            run(
                lanes,
                case.shape.depth,
                &mut Timed::new(guest, case, time / 4),
            )?;
            let mut source = Timed::new(guest, case, time);
            let own_cpu = || cpu_time(std::process::id());
            let (start, front, back) = (Instant::now(), own_cpu()?, storage.cpu()?);
            run(lanes, case.shape.depth, &mut source)?;
            let seconds = start.elapsed().as_secs_f64();
            Ok(Figures {
                requests: source.done,
                seconds,
                front_cpu: (own_cpu()? - front).as_secs_f64(),
                back_cpu: (storage.cpu()? - back).as_secs_f64(),
                latency: source.median_latency(),
            })
        }
    }
    let task = Measure(storage, case, Duration::from_secs_f64(seconds));
    connected(&storage.socket(case.export), mode, case.shape, &task)
}

/// Writes what can be told apart and reads it again.
pub fn verify(storage: &Storage, mode: Mode, shape: Shape) -> Result<()> {
    struct Check(Shape, u8);
    impl Task for Check {
        type Out = ();
        fn on<D: Driver>(&self, lanes: &mut [Lane<'_, D>], guest: &Guest) -> Result<()> {
            for operation in [Operation::Write, Operation::Read] {
                let mut source = Verify::new(guest, operation, self.1);
                run(lanes, self.0.depth, &mut source)?;
                ensure!(
                    source.done == Verify::rounds(self.0),
                    "requests are missing"
                );
            }
            Ok(())
        }
    }
    // Otherwise one mode might read what another has written.
    let seed = Mode::ALL
        .iter()
        .position(|&other| other == mode)
        .unwrap_or(0) as u8;
    connected(
        &storage.socket(Export::Ram),
        mode,
        shape,
        &Check(shape, seed),
    )
}
