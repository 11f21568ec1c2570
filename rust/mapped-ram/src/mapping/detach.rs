// SPDX-License-Identifier: GPL-2.0-or-later
//! What is mapped from a snapshot becomes the machine's own memory, piece by piece, until the
//! snapshot can go.
//!
//! ```text
//!  memory   ├─own─┤·····snapshot·····┤      a run of the snapshot's pages
//!              ▲ moved here at once
//!  side        ├─┤    ┆                     new anonymous memory: filled, then moved
//! ```
//!
//! A piece is copied into new memory, which then takes its place: `mremap(2)` replaces a mapping
//! under the lock of all mappings, so that whoever reads finds the one or the other, and both hold
//! the same. What is *written* between copy and move would be lost. So a step is for a time when
//! nobody writes: the owner stops the machine's processors and what else writes for it, and a step
//! ends soon. What takes the kernel longer than the copy, finding pages and clearing them, is done
//! before.
//!
//! Letting the machine run and catching its writes (userfaultfd(2)) would need the same stop, as
//! pages that the kernel has pinned for a disk are written to without a fault, and costs a busy
//! machine more: 16 MiB are copied in some milliseconds, while faults for each of their pages take
//! a hundred.
//!
//! New memory is put beside a run as a whole, and at the same place within a huge page, so that huge
//! pages can be moved as they are and the moved pieces are one mapping again.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::ops::Range;

use rustix::io::Errno;
use rustix::mm::{mmap_anonymous, mremap_fixed, munmap, MapFlags, MremapFlags, ProtFlags};

use crate::memory::populate;
use crate::plan::HUGE_PAGE;
use crate::thread;

/// Memory that is still mapped from a snapshot.
#[derive(Debug)]
pub struct Detach {
    /// What is left of each run, in addresses; none is empty.
    runs: VecDeque<Range<u64>>,
    /// For the first runs.
    sides: VecDeque<Side>,
    /// Keeps the snapshot's memory from being freed with its last mapping, while nobody runs.
    snapshot: Option<File>,
}

impl Detach {
    /// These runs of whole pages of memory are mapped from a snapshot; none is empty.
    pub(super) fn new(runs: impl IntoIterator<Item = Range<u64>>, snapshot: Option<File>) -> Self {
        Self {
            runs: runs.into_iter().collect(),
            sides: VecDeque::new(),
            snapshot,
        }
    }

    /// If nothing is mapped any more, has a thread close the snapshot: the kernel takes a while to
    /// free gigabytes.
    fn let_go(&mut self) {
        if let Some(snapshot) = self.snapshot.take_if(|_| self.runs.is_empty()) {
            // Without a thread it has been closed by now.
            let _ = thread::spawn("ram-let-go".into(), move || drop(snapshot));
        }
    }

    /// Bytes that are still mapped.
    pub fn left(&self) -> u64 {
        self.runs.iter().map(|run| run.end - run.start).sum()
    }

    /// Gets new memory ready for the next `bytes`, or for a little more, if there isn't as much yet.
    /// It is told to `advise` before anything is in it: address and length.
    ///
    /// # Errors
    ///
    /// The kernel has no memory or no mapping left. What is ready stays so.
    pub fn prepare(&mut self, bytes: u64, mut advise: impl FnMut(u64, u64)) -> io::Result<()> {
        let mut ready: u64 = self.sides.iter().map(Side::ready).sum();
        while ready < bytes {
            let room = match self.sides.back_mut().filter(|side| side.is_wanted()) {
                Some(side) => side,
                None => {
                    let Some(run) = self.runs.get(self.sides.len()) else {
                        return Ok(());
                    };
                    let side = Side::beside(run)?;
                    advise(side.left.start, side.left.end - side.left.start);
                    self.sides.push_back(side);
                    self.sides.back_mut().expect("just pushed")
                }
            };
            ready += room.get_ready(bytes - ready)?;
        }
        Ok(())
    }

    /// Makes memory the machine's own, in pieces of at most a huge page, until nothing that is ready
    /// is left or `is_over`, and returns how many bytes. At least one piece is done if one is ready.
    /// After a failure, what was done stays so, and the rest is as it was.
    ///
    /// # Errors
    ///
    /// The kernel has no mapping left.
    ///
    /// # Safety
    ///
    /// The memory is mapped for reading and writing, and the caller's to replace. While this runs
    /// nobody writes to it, and there are no references to it, not even by the kernel (pages that are
    /// pinned).
    pub unsafe fn step(&mut self, mut is_over: impl FnMut() -> bool) -> io::Result<u64> {
        let mut done = 0;
        while let (Some(run), Some(side)) = (self.runs.front_mut(), self.sides.front_mut()) {
            let end = (run.start + 1).next_multiple_of(HUGE_PAGE);
            let len = (end - run.start).min(side.ready());
            if len == 0 {
                break;
            }
            // SAFETY: passed on from the caller.
            unsafe { side.replace(run.start, len)? };
            done += len;
            run.start += len;
            if run.is_empty() {
                self.runs.pop_front();
                self.sides.pop_front();
            }
            if is_over() {
                break;
            }
        }
        self.let_go();
        Ok(done)
    }

