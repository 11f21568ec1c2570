// SPDX-License-Identifier: GPL-2.0-or-later
//! How far the operation under way is.

use alloc::collections::VecDeque;

use crate::load::Loading;
use crate::read::Reading;
use crate::save::Saving;
use crate::sync::Action;
use crate::write::Writing;
use crate::Error;

/// Why a step didn't come to its end.
#[derive(Debug)]
pub(crate) enum Pause {
    /// A request is out; go on when it's completed.
    Wait,
    /// The index was wrong and is gone; begin the step again.
    Again,
    /// The operation failed.
    Fail(Error),
}

pub(crate) type Go<T> = Result<T, Pause>;

/// What a request that is out was made for.
#[derive(Debug)]
pub(crate) enum Purpose {
    /// Moves the window; the bytes asked for begin at `offset`, `skip` of the
    /// window's are before them.
    Window {
        offset: u64,
        skip: usize,
        want: usize,
    },
    /// Part of a record, into the caller's data, and a window behind it.
    Body {
        offset: u64,
        data: usize,
        want: usize,
    },
    /// Bytes for loading.
    Load,
    /// Copies the caller's data to the stage.
    Copy,
    /// Writes objects, the first of these bytes to `offset`.
    Data { offset: u64 },
    /// Another write, a flush or a truncation.
    Change,
}

/// Progress of the operation under way; fresh for each.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) loading: Loading,
    pub(crate) reading: Option<Reading>,
    pub(crate) writing: Writing,
    pub(crate) saving: Saving,
    /// What is still to be done to the medium, one after the other.
    pub(crate) script: VecDeque<Action>,
    /// Where the tape is being made to end before it's written to.
    pub(crate) begun: Option<u64>,
    pub(crate) stage_closed: bool,
    pub(crate) sync_scripted: bool,
    /// A read has failed that may have asked for more than is needed: from now
    /// on none does.
    pub(crate) narrow: bool,
    /// Marks that a search for neighbours has dismissed.
    pub(crate) dismissed: u64,
}
