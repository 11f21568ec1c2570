// SPDX-License-Identifier: GPL-2.0-or-later
//! What the benches share: the machine's description, statistics, and the
//! figures of crates.

pub mod crates;
mod machine;
mod spread;

pub use machine::Machine;
pub use spread::{quotient, shown, Spread};