    /// This memory is no longer the machine's: it is left alone from now on. Returns how many of its
    /// bytes were still mapped.
    pub fn forget(&mut self, memory: Range<u64>) -> u64 {
        let before = self.left();
        // They may be those of its runs.
        self.sides.clear();
        let outside = |run: Range<u64>| {
            let parts = [
                run.start..run.end.min(memory.start),
                run.start.max(memory.end)..run.end,
            ];
            parts.into_iter().filter(|part| !part.is_empty())
        };
        self.runs = self.runs.drain(..).flat_map(outside).collect();
        self.let_go();
        before - self.left()
    }
}

/// New memory for a run, unmapped when it is dropped.
#[derive(Debug)]
struct Side {
    /// What wasn't moved yet, in addresses.
    left: Range<u64>,
    /// Up to where the kernel has found pages for it.
    populated: u64,
}

impl Side {
    /// As much as `run` has, and at the same place within a huge page.
    fn beside(run: &Range<u64>) -> io::Result<Self> {
        let len = run.end - run.start;
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        let room = (len + HUGE_PAGE) as usize;
        // SAFETY: new memory, which nobody knows of.
        let base = unsafe { mmap_anonymous(std::ptr::null_mut(), room, prot, MapFlags::PRIVATE)? };
        let base = base.expose_provenance() as u64;
        let start = base + (run.start.wrapping_sub(base)) % HUGE_PAGE;
        unmap(base..start);
        unmap(start + len..base + len + HUGE_PAGE);
        Ok(Self {
            left: start..start + len,
            populated: start,
        })
    }

    /// How many bytes are ready.
    fn ready(&self) -> u64 {
        self.populated - self.left.start
    }

    /// Whether not all of it is ready.
    fn is_wanted(&self) -> bool {
        self.populated < self.left.end
    }

    /// Gets `bytes` more ready, to the end of a huge page; returns how many these are.
    fn get_ready(&mut self, bytes: u64) -> io::Result<u64> {
        let from = self.populated;
        let end = (from + bytes)
            .next_multiple_of(HUGE_PAGE)
            .min(self.left.end);
        match populate(from, end - from) {
            // Linux before 5.14 does it when memory is written to.
            Ok(()) | Err(Errno::INVAL) => self.populated = end,
            Err(error) => return Err(error.into()),
        }
        Ok(end - from)
    }

    /// Copies `len` bytes of memory at `address` to the beginning of what is left, and moves that in
    /// their place.
    ///
    /// # Safety
    ///
    /// As for [`Detach::step`]; as much is ready.
    unsafe fn replace(&mut self, address: u64, len: u64) -> io::Result<()> {
        let from = std::ptr::with_exposed_provenance_mut::<u8>(address as usize);
        let new = std::ptr::with_exposed_provenance_mut::<u8>(self.left.start as usize);
        // SAFETY: both are mapped, apart from each other, and written to by nobody else; the new one
        // is ours, and the caller's may be replaced.
        unsafe {
            std::ptr::copy_nonoverlapping(from, new, len as usize);
            let moves = MremapFlags::MAYMOVE;
            mremap_fixed(new.cast(), len as usize, len as usize, moves, from.cast())?;
        }
        self.left.start += len;
        Ok(())
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        unmap(self.left.clone());
    }
}

