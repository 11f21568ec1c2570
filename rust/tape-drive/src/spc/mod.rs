// SPDX-License-Identifier: GPL-2.0-or-later
//! Commands and parameters of SPC-4.

pub(crate) mod attribute;
pub(crate) mod diagnostic;
mod inquiry;
mod log;
pub(crate) mod memory;
pub(crate) mod mode;
pub(crate) mod opcodes;
pub(crate) mod parameters;
pub(crate) mod reserve;
mod security;
pub(crate) mod timestamp;
