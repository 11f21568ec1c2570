// SPDX-License-Identifier: GPL-2.0-or-later
//! What tables have to know of what is measured.

use std::fmt;

/// A row of a table. It is called as its `Display` has it.
pub trait Row: Copy + PartialEq + fmt::Display {
    /// Bytes that a request carries.
    fn bytes(self) -> usize;

    /// Whether what counts is how long a request takes; else how many there
    /// are.
    fn is_latency(self) -> bool;

    /// "depth,queues,operation,back_end" in the table of runs.
    fn columns(self) -> String;
}
