// SPDX-License-Identifier: GPL-2.0-or-later
//! A mode page: its values.

/// One page, its four sets of values, each with the page's header.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) code: u8,
    pub(super) subpage: u8,
    pub(super) default: Vec<u8>,
    pub(super) changeable: Vec<u8>,
    pub(super) current: Vec<u8>,
    pub(super) saved: Vec<u8>,
}

impl Page {
    /// Bytes of the page's header.
    pub(super) fn header(&self) -> usize {
        if self.subpage == 0 {
            2
        } else {
            4
        }
    }
}

pub(super) fn from_default(code: u8, subpage: u8, default: Vec<u8>, changeable: Vec<u8>) -> Page {
    Page {
        code,
        subpage,
        current: default.clone(),
        saved: default.clone(),
        default,
        changeable,
    }
}
