// SPDX-License-Identifier: GPL-2.0-or-later
//! The other sides: a guest with its memory, a back-end with its own mapping of the area, and a
//! model that says what must come of what the two do.

mod backend;
mod exercise;
mod guest;
mod lives;
mod model;

pub use backend::{Backend, Chain};
pub use exercise::exercise;
pub use guest::{Guest, GuestRequest, Segments};
pub use lives::exercise_lives;
