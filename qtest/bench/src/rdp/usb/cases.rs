// SPDX-License-Identifier: GPL-2.0-or-later
//! What a guest asks of a stick, and by which way.

use std::fmt;

use serde::{Deserialize, Serialize};
use strum::{Display, VariantArray};

use crate::results;

/// What is between the stick and `usb-redir`; as daemons/rdp/trials' rdp-bench calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, VariantArray)]
pub enum Mode {
    /// A Unix socket.
    #[strum(serialize = "socket")]
    Socket,
    /// annex-rdp and a client of it.
    #[strum(serialize = "rdp")]
    Rdp,
}

impl results::Mode for Mode {
    const RIVAL: Self = Self::Socket;
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
pub enum Case {
    /// 64 KiB.
    Read,
    /// Likewise.
    Write,
    /// A byte, on the control endpoint.
    Control,
}

impl Case {
    /// As rdp-bench calls it; its name in the table of runs.
    pub fn key(self) -> &'static str {
        match self {
            Self::Read => "usb-read",
            Self::Write => "usb-write",
            Self::Control => "usb-control",
        }
    }

    /// Whether it is data that it is about.
    pub fn is_bulk(self) -> bool {
        self != Self::Control
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "a read of 64 KiB",
            Self::Write => "a write of 64 KiB",
            Self::Control => "a control transfer",
        })
    }
}

impl results::Case for Case {
    fn columns(self) -> Vec<String> {
        vec![self.key().into()]
    }
}

/// What a run gave, as rdp-bench says it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// How often it was asked for.
    pub count: u64,
    /// Bytes of data that were moved.
    pub bytes: u64,
    /// How long it took together.
    pub seconds: f64,
    /// Of each one's time: half are less.
    pub median_ms: f64,
    /// 99 of 100 are less.
    pub centile99_ms: f64,
}

impl Figures {
    /// MiB in a second.
    pub fn rate(&self) -> Option<f64> {
        Some(self.bytes as f64 / f64::from(1 << 20) / self.seconds)
    }

    /// ms.
    pub fn median(&self) -> Option<f64> {
        Some(self.median_ms)
    }

    /// ms.
    pub fn centile99(&self) -> Option<f64> {
        Some(self.centile99_ms)
    }
}
