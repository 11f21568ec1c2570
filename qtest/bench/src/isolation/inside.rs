// SPDX-License-Identifier: GPL-2.0-or-later
//! Guests with vhost-user devices, isolated and not.

use std::time::Duration;

use annex_qtest::files::{self, Dir};
use annex_qtest::memory::Backing;
use annex_qtest::qemu::{Config, Vm};
use anyhow::{Context, Result};
use strum::VariantArray;

use super::daemon::cpu_time;
use super::disk::{DiskCase, Export};
use super::measure::Figures;
use super::modes::Isolation;
use super::network::{Network, NetworkCase};
use super::share::{FileCase, Share};
use super::storage::Storage;
use crate::bench::Size;

/// MiB of RAM.
const RAM: u64 = 512;

/// The PCI slot of an export's disk, by which the guest finds it.
fn slot(export: Export) -> usize {
    0x10 + Export::VARIANTS
        .iter()
        .take_while(|&&other| other != export)
        .count()
}

/// A guest with a disk for each export, of two queues, a file system and a
/// network, and its own back-ends.
pub struct Inside {
    isolation: Isolation,
    vm: Vm,
    storage: Storage,
    /// A file system needs another project's back-end.
    share: Option<Share>,
    network: Network,
}

impl Inside {
    /// Boots it.
    pub fn start(isolation: Isolation, size: Size) -> Result<Self> {
        let name = format!("build/bench/isolation/{}", isolation.id());
        let dir = Dir::at(files::top().join(name))?;
        let storage = Storage::start(&dir)?;
        let share = match size {
            Size::Row => None,
            Size::Full | Size::Smoke => Some(Share::start(&dir, isolation)?),
        };
        let network = Network::start(&dir)?;
        let backing = match isolation {
            Isolation::Off => Backing::Memfd,
            Isolation::OwnThread
            | Isolation::MainLoop
            | Isolation::ScrubAlways
            | Isolation::ScrubNever => Backing::Anon,
        };
        let mut config = Config::new(RAM)?.backed_by(backing);
        for &export in Export::OF_GUESTS {
            let socket = storage.socket(export);
            let id = export.id();
            let chardev = format!("socket,id=c{id},path={}", socket.display());
            let device = format!(
                "vhost-user-blk-pci,chardev=c{id},num-queues=2,addr={:#x}{}",
                slot(export),
                isolation.options()
            );
            config = config.with(["-chardev", &chardev, "-device", &device]);
        }
        if let Some(share) = &share {
            config = share.on(&config, isolation);
        }
        config = network.on(&config, isolation);
        let vm = config.boot("guest", &dir)?;
        vm.agent.ask("tick 10000")?;
        if share.is_some() {
            vm.agent.sh(Share::MOUNT)?;
        }
        vm.agent.sh(Network::UP)?;
        Ok(Self {
            isolation,
            vm,
            storage,
            share,
            network,
        })
    }

    /// Which it is.
    pub fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// Uses a disk for `seconds`.
    pub fn disk(&self, case: DiskCase, seconds: f64) -> Result<Figures> {
        let DiskCase {
            export,
            operation,
            shape,
        } = case;
        let disk = format!(
            "/sys/bus/pci/devices/0000:00:{:02x}.0/virtio*/block",
            slot(export)
        );
        let command = format!(
            "diskload /dev/$(ls {disk}) {operation} {} {} {} {seconds}",
            shape.len, shape.depth, shape.queues
        );
        self.measure(&command, || self.storage.cpu())
    }

    /// Uses the file for `seconds`.
    pub fn file(&self, case: FileCase, seconds: f64) -> Result<Figures> {
        let share = self.share.as_ref().context("there is a file system")?;
        self.measure(&case.command(seconds), || share.cpu())
    }

    /// Uses the network for `seconds`.
    pub fn network(&self, case: NetworkCase, seconds: f64) -> Result<Figures> {
        let before = self.network.arrived();
        let sent = self.measure(&case.command(seconds), || self.network.cpu())?;
        Network::checked(case, self.network.arrived() - before, sent)
    }

    /// Runs a command that tells how much it did, whose back-end has used so
    /// much processor time.
    fn measure(&self, command: &str, back_end: impl Fn() -> Result<Duration>) -> Result<Figures> {
        let (front, back) = (cpu_time(self.vm.pid())?, back_end()?);
        let said = self.vm.agent.sh(command)?;
        let front_cpu = (cpu_time(self.vm.pid())? - front).as_secs_f64();
        let back_cpu = (back_end()? - back).as_secs_f64();
        let (requests, seconds, latency) = parse(&said)?;
        Ok(Figures {
            requests,
            seconds,
            front_cpu,
            back_cpu,
            latency: latency.is_finite().then_some(latency / 1e9),
        })
    }

    /// Ends it.
    pub fn end(self) -> Result<()> {
        self.vm.quit()
    }
}

/// What guest/diskload.c and guest/netload.c say: requests, seconds,
/// nanoseconds.
fn parse(said: &str) -> Result<(u64, f64, f64)> {
    let mut numbers = said.split(' ').map(str::parse::<f64>);
    let mut number = || numbers.next()?.ok();
    let found = number().zip(number()).zip(number());
    let ((requests, seconds), latency) = found.with_context(|| format!("the guest said {said}"))?;
    Ok((requests as u64, seconds, latency))
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_guests_say_is_understood() {
        assert_eq!(
            super::parse("31415 1.003 27182").unwrap(),
            (31415, 1.003, 27182.0)
        );
        assert!(super::parse("31415 1.003 nan").unwrap().2.is_nan());
        assert!(super::parse("diskload: /dev/vda: No such file").is_err());
    }
}
