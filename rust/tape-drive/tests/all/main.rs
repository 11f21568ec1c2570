// SPDX-License-Identifier: GPL-2.0-or-later
//! The drive as an initiator and its owner see it: one program, as linking
//! one for each file takes longer than to run them all.

mod allocation;
mod cartridge;
mod circles;
mod failures;
mod file_system;
mod hostile;
mod log;
mod model;
mod motion;
mod old_hosts;
mod old_state;
mod partition_model;
mod partitions;
mod pure;
mod sense;
mod support;
mod truncated;
