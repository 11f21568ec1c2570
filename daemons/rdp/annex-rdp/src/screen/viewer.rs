// SPDX-License-Identifier: GPL-2.0-or-later
//! Who looks, and what each of them hasn't seen.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::damage::{Damage, Rect};

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

    /// Waits until there is something to take. `shown` is the size that the client has.
    ///
    /// Cancel safe: nothing is taken.
    pub async fn changed(&self, shown: Size) {
        while !self.has_changed(shown) {
            self.changed.notified().await;
        }
    }

    fn has_changed(&self, shown: Size) -> bool {
        let screen = self.screen.lock();
        let view = screen.viewers.get(&self.id);
        screen.size != shown || view.is_some_and(|it| it.pointer || !it.damage.is_empty())
    }

    /// The whole picture as it is, and which tiles of it aren't taken yet, if there are others than
    /// the last time. Who draws needn't wait until the picture is dropped: it is copied then.
    pub fn look(&self, shown: Size) -> Option<(Arc<Vec<u8>>, Vec<Rect>)> {
        let mut screen = self.screen.lock();
        if screen.size != shown {
            return None;
        }
        let tiles = screen.viewers.get_mut(&self.id)?.damage.look()?;
        Some((screen.frame.clone(), tiles))
    }

    /// Takes what has changed: at most `most` tiles, as they are now. While the desktop has another
    /// size than `shown`, nothing else is told. None: nothing has.
    pub fn take(&self, shown: Size, most: usize) -> Option<Change> {
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
