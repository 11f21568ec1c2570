// SPDX-License-Identifier: GPL-2.0-or-later
//! The hub between a guest and a client, by [`crate::testing`].

mod clients;
mod hostile;
mod life;
