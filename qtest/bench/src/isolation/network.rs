// SPDX-License-Identifier: GPL-2.0-or-later
//! A network between a guest and a host that answers.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use annex_qtest::files::Dir;
use annex_qtest::qemu::Config;
use anyhow::{ensure, Result};

use super::daemon::cpu_time;
use super::measure::Figures;
use super::modes::Isolation;
use super::reflector::Reflector;
use super::tables::Requests;
use crate::results;

/// UDP packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkCase {
    /// As many large ones as go from the guest to the host.
    OneWay,
    /// Small ones, there and back one after the other.
    RoundTrips,
}

impl NetworkCase {
    /// Both.
    pub const ALL: [Self; 2] = [Self::RoundTrips, Self::OneWay];

    /// The UDP service that they are sent to.
    fn service(self) -> &'static str {
        match self {
            Self::OneWay => "discard",
            Self::RoundTrips => "echo",
        }
    }

    /// What sends them in the guest, for so many seconds.
    pub fn command(self, seconds: f64) -> String {
        format!(
            "netload {} {HOST} {} {seconds}",
            self.service(),
            self.bytes()
        )
    }
}

impl fmt::Display for NetworkCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "network, {} bytes, ", self.bytes())?;
        f.write_str(match self {
            Self::OneWay => "guest to host",
            Self::RoundTrips => "there and back",
        })
    }
}

impl results::Case for NetworkCase {
    fn columns(self) -> Vec<String> {
        // As many in flight as the guest's socket and the ring hold.
        let depth = if self.is_latency() { "1" } else { "" };
        let bytes = self.bytes().to_string();
        [&bytes, depth, "1", self.service(), "net"]
            .map(Into::into)
            .to_vec()
    }
}

impl Requests for NetworkCase {
    fn bytes(self) -> usize {
        match self {
            Self::OneWay => 1500,
            Self::RoundTrips => 64,
        }
    }

    fn is_latency(self) -> bool {
        self == Self::RoundTrips
    }
}

/// The other end's address.
const HOST: &str = "10.4.0.1";

/// A network of a guest's own.
pub struct Network {
    reflector: Reflector,
    socket: PathBuf,
}

impl Network {
    /// Has the guest use it: the host doesn't even know ARP.
    pub const UP: &str = "ifconfig eth0 10.4.0.2 netmask 255.255.255.0 up && \
                          arp -s 10.4.0.1 52:54:00:04:00:01";

    /// Starts one; its socket is in `dir`.
    pub fn start(dir: &Dir) -> Result<Self> {
        let socket = dir.file("net.sock");
        Ok(Self {
            reflector: Reflector::start(&socket)?,
            socket,
        })
    }

    /// A machine that has it.
    pub fn on(&self, config: &Config, isolation: Isolation) -> Config {
        let chardev = format!("socket,id=cnet,path={}", self.socket.display());
        let netdev = format!("vhost-user,id=net,chardev=cnet{}", isolation.options());
        let device = "virtio-net-pci,netdev=net,mac=52:54:00:04:00:02";
        config.with(["-chardev", &chardev, "-netdev", &netdev, "-device", device])
    }

    /// How many packets have come one way.
    pub fn arrived(&self) -> u64 {
        self.reflector.discarded()
    }

    /// The figures with the packets that arrived, if there were to be no
    /// answers.
    pub fn checked(case: NetworkCase, arrived: u64, sent: Figures) -> Result<Figures> {
        let requests = match case {
            NetworkCase::RoundTrips => sent.requests,
            NetworkCase::OneWay => arrived,
        };
        ensure!(
            0 < requests && requests <= sent.requests,
            "{requests} packets arrived of {} that were sent",
            sent.requests
        );
        Ok(Figures { requests, ..sent })
    }

    /// Processor time that the host has used: this process's, which does
    /// nothing else meanwhile.
    pub fn cpu(&self) -> Result<Duration> {
        cpu_time(std::process::id())
    }
}
