// SPDX-License-Identifier: GPL-2.0-or-later
//! What is added to a guest's initramfs: an archive in cpio's "newc" format, of which the kernel
//! unpacks one after the other, and the programs in it with the libraries that they are linked with.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{ensure, Context, Result};

/// Kinds and permissions of what is in an archive.
const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;

/// An archive.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    /// Names that it has.
    names: BTreeSet<String>,
}

impl Archive {
    /// Adds a file, which may be run, and the folders above it. The first of a name counts.
    pub fn add(&mut self, name: &str, content: &[u8]) {
        let name = name.trim_start_matches('/');
        for (at, _) in name.match_indices('/') {
            self.entry(&name[..at], FOLDER, &[]);
        }
        self.entry(name, PROGRAM, content);
    }

    /// Adds an empty folder.
    pub fn add_folder(&mut self, name: &str) {
        self.entry(name.trim_start_matches('/'), FOLDER, &[]);
    }

    /// Adds a file of this machine under its own name.
    pub fn add_file(&mut self, path: &Path) -> Result<()> {
        let content = fs::read(path).with_context(|| path.display().to_string())?;
        self.add(path.to_str().context("a name in UTF-8")?, &content);
        Ok(())
    }

    /// Adds all that is below a folder of this machine.
    pub fn add_tree(&mut self, folder: &Path) -> Result<()> {
        for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                self.add_tree(&path)?;
            } else {
                self.add_file(&path)?;
            }
        }
        Ok(())
    }

    /// Adds the libraries that a program or a library is linked with.
    pub fn add_libraries(&mut self, program: &Path) -> Result<()> {
        for library in libraries(program)? {
            self.add_file(&library)?;
        }
        Ok(())
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        if name != TRAILER && !self.names.insert(name.to_owned()) {
            return;
        }
        let number = self.names.len();
        let (size, length) = (content.len(), name.len() + 1);
        // Number, mode, owner, group, links, time, size, device, device's number, and the name's
        // length; no sum.
        let fields = [
            number,
            mode as usize,
            0,
            0,
            1,
            0,
            size,
            0,
            0,
            0,
            0,
            length,
            0,
        ];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(name.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// Writes an initramfs and then this to a file.
    pub fn append_to(mut self, initramfs: &Path, file: &Path) -> Result<()> {
        self.entry(TRAILER, 0, &[]);
        let mut bytes = fs::read(initramfs)?;
        // An archive that isn't compressed begins at a multiple of four.
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(self.bytes);
        Ok(fs::write(file, bytes)?)
    }
}

/// The name that ends an archive.
const TRAILER: &str = "TRAILER!!!";

/// What ldd(1) names, with the loader.
pub fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let said = Command::new("ldd").arg(program).output().context("ldd")?;
    ensure!(said.status.success(), "ldd {}: {said:?}", program.display());
    let said = String::from_utf8(said.stdout)?;
    // "name => /path (address)", or "/path (address)".
    let paths = said
        .lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    Ok(paths.map(PathBuf::from).collect())
}
