// SPDX-License-Identifier: GPL-2.0-or-later
//! USB redirection over RDP: the dynamic channels of MS-RDPEUSB.
