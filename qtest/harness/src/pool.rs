// SPDX-License-Identifier: GPL-2.0-or-later
//! Guests that many tests share. The first machine of a kind boots, is made
//! ready and saved; all others begin where it was saved, their memory loaded on
//! demand. One test at a time has a machine, and gives back one that works.

use std::fmt::Debug;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use anyhow::Result;

use crate::error::MachineFailure;
use crate::files::Dir;
use crate::qemu::{Config, Vm};
use crate::snapshot::{Mode, Snapshot};

/// A kind of machine.
pub trait Kind: Copy + Eq + Debug + Send + 'static {
    /// What is started.
    fn config(self) -> Result<Config>;

    /// Makes a guest that has just booted ready for tests.
    fn prepare(self, vm: &Vm) -> Result<()>;

    /// Whether all its devices can be saved. Machines of a kind that can't be
    /// boot, each of them.
    fn can_be_saved(self) -> bool {
        true
    }

    /// Makes a machine ready for the next test.
    fn renew(self, _vm: &Vm) -> Result<()> {
        Ok(())
    }
}

/// What a test has left its machine with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing: it may serve another test.
    Clean,
    /// Something that isn't to be found by others, such as a broken device.
    Broken,
}

/// What machines of a kind begin with. The file has no name, and so no other
/// program's run touches it, and it is gone when this one ends.
struct Beginning {
    snapshot: Snapshot,
    _file: File,
}

/// A kind's, or the reason that there is none.
type Made = Arc<OnceLock<Result<Beginning, Arc<anyhow::Error>>>>;

/// The machines of a test program.
pub struct Pool<K> {
    place: &'static str,
    count: AtomicUsize,
    idle: Mutex<Vec<(K, Vm)>>,
    saved: Mutex<Vec<(K, Made)>>,
}

impl<K: Kind> Pool<K> {
    /// An empty one, whose machines have their logs below build/test/`place`.
    pub const fn new(place: &'static str) -> Self {
        Self {
            place,
            count: AtomicUsize::new(0),
            idle: Mutex::new(Vec::new()),
            saved: Mutex::new(Vec::new()),
        }
    }

    /// An idle machine, or a new one. To be given back.
    pub fn take(&self, kind: K, dir: &Dir) -> Result<Vm> {
        let vm = self.idle_or_new(kind)?;
        dir.log(format!("on {}", vm.name));
        Ok(vm)
    }

    /// Takes a machine back, with what came of its test. If that failed, the
    /// test gets the machine's logs, and nobody the machine.
    pub fn give_back(&self, kind: K, vm: Vm, dir: &Dir, result: Result<Left>) -> Result<()> {
        match result {
            Ok(Left::Clean) => {
                self.idle().push((kind, vm));
                Ok(())
            }
            Ok(Left::Broken) => vm.quit(),
            Err(error) => {
                keep_logs(&vm, dir);
                Err(error)
            }
        }
    }

    fn idle_or_new(&self, kind: K) -> Result<Vm> {
        let found = {
            let mut idle = self.idle();
            let index = idle.iter().position(|(has, _)| *has == kind);
            index.map(|index| idle.swap_remove(index).1)
        };
        if let Some(vm) = found {
            kind.renew(&vm)?;
            return Ok(vm);
        }
        let number = self.count.fetch_add(1, Relaxed);
        let name = format!("{kind:?}-{number}").to_lowercase();
        let dir = Dir::for_test(&format!("{}/{name}", self.place))?;
        self.start(kind, &name, &dir)
    }

    /// A machine of that kind for one test alone.
    pub fn start(&self, kind: K, name: &str, dir: &Dir) -> Result<Vm> {
        if !kind.can_be_saved() {
            let vm = kind.config()?.boot(name, dir)?;
            kind.prepare(&vm)?;
            return Ok(vm);
        }
        let made = self.made(kind);
        match made.get_or_init(|| self.make(kind).map_err(Arc::new)) {
            Ok(beginning) => beginning.snapshot.load(name, dir, Mode::OnDemand),
            Err(error) => {
                let what = format!("no {kind:?} machine to start from: {error:#}");
                Err(MachineFailure(what).into())
            }
        }
    }

    fn made(&self, kind: K) -> Made {
        let mut saved = self.saved.lock().expect("nothing panics holding it");
        let found = saved.iter().find(|(has, _)| *has == kind);
        match found.map(|(_, made)| made.clone()) {
            Some(made) => made,
            None => {
                saved.push((kind, Made::default()));
                saved.last().expect("just pushed").1.clone()
            }
        }
    }

    fn make(&self, kind: K) -> Result<Beginning> {
        let name = format!("{kind:?}").to_lowercase();
        let dir = Dir::for_test(&format!("{}/{name}", self.place))?;
        let vm = kind.config()?.boot(&name, &dir)?;
        kind.prepare(&vm)?;
        let file = tempfile::tempfile_in(dir.path())?;
        let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
        let snapshot = Snapshot::save(vm, path.into())?;
        Ok(Beginning {
            snapshot,
            _file: file,
        })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(K, Vm)>> {
        self.idle.lock().expect("nothing panics holding it")
    }

    /// Ends the machines that are left.
    pub fn empty(&self) {
        for (_, vm) in self.idle().drain(..) {
            // Dropped, it is killed: by now no test depends on it.
            let _ = vm.quit();
        }
    }
}

/// Copies the logs of a machine that a test has failed on into its directory.
fn keep_logs(vm: &Vm, dir: &Dir) {
    if let Ok((_, messages)) = vm
        .agent
        .run_within("dmesg | tail -n 20", Duration::from_secs(10))
    {
        dir.log(format!("the guest's kernel says:\n{messages}"));
    }
    let place: PathBuf = vm.log.with_file_name("");
    for log in ["qemu", "console"] {
        let name = format!("{}.{log}.log", vm.name);
        // For the reader of a failure; without them there is still the rest.
        let _ = fs::copy(place.join(&name), dir.file(&name));
    }
}
