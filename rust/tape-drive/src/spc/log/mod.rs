// SPDX-License-Identifier: GPL-2.0-or-later
//! Log parameters: LOG SENSE (SPC-4 6.10), LOG SELECT (6.9), and the counters
//! behind them. Nothing is kept over a loss of power (GLTSD, DS); thresholds
//! are never met (ETC).
//!
//! ```text
//!  page       | DS, code | subpage | length |  parameters
//!  parameter  | code | control | length | value |
//! ```

mod pages;
#[cfg(test)]
mod tests;

use crate::alert;
use crate::bytes::{number, set_length};
use crate::counters::Counters;
use crate::sense::{Reply, Sense};
pub(crate) use pages::Context;
use pages::{Contents, PAGES};

/// Page 00h, subpage 00h or FFh, and no others have subpages.
const SUPPORTED: u8 = 0x00;
const ALL_SUBPAGES: u8 = 0xff;

impl Counters {
    /// LOG SENSE. TapeAlert flags that are returned, within the allocation
    /// length, are cleared (SSC-3 8.2.3).
    pub(crate) fn sense(&mut self, context: &Context<'_>, cdb: &[u8]) -> Reply {
        if cdb[1] & 0x01 != 0 {
            return Err(Sense::cdb_field(1, Some(0)));
        }
        let (control, code, subpage) = (cdb[2] >> 6, cdb[2] & 0x3f, cdb[3]);
        let pointer = number(cdb, 5, 2) as u16;
        if code == SUPPORTED {
            return supported(subpage, pointer);
        }
        let mut parameters = page(code, subpage)?(context, self);
        parameters.retain(|parameter| parameter.code >= pointer);
        if parameters.is_empty() && pointer != 0 {
            return Err(Sense::cdb_field(5, None));
        }
        const DS: u8 = 0x80;
        let mut reply = vec![DS | code, 0, 0, 0];
        let allocation = number(cdb, 7, 2) as usize;
        for parameter in parameters {
            parameter.append(control, &mut reply);
            if code == alert::PAGE && reply.len() <= allocation {
                self.clear_alert(parameter.code as u8);
            }
        }
        set_length(&mut reply, 2, 2);
        Ok(reply)
    }

    /// LOG SELECT: counters can be reset, not set. PCR resets those of a page
    /// (0: of all), and so does the default cumulative page control.
    pub(crate) fn select(&mut self, cdb: &[u8]) -> Result<(), Sense> {
        const DEFAULT_CUMULATIVE: u8 = 3;
        if cdb[1] & 0x01 != 0 {
            return Err(Sense::cdb_field(1, Some(0)));
        }
        if number(cdb, 7, 2) != 0 {
            return Err(Sense::cdb_field(7, None));
        }
        let (control, code, subpage) = (cdb[2] >> 6, cdb[2] & 0x3f, cdb[3]);
        if code != SUPPORTED {
            page(code, subpage)?;
        } else if subpage != 0 {
            return Err(Sense::cdb_field(3, Some(7)));
        }
        if cdb[1] & 0x02 != 0 || control == DEFAULT_CUMULATIVE {
            self.clear(code);
        }
        Ok(())
    }
}

fn page(code: u8, subpage: u8) -> Result<Contents, Sense> {
    let page = PAGES.iter().find(|page| page.0 == code);
    let contents = page.ok_or(Sense::cdb_field(2, Some(5)))?.1;
    match subpage {
        0 => Ok(contents),
        _ => Err(Sense::cdb_field(3, Some(7))),
    }
}

/// The pages there are; with their subpages, if all subpages are asked for.
fn supported(subpage: u8, pointer: u16) -> Reply {
    const SPF: u8 = 0x40;
    let codes = PAGES.iter().map(|page| page.0);
    let mut reply = match subpage {
        0 => {
            let mut reply = vec![SUPPORTED, 0, 0, 0, SUPPORTED];
            reply.extend(codes);
            reply
        }
        ALL_SUBPAGES => {
            let mut reply = vec![SPF | SUPPORTED, ALL_SUBPAGES, 0, 0];
            reply.extend([SUPPORTED, 0, SUPPORTED, ALL_SUBPAGES]);
            reply.extend(codes.flat_map(|code| [code, 0]));
            reply
        }
        _ => return Err(Sense::cdb_field(3, Some(7))),
    };
    if pointer != 0 {
        return Err(Sense::cdb_field(5, None));
    }
    set_length(&mut reply, 2, 2);
    Ok(reply)
}
