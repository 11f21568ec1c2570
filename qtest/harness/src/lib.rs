// SPDX-License-Identifier: GPL-2.0-or-later
//! Boots real guests in QEMU and looks at them from outside.
//!
//! [`qemu`] starts a machine and ends it; [`qmp`], [`console`] and [`agent`]
//! are the three ways to talk to one; [`snapshot`] saves and loads; [`pool`]
//! lends machines to tests, which [`trial`] makes of functions. `README.md` leads from the whole suite to one
//! test.

pub mod accel;
pub mod agent;
pub mod console;
pub mod elsewhere;
pub mod error;
pub mod files;
pub mod fleet;
pub mod kept;
pub mod lines;
pub mod measure;
pub mod memory;
pub mod migrate;
pub mod pool;
pub mod qemu;
pub mod qmp;
pub mod seed;
pub mod snapshot;
pub mod spawn;
pub mod tcg;
pub mod tier;
pub mod trial;
pub mod wait;

pub use annex_stream as stream;
