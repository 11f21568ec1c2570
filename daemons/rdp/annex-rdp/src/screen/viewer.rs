// SPDX-License-Identifier: GPL-2.0-or-later
//! Who looks, and what each of them hasn't seen.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::damage::Damage;

use super::{Change, Shared, Size};

/// What a viewer hasn't been told yet.
pub(super) struct View {
    pub(super) damage: Damage,
    pub(super) pointer: bool,
    pub(super) changed: Arc<Notify>,
}

impl View {
    pub(super) fn all(size: Size) -> Self {
        Self {
            damage: Damage::all(size.width.into(), size.height.into()),
            pointer: true,
            changed: Arc::default(),
        }
    }
}

/// Who looks at a screen. What others are told isn't taken from it.
pub struct Viewer {
    pub(super) screen: Shared,
    pub(super) id: u64,
    pub(super) changed: Arc<Notify>,
}

impl Viewer {
    /// Forgets what was seen.
    pub fn show_all(&self) {
        let mut screen = self.screen.lock();
        if let Some(view) = screen.viewers.get_mut(&self.id) {
            view.damage.add_all();
            view.pointer = true;
        }
        self.changed.notify_one();
    }

    /// Waits for a change, and takes it: at most `most` tiles, as they are now. `shown` is the
    /// size that the client has; while the desktop has another, nothing else is told.
    ///
    /// Cancel safe: what wasn't returned wasn't taken.
    pub async fn change(&self, shown: Size, most: usize) -> Change {
        loop {
            if let Some(change) = self.take(shown, most) {
                return change;
            }
            self.changed.notified().await;
        }
    }

    pub(super) fn take(&self, shown: Size, most: usize) -> Option<Change> {
        let mut screen = self.screen.lock();
        if screen.size != shown {
            return Some(Change::Size(screen.size));
        }
        let view = screen.viewers.get_mut(&self.id)?;
        let pointer = std::mem::take(&mut view.pointer);
        let rects = view.damage.take(most);
        if rects.is_empty() && !pointer {
            return None;
        }
        let pointer = pointer.then(|| screen.pointer());
        let tiles = rects.into_iter().map(|rect| screen.tile(rect)).collect();
        Some(Change::Picture(tiles, pointer))
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.screen.lock().viewers.remove(&self.id);
    }
}
