// SPDX-License-Identifier: GPL-2.0-or-later
//! Both ends of USB redirection with IronRDP's channels between them, in memory: devices in
//! software at one end, and guests' sides of usbredir at the other.

mod ends;
mod faults;
mod transfers;
