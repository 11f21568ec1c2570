// SPDX-License-Identifier: GPL-2.0-or-later
//! Both halves together: devices in software below, a guest's side of usbredir above, and a rig
//! that moves what is between them in any order; or QEMU above, at the other end of a stream.

mod devices;
mod exercise;
mod guest;
mod input;
mod redirected;
mod rig;

pub use devices::{command_block, Device, IsoLoop, Keyboard, Serial, Stick, BLOCK};
pub use exercise::exercise;
pub use guest::Guest;
pub use input::Input;
pub use redirected::Redirected;
pub use rig::{Rig, Step};
