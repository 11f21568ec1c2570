// SPDX-License-Identifier: GPL-2.0-or-later
//! The protocol's tests, as one program: it is linked once.

mod filter;
mod hostile;
mod packets;
mod parser;
mod reference;
mod round_trip;
