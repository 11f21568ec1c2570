// SPDX-License-Identifier: GPL-2.0-or-later
//! The guest's screen as it is now. QEMU draws into it, whether a client looks or not; each session
//! takes what has changed since it looked last. None waits for another longer than a copy takes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::damage::{Damage, Rect, TILE};
use crate::pixels::{Format, BYTES};

/// RDP's desktops are no smaller (MS-RDPBCGR 2.2.1.3.2)...
const MIN_SIDE: usize = 200;
/// ...and no larger.
const MAX_SIDE: usize = 8192;
/// No client has to be able to show a pointer that is larger (MS-RDPBCGR 2.2.7.2.7).
const MAX_POINTER: usize = 96;

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

impl Size {
    /// The desktop in which a guest's screen is shown: at least what RDP demands, and a multiple
    /// of four columns, which its compressed bitmaps need. What the guest doesn't cover is
    /// black. None if the guest's screen is empty, or larger than RDP's desktops.
    pub fn desktop(width: usize, height: usize) -> Option<Self> {
        let sides = 1..=MAX_SIDE;
        if !sides.contains(&width) || !sides.contains(&height) {
            return None;
        }
        Some(Self {
            width: width.next_multiple_of(4).max(MIN_SIDE) as u16,
            height: height.max(MIN_SIDE) as u16,
        })
    }
}

/// The guest's pointer, which the client draws.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pointer {
    /// Whatever arrow the client has: the guest has defined none.
    Default,
    /// None.
    Hidden,
    /// This picture, rows from the top.
    Shape {
        /// Columns and rows, up to 96.
        size: Size,
        /// Column and row of what points.
        hot: (u16, u16),
        /// Four bytes a pixel: blue, green, red, alpha.
        pixels: Vec<u8>,
    },
}

/// A part of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Where it is.
    pub rect: Rect,
    /// Its rows from the top, one after another, as [`crate::pixels`] has them.
    pub pixels: Vec<u8>,
}

/// What a session has to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The desktop has another size.
    Size(Size),
    /// These tiles, and the pointer if it is another.
    Picture(Vec<Tile>, Option<Pointer>),
}

/// What QEMU says that can't be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DrawError {
    /// The pixel format isn't known.
    #[error("pixel format {0:#x} is not one that can be converted")]
    Format(u32),
    /// The screen's size can't be an RDP desktop's.
    #[error("{0}x{1} is not a size that an RDP desktop can have")]
    Size(u32, u32),
    /// There are fewer bytes than rows and columns say.
    #[error("{0} bytes are too few for what is drawn")]
    Short(usize),
    /// The memory that has the picture is too small, or the picture too large.
    #[error("the memory with the picture can't be read")]
    Memory,
    /// What is drawn lies outside of the screen.
    #[error("what is drawn lies outside of the screen")]
    Outside,
}

struct Screen {
    /// The guest's part of the desktop.
    guest: (usize, usize),
    size: Size,
    frame: Vec<u8>,
    shape: Pointer,
    visible: bool,
    viewers: BTreeMap<u64, View>,
    /// How many there have been.
    viewed: u64,
}

/// What a viewer hasn't been told yet.
struct View {
    damage: Damage,
    pointer: bool,
    changed: Arc<Notify>,
}

impl View {
    fn all(size: Size) -> Self {
        Self {
            damage: Damage::all(size.width.into(), size.height.into()),
            pointer: true,
            changed: Arc::default(),
        }
    }
}

impl Screen {
    fn new(guest: (usize, usize), size: Size) -> Self {
        let (width, height) = (usize::from(size.width), usize::from(size.height));
        let mut frame = vec![0; width * height * BYTES];
        for pixel in frame.chunks_exact_mut(BYTES) {
            pixel[3] = u8::MAX;
        }
        Self {
            guest,
            size,
            frame,
            shape: Pointer::Default,
            visible: true,
            viewers: BTreeMap::new(),
            viewed: 0,
        }
    }

