// SPDX-License-Identifier: GPL-2.0-or-later
//! Commands of SSC-3: those that the tape takes part in.

mod blocks;
pub(crate) mod format;
pub(crate) mod motion;
pub(crate) mod position;
pub(crate) mod read;
pub(crate) mod write;