/// Gives up new memory, in addresses, that is ours alone.
fn unmap(memory: Range<u64>) {
    if !memory.is_empty() {
        let start = std::ptr::with_exposed_provenance_mut(memory.start as usize);
        // SAFETY: it is ours, and nothing refers to it. An error leaves it mapped.
        let _ = unsafe { munmap(start, (memory.end - memory.start) as usize) };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    use std::thread;
    use std::time::Duration;

    use proptest::prelude::*;
    use rustix::mm::{madvise, Advice};

    use super::super::tests::{check, map, patchy, sealed};
    use super::*;
    use crate::bitmap::Bitmap;
    use crate::testing::{Memory, Snapshot, PAGE};

    /// How many mappings of this process are of the snapshot and in `memory`.
    fn mappings(memory: &Memory) -> usize {
        let range = memory.start() as u64..memory.start() as u64 + memory.len();
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let is_there = |line: &&str| {
            let start = u64::from_str_radix(line.split('-').next().unwrap(), 16).unwrap();
            range.contains(&start) && line.contains("memfd:")
        };
        maps.lines().filter(is_there).count()
    }

    /// Throws pages away.
    fn discard(memory: &Memory, pages: Range<u64>) {
        let at = memory.start().wrapping_add((pages.start * PAGE) as usize);
        let len = ((pages.end - pages.start) * PAGE) as usize;
        // SAFETY: of our own memory, which nothing refers to.
        unsafe { madvise(at.cast(), len, Advice::LinuxDontNeed) }.unwrap();
    }

    /// One run of so many pages, mapped.
    fn whole(pages: u64) -> (Snapshot, Memory, Detach) {
        let mut data = Bitmap::new(pages);
        data.set(0..pages);
        let snapshot = sealed(&[("ram", data)]);
        let memory = Memory::anonymous(pages * PAGE).unwrap();
        let (_, detach) = map(&snapshot, &[&memory]);
        (snapshot, memory, detach)
    }

    #[test]
    fn memory_stays_as_it_is_while_it_becomes_ones_own() {
        // Longer than a huge page, so that runs take several pieces.
        let mut data = patchy(3000);
        data.set(400..2600);
        let snapshot = sealed(&[("ram", data.clone())]);
        let memory = Memory::anonymous(3000 * PAGE).unwrap();
        let (done, mut detach) = map(&snapshot, &[&memory]);
        assert_eq!(detach.left(), done.mapped);
        // What the machine has written stays.
        let written = [400, 1000, 2599];
        for page in written {
            // SAFETY: the first byte of a page of our own memory.
            unsafe {
                memory
                    .start()
                    .add(page * PAGE as usize)
                    .write_volatile(b'W')
            };
        }
        let mut advised = 0;
        let mut steps = 0;
        // SAFETY: the memory is ours, and nobody else knows of it.
        let moved = unsafe { detach.step(|| false) }.unwrap();
        assert_eq!(moved, 0, "none is ready");
        while detach.left() > 0 {
            let left = detach.left();
            // Not always something new.
            if steps % 3 != 1 {
                detach
                    .prepare(steps * PAGE, |_, len| advised += len)
                    .unwrap();
            }
            // SAFETY: as above.
            let moved = unsafe { detach.step(|| true) }.unwrap();
            assert_eq!(detach.left(), left - moved);
            assert!(moved <= HUGE_PAGE);
            steps += 1;
        }
        assert!(steps > done.runs);
        assert_eq!(advised, done.mapped);
        assert_eq!(mappings(&memory), 0);
        for page in 0..3000 {
            let mut expected = snapshot.expected(0, page);
            if written.contains(&(page as usize)) {
                expected[0] = b'W';
            }
            assert_eq!(memory.read_page(page), expected, "page {page}");
        }
        // Nothing is left to do, and that is no error.
        // SAFETY: as above.
        assert_eq!(unsafe { detach.step(|| false) }.unwrap(), 0);
        detach
            .prepare(1 << 30, |_, _| panic!("nothing is left"))
            .unwrap();
    }

    /// A disk that is read for the guest, or a migration, goes on while pieces are moved.
    #[test]
    fn whoever_reads_meanwhile_finds_every_page() {
        let (snapshot, memory, mut detach) = whole(3000);
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let reader = || {
                let mut times = 0;
                while !over.load(Relaxed) || times == 0 {
                    check(&snapshot, 0, &memory);
                    times += 1;
                }
            };
            scope.spawn(reader);
            while detach.left() > 0 {
                detach.prepare(HUGE_PAGE, |_, _| ()).unwrap();
                // SAFETY: the memory is ours, and the other thread only reads it.
                unsafe { detach.step(|| true) }.unwrap();
                thread::sleep(Duration::from_millis(5));
            }
            over.store(true, Relaxed);
        });
    }

    #[test]
    fn pages_that_are_thrown_away_come_back_as_zeros() {
        let (snapshot, memory, mut detach) = whole(64);
        discard(&memory, 3..4);
        check(&snapshot, 0, &memory);
        detach.prepare(64 * PAGE, |_, _| ()).unwrap();
        // SAFETY: the memory is ours, and nobody else knows of it.
        unsafe { detach.step(|| false) }.unwrap();
        check(&snapshot, 0, &memory);
        discard(&memory, 3..4);
        assert_eq!(memory.read_page(3), vec![0; PAGE as usize]);
        assert_eq!(memory.read_page(4), snapshot.expected(0, 4));
        // Others have the snapshot still.
        let other = Memory::anonymous(64 * PAGE).unwrap();
        map(&snapshot, &[&other]);
        assert_eq!(other.read_page(3), snapshot.expected(0, 3));
    }

    proptest! {
        #[test]
        fn what_is_forgotten_is_left_alone(
            lengths in prop::collection::vec((0u64..9, 1u64..9), 1..20), gone in (0u64..99, 0u64..99),
        ) {
            let mut at = 0;
            let runs: Vec<_> = lengths
                .iter()
                .map(|(gap, len)| {
                    at += gap + len;
                    at - len..at
                })
                .collect();
            let memory = gone.0.min(gone.1)..gone.0.max(gone.1);
            let mut detach = Detach::new(runs.clone(), None);
            let forgotten = detach.forget(memory.clone());
            let bytes = |runs: &mut dyn Iterator<Item = Range<u64>>| {
                runs.flatten().collect::<Vec<_>>()
            };
            let all = bytes(&mut runs.iter().cloned());
            let left: Vec<_> = all.iter().copied().filter(|it| !memory.contains(it)).collect();
            prop_assert_eq!(forgotten as usize, all.len() - left.len());
            prop_assert_eq!(bytes(&mut detach.runs.iter().cloned()), left);
            prop_assert!(detach.runs.iter().all(|run| !run.is_empty()));
        }
    }
}
