// SPDX-License-Identifier: GPL-2.0-or-later
//! A client of QEMU's own VNC server, to be beside: RFB 3.8 (RFC 6143) without security, 32 bits
//! a pixel, in one of three encodings that lose nothing: Raw, ZRLE (RFC 6143, 7.7.6), and Tight
//! without JPEG, as QEMU has it (ui/vnc-enc-tight.c).

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context, Result};
use flate2::{Decompress, FlushDecompress, Status};

/// How a client wants pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Encoding {
    /// As they are.
    Raw = 0,
    /// Rows in tiles, filtered and deflated.
    Tight = 7,
    /// Tiles of 64x64 with palettes and runs, deflated.
    Zrle = 16,
}

/// Bytes of a pixel as they are kept: red, green, blue, 255.
const BYTES: usize = 4;
/// What QEMU doesn't deflate (VNC_TIGHT_MIN_TO_COMPRESS).
const TIGHT_MIN: usize = 12;
/// Along a side of a ZRLE tile.
const TILE: usize = 64;

/// A client that is connected.
pub struct Vnc {
    stream: UnixStream,
    unread: Vec<u8>,
    encoding: Encoding,
    width: usize,
    height: usize,
    pixels: Vec<u8>,
    tight: [Decompress; 4],
    zrle: Decompress,
    /// Bytes that came.
    pub received: usize,
}

impl Vnc {
    /// Connects, and asks for the whole screen.
    pub fn connect(path: &Path, encoding: Encoding) -> Result<Self> {
        let stream = UnixStream::connect(path).context("connect to QEMU's VNC server")?;
        let inflate = || Decompress::new(true);
        let mut client = Self {
            stream,
            unread: Vec::new(),
            encoding,
            width: 0,
            height: 0,
            pixels: Vec::new(),
            tight: [inflate(), inflate(), inflate(), inflate()],
            zrle: inflate(),
            received: 0,
        };
        ensure!(
            client.take(12)?.starts_with(b"RFB 003."),
            "another protocol"
        );
        client.stream.write_all(b"RFB 003.008\n")?;
        let kinds = client.take(1)?[0].into();
        ensure!(
            client.take(kinds)?.contains(&1),
            "no security isn't offered"
        );
        client.stream.write_all(&[1])?;
        ensure!(client.take(4)? == [0; 4], "refused");
        client.stream.write_all(&[1])?;
        let init = client.take(24)?;
        let word = |at: usize| usize::from(u16::from_be_bytes([init[at], init[at + 1]]));
        client.resize(word(0), word(2));
        let name = u32::from_be_bytes([init[20], init[21], init[22], init[23]]);
        client.take(name as usize)?;
        // SetPixelFormat: as QEMU's display has them, so that nothing is converted.
        client.stream.write_all(&[
            0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0,
        ])?;
        // SetEncodings: this one, and DesktopSize.
        let mut encodings = vec![2, 0, 0, 2];
        encodings.extend((encoding as i32).to_be_bytes());
        encodings.extend((-223_i32).to_be_bytes());
        client.stream.write_all(&encodings)?;
        client.request(false)?;
        Ok(client)
    }

    /// Columns, rows and the pixels.
    pub fn picture(&self) -> (usize, usize, &[u8]) {
        (self.width, self.height, &self.pixels)
    }

    /// Presses a key, or lets it go (an X11 keysym).
    pub fn key(&mut self, keysym: u32, down: bool) -> Result<()> {
        let mut message = vec![4, u8::from(down), 0, 0];
        message.extend(keysym.to_be_bytes());
        Ok(self.stream.write_all(&message)?)
    }

    /// Takes a message. False: none began in time.
    pub fn step(&mut self, until: Instant) -> Result<bool> {
        if self.unread.is_empty() && !self.wait(until)? {
            return Ok(false);
        }
        match self.take(1)?[0] {
            0 => {
                let head = self.take(3)?;
                // The next one may be made while this is shown.
                self.request(true)?;
                for _ in 0..u16::from_be_bytes([head[1], head[2]]) {
                    self.rectangle()?;
                }
            }
            2 => {}
            3 => {
                let head = self.take(7)?;
                let length = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
                self.take(length as usize)?;
            }
            other => bail!("a message of type {other}"),
        }
        Ok(true)
    }

    fn request(&mut self, incremental: bool) -> Result<()> {
        let mut message = vec![3, u8::from(incremental), 0, 0, 0, 0];
        message.extend((self.width as u16).to_be_bytes());
        message.extend((self.height as u16).to_be_bytes());
        Ok(self.stream.write_all(&message)?)
    }

    fn resize(&mut self, width: usize, height: usize) {
        self.width = width;
        self.height = height;
        self.pixels = vec![u8::MAX; width * height * BYTES];
    }

