// SPDX-License-Identifier: GPL-2.0-or-later
//! Mapping a snapshot made here, and what is refused.

use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{fcntl_add_seals, memfd_create, MemfdFlags};
use rustix::mm::{mmap, munmap, MapFlags, ProtFlags};

use super::*;
use crate::testing::{Memory, Snapshot, PAGE};

fn sealable() -> File {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    File::from(memfd_create("snapshot", flags).unwrap())
}

fn seal(file: &File) {
    fcntl_add_seals(file, SealFlags::SHRINK | SealFlags::WRITE).unwrap();
}

fn spec(name: &str, memory: &Memory) -> BlockSpec {
    BlockSpec {
        name: std::ffi::CString::new(name).unwrap(),
        address: memory.start() as u64,
        length: memory.len(),
        page_size: memory.page_size(),
        shared: false,
        populate: false,
    }
}

/// Runs of very different lengths, and pages by themselves.
pub(super) fn patchy(pages: u64) -> Bitmap {
    let mut data = Bitmap::new(pages);
    let mut start = 0;
    for length in (1..).cycle().take(200) {
        let end = (start + length * 7 % 41 + 1).min(pages);
        data.set(start.min(end)..end);
        start = end + 1 + length % 5;
    }
    data
}

pub(super) fn sealed(blocks: &[(&str, Bitmap)]) -> Snapshot {
    let snapshot = Snapshot::in_file(sealable(), blocks);
    seal(&snapshot.file);
    snapshot
}

pub(super) fn check(snapshot: &Snapshot, block: usize, memory: &Memory) {
    for page in 0..snapshot.blocks[block].data.len() {
        assert_eq!(
            memory.read_page(page),
            snapshot.expected(block, page),
            "page {page} of block {block}"
        );
    }
}

/// Maps the snapshot's blocks into the memories.
pub(super) fn map(snapshot: &Snapshot, memories: &[&Memory]) -> (Mapped, Detach) {
    let mut mapping = Mapping::new(snapshot.file.as_fd(), PAGE).unwrap();
    for (block, memory) in snapshot.blocks.iter().zip(memories) {
        let next = mapping.add_block(&spec(&block.name, memory), &block.header);
        assert_eq!(next.unwrap(), block.pages_offset + block.length());
    }
    // SAFETY: the memories are ours, and nothing refers to them.
    unsafe { mapping.place() }.unwrap()
}

#[test]
fn memory_is_the_snapshot_whatever_is_mapped_and_copied() {
    let (a, b) = (patchy(3000), patchy(700));
    let snapshot = sealed(&[("a", a.clone()), ("b", b.clone())]);
    let runs = a.runs(0..3000).count() + b.runs(0..700).count();
    for most in [usize::MAX, runs, 20, 1, 0] {
        let memories = [
            Memory::anonymous(3000 * PAGE).unwrap(),
            Memory::anonymous(700 * PAGE).unwrap(),
        ];
        let mut mapping = Mapping::new(snapshot.file.as_fd(), PAGE).unwrap();
        for (block, memory) in snapshot.blocks.iter().zip(&memories) {
            let next = mapping.add_block(&spec(&block.name, memory), &block.header);
            assert_eq!(next.unwrap(), block.pages_offset + block.length());
        }
        // SAFETY: the memories are ours, and nothing refers to them.
        let (done, _) = unsafe { mapping.place_within(most) }.unwrap();
        drop(mapping);
        assert_eq!(done.runs as usize, most.min(runs));
        assert_eq!(
            done.mapped + done.copied,
            (a.count(0..3000) + b.count(0..700)) * PAGE
        );
        assert_eq!(done.zero, 3700 * PAGE - done.mapped - done.copied);
        assert_eq!(done.copied == 0, most >= runs);
        for (block, memory) in memories.iter().enumerate() {
            check(&snapshot, block, memory);
        }
    }
}

