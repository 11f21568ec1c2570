// SPDX-License-Identifier: GPL-2.0-or-later
//! The attacks, by name.

mod area;
mod asks;
mod blocks;
mod floods;
mod moments;
mod refusals;
mod replies;
mod starts;
mod tables;
mod used;

use anyhow::Result;

use crate::hostile_backend::session::Session;
use crate::vhost_user::wire::{Code, Message};
use crate::vhost_user::{Chain, Memory};

/// An attack.
#[derive(Clone, Copy)]
pub struct Attack {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub about: &'static str,
    /// Protocol features that it offers beside the usual ones.
    pub offers: u64,
    /// Usual ones that it doesn't.
    pub lacks: u64,
    /// With how many requests in flight it is carried out.
    pub load: Load,
    /// What it does, and when.
    pub strike: Strike,
}

/// How many requests are in flight when an attack begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// As many as there are.
    Any,
    /// One.
    Alone,
    /// Two at least.
    Crowd,
}

/// What an attack does.
#[derive(Clone, Copy)]
pub enum Strike {
    /// Nothing.
    Never,
    /// This, once, when a request was carried out.
    Request(fn(&mut Session, &Hit, &Memory) -> Result<Then>),
    /// This instead of answering such a message, each time.
    Message(Code, fn(&mut Session, &Message) -> Result<()>),
    /// Writes anything to anywhere, all the time.
    Random,
}

/// A request that was carried out, and not given back yet.
pub struct Hit {
    /// Its queue.
    pub queue: usize,
    /// Itself.
    pub chain: Chain,
    /// Bytes written.
    pub len: u32,
}

/// What becomes of a [`Hit`].
pub enum Then {
    /// It is given back with this length.
    Give(u32),
    /// The attack has done with it what it wanted.
    Nothing,
}

impl Attack {
    const fn new(name: &'static str, about: &'static str, strike: Strike) -> Self {
        Self {
            name,
            about,
            offers: 0,
            lacks: 0,
            load: Load::Any,
            strike,
        }
    }

    const fn offering(self, offers: u64) -> Self {
        Self { offers, ..self }
    }

    const fn lacking(self, lacks: u64) -> Self {
        Self { lacks, ..self }
    }

    const fn with(self, load: Load) -> Self {
        Self { load, ..self }
    }
}

const NONE: &[Attack] = &[
    Attack::new("none", "serves right", Strike::Never),
    Attack::new(
        "reaching",
        "serves right, and offers all that reaches out",
        Strike::Never,
    )
    .offering(crate::hostile_backend::features::P_REACHING),
    Attack::new(
        "random",
        "writes anything to anywhere in the memory",
        Strike::Random,
    ),
];

/// Every attack there is.
pub fn all() -> impl Iterator<Item = &'static Attack> {
    let mid_request = [used::ALL, tables::ALL, area::ALL, moments::ALL, asks::ALL];
    let others = [
        NONE,
        replies::ALL,
        starts::ALL,
        blocks::ALL,
        floods::ALL,
        refusals::ALL,
    ];
    others.into_iter().chain(mid_request).flatten()
}