    fn wait(&mut self, until: Instant) -> Result<bool> {
        let left = until.saturating_duration_since(Instant::now());
        let left = left.max(Duration::from_millis(1));
        self.stream.set_read_timeout(Some(left))?;
        let more = self.more();
        self.stream.set_read_timeout(None)?;
        more
    }

    fn more(&mut self) -> Result<bool> {
        let mut buffer = [0; 1 << 16];
        match self.stream.read(&mut buffer) {
            Ok(0) => bail!("QEMU has closed the connection"),
            Ok(count) => {
                self.received += count;
                self.unread.extend_from_slice(&buffer[..count]);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn take(&mut self, count: usize) -> Result<Vec<u8>> {
        while self.unread.len() < count {
            self.more()?;
        }
        Ok(self.unread.drain(..count).collect())
    }

    fn rectangle(&mut self) -> Result<()> {
        let head = self.take(12)?;
        let word = |at: usize| usize::from(u16::from_be_bytes([head[at], head[at + 1]]));
        let area = Area {
            x: word(0),
            y: word(2),
            width: word(4),
            height: word(6),
        };
        let encoding = i32::from_be_bytes([head[8], head[9], head[10], head[11]]);
        if encoding == -223 {
            self.resize(area.width, area.height);
            return self.request(false);
        }
        ensure!(
            area.x + area.width <= self.width && area.y + area.height <= self.height,
            "a rectangle outside of the screen"
        );
        match encoding {
            0 => {
                let data = self.take(area.width * area.height * BYTES)?;
                self.put(area, data.chunks_exact(4).map(|p| [p[2], p[1], p[0]]))
            }
            7 if self.encoding == Encoding::Tight => self.tight(area),
            16 if self.encoding == Encoding::Zrle => self.zrle(area),
            other => bail!("encoding {other}, which wasn't asked for"),
        }
    }

    /// Shows pixels, row by row.
    fn put(&mut self, area: Area, pixels: impl IntoIterator<Item = [u8; 3]>) -> Result<()> {
        let mut pixels = pixels.into_iter();
        for y in area.y..area.y + area.height {
            let at = (y * self.width + area.x) * BYTES;
            let row = &mut self.pixels[at..at + area.width * BYTES];
            for to in row.chunks_exact_mut(BYTES) {
                let [r, g, b] = pixels.next().context("too few pixels")?;
                to.copy_from_slice(&[r, g, b, u8::MAX]);
            }
        }
        Ok(())
    }

    fn tight(&mut self, area: Area) -> Result<()> {
        let control = self.take(1)?[0];
        for (stream, inflate) in self.tight.iter_mut().enumerate() {
            if control & 1 << stream != 0 {
                *inflate = Decompress::new(true);
            }
        }
        let count = area.width * area.height;
        if control >> 4 == 8 {
            let colour = self.take(3)?;
            return self.put(area, std::iter::repeat_n(rgb(&colour), count));
        }
        ensure!(control >> 4 < 8, "JPEG or PNG, which weren't asked for");
        let stream = usize::from(control >> 4 & 3);
        let filter = match control & 0x40 {
            0 => 0,
            _ => self.take(1)?[0],
        };
        match filter {
            0 => {
                let data = self.deflated(stream, count * 3)?;
                self.put(area, data.chunks_exact(3).map(rgb))
            }
            1 => {
                let colours = usize::from(self.take(1)?[0]) + 1;
                let palette = self.take(colours * 3)?;
                let colour = |index: usize| palette.chunks_exact(3).nth(index).map_or([0; 3], rgb);
                if colours > 2 {
                    let data = self.deflated(stream, count)?;
                    return self.put(area, data.iter().map(|&index| colour(index.into())));
                }
                let row = area.width.div_ceil(8);
                let data = self.deflated(stream, row * area.height)?;
                let pixels = data
                    .chunks_exact(row)
                    .flat_map(|row| bits(row, 1, area.width));
                self.put(area, pixels.map(colour))
            }
            2 => {
                let data = self.deflated(stream, count * 3)?;
                self.put(area, gradient(&data, area.width))
            }
            other => bail!("a filter {other}"),
        }
    }

    fn deflated(&mut self, stream: usize, length: usize) -> Result<Vec<u8>> {
        if length < TIGHT_MIN {
            return self.take(length);
        }
        let mut size = 0;
        for part in 0..3 {
            let byte = usize::from(self.take(1)?[0]);
            let bits = if part == 2 { byte } else { byte & 0x7f };
            size |= bits << (7 * part);
            if byte & 0x80 == 0 {
                break;
            }
        }
        let data = self.take(size)?;
        let inflated = inflate(&mut self.tight[stream], &data)?;
        ensure!(
            inflated.len() == length,
            "{} bytes for {length}",
            inflated.len()
        );
        Ok(inflated)
    }

    fn zrle(&mut self, area: Area) -> Result<()> {
        let head = self.take(4)?;
        let size = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        let data = self.take(size as usize)?;
        let data = inflate(&mut self.zrle, &data)?;
        let mut from = Bytes(&data);
        for y in (0..area.height).step_by(TILE) {
            for x in (0..area.width).step_by(TILE) {
                let tile = Area {
                    x: area.x + x,
                    y: area.y + y,
                    width: TILE.min(area.width - x),
                    height: TILE.min(area.height - y),
                };
                let pixels = zrle_tile(&mut from, tile.width, tile.height)?;
                self.put(tile, pixels)?;
            }
        }
        ensure!(
            from.0.is_empty(),
            "{} bytes behind the last tile",
            from.0.len()
        );
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct Area {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

/// What is left of a message.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .context("a tile that is cut")?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<usize> {
        Ok(self.take(1)?[0].into())
    }

    /// A CPIXEL: three bytes, blue first.
    fn pixel(&mut self) -> Result<[u8; 3]> {
        let bytes = self.take(3)?;
        Ok([bytes[2], bytes[1], bytes[0]])
    }

    /// A run's length: what is added to 1.
    fn run(&mut self) -> Result<usize> {
        let mut length = 1;
        loop {
            let byte = self.byte()?;
            length += byte;
            if byte != 255 {
                return Ok(length);
            }
        }
    }
}

fn zrle_tile(from: &mut Bytes<'_>, width: usize, height: usize) -> Result<Vec<[u8; 3]>> {
    let count = width * height;
    let kind = from.byte()?;
    let palette = (0..kind & 0x7f)
        .map(|_| from.pixel())
        .collect::<Result<Vec<_>>>()?;
    let colour = |index: usize| palette.get(index).copied().context("no such colour");
    let mut pixels = Vec::with_capacity(count);
    match kind {
        0 => return (0..count).map(|_| from.pixel()).collect(),
        1 => return Ok(vec![colour(0)?; count]),
        2..=16 => {
            let size = match palette.len() {
                2 => 1,
                3..=4 => 2,
                _ => 4,
            };
            for _ in 0..height {
                let row = from.take((width * size).div_ceil(8))?;
                for index in bits(row, size, width) {
                    pixels.push(colour(index)?);
                }
            }
        }
        128 => {
            while pixels.len() < count {
                let pixel = from.pixel()?;
                let length = from.run()?;
                pixels.resize(pixels.len() + length, pixel);
            }
        }
        130.. => {
            while pixels.len() < count {
                let index = from.byte()?;
                let length = if index & 0x80 == 0 { 1 } else { from.run()? };
                pixels.resize(pixels.len() + length, colour(index & 0x7f)?);
            }
        }
        other => bail!("a tile of the kind {other}"),
    }
    ensure!(pixels.len() == count, "a tile with too many pixels");
    Ok(pixels)
}

/// The first `count` numbers of `size` bits each.
fn bits(row: &[u8], size: usize, count: usize) -> Vec<usize> {
    let at = |index: usize| {
        let bit = index * size;
        let shift = 8 - size - bit % 8;
        usize::from(row[bit / 8] >> shift) & ((1 << size) - 1)
    };
    (0..count).map(at).collect()
}

/// What each pixel is beyond what its neighbours let expect.
fn gradient(data: &[u8], width: usize) -> Vec<[u8; 3]> {
    let mut pixels: Vec<[u8; 3]> = Vec::with_capacity(data.len() / 3);
    for (at, more) in data.chunks_exact(3).enumerate() {
        let known = |back: usize, is_there: bool| {
            if is_there && at >= back {
                pixels[at - back]
            } else {
                [0; 3]
            }
        };
        let inside = at % width > 0;
        let (left, up, corner) = (
            known(1, inside),
            known(width, true),
            known(width + 1, inside),
        );
        let mut pixel = [0; 3];
        for colour in 0..3 {
            let expected =
                i32::from(left[colour]) + i32::from(up[colour]) - i32::from(corner[colour]);
            pixel[colour] = (expected.clamp(0, 255) as u8).wrapping_add(more[colour]);
        }
        pixels.push(pixel);
    }
    pixels
}

fn rgb(bytes: &[u8]) -> [u8; 3] {
    [bytes[0], bytes[1], bytes[2]]
}

fn inflate(stream: &mut Decompress, mut data: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(1 << 16);
    while !data.is_empty() {
        if out.len() == out.capacity() {
            out.reserve(1 << 16);
        }
        let before = stream.total_in();
        let status = stream.decompress_vec(data, &mut out, FlushDecompress::Sync)?;
        data = &data[(stream.total_in() - before) as usize..];
        ensure!(status != Status::StreamEnd, "a stream that ends");
    }
    // What the last bytes still have.
    loop {
        let length = out.len();
        if out.len() == out.capacity() {
            out.reserve(1 << 16);
        }
        stream.decompress_vec(&[], &mut out, FlushDecompress::Sync)?;
        if out.len() == length {
            return Ok(out);
        }
    }
}