#[test]
fn what_one_machine_writes_no_other_sees() {
    let mut data = Bitmap::new(64);
    data.set(0..64);
    let snapshot = sealed(&[("ram", data)]);
    let machines: Vec<_> = (0..2)
        .map(|_| {
            let memory = Memory::anonymous(64 * PAGE).unwrap();
            let (done, _) = map(&snapshot, &[&memory]);
            assert_eq!((done.mapped, done.runs), (64 * PAGE, 1));
            memory
        })
        .collect();
    // SAFETY: the first byte of our own mapping.
    unsafe { machines[0].start().write_volatile(0) };
    assert_eq!(machines[0].touch(0), 0);
    assert_eq!(machines[1].read_page(0), snapshot.expected(0, 0));
    let mut page = vec![0; PAGE as usize];
    snapshot
        .file
        .read_exact_at(&mut page, snapshot.blocks[0].pages_offset)
        .unwrap();
    assert_eq!(page, snapshot.expected(0, 0), "and the file stays as it is");
}

#[test]
fn only_a_sealed_memfd_is_taken() {
    let refused = |file: &File| {
        assert!(matches!(
            Mapping::new(file.as_fd(), PAGE),
            Err(MapError::Unsealed)
        ));
    };
    refused(&tempfile::tempfile().unwrap());
    let memfd = sealable();
    refused(&memfd);
    for seals in [SealFlags::GROW, SealFlags::SHRINK] {
        fcntl_add_seals(&memfd, seals).unwrap();
        refused(&memfd);
    }
    fcntl_add_seals(&memfd, SealFlags::WRITE).unwrap();
    Mapping::new(memfd.as_fd(), PAGE).unwrap();
    // As QEMU gets it: opened anew, for reading only.
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&memfd));
    Mapping::new(File::open(path).unwrap().as_fd(), PAGE).unwrap();
}

#[test]
fn blocks_that_cannot_be_mapped_are_named() {
    let mut data = Bitmap::new(4);
    data.set(1..2);
    let snapshot = sealed(&[("dimm0", data.clone()), ("dimm1", data)]);
    let memory = Memory::anonymous(4 * PAGE).unwrap();
    let good = spec("dimm0", &memory);
    let refuse = |block: &BlockSpec, problem: &str| {
        let mut mapping = Mapping::new(snapshot.file.as_fd(), PAGE).unwrap();
        let error = mapping
            .add_block(block, &snapshot.blocks[0].header)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("'dimm0'") && error.contains(problem),
            "{error}"
        );
    };
    let change = |change: fn(&mut BlockSpec)| {
        let mut block = good.clone();
        change(&mut block);
        block
    };
    refuse(&change(|block| block.shared = true), "shared");
    refuse(&change(|block| block.page_size = 2 << 20), "hugetlbfs");
    refuse(&change(|block| block.populate = true), "preallocated");
    refuse(&change(|block| block.address += 8), "page boundary");
    refuse(&change(|block| block.address = 0), "page boundary");
    refuse(
        &change(|block| block.address = u64::MAX - PAGE + 1),
        "address space",
    );

    let mut mapping = Mapping::new(snapshot.file.as_fd(), PAGE).unwrap();
    let header = |block: usize| &snapshot.blocks[block].header;
    mapping.add_block(&good, header(0)).unwrap();
    let twice = mapping.add_block(&good, header(0)).unwrap_err();
    assert!(twice.to_string().contains("twice"));
    let overlap = BlockSpec {
        name: c"dimm1".to_owned(),
        ..good
    };
    let overlap = mapping.add_block(&overlap, header(1)).unwrap_err();
    assert!(overlap.to_string().contains("overlaps"));
}

/// Why nothing but a sealed file is taken: see the module's documentation.
#[test]
fn a_file_that_shrinks_takes_what_was_written() {
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(&[b'S'; 4096], 0).unwrap();
    // SAFETY: a new mapping of our own, not touched while the file is short.
    unsafe {
        let at = mmap(
            std::ptr::null_mut(),
            4096,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::PRIVATE,
            &file,
            0,
        )
        .unwrap()
        .cast::<u8>();
        at.write_volatile(b'W');
        file.set_len(0).unwrap();
        file.write_all_at(&[b'S'; 4096], 0).unwrap();
        assert_eq!(at.read_volatile(), b'S', "the write is lost");
        munmap(at.cast(), 4096).unwrap();
    }
    // And why a sealed one is.
    let memfd = sealable();
    memfd.set_len(PAGE).unwrap();
    seal(&memfd);
    assert!(memfd.set_len(0).is_err());
    assert!(memfd.write_all_at(b"x", 0).is_err());
    let hole = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
    assert!(rustix::fs::fallocate(OwnedFd::from(memfd), hole, 0, PAGE).is_err());
}
