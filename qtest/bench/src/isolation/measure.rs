// SPDX-License-Identifier: GPL-2.0-or-later
//! One run of one case, without a guest.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{ensure, Result};
use serde::{Deserialize, Serialize};
use strum::VariantArray;

use super::daemon::cpu_time;
use super::direct::{Direct, RING_LEN};
use super::disk::{DiskCase, Export, Operation, Shape};
use super::guest::Guest;
use super::isolated::{area, Isolated};
use super::modes::Route;
use super::relayed::{carry, Relay, Relayed};
use super::ring::{run, Driver, Notifiers, Ring};
use super::session;
use super::source::{Timed, Verify};
use super::storage::Storage;

/// What a run gave.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// Requests that were carried out.
    pub requests: u64,
    /// In how many seconds.
    pub seconds: f64,
    /// Seconds of processor time: the front-end's process's, and the
    /// back-end's.
    pub front_cpu: f64,
    pub back_cpu: f64,
    /// Half of the requests took no longer than this, in seconds, if that is
    /// known.
    pub latency: Option<f64>,
}

impl Figures {
    /// Requests a second.
    pub fn rate(&self) -> Option<f64> {
        Some(self.requests as f64 / self.seconds)
    }

    /// Median latency, in µs.
    pub fn latency(&self) -> Option<f64> {
        Some(self.latency? * 1e6)
    }

    /// Processor time of the front-end for a request, in µs.
    pub fn front_cpu(&self) -> Option<f64> {
        Some(self.front_cpu * 1e6 / self.requests as f64)
    }

    /// The back-end's.
    pub fn back_cpu(&self) -> Option<f64> {
        Some(self.back_cpu * 1e6 / self.requests as f64)
    }
}

/// What is done with a connection's queues.
trait Task {
    type Out;
    fn on<D: Driver>(&self, rings: &mut [Ring<'_, D>], guest: &Guest) -> Result<Self::Out>;
}

/// Connects, and has `task` use the queues.
fn connected<T: Task>(socket: &Path, route: Route, shape: Shape, task: &T) -> Result<T::Out> {
    let notifiers = (0..shape.queues)
        .map(|_| Notifiers::new())
        .collect::<Result<Vec<_>>>()?;
    let queues = 0..shape.queues;
    if route == Route::Direct {
        let guest = Guest::shared(shape, shape.queues * RING_LEN)?;
        let drivers: Vec<_> = queues.map(|queue| Direct::new(&guest, queue)).collect();
        let vrings: Vec<_> = drivers.iter().map(Direct::vring).collect();
        let (fd, len) = guest.shared_file()?;
        let _session = session::open(socket, fd, len, &vrings, &notifiers)?;
        return task.on(&mut rings(drivers, &notifiers), &guest);
    }
    let guest = Guest::private(shape)?;
    let area = area(shape)?;
    let drivers = queues.map(|queue| Isolated::new(&guest, &area, queue, route.scrub()));
    let drivers = drivers.collect::<Result<Vec<_>>>()?;
    let vrings: Vec<_> = drivers.iter().map(Isolated::vring).collect();
    let _session = session::open(socket, area.fd(), area.layout().len(), &vrings, &notifiers)?;
    let mut near = rings(drivers, &notifiers);
    if matches!(route, Route::Isolated | Route::Scrubbed) {
        return task.on(&mut near, &guest);
    }
    let relays = (0..shape.queues)
        .map(|_| Relay::new())
        .collect::<Result<Vec<_>>>()?;
    let end = AtomicBool::new(false);
    thread::scope(|scope| {
        let carrier = scope.spawn(|| carry(&mut near, &relays, route == Route::Polling, &end));
        let far = relays.iter().map(|relay| Ring {
            driver: Relayed::new(relay),
            notifiers: &relay.notifiers,
        });
        let out = task.on(&mut far.collect::<Vec<_>>(), &guest);
        end.store(true, Ordering::Release);
        relays[0].notifiers.kick.write(1)?;
        carrier.join().expect("the relay doesn't panic")?;
        out
    })
}

fn rings<D>(drivers: Vec<D>, notifiers: &[Notifiers]) -> Vec<Ring<'_, D>> {
    drivers
        .into_iter()
        .zip(notifiers)
        .map(|(driver, notifiers)| Ring { driver, notifiers })
        .collect()
}

/// Measures `case` for `seconds`, after a quarter of that which doesn't count.
pub fn measure(storage: &Storage, case: DiskCase, route: Route, seconds: f64) -> Result<Figures> {
    struct Measure<'a>(&'a Storage, DiskCase, Duration);
    impl Task for Measure<'_> {
        type Out = Figures;
        fn on<D: Driver>(&self, rings: &mut [Ring<'_, D>], guest: &Guest) -> Result<Figures> {
            let Self(storage, case, time) = *self;
            run(
                rings,
                case.shape.depth,
                &mut Timed::new(guest, case, time / 4),
            )?;
            let mut source = Timed::new(guest, case, time);
            let own_cpu = || cpu_time(std::process::id());
            let (start, front, back) = (Instant::now(), own_cpu()?, storage.cpu()?);
            run(rings, case.shape.depth, &mut source)?;
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
    connected(&storage.socket(case.export), route, case.shape, &task)
}

/// Writes what can be told apart and reads it again.
pub fn verify(storage: &Storage, route: Route, shape: Shape) -> Result<()> {
    struct Check(Shape, u8);
    impl Task for Check {
        type Out = ();
        fn on<D: Driver>(&self, rings: &mut [Ring<'_, D>], guest: &Guest) -> Result<()> {
            for operation in [Operation::Write, Operation::Read] {
                let mut source = Verify::new(guest, operation, self.1);
                run(rings, self.0.depth, &mut source)?;
                ensure!(
                    source.done == Verify::rounds(self.0),
                    "requests are missing"
                );
            }
            Ok(())
        }
    }
    // Otherwise one might read what another has written.
    let seed = Route::VARIANTS
        .iter()
        .take_while(|&&other| other != route)
        .count();
    connected(
        &storage.socket(Export::Ram),
        route,
        shape,
        &Check(shape, seed as u8),
    )
}
