// SPDX-License-Identifier: GPL-2.0-or-later
//! The SIMH tape format once more, as its description reads and with none of
//! the annex's code: what the tests check images with, and make them.

use std::fs;
use std::path::Path;

use anyhow::{bail, ensure, Context, Result};

/// Ends a tape before the file's end.
const END_OF_MEDIUM: u32 = 0xffff_ffff;
/// Four bytes of nothing.
const GAP: u32 = 0xffff_fffe;

/// What lies on a tape.
#[derive(Clone, PartialEq, Eq)]
pub enum Object {
    /// A good data record.
    Record(Vec<u8>),
    /// A tape mark.
    Mark,
    /// A record of another class (1 to 0xe); 8 is a bad one.
    Other(u8, Vec<u8>),
    /// A private marker (class 7).
    Marker(u32),
    /// An erase gap.
    Gap,
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Record(data) => write!(f, "{} bytes", data.len()),
            Self::Mark => write!(f, "mark"),
            Self::Other(class, data) => write!(f, "{} bytes of class {class:x}", data.len()),
            Self::Marker(word) => write!(f, "marker {word:08x}"),
            Self::Gap => write!(f, "gap"),
        }
    }
}

/// All objects up to the end of the medium.
pub fn read(image: &[u8]) -> Result<Vec<Object>> {
    let word = |at: usize| -> Result<u32> {
        let bytes = image
            .get(at..at + 4)
            .with_context(|| format!("cut off at byte {at}"))?;
        Ok(u32::from_le_bytes(bytes.try_into()?))
    };
    let mut objects = Vec::new();
    let mut at = 0;
    while at < image.len() {
        let header = word(at)?;
        at += 4;
        let (class, length) = ((header >> 28) as u8, (header & 0x0fff_ffff) as usize);
        match (class, header) {
            (_, END_OF_MEDIUM) => break,
            (_, GAP) => objects.push(Object::Gap),
            (_, 0) => objects.push(Object::Mark),
            (7, _) => objects.push(Object::Marker(header)),
            (0xf, _) => bail!("reserved marker {header:08x} at byte {}", at - 4),
            _ => {
                let data = image
                    .get(at..at + length)
                    .context("a record is cut off")?
                    .to_vec();
                at += length;
                if length % 2 == 1 {
                    ensure!(image.get(at) == Some(&0), "the pad byte at {at} isn't 0");
                    at += 1;
                }
                ensure!(
                    word(at)? == header,
                    "the trailer at byte {at} isn't {header:08x}"
                );
                at += 4;
                objects.push(match class {
                    0 => Object::Record(data),
                    _ => Object::Other(class, data),
                });
            }
        }
    }
    Ok(objects)
}

/// The records and marks of an image, as any reader sees them.
pub fn tape(path: &Path) -> Result<Vec<Object>> {
    let image = fs::read(path).with_context(|| path.display().to_string())?;
    let mut objects = read(&image).with_context(|| path.display().to_string())?;
    objects.retain(|object| matches!(object, Object::Record(_) | Object::Mark));
    Ok(objects)
}

/// The data between marks, each file's records joined.
pub fn files(path: &Path) -> Result<Vec<Vec<u8>>> {
    let mut files = vec![Vec::new()];
    for object in tape(path)? {
        match object {
            Object::Record(data) => files.last_mut().expect("never empty").extend(data),
            _ => files.push(Vec::new()),
        }
    }
    if files.last().is_some_and(Vec::is_empty) {
        files.pop();
    }
    Ok(files)
}

/// An image of these objects, without an end-of-medium marker.
pub fn image(objects: &[Object]) -> Vec<u8> {
    let mut image = Vec::new();
    for object in objects {
        let (class, data) = match object {
            Object::Record(data) => (0, data),
            Object::Other(class, data) => (*class, data),
            Object::Mark | Object::Marker(_) | Object::Gap => {
                let word = match object {
                    Object::Marker(word) => *word,
                    Object::Gap => GAP,
                    _ => 0,
                };
                image.extend(word.to_le_bytes());
                continue;
            }
        };
        let header = (u32::from(class) << 28 | data.len() as u32).to_le_bytes();
        image.extend(header);
        image.extend(data);
        image.extend(vec![0; data.len() % 2]);
        image.extend(header);
    }
    image
}
