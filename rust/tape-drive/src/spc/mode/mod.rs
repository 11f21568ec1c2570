// SPDX-License-Identifier: GPL-2.0-or-later
//! Mode parameters: MODE SENSE and MODE SELECT, 6 and 10 (SPC-4 6.11 to 6.14,
//! SSC-3 8.3).
//!
//! ```text
//!  header             block descriptor, unless DBD     pages
//!  | length | medium  | density | blocks: 0 | block  | code | length | … |
//!  | type | WP,       |         |           | length |
//!  | buffered mode …  |
//! ```
//!
//! Each page has four sets of values: current, changeable (a mask), default,
//! and saved (SP), which a reset makes the current ones. The block length and
//! the buffered mode belong to no page: a reset brings their defaults back.

mod form;
#[cfg(test)]
mod hostile;
mod page;
mod pages;
mod partition;
mod select;
#[cfg(test)]
mod tests;

use crate::bytes::{number, set_length};
use crate::config::Config;
use crate::density::medium_type;
use crate::sense::{Reply, Sense};
use crate::state::State;
use crate::view::View;
use form::{Header, SIX, TEN};
use page::Page;
use pages::{live, Field};
use partition::Plan;

/// The drive's mode parameters.
#[derive(Clone, Debug, Default)]
pub(crate) struct ModePages {
    density: u8,
    worm: bool,
    default_block_length: u32,
    block_length: u32,
    /// 0 unbuffered, 1 buffered, 2 buffered and every initiator's writes are
    /// written before another's are acknowledged.
    buffered: u8,
    pages: Vec<Page>,
    plan: Plan,
}

const BUFFERED: u8 = 1;

