// SPDX-License-Identifier: GPL-2.0-or-later
//! What attributes are made of, and how much room there is for those that are kept.

use tape_image::container::Attribute;

use crate::config::Config;
use crate::counters::Counters;
use crate::view::View;

/// Bytes of values, and [`OVERHEAD`] for each, that all partitions' attributes
/// may have in all: what the image's header has room for.
pub(crate) const CAPACITY: usize = 32_000;
/// Identifier, partition, format and length of an attribute in the header.
const OVERHEAD: usize = 6;

/// Where attributes come from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory<'a> {
    pub(crate) config: &'a Config,
    pub(crate) view: View<'a>,
    pub(crate) counters: &'a Counters,
    /// The attributes kept with each partition, ascending by identifier.
    pub(crate) lists: &'a [&'a [Attribute]],
}

impl<'a> Memory<'a> {
    /// Bytes that are free.
    pub(super) fn free(&self) -> usize {
        let kept = self.lists.iter().copied().flatten();
        CAPACITY.saturating_sub(size(kept))
    }

    pub(super) fn kept(&self, partition: usize) -> &'a [Attribute] {
        self.lists.get(partition).copied().unwrap_or_default()
    }
}

/// Bytes that attributes take up.
pub(super) fn size<'a>(attributes: impl IntoIterator<Item = &'a Attribute>) -> usize {
    let sizes = attributes.into_iter().map(|a| OVERHEAD + a.value.len());
    sizes.sum()
}
