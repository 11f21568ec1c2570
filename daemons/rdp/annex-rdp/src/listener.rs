// SPDX-License-Identifier: GPL-2.0-or-later
//! org.qemu.Display1.Listener and its Unix.Map: what QEMU calls when the guest's screen changes.
//!
//! Pictures come in messages, or lie in memory that QEMU has handed over a descriptor of. Such
//! memory is read, not mapped: it may shrink under a mapping, and change under a reference.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use serde_bytes::ByteBuf;
use tokio::sync::Notify;
use zbus::{fdo, zvariant};

use crate::pixels::Format;
use crate::screen::{DrawError, Shared};

/// Where QEMU expects both on the connection that it is given.
pub const PATH: &str = "/org/qemu/Display1/Listener";
/// Bytes of the largest picture: RDP's largest desktop, four bytes a pixel.
const MAX_PICTURE: usize = 8192 * 8192 * 4;

/// Logs a fault, and answers with it. One that repeats fills no log.
fn tell(told: &mut Option<DrawError>, drawn: Result<(), DrawError>) -> fdo::Result<()> {
    let Err(error) = drawn else { return Ok(()) };
    if told.replace(error) != Some(error) {
        log::warn!("the guest's screen: {error}");
    }
    Err(fdo::Error::InvalidArgs(error.to_string()))
}

/// Draws what QEMU says into a screen.
pub struct Listener {
    screen: Shared,
    told: Option<DrawError>,
    lost: Arc<Notify>,
}

impl Listener {
    /// One that draws into this screen. It notifies `lost` when QEMU draws outside of it: then
    /// the size is another, and is told to a listener that is new.
    pub fn new(screen: Shared, lost: Arc<Notify>) -> Self {
        Self {
            screen,
            told: None,
            lost,
        }
    }
}

// In the order in which they come, which a task for each would not keep.
#[zbus::interface(name = "org.qemu.Display1.Listener", spawn = false)]
impl Listener {
    fn scanout(
        &mut self,
        width: u32,
        height: u32,
        stride: u32,
        pixman_format: u32,
        data: ByteBuf,
    ) -> fdo::Result<()> {
        let drawn = self
            .screen
            .scanout(width, height, stride, pixman_format, &data);
        tell(&mut self.told, drawn)
    }

    #[allow(clippy::too_many_arguments)] // as many as the message has
    fn update(
        &mut self,
        x: i32,
        y: i32,
        width: i32,
        height: i32,
        stride: u32,
        pixman_format: u32,
        data: ByteBuf,
    ) -> fdo::Result<()> {
        let drawn = self
            .screen
            .update(x, y, width, height, stride, pixman_format, &data);
        if drawn == Err(DrawError::Outside) {
            self.lost.notify_one();
        }
        tell(&mut self.told, drawn)
    }

    fn disable(&mut self) {
        self.screen.blank();
    }

    /// The pointer's place is the client's own; whether it is seen is the guest's.
    fn mouse_set(&mut self, _x: i32, _y: i32, on: i32) {
        self.screen.show_pointer(on != 0);
    }

    fn cursor_define(
        &mut self,
        width: i32,
        height: i32,
        hot_x: i32,
        hot_y: i32,
        data: ByteBuf,
    ) -> fdo::Result<()> {
        let drawn = self
            .screen
            .define_pointer(width, height, (hot_x, hot_y), &data);
        tell(&mut self.told, drawn)
    }

    /// Not pictures in dma-bufs.
    #[zbus(property)]
    fn interfaces(&self) -> Vec<String> {
        vec!["org.qemu.Display1.Listener.Unix.Map".to_owned()]
    }
}

/// A picture in memory that QEMU draws into.
struct Picture {
    memory: File,
    offset: u64,
    stride: u32,
    format: u32,
    /// Bytes of a pixel.
    bytes: usize,
}

/// Draws pictures that lie in QEMU's memory into a screen.
///
/// QEMU (10.2) needs it: to a listener without it, it doesn't tell that a picture has another
/// size when what is drawn first is less than all of it. QEMU's main loop waits for the answer to
/// ScanoutMap, for a second, and then does without it: see [`Listener::new`].
pub struct Map {
    screen: Shared,
    picture: Option<Picture>,
    /// Kept, so that an update needn't allocate.
    data: Vec<u8>,
    told: Option<DrawError>,
}

impl Map {
    /// One that draws into this screen.
    pub fn new(screen: Shared) -> Self {
        Self {
            screen,
            picture: None,
            data: Vec::new(),
            told: None,
        }
    }

