// SPDX-License-Identifier: GPL-2.0-or-later
//! What is shown, and by whom.

use std::fmt;

use serde::{Deserialize, Serialize};
use strum::{Display, VariantArray};

use crate::results;

/// Who shows the guest's screen; as daemons/rdp/trials' rdp-bench calls them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, VariantArray)]
pub enum Mode {
    /// QEMU's VNC server, as pixels are.
    #[strum(serialize = "vnc-raw")]
    VncRaw,
    /// The same in ZRLE.
    #[strum(serialize = "vnc-zrle")]
    VncZrle,
    /// The same in Tight, without JPEG.
    #[strum(serialize = "vnc-tight")]
    VncTight,
    /// annex-rdp.
    #[strum(serialize = "rdp")]
    Rdp,
}

impl results::Mode for Mode {
    const RIVAL: Self = Self::VncTight;
}

/// What is shown; as rdp-bench calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Key {
    /// One colour.
    Fill,
    /// A page of text.
    Text,
    /// The same, a line further.
    Scroll,
    /// Windows on a background that fades.
    Desktop,
    /// Flowing colours and noise.
    Photo,
    /// A small square, for a key.
    Keys,
}

/// A case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case(pub Key);

impl Case {
    /// All.
    pub fn all() -> Vec<Self> {
        Key::VARIANTS.iter().copied().map(Self).collect()
    }

    /// Whether it is a picture as large as the screen.
    pub fn is_picture(self) -> bool {
        self.0 != Key::Keys
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Key::Fill => "one colour",
            Key::Text => "a page of text",
            Key::Scroll => "text that scrolls",
            Key::Desktop => "windows",
            Key::Photo => "a photograph",
            Key::Keys => "a key's square",
        })
    }
}

impl results::Case for Case {
    fn columns(self) -> Vec<String> {
        vec![self.0.to_string()]
    }
}

/// What a run gave, as rdp-bench says it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// How many pictures, or keys.
    pub count: u64,
    /// How long they took together.
    pub seconds: f64,
    /// What the client was sent, without TLS's own.
    pub bytes: u64,
    /// CPU time of QEMU and of annex-rdp.
    pub cpu_seconds: f64,
    /// Of each one's time: half are less.
    pub median_ms: f64,
    /// 99 of 100 are less.
    pub centile99_ms: f64,
}

impl Figures {
    /// In a second.
    pub fn rate(&self) -> Option<f64> {
        Some(self.count as f64 / self.seconds)
    }

    /// KiB of each.
    pub fn kib(&self) -> Option<f64> {
        Some(self.bytes as f64 / self.count as f64 / 1024.0)
    }

    /// ms of CPU time for each.
    pub fn cpu_ms(&self) -> Option<f64> {
        Some(self.cpu_seconds * 1e3 / self.count as f64)
    }

    /// ms.
    pub fn median(&self) -> Option<f64> {
        Some(self.median_ms)
    }
}
