// SPDX-License-Identifier: GPL-2.0-or-later
//! Pictures, and how they are compared.

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{ensure, Context, Result};

/// A picture: three bytes a pixel, red, green, blue.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Rows from the top.
    pub pixels: Vec<u8>,
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl Picture {
    /// A PPM (P6), as QEMU's screendump writes it.
    pub fn read_ppm(path: &Path) -> Result<Self> {
        let data = fs::read(path)?;
        let mut fields = Vec::new();
        let mut at = 0;
        for _ in 0..4 {
            let end = data[at..]
                .iter()
                .position(u8::is_ascii_whitespace)
                .context("a header")?;
            fields.push(std::str::from_utf8(&data[at..at + end])?.to_owned());
            at += end + 1;
        }
        ensure!(
            fields[0] == "P6" && fields[3] == "255",
            "another kind of picture: {fields:?}"
        );
        let (width, height) = (fields[1].parse()?, fields[2].parse()?);
        let pixels = data[at..].to_vec();
        ensure!(pixels.len() == width * height * 3, "a picture that is cut");
        Ok(Self {
            width,
            height,
            pixels,
        })
    }

    /// Writes one, to be looked at.
    pub fn write_ppm(&self, path: &Path) -> Result<()> {
        let header = format!("P6\n{} {}\n255\n", self.width, self.height);
        Ok(fs::write(path, [header.as_bytes(), &self.pixels].concat())?)
    }

    /// From four bytes a pixel, of which `order` are red, green and blue.
    pub fn from_32(
        data: &[u8],
        width: usize,
        height: usize,
        stride: usize,
        order: [usize; 3],
    ) -> Self {
        let rows = data
            .chunks(stride)
            .take(height)
            .flat_map(|row| row.chunks_exact(4).take(width));
        let pixels = rows.flat_map(|pixel| order.map(|at| pixel[at])).collect();
        Self {
            width,
            height,
            pixels,
        }
    }

    /// Its top left part.
    pub fn top_left(&self, width: usize, height: usize) -> Self {
        let row = self.width * 3;
        let rows = self.pixels.chunks(row).take(height);
        let pixels = rows
            .flat_map(|row| row.iter().take(width * 3).copied())
            .collect();
        Self {
            width: width.min(self.width),
            height: height.min(self.height),
            pixels,
        }
    }

    /// How many colours it has.
    pub fn colours(&self) -> usize {
        self.pixels
            .chunks_exact(3)
            .collect::<std::collections::BTreeSet<_>>()
            .len()
    }

    /// How it differs from another: nothing, or words.
    pub fn differs(&self, other: &Self) -> Option<String> {
        if (self.width, self.height) != (other.width, other.height) {
            return Some(format!("{self:?} is not {other:?}"));
        }
        let pairs = self
            .pixels
            .chunks_exact(3)
            .zip(other.pixels.chunks_exact(3));
        let different: Vec<_> = pairs.enumerate().filter(|(_, (a, b))| a != b).collect();
        let (at, (a, b)) = different.first()?;
        let (x, y) = (at % self.width, at / self.width);
        Some(format!(
            "{} pixels differ, the first at {x},{y}: {a:?}, {b:?}",
            different.len()
        ))
    }
}
