// SPDX-License-Identifier: GPL-2.0-or-later
//! The guest's screen as it is now. QEMU draws into it, whether a client looks or not; each session
//! takes what has changed since it looked last. None waits for another longer than a copy takes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::damage::{Damage, Rect, TILE};
use crate::pixels::{Format, BYTES};

#[cfg(test)]
mod tests;
mod viewer;

use viewer::View;
pub use viewer::Viewer;

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
    /// Copied before it is drawn into while somebody looks at it.
    frame: Arc<Vec<u8>>,
    shape: Pointer,
    visible: bool,
    viewers: BTreeMap<u64, View>,
    /// How many there have been.
    viewed: u64,
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
            frame: Arc::new(frame),
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
        let frame = Arc::make_mut(&mut self.frame);
        for row in 0..rect.height {
            let to = ((rect.y + row) * desktop + rect.x) * BYTES;
            format.convert(
                &data[row * stride..row * stride + row_bytes],
                &mut frame[to..to + rect.width * BYTES],
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

/// Tiles of the largest picture.
pub const MAX_TILES: usize = (MAX_SIDE / TILE) * (MAX_SIDE / TILE);