    /// A black screen, maybe of another size, in place of this one.
    fn replace(&mut self, guest: (usize, usize), size: Size) {
        let new = Self::new(guest, size);
        let old = std::mem::replace(self, new);
        (self.viewers, self.viewed) = (old.viewers, old.viewed);
        self.show(|view| {
            view.damage = Damage::all(size.width.into(), size.height.into());
            view.pointer = true;
        });
    }

    /// Tells all viewers of a change.
    fn show(&mut self, change: impl Fn(&mut View)) {
        for view in self.viewers.values_mut() {
            change(view);
            view.changed.notify_one();
        }
    }

    /// The pointer is this from now on.
    fn point(&mut self, shape: Pointer, visible: bool) {
        if (&self.shape, self.visible) != (&shape, visible) {
            (self.shape, self.visible) = (shape, visible);
            self.show(|view| view.pointer = true);
        }
    }

    /// Converts rows, which [`check`] has looked at, into the frame. The rectangle lies within
    /// the desktop.
    fn put(&mut self, rect: Rect, format: Format, stride: usize, data: &[u8]) {
        let row_bytes = rect.width * format.bytes();
        let desktop = usize::from(self.size.width);
        for row in 0..rect.height {
            let to = ((rect.y + row) * desktop + rect.x) * BYTES;
            format.convert(
                &data[row * stride..row * stride + row_bytes],
                &mut self.frame[to..to + rect.width * BYTES],
            );
        }
        self.show(|view| view.damage.add(rect));
    }

    fn tile(&self, rect: Rect) -> Tile {
        let desktop = usize::from(self.size.width);
        let mut pixels = Vec::with_capacity(rect.width * rect.height * BYTES);
        for row in rect.y..rect.y + rect.height {
            let from = (row * desktop + rect.x) * BYTES;
            pixels.extend_from_slice(&self.frame[from..from + rect.width * BYTES]);
        }
        Tile { rect, pixels }
    }

    fn pointer(&self) -> Pointer {
        if self.visible {
            self.shape.clone()
        } else {
            Pointer::Hidden
        }
    }
}

/// Whether there are as many bytes as a rectangle of this format and stride takes.
fn check(rect: Rect, format: Format, stride: usize, data: &[u8]) -> Result<(), DrawError> {
    let row_bytes = rect.width * format.bytes();
    let needed = stride
        .checked_mul(rect.height.saturating_sub(1))
        .and_then(|rows| rows.checked_add(row_bytes));
    if row_bytes > stride || needed.is_none_or(|needed| needed > data.len()) {
        return Err(DrawError::Short(data.len()));
    }
    Ok(())
}

/// A screen that a thread draws and others show. Clones are the same.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Screen>>);

