// SPDX-License-Identifier: GPL-2.0-or-later
//! Tapes, as whoever keeps them sees them: one program, as linking
//! one for each file takes longer than to run them all.

mod container;
mod container_crash;
mod container_format;
mod crash;
mod failures;
mod formats;
mod hostile;
mod index;
mod interrupt;
mod model;
mod pure;
mod reread;
mod salvage;
mod saved_index;
mod simh;
mod support;