    /// Reads `height` rows of `row` bytes.
    fn read(&mut self, from: u64, row: usize, height: usize) -> Result<(), DrawError> {
        let picture = self.picture.as_ref().ok_or(DrawError::Outside)?;
        let length = (picture.stride as usize)
            .checked_mul(height.saturating_sub(1))
            .and_then(|rows| rows.checked_add(row))
            .filter(|&length| length <= MAX_PICTURE)
            .ok_or(DrawError::Memory)?;
        self.data.resize(length, 0);
        let at = picture.offset + from;
        let read = picture.memory.read_exact_at(&mut self.data, at);
        read.map_err(|_| DrawError::Memory)
    }

    fn all(&mut self, picture: Picture, width: u32, height: u32) -> Result<(), DrawError> {
        let (stride, format) = (picture.stride, picture.format);
        let row = picture.bytes * width as usize;
        self.picture = Some(picture);
        self.read(0, row, height as usize)?;
        self.screen
            .scanout(width, height, stride, format, &self.data)
    }

    fn part(&mut self, x: i32, y: i32, width: i32, height: i32) -> Result<(), DrawError> {
        let [left, top, columns, rows] = [x, y, width, height].map(usize::try_from);
        let (Ok(left), Ok(top), Ok(columns), Ok(rows)) = (left, top, columns, rows) else {
            return Err(DrawError::Outside);
        };
        let picture = self.picture.as_ref().ok_or(DrawError::Outside)?;
        let (stride, format, bytes) = (picture.stride, picture.format, picture.bytes);
        // Each is below 2^32, so nothing overflows.
        let from = top as u64 * u64::from(stride) + (left * bytes) as u64;
        self.read(from, columns * bytes, rows)?;
        self.screen
            .update(x, y, width, height, stride, format, &self.data)
    }
}

#[zbus::interface(name = "org.qemu.Display1.Listener.Unix.Map", spawn = false)]
impl Map {
    fn scanout_map(
        &mut self,
        handle: zvariant::OwnedFd,
        offset: u32,
        width: u32,
        height: u32,
        stride: u32,
        pixman_format: u32,
    ) -> fdo::Result<()> {
        let drawn = match Format::from_pixman(pixman_format) {
            Some(format) => {
                let picture = Picture {
                    memory: File::from(OwnedFd::from(handle)),
                    offset: offset.into(),
                    stride,
                    format: pixman_format,
                    bytes: format.bytes(),
                };
                self.all(picture, width, height)
            }
            None => Err(DrawError::Format(pixman_format)),
        };
        tell(&mut self.told, drawn)
    }

    fn update_map(&mut self, x: i32, y: i32, width: i32, height: i32) -> fdo::Result<()> {
        let drawn = self.part(x, y, width, height);
        tell(&mut self.told, drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const X8R8G8B8: u32 = 0x2002_0888;

    fn picture(bytes: &[u8], offset: u64, stride: u32) -> Picture {
        let memory = tempfile::tempfile().unwrap();
        memory.write_all_at(bytes, 0).unwrap();
        Picture {
            memory,
            offset,
            stride,
            format: X8R8G8B8,
            bytes: 4,
        }
    }

    #[test]
    fn memory_is_read_where_the_picture_is() {
        let screen = Shared::default();
        let mut map = Map::new(screen.clone());
        let bytes: Vec<u8> = (0..=255).collect();
        // Two rows of three pixels, 16 bytes apart; the last row isn't padded.
        map.all(picture(&bytes[..8 + 16 + 12], 8, 16), 3, 2)
            .unwrap();
        assert_eq!(screen.guest(), (3, 2));
        assert_eq!(map.data.len(), 28);
        map.part(1, 1, 2, 1).unwrap();
        assert_eq!(map.data, bytes[8 + 16 + 4..][..8]);
    }

    #[test]
    fn memory_that_isnt_there_is_refused() {
        let screen = Shared::default();
        let mut map = Map::new(screen.clone());
        assert_eq!(map.part(0, 0, 1, 1), Err(DrawError::Outside));
        let short = map.all(picture(&[0; 15], 0, 8), 2, 2);
        assert_eq!(short, Err(DrawError::Memory));
        let large = map.all(picture(&[0; 16], 0, u32::MAX), 2, 8192);
        assert_eq!(large, Err(DrawError::Memory));
        map.all(picture(&[0; 16], 0, 8), 2, 2).unwrap();
        for (x, y, width, height) in [(-1, 0, 1, 1), (0, 0, 3, 1), (0, 2, 1, 1), (0, 0, 1, -1)] {
            let drawn = map.part(x, y, width, height);
            assert!(drawn.is_err(), "{x} {y} {width} {height}");
        }
        let huge = map.part(i32::MAX, i32::MAX, i32::MAX, i32::MAX);
        assert_eq!(huge, Err(DrawError::Memory));
    }
}
