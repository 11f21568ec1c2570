// SPDX-License-Identifier: GPL-2.0-or-later
//! MODE SELECT's parameter list: checked as a whole, then applied.
//! SPC-4 6.11 and 7.5, SSC-3 8.3.1.

use super::form::Header;
use super::page::Page;
use super::pages::live;
use super::partition::{self, Plan};
use crate::bytes::number;
use crate::sense::Sense;
use crate::view::View;

/// What a list changes; nothing has been changed yet.
#[derive(Debug)]
pub(super) struct Changes {
    pub(super) buffered: u8,
    /// If there was a block descriptor.
    pub(super) block_length: Option<u32>,
    /// Where each page is in the list of pages, and its new values.
    pub(super) pages: Vec<(usize, Vec<u8>)>,
    pub(super) plan: Option<Plan>,
}

/// Checks `list`. The pages are compared with what MODE SENSE would return for
/// `view`. `page_format` is PF: without it, pages are another standard's.
pub(super) fn parse(
    pages: &[Page],
    header: Header,
    view: View<'_>,
    page_format: bool,
    list: &[u8],
) -> Result<Changes, Sense> {
    let descriptor = check_header(header, list)?;
    let mut changes = Changes {
        buffered: list[header.form.device_specific] >> 4 & 0x07,
        block_length: None,
        pages: Vec::new(),
        plan: None,
    };
    let mut at = header.form.header;
    if descriptor {
        changes.block_length = Some(check_descriptor(header, list, at)?);
        at += 8;
    }
    while at < list.len() {
        if !page_format {
            return Err(Sense::cdb_field(1, Some(4)));
        }
        at = check_page(pages, view, list, at, &mut changes)?;
    }
    Ok(changes)
}

/// Whether a block descriptor follows. MODE DATA LENGTH and WP are reserved
/// here, and left alone: hosts send back what they got.
fn check_header(header: Header, list: &[u8]) -> Result<bool, Sense> {
    let form = header.form;
    if list.len() < form.header {
        return Err(Sense::TRUNCATED_LIST);
    }
    let medium_type = list[form.medium_type];
    if medium_type != 0 && medium_type != header.medium_type {
        return Err(Sense::list_field(form.medium_type, Some(7)));
    }
    let device_specific = list[form.device_specific];
    if device_specific >> 4 & 0x07 > 2 {
        return Err(Sense::list_field(form.device_specific, Some(6)));
    }
    // SPEED: there is only the default.
    if device_specific & 0x0f != 0 {
        return Err(Sense::list_field(form.device_specific, Some(3)));
    }
    let (descriptor, bytes) = form.descriptor_length;
    let mut reserved = form.device_specific + 1..descriptor;
    if let Some(at) = reserved.find(|&at| list[at] != 0) {
        return Err(Sense::list_field(at, Some(list[at].ilog2() as u8)));
    }
    match number(list, descriptor, bytes) {
        0 => Ok(false),
        8 if list.len() < form.header + 8 => Err(Sense::TRUNCATED_LIST),
        8 => Ok(true),
        _ => Err(Sense::list_field(descriptor, None)),
    }
}

/// The block length.
fn check_descriptor(header: Header, list: &[u8], at: usize) -> Result<u32, Sense> {
    const DEFAULT: u8 = 0x00;
    const NO_CHANGE: u8 = 0x7f;
    let density = list[at];
    if ![DEFAULT, NO_CHANGE, header.density].contains(&density) {
        return Err(Sense::list_field(at, Some(7)));
    }
    // NUMBER OF BLOCKS: it's about the whole tape.
    if number(list, at + 1, 3) != 0 {
        return Err(Sense::list_field(at + 1, None));
    }
    if list[at + 4] != 0 {
        return Err(Sense::list_field(at + 4, None));
    }
    Ok(number(list, at + 5, 3) as u32)
}

/// Checks the page at `at`, and returns where it ends.
fn check_page(
    pages: &[Page],
    view: View<'_>,
    list: &[u8],
    at: usize,
    changes: &mut Changes,
) -> Result<usize, Sense> {
    let rest = &list[at..];
    let code = rest[0] & 0x3f;
    // SPF: the long header.
    let (subpage, header) = match rest[0] & 0x40 != 0 {
        false => (0, 2),
        true => (*rest.get(1).ok_or(Sense::TRUNCATED_LIST)?, 4),
    };
    if rest.len() < header {
        return Err(Sense::TRUNCATED_LIST);
    }
    if !pages.iter().any(|page| page.code == code) {
        return Err(Sense::list_field(at, Some(5)));
    }
    let index = pages
        .iter()
        // A long header for subpage 0 isn't one that MODE SENSE returns.
        .position(|page| (page.code, page.subpage, page.header()) == (code, subpage, header))
        .ok_or(Sense::list_field(at + header / 4, Some(7)))?;
    let (page, live) = (&pages[index], live(&pages[index], view));

    let (length_at, length_bytes) = if header == 2 { (1, 1) } else { (2, 2) };
    let length = header + number(rest, length_at, length_bytes) as usize;
    let partitions = page.code == partition::CODE;
    let allowed = match partitions {
        true => 8..=8 + 2 * partition::PARTITIONS_MAX,
        false => live.len()..=live.len(),
    };
    if !allowed.contains(&length) || (partitions && length % 2 != 0) {
        return Err(Sense::list_field(at + length_at, None));
    }
    let new = rest.get(..length).ok_or(Sense::TRUNCATED_LIST)?;
    let mask = match partitions {
        true => partition::changeable(length),
        false => page.changeable.clone(),
    };
    for byte in header..length {
        let old = live.get(byte).copied().unwrap_or(0);
        let wrong = (new[byte] ^ old) & !mask[byte];
        if wrong != 0 {
            return Err(Sense::list_field(at + byte, Some(wrong.ilog2() as u8)));
        }
    }
    if partitions {
        let plan = partition::parse(new).map_err(|sense| shifted(sense, at))?;
        changes.plan = plan.or(changes.plan.take());
    } else {
        let mut value = page.current.clone();
        for byte in header..length {
            value[byte] = value[byte] & !mask[byte] | new[byte] & mask[byte];
        }
        changes.pages.push((index, value));
    }
    Ok(at + length)
}

/// A field pointer into a page, as one into the list.
fn shifted(mut sense: Sense, by: usize) -> Sense {
    if let Some((_, byte, _)) = &mut sense.field {
        *byte = byte.saturating_add(by as u16);
    }
    sense
}
