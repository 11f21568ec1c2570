// SPDX-License-Identifier: GPL-2.0-or-later
//! The memory that QEMU shares: all that a back-end can reach.

use std::fs::{self, File};
use std::os::fd::AsRawFd;

use anyhow::{Context, Result};
use rustix::fs::{fcntl_get_seals, memfd_create, MemfdFlags, SealFlags};
use vm_memory::{
    Bytes, FileOffset, GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion,
};

use super::wire::Message;

/// A line of a memory table.
struct Region {
    guest: u64,
    size: u64,
    user: u64,
}

/// A memory table, mapped.
#[derive(Clone)]
pub struct Memory {
    map: GuestMemoryMmap,
    regions: std::sync::Arc<Vec<Region>>,
}

impl Memory {
    /// Maps what a SET_MEM_TABLE gives, and tells what that is.
    pub fn from_table(message: &Message, tell: impl Fn(String)) -> Result<Self> {
        let (mut regions, mut ranges) = (Vec::new(), Vec::new());
        tell(format!("regions {}", message.u32(0)));
        for number in 0..message.u32(0) as usize {
            let at = 8 + 32 * number;
            let [guest, size, user, offset] = [0, 8, 16, 24].map(|field| message.u64(at + field));
            let file = message
                .fds
                .get(number)
                .context("a region without a descriptor")?;
            tell(format!(
                "region guest={guest:#x} user={user:#x} size={size:#x} offset={offset:#x} \
                 file={:#x} {}",
                file.metadata()?.len(),
                describe(file)
            ));
            let file = FileOffset::new(file.try_clone()?, offset);
            ranges.push((GuestAddress(guest), size as usize, Some(file)));
            regions.push(Region { guest, size, user });
        }
        let map = GuestMemoryMmap::from_ranges_with_files(ranges)?;
        Ok(Self {
            map,
            regions: std::sync::Arc::new(regions),
        })
    }

    /// A front-end's: so many bytes of zeros from the guest's address `guest` on,
    /// which are at `user` for those who share them.
    pub fn of_zeros(guest: u64, user: u64, size: u64) -> Result<Self> {
        let file = File::from(memfd_create("guest", MemfdFlags::CLOEXEC)?);
        file.set_len(size)?;
        let range = (
            GuestAddress(guest),
            size as usize,
            Some(FileOffset::new(file, 0)),
        );
        Ok(Self {
            map: GuestMemoryMmap::from_ranges_with_files([range])?,
            regions: std::sync::Arc::new(vec![Region { guest, size, user }]),
        })
    }

    /// The payload of the SET_MEM_TABLE that shares it.
    pub fn table(&self) -> Vec<u8> {
        let mut payload = (self.regions.len() as u64).to_le_bytes().to_vec();
        for region in self.regions.iter() {
            for field in [region.guest, region.size, region.user, 0] {
                payload.extend(field.to_le_bytes());
            }
        }
        payload
    }

    /// What rings are told of the guest's address `guest`, in it or not.
    pub fn user(&self, guest: u64) -> u64 {
        let region = &self.regions[0];
        guest.wrapping_sub(region.guest).wrapping_add(region.user)
    }

    /// What lies at QEMU's address `user`: rings are told so.
    pub fn place(&self, user: u64) -> Result<u64> {
        let region = self
            .regions
            .iter()
            .find(|r| (r.user..r.user + r.size).contains(&user));
        region
            .map(|r| user - r.user + r.guest)
            .with_context(|| format!("nothing at {user:#x}"))
    }

    /// Bytes from `at` on.
    pub fn read(&self, at: u64, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.map.read_slice(&mut bytes, GuestAddress(at))?;
        Ok(bytes)
    }

    /// Writes bytes from `at` on.
    pub fn write(&self, at: u64, bytes: &[u8]) -> Result<()> {
        Ok(self.map.write_slice(bytes, GuestAddress(at))?)
    }

    /// One load.
    pub fn u16(&self, at: u64) -> Result<u16> {
        let load = std::sync::atomic::Ordering::Acquire;
        Ok(u16::from_le(self.map.load(GuestAddress(at), load)?))
    }

    /// One store, after all before it.
    pub fn set_u16(&self, at: u64, value: u16) -> Result<()> {
        let store = std::sync::atomic::Ordering::Release;
        Ok(self.map.store(value.to_le(), GuestAddress(at), store)?)
    }

    /// The beginning and the length of each region.
    pub fn ranges(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.regions
            .iter()
            .map(|region| (region.guest, region.size))
    }

    /// The files behind it.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.map
            .iter()
            .filter_map(|region| Some(region.file_offset()?.file()))
    }

    /// Where `needle` occurs in all of it.
    pub fn find(&self, needle: &[u8]) -> Result<Vec<u64>> {
        let mut places = Vec::new();
        for (start, size) in self.ranges() {
            let bytes = self.read(start, size as usize)?;
            let first = needle.first().context("nothing to look for")?;
            let mut from = 0;
            while let Some(next) = bytes[from..].iter().position(|byte| byte == first) {
                from += next;
                if bytes[from..].starts_with(needle) {
                    places.push(start + from as u64);
                }
                from += 1;
            }
        }
        Ok(places)
    }
}

/// What a descriptor is of, and how it is sealed.
pub fn describe(file: &File) -> String {
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    let target = fs::read_link(link).map_or_else(|e| e.to_string(), |t| t.display().to_string());
    let seals = match fcntl_get_seals(file) {
        Ok(seals) => {
            let names = [
                (SealFlags::SEAL, "seal"),
                (SealFlags::SHRINK, "shrink"),
                (SealFlags::GROW, "grow"),
                (SealFlags::WRITE, "write"),
            ];
            let set: Vec<&str> = names
                .iter()
                .filter(|(s, _)| seals.contains(*s))
                .map(|(_, name)| *name)
                .collect();
            set.join("+")
        }
        Err(_) => "none".into(),
    };
    format!("seals={seals} of={}", target.replace(' ', "_"))
}
