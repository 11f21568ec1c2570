// SPDX-License-Identifier: GPL-2.0-or-later
//! Random programs for a processor: for tests of the model, and for an emulator that is compared
//! with it.

mod layout;
mod program;
mod run;

pub use layout::Layout;
pub use program::{Features, Program, Step};
pub use run::{Observed, Run};
