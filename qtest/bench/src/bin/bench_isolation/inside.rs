// SPDX-License-Identifier: GPL-2.0-or-later
//! Guests with vhost-user devices, isolated and not.

use std::time::Duration;

use annex_qtest::files::{self, Dir};
use annex_qtest::memory::Backing;
use annex_qtest::qemu::{Config, Vm};
use anyhow::{Context, Result};

use crate::cases::{Case, Export};
use crate::daemon::cpu_time;
use crate::network::{Network, Traffic};
use crate::results::Figures;
use crate::share::{Access, Share};
use crate::storage::Storage;
use crate::ways::{Isolation, EXPORTS};

/// MiB of RAM.
const RAM: u64 = 512;

/// The PCI slot of an export's disk, by which the guest finds it.
fn slot(export: Export) -> usize {
    0x10 + Export::ALL
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
    share: Share,
    network: Network,
}

impl Inside {
    /// Boots it.
    pub fn start(isolation: Isolation) -> Result<Self> {
        let name = format!("build/bench/isolation/{isolation}");
        let dir = Dir::at(files::top().join(name))?;
        let storage = Storage::start(&dir)?;
        let share = Share::start(&dir, isolation)?;
        let network = Network::start(&dir)?;
        let backing = match isolation {
            Isolation::Off => Backing::Memfd,
            Isolation::On | Isolation::Iothread => Backing::Anon,
        };
        let mut config = Config::new(RAM)?.backed_by(backing);
        // What is polled for one device is no burden of another's.
        for iothread in ["io-blk", "io-fs", "io-net"] {
            config = config.with(["-object", &format!("iothread,id={iothread}")]);
        }
        for export in EXPORTS {
            let socket = storage.socket(export);
            let id = export.id();
            let chardev = format!("socket,id=c{id},path={}", socket.display());
            let device = format!(
                "vhost-user-blk-pci,chardev=c{id},num-queues=2,addr={:#x}{}",
                slot(export),
                isolation.options("io-blk")
            );
            config = config.with(["-chardev", &chardev, "-device", &device]);
        }
        config = network.on(&share.on(&config, isolation), isolation);
        let vm = config.boot("guest", &dir)?;
        vm.agent.ask("tick 10000")?;
        vm.agent.sh(Share::MOUNT)?;
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
    pub fn disk(&self, case: Case, seconds: f64) -> Result<Figures> {
        let Case {
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
    pub fn file(&self, access: Access, seconds: f64) -> Result<Figures> {
        self.measure(&access.command(seconds), || self.share.cpu())
    }

    /// Uses the network for `seconds`.
    pub fn network(&self, traffic: Traffic, seconds: f64) -> Result<Figures> {
        let before = self.network.arrived();
        let sent = self.measure(&traffic.command(seconds), || self.network.cpu())?;
        Network::checked(traffic, self.network.arrived() - before, sent)
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
            latency: latency / 1e9,
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