impl Default for Shared {
    /// A black screen of the size that text has.
    fn default() -> Self {
        let size = Size {
            width: 720,
            height: 400,
        };
        Self(Arc::new(Mutex::new(Screen::new((720, 400), size))))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Screen> {
        // Whoever panicked has left a picture, right or not.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The desktop's size.
    pub fn size(&self) -> Size {
        self.lock().size
    }

    /// Columns and rows of the guest's part of the desktop, at its top left.
    pub fn guest(&self) -> (u16, u16) {
        let guest = self.lock().guest;
        // Size::desktop has bounded them.
        (guest.0 as u16, guest.1 as u16)
    }

    /// A new picture of the whole guest's screen, maybe of another size. `format` is pixman's.
    pub fn scanout(
        &self,
        width: u32,
        height: u32,
        stride: u32,
        format: u32,
        data: &[u8],
    ) -> Result<(), DrawError> {
        let known = Format::from_pixman(format).ok_or(DrawError::Format(format))?;
        let guest = (width as usize, height as usize);
        let size = Size::desktop(guest.0, guest.1).ok_or(DrawError::Size(width, height))?;
        let rect = Rect {
            x: 0,
            y: 0,
            width: guest.0,
            height: guest.1,
        };
        check(rect, known, stride as usize, data)?;
        let mut screen = self.lock();
        if screen.guest != guest {
            let (shape, visible) = (screen.shape.clone(), screen.visible);
            screen.replace(guest, size);
            screen.point(shape, visible);
        }
        screen.put(rect, known, stride as usize, data);
        Ok(())
    }

    /// A part of the picture has changed. `format` is pixman's.
    #[expect(clippy::too_many_arguments, reason = "as many as the message has")]
    pub fn update(
        &self,
        x: i32,
        y: i32,
        width: i32,
        height: i32,
        stride: u32,
        format: u32,
        data: &[u8],
    ) -> Result<(), DrawError> {
        let known = Format::from_pixman(format).ok_or(DrawError::Format(format))?;
        let [x, y, width, height] =
            [x, y, width, height].map(|side| usize::try_from(side).map_err(|_| DrawError::Outside));
        let rect = Rect {
            x: x?,
            y: y?,
            width: width?,
            height: height?,
        };
        let mut screen = self.lock();
        // Each is below 2^31, so the sums don't overflow.
        if rect.x + rect.width > screen.guest.0 || rect.y + rect.height > screen.guest.1 {
            return Err(DrawError::Outside);
        }
        check(rect, known, stride as usize, data)?;
        screen.put(rect, known, stride as usize, data);
        Ok(())
    }

    /// The display is off: black, and no pointer of its own.
    pub fn blank(&self) {
        let mut screen = self.lock();
        let (guest, size) = (screen.guest, screen.size);
        screen.replace(guest, size);
    }

    /// The guest's pointer has another picture: four bytes a pixel, alpha last.
    pub fn define_pointer(
        &self,
        width: i32,
        height: i32,
        hot: (i32, i32),
        data: &[u8],
    ) -> Result<(), DrawError> {
        let sides = 1..=MAX_POINTER as i32;
        let shape = if sides.contains(&width) && sides.contains(&height) {
            let bytes = width as usize * height as usize * BYTES;
            let pixels = data
                .get(..bytes)
                .ok_or(DrawError::Short(data.len()))?
                .to_vec();
            let size = Size {
                width: width as u16,
                height: height as u16,
            };
            let hot = (
                hot.0.clamp(0, width - 1) as u16,
                hot.1.clamp(0, height - 1) as u16,
            );
            Pointer::Shape { size, hot, pixels }
        } else {
            // Too large for clients, which then show their own.
            Pointer::Default
        };
        let mut screen = self.lock();
        let visible = screen.visible;
        screen.point(shape, visible);
        Ok(())
    }

    /// The guest shows its pointer, or hides it.
    pub fn show_pointer(&self, visible: bool) {
        let mut screen = self.lock();
        let shape = screen.shape.clone();
        screen.point(shape, visible);
    }

    /// Somebody looks, who has seen nothing yet.
    pub fn viewer(&self) -> Viewer {
        let mut screen = self.lock();
        screen.viewed += 1;
        let (id, view) = (screen.viewed, View::all(screen.size));
        let changed = view.changed.clone();
        screen.viewers.insert(id, view);
        Viewer {
            screen: self.clone(),
            id,
            changed,
        }
    }
}

/// Who looks at a screen. What others are told isn't taken from it.
pub struct Viewer {
    screen: Shared,
    id: u64,
    changed: Arc<Notify>,
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

    fn take(&self, shown: Size, most: usize) -> Option<Change> {
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

/// Tiles of the largest picture.
pub const MAX_TILES: usize = (MAX_SIDE / TILE) * (MAX_SIDE / TILE);

#[cfg(test)]
mod tests {
    use super::*;

    const X8R8G8B8: u32 = 0x2002_0888;

    fn viewed() -> (Shared, Viewer) {
        let shared = Shared::default();
        let viewer = shared.viewer();
        (shared, viewer)
    }

    fn all(viewer: &Viewer) -> Vec<Tile> {
        match viewer.take(viewer.screen.size(), MAX_TILES) {
            Some(Change::Picture(tiles, _)) => tiles,
            None => Vec::new(),
            change => panic!("{change:?}"),
        }
    }

    #[test]
    fn a_desktop_is_what_rdp_allows() {
        let desktop = |width, height| Size::desktop(width, height).map(|s| (s.width, s.height));
        assert_eq!(desktop(1366, 768), Some((1368, 768)));
        assert_eq!(desktop(1, 1), Some((200, 200)));
        assert_eq!(desktop(8192, 8192), Some((8192, 8192)));
        assert_eq!(desktop(8193, 1), None);
        assert_eq!(desktop(1, 8193), None);
        assert_eq!(desktop(0, 1), None);
    }

    #[test]
    fn a_picture_lies_in_a_black_desktop() {
        let (shared, viewer) = viewed();
        shared
            .scanout(2, 1, 12, X8R8G8B8, &[1, 2, 3, 0, 4, 5, 6, 0])
            .unwrap();
        assert_eq!(
            shared.size(),
            Size {
                width: 200,
                height: 200
            }
        );
        let tiles = all(&viewer);
        assert_eq!(tiles.len(), 16);
        assert_eq!(
            tiles[0].pixels[..12],
            [1, 2, 3, 255, 4, 5, 6, 255, 0, 0, 0, 255]
        );
        assert_eq!(tiles[0].pixels[TILE * BYTES..][..4], [0, 0, 0, 255]);
        assert_eq!(all(&viewer), []);
    }

    #[test]
    fn an_update_is_seen_where_it_is() {
        let (shared, viewer) = viewed();
        shared
            .scanout(256, 200, 1024, X8R8G8B8, &[0; 1024 * 200])
            .unwrap();
        all(&viewer);
        shared.update(65, 64, 1, 2, 4, X8R8G8B8, &[9; 8]).unwrap();
        let tiles = all(&viewer);
        assert_eq!(tiles.len(), 1);
        assert_eq!(
            tiles[0].rect,
            Rect {
                x: 64,
                y: 64,
                width: 64,
                height: 64
            }
        );
        let row = TILE * BYTES;
        assert_eq!(tiles[0].pixels[..8], [0, 0, 0, 255, 9, 9, 9, 255]);
        assert_eq!(tiles[0].pixels[row + 4..][..4], [9, 9, 9, 255]);
        assert_eq!(tiles[0].pixels[2 * row + 4..][..4], [0, 0, 0, 255]);
    }

    #[test]
    fn what_lies_is_refused_and_draws_nothing() {
        let (shared, viewer) = viewed();
        let size = shared.size();
        let scanout = |w, h, stride, bytes| shared.scanout(w, h, stride, X8R8G8B8, &vec![1; bytes]);
        assert_eq!(scanout(0, 1, 4, 4), Err(DrawError::Size(0, 1)));
        assert_eq!(
            scanout(u32::MAX, u32::MAX, 4, 4),
            Err(DrawError::Size(u32::MAX, u32::MAX))
        );
        assert_eq!(scanout(640, 400, 4, 4), Err(DrawError::Short(4)));
        assert_eq!(shared.size(), size);
        assert_eq!(
            scanout(720, 400, 2880, 2880 * 400 - 1),
            Err(DrawError::Short(1_151_999))
        );
        assert_eq!(
            scanout(720, 400, 2879, 2880 * 400),
            Err(DrawError::Short(1_152_000))
        );
        assert_eq!(scanout(720, 400, u32::MAX, 64), Err(DrawError::Short(64)));
        assert_eq!(
            shared.scanout(1, 1, 4, 7, &[0; 4]),
            Err(DrawError::Format(7))
        );
        all(&viewer);
        for (x, y, w, h) in [
            (-1, 0, 1, 1),
            (0, -1, 1, 1),
            (720, 0, 1, 1),
            (0, 400, 1, 1),
            (0, 0, 721, 1),
            (i32::MAX, 0, i32::MAX, 1),
            (0, 0, -1, 1),
        ] {
            let update = shared.update(x, y, w, h, 4096, X8R8G8B8, &[1; 8192]);
            assert_eq!(update, Err(DrawError::Outside), "{x} {y} {w} {h}");
        }
        assert_eq!(
            shared.update(0, 0, 1, 1, 4, X8R8G8B8, &[]),
            Err(DrawError::Short(0))
        );
        assert_eq!(all(&viewer), []);
    }

    #[test]
    fn a_size_is_told_before_anything_else() {
        let (shared, viewer) = viewed();
        let old = shared.size();
        shared
            .scanout(300, 300, 1200, X8R8G8B8, &[0; 360_000])
            .unwrap();
        let new = Size {
            width: 300,
            height: 300,
        };
        assert_eq!(viewer.take(old, 9), Some(Change::Size(new)));
        assert_eq!(viewer.take(old, 9), Some(Change::Size(new)));
        assert!(matches!(viewer.take(new, 9), Some(Change::Picture(tiles, _)) if tiles.len() == 9));
    }

    #[test]
    fn each_viewer_sees_all_and_for_itself() {
        let (shared, viewer) = viewed();
        all(&viewer);
        shared.update(0, 0, 1, 1, 4, X8R8G8B8, &[7; 4]).unwrap();
        // One that comes later, and one that goes.
        let late = shared.viewer();
        let gone = shared.viewer();
        assert_eq!(all(&late).len(), 12 * 7);
        drop(gone);
        assert_eq!(shared.lock().viewers.len(), 2);
        assert_eq!(all(&late), []);
        assert_eq!(all(&viewer).len(), 1, "what another has seen");
        shared.update(0, 0, 1, 1, 4, X8R8G8B8, &[8; 4]).unwrap();
        late.show_all();
        assert_eq!(all(&viewer).len(), 1);
        assert_eq!(all(&late).len(), 12 * 7);
        shared.show_pointer(false);
        for viewer in [&viewer, &late] {
            let change = viewer.take(shared.size(), MAX_TILES);
            assert_eq!(change, Some(Change::Picture(vec![], Some(Pointer::Hidden))));
        }
        // A new size, and a black screen, are there for both.
        shared
            .scanout(200, 200, 800, X8R8G8B8, &[0; 160_000])
            .unwrap();
        assert_eq!((all(&viewer).len(), all(&late).len()), (16, 16));
        shared.blank();
        assert_eq!((all(&viewer).len(), all(&late).len()), (16, 16));
    }

    #[tokio::test]
    async fn whoever_waits_is_woken() {
        let (shared, viewer) = viewed();
        let late = shared.viewer();
        all(&viewer);
        all(&late);
        let size = shared.size();
        let draw = async {
            tokio::task::yield_now().await;
            shared.update(0, 0, 1, 1, 4, X8R8G8B8, &[7; 4]).unwrap();
        };
        let (one, other, ()) = tokio::join!(viewer.change(size, 9), late.change(size, 9), draw);
        assert_eq!(one, other);
    }

    #[test]
    fn the_latest_picture_wins() {
        let (shared, viewer) = viewed();
        all(&viewer);
        for value in 0..=99 {
            shared.update(0, 0, 1, 1, 4, X8R8G8B8, &[value; 4]).unwrap();
        }
        let tiles = all(&viewer);
        assert_eq!(tiles.len(), 1);
        assert_eq!(tiles[0].pixels[..4], [99, 99, 99, 255]);
    }

    #[test]
    fn pointers() {
        let (shared, viewer) = viewed();
        let pointer = || match viewer.take(shared.size(), MAX_TILES) {
            Some(Change::Picture(_, pointer)) => pointer,
            _ => None,
        };
        assert_eq!(pointer(), Some(Pointer::Default));
        shared.define_pointer(2, 1, (9, -9), &[1; 8]).unwrap();
        let size = Size {
            width: 2,
            height: 1,
        };
        let shape = Pointer::Shape {
            size,
            hot: (1, 0),
            pixels: vec![1; 8],
        };
        assert_eq!(pointer(), Some(shape.clone()));
        shared.define_pointer(2, 1, (9, -9), &[1; 8]).unwrap();
        assert_eq!(pointer(), None, "the same again");
        shared.show_pointer(false);
        assert_eq!(pointer(), Some(Pointer::Hidden));
        shared.show_pointer(true);
        assert_eq!(pointer(), Some(shape));
        let short = shared.define_pointer(2, 2, (0, 0), &[1; 15]);
        assert_eq!(short, Err(DrawError::Short(15)));
        shared
            .define_pointer(97, 97, (0, 0), &[1; 97 * 97 * 4])
            .unwrap();
        assert_eq!(pointer(), Some(Pointer::Default));
        shared.define_pointer(-1, i32::MIN, (0, 0), &[]).unwrap();
    }
}