impl ModePages {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            density: config.density,
            worm: config.worm,
            default_block_length: config.block_length,
            block_length: config.block_length,
            buffered: BUFFERED,
            pages: pages::pages(config),
            plan: Plan::default(),
        }
    }

    /// Block length of fixed-block transfers, in bytes; 0: none is set.
    pub(crate) fn block_length(&self) -> u32 {
        self.block_length
    }

    /// Writes are acknowledged before they are on the medium.
    pub(crate) fn buffered(&self) -> bool {
        self.buffered != 0
    }

    /// Sense data is returned in descriptor format (D_SENSE).
    pub(crate) fn descriptor_sense(&self) -> bool {
        self.get(pages::D_SENSE) != 0
    }

    /// Writes are refused (SWP of either page).
    pub(crate) fn software_write_protected(&self) -> bool {
        self.get(pages::SWP) != 0 || self.get(pages::CONTROL_SWP) != 0
    }

    /// Overwriting must be allowed first, by ALLOW OVERWRITE (WRITE MODE).
    pub(crate) fn append_only(&self) -> bool {
        self.get(pages::WRITE_MODE) != 0
    }

    /// Compression is said to be on.
    pub(crate) fn compression(&self) -> bool {
        self.get(pages::DCE) != 0
    }

    /// How long before early warning the programmable early warning comes, in
    /// bytes; 0: not at all.
    pub(crate) fn early_warning_size(&self) -> u64 {
        let megabytes = [self.get(pages::PEWS), self.get(pages::PEWS_LOW)];
        u64::from(u16::from_be_bytes(megabytes)) * 1_000_000
    }

    /// What FORMAT MEDIUM is to make of a cartridge of `capacity` bytes
    /// (`u64::MAX`: without bound): bytes of each partition, 1 to
    /// 16 of them. One if nothing was asked for; PARAMETER VALUE INVALID if
    /// what was asked for doesn't fit.
    pub(crate) fn partition_plan(&self, capacity: u64) -> Result<Vec<u64>, Sense> {
        self.plan.carry_out(capacity)
    }

    /// After a reset: saved values, and the default block length.
    pub(crate) fn reset(&mut self) {
        for page in &mut self.pages {
            page.current.clone_from(&page.saved);
        }
        self.block_length = self.default_block_length;
        self.buffered = BUFFERED;
        self.plan = Plan::default();
    }

    fn get(&self, field: Field) -> u8 {
        self.pages
            .iter()
            .find(|page| (page.code, page.subpage) == (field.code, field.subpage))
            .map_or(0, |page| page.current[field.byte] & field.mask)
    }

    fn set(&mut self, field: Field, on: bool) {
        for page in &mut self.pages {
            if (page.code, page.subpage) == (field.code, field.subpage) {
                page.current[field.byte] &= !field.mask;
                page.current[field.byte] |= if on { field.mask } else { 0 };
            }
        }
    }

    fn header(&self, view: View<'_>, cdb: &[u8]) -> Header {
        Header {
            form: if matches!(cdb[0], 0x15 | 0x1a) {
                &SIX
            } else {
                &TEN
            },
            medium_type: medium_type(self.density, view.map_or(self.worm, |tape| tape.worm)),
            density: self.density,
        }
    }

    /// MODE SENSE(6) and (10).
    pub(crate) fn sense(&self, view: View<'_>, cdb: &[u8]) -> Reply {
        let header = self.header(view, cdb);
        let descriptor = cdb[1] & 0x08 == 0;
        let protected =
            view.is_some_and(|tape| tape.write_protected) || self.software_write_protected();

        let form = header.form;
        let mut reply = vec![0; form.header];
        reply[form.medium_type] = view.map_or(0, |_| header.medium_type);
        reply[form.device_specific] = u8::from(protected) << 7 | self.buffered << 4;
        if descriptor {
            reply[form.header - 1] = 8;
            let [_, block_length @ ..] = self.block_length.to_be_bytes();
            reply.extend([self.density, 0, 0, 0, 0]);
            reply.extend(block_length);
        }
        self.append_pages(view, cdb[2], cdb[3], &mut reply)?;

        // MODE DATA LENGTH is what is before the medium type.
        let size = form.medium_type;
        if (reply.len() - size) >> (8 * size) != 0 {
            // More than it can say: MODE SENSE(10) is for that.
            return Err(Sense::cdb_field(2, Some(5)));
        }
        set_length(&mut reply, 0, size);
        Ok(reply)
    }

    /// Appends the pages that PC, PAGE CODE and SUBPAGE CODE ask for. Page 0
    /// has no contents: hosts ask for it when they want the header only.
    fn append_pages(
        &self,
        view: View<'_>,
        control: u8,
        subpage: u8,
        reply: &mut Vec<u8>,
    ) -> Result<(), Sense> {
        const NONE: u8 = 0x00;
        const ALL: u8 = 0x3f;
        const ALL_SUBPAGES: u8 = 0xff;
        let code = control & 0x3f;
        let coded = |page: &&Page| [page.code, ALL].contains(&code);
        let wanted = |page: &&Page| coded(page) && [page.subpage, ALL_SUBPAGES].contains(&subpage);
        if code != NONE && !self.pages.iter().any(|page| coded(&page)) {
            return Err(Sense::cdb_field(2, Some(5)));
        }
        let subpage_known = match code {
            NONE => subpage == 0,
            ALL => [0, ALL_SUBPAGES].contains(&subpage),
            _ => self.pages.iter().any(|page| wanted(&page)),
        };
        if !subpage_known {
            return Err(Sense::cdb_field(3, Some(7)));
        }
        for page in self.pages.iter().filter(wanted) {
            let start = reply.len();
            match control >> 6 {
                0 => reply.extend(live(page, view)),
                1 if page.code == partition::CODE => {
                    reply.extend(partition::changeable(live(page, view).len()));
                }
                1 => reply.extend(&page.changeable),
                2 => reply.extend(&page.default),
                _ => reply.extend(&page.saved),
            }
            // PS: partitions are the cartridge's, all else can be saved.
            if page.code != partition::CODE {
                reply[start] |= 0x80;
            }
        }
        Ok(())
    }

    /// MODE SELECT(6) and (10): all of the list, or nothing. `data` is what
    /// was received of it. The caller owes the other initiators MODE
    /// PARAMETERS CHANGED.
    pub(crate) fn select(&mut self, view: View<'_>, cdb: &[u8], data: &[u8]) -> Result<(), Sense> {
        let header = self.header(view, cdb);
        let (at, bytes) = header.form.list_length;
        let length = number(cdb, at, bytes) as usize;
        let list = data.get(..length).ok_or(Sense::TRUNCATED_LIST)?;
        if !list.is_empty() {
            let format = cdb[1] & 0x10 != 0;
            let changes = select::parse(&self.pages, header, view, format, list)?;
            self.apply(changes);
        }
        if cdb[1] & 0x01 != 0 {
            for page in &mut self.pages {
                page.saved.clone_from(&page.current);
            }
        }
        Ok(())
    }

    fn apply(&mut self, changes: select::Changes) {
        let selected = |code| {
            let pages = &self.pages;
            let mut indices = changes.pages.iter().map(|&(index, _)| index);
            indices.any(|index| (pages[index].code, pages[index].subpage) == (code, 0))
        };
        let (compression, configuration) = (selected(0x0f), selected(0x10));
        self.buffered = changes.buffered;
        self.block_length = changes.block_length.unwrap_or(self.block_length);
        self.plan = changes.plan.unwrap_or_else(|| self.plan.clone());
        for (index, value) in changes.pages {
            self.pages[index].current = value;
        }
        // DCE and the selected algorithm say the same thing; the compression
        // page has the last word (SSC-3 8.3.3).
        if compression {
            self.set(pages::SDCA, self.get(pages::DCE) != 0);
        } else if configuration {
            self.set(pages::DCE, self.get(pages::SDCA) != 0);
        }
    }

    /// Their state for migration, of a drive that is configured so.
    pub(crate) fn state(&mut self, state: &mut State<'_>) -> Option<()> {
        self.block_length = state.u32(self.block_length)?;
        self.buffered = state.u8(self.buffered)?;
        let pages = self.pages.iter_mut();
        for page in pages.filter(|page| page.code != partition::CODE) {
            let header = page.header();
            for values in [&mut page.current, &mut page.saved] {
                state.bytes(&mut values[header..])?;
                let fixed = page.default.iter().zip(&page.changeable);
                let mut fixed = values.iter().zip(fixed).skip(header);
                if fixed.any(|(value, (default, mask))| (value ^ default) & !mask != 0) {
                    return None;
                }
            }
        }
        self.plan.state(state)?;
        (self.block_length < 1 << 24 && self.buffered <= 2).then_some(())
    }
}
