// SPDX-License-Identifier: GPL-2.0-or-later
//! A vhost-user device that tells QEMU of its page faults (`VHOST_USER_PROTOCOL_F_PAGEFAULT`), or
//! doesn't, and serves no request: what it sees of the guest's memory is what its owner reads
//! there. It does what docs/interop/vhost-user.rst has under "Postcopy".

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use annex_qtest::files::Dir;
use annex_qtest::wait;
use anyhow::{bail, ensure, Context, Result};
use mapped_ram::uffd::Uffd;
use vm_memory::{
    Bytes, FileOffset, GuestAddress, GuestMemoryBackend, GuestMemoryMmap, MemoryRegionAddress,
};

use crate::backend::socket;
use crate::vhost_user::features;
use crate::vhost_user::protocol;
use crate::vhost_user::wire::{Code, Message, Wire};

/// What QEMU may take to tell of its memory.
const LIMIT: Duration = Duration::from_secs(60);

/// Slots for memory, where the back-end has them.
const SLOTS: u64 = 32;

/// What the back-end is able to do.
#[derive(Clone, Copy, Debug)]
pub struct Able {
    /// It hands over a userfaultfd.
    pub page_faults: bool,
    /// It takes regions one by one, not as a table.
    pub slots: bool,
    /// Queues of a disk, or pairs of queues of a network device.
    pub queues: u64,
    /// Features that it offers beside those that all have.
    pub features: u64,
}

/// A part of the guest's RAM, mapped here.
struct Region {
    guest: u64,
    user: u64,
    /// Where it begins in the file, which is the RAM block.
    offset: u64,
    size: u64,
    map: GuestMemoryMmap,
}

impl Region {
    /// What the description at `at` of the message's payload is of.
    fn map(message: &Message, at: usize, file: &File) -> Result<Self> {
        let [guest, size, user, offset] = [0, 8, 16, 24].map(|field| message.u64(at + field));
        let file = FileOffset::new(file.try_clone()?, offset);
        let range = (GuestAddress(0), size as usize, Some(file));
        let map = GuestMemoryMmap::from_ranges_with_files([range])?;
        Ok(Self {
            guest,
            user,
            offset,
            size,
            map,
        })
    }

    /// Where it is mapped.
    fn address(&self) -> Result<u64> {
        let region = self.map.find_region(GuestAddress(0)).context("one")?;
        let host = vm_memory::GuestMemoryRegion::get_host_address(region, MemoryRegionAddress(0))?;
        Ok(host as u64)
    }
}

/// What its thread and its owner share.
#[derive(Default)]
struct State {
    regions: Vec<Arc<Region>>,
    /// Whether accesses to missing pages are told of.
    watched: bool,
    ended: bool,
    /// Whether it hangs up when it is told of the end.
    leaves_at_end: bool,
    /// Why it serves no more.
    failed: Option<String>,
}

/// The back-end, in a thread of its own.
pub struct Pager {
    /// Where QEMU finds it.
    pub socket: PathBuf,
    state: Arc<Mutex<State>>,
    stream: Arc<Mutex<Option<UnixStream>>>,
}

impl Pager {
    /// One that is `able` to do that, for one connection.
    pub fn listen(dir: &Dir, name: &str, able: Able) -> Result<Self> {
        let socket = socket(dir, name)?;
        let listener = UnixListener::bind(&socket)?;
        let pager = Self {
            socket,
            state: Arc::default(),
            stream: Arc::default(),
        };
        let (state, stream) = (pager.state.clone(), pager.stream.clone());
        thread::spawn(move || {
            let served = listener.accept().map_err(anyhow::Error::from);
            let served = served.and_then(|(accepted, _)| {
                *lock(&stream) = Some(accepted.try_clone()?);
                Session::new(accepted, able, state.clone()).run()
            });
            if let Err(error) = served {
                lock(&state).failed = Some(format!("{error:#}"));
            }
        });
        Ok(pager)
    }

    /// Waits until it has memory, and its faults are told of.
    pub fn wait_watched(&self) -> Result<()> {
        self.wait("the back-end to have memory", |state| state.watched)
    }

    /// Waits until it is told that nothing is missing any more.
    pub fn wait_ended(&self) -> Result<()> {
        self.wait("the back-end to be told of the end", |state| state.ended)
    }

    /// From now on it hangs up when it is told that nothing is missing any more.
    pub fn leave_at_end(&self) {
        lock(&self.state).leaves_at_end = true;
    }

    /// Whether it has understood all that QEMU said.
    pub fn check(&self) -> Result<()> {
        self.wait("nothing", |_| true)
    }

    fn wait(&self, what: &str, done: impl Fn(&State) -> bool) -> Result<()> {
        wait::until(what, LIMIT, || {
            let state = lock(&self.state);
            let failed = state.failed.as_deref().unwrap_or_default();
            ensure!(failed.is_empty(), "the back-end: {failed}");
            Ok(done(&state).then_some(()))
        })
    }

    /// The parts of the RAM block that it sees: where they begin, and their lengths.
    pub fn parts(&self) -> Vec<(u64, u64)> {
        let regions = &lock(&self.state).regions;
        regions.iter().map(|r| (r.offset, r.size)).collect()
    }

    /// Reads what it sees at `offset` of the RAM block, and waits for it if it is missing.
    pub fn read(&self, offset: u64, bytes: &mut [u8]) -> Result<()> {
        let region = self.region(offset)?;
        let at = GuestAddress(offset - region.offset);
        Ok(region.map.read_slice(bytes, at)?)
    }

    /// Writes there, likewise.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let region = self.region(offset)?;
        let at = GuestAddress(offset - region.offset);
        Ok(region.map.write_slice(bytes, at)?)
    }

    fn region(&self, offset: u64) -> Result<Arc<Region>> {
        let regions = &lock(&self.state).regions;
        let there =
            |region: &&Arc<Region>| (region.offset..region.offset + region.size).contains(&offset);
        let found = regions.iter().find(there).cloned();
        found.with_context(|| format!("the back-end doesn't see {offset:#x}"))
    }

    /// Is gone for QEMU.
    pub fn hang_up(&self) -> Result<()> {
        let stream = lock(&self.stream);
        let stream = stream.as_ref().context("nobody has connected")?;
        Ok(stream.shutdown(std::net::Shutdown::Both)?)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One connection.
struct Session {
    wire: Wire,
    able: Able,
    state: Arc<Mutex<State>>,
    uffd: Option<Uffd>,
    listening: bool,
}

impl Session {
    fn new(stream: UnixStream, able: Able, state: Arc<Mutex<State>>) -> Self {
        Self {
            wire: Wire::over(stream),
            able,
            state,
            uffd: None,
            listening: false,
        }
    }

    fn run(&mut self) -> Result<()> {
        while let Some(message) = self.wire.take()? {
            self.answer(&message)?;
        }
        Ok(())
    }

    fn answer(&mut self, message: &Message) -> Result<()> {
        let code = message.code;
        let word = match code {
            Code::GET_FEATURES => {
                self.able.features
                    | features::VERSION_1
                    | features::LOG_ALL
                    | features::PROTOCOL_FEATURES
            }
            Code::GET_PROTOCOL_FEATURES => self.protocol_features(),
            Code::GET_QUEUE_NUM => self.able.queues,
            Code::GET_MAX_MEM_SLOTS => SLOTS,
            // The ring's index, and where it is, which never moves.
            Code::GET_VRING_BASE => u64::from(message.u32(0)),
            // Nothing is written to the log, as nothing is written.
            Code::SET_LOG_BASE => 0,
            Code::GET_CONFIG => {
                let mut payload = message.payload.clone();
                // The first field is the capacity in sectors; the others are 0, what they are of
                // wasn't offered.
                payload[12..].fill(0);
                payload[12..14].copy_from_slice(&[0, 8]);
                return self.wire.reply(code, &payload);
            }
            Code::POSTCOPY_ADVISE => {
                let uffd = Uffd::open()?;
                self.wire.reply_with(code, &[], uffd.as_fd())?;
                self.uffd = Some(uffd);
                return Ok(());
            }
            Code::POSTCOPY_LISTEN => {
                let none = lock(&self.state).regions.is_empty();
                ensure!(none, "it is to listen when it has memory already");
                self.listening = true;
                0
            }
            Code::POSTCOPY_END if lock(&self.state).leaves_at_end => return self.wire.hang_up(),
            Code::POSTCOPY_END => {
                // Closing it ends the registrations.
                self.uffd = None;
                self.listening = false;
                lock(&self.state).ended = true;
                0
            }
            Code::SET_MEM_TABLE => return self.take_table(message),
            Code::ADD_MEM_REG => return self.add_region(message),
            Code::REM_MEM_REG => {
                let (guest, user) = (message.u64(8), message.u64(24));
                let regions = &mut lock(&self.state).regions;
                let before = regions.len();
                regions.retain(|r| (r.guest, r.user) != (guest, user));
                ensure!(regions.len() + 1 == before, "no region at {guest:#x}");
                0
            }
            Code(0) => bail!("a request that there isn't"),
            _ => 0,
        };
        if message.has_answer() || matches!(code, Code::SET_LOG_BASE) {
            self.wire.reply(code, &word.to_le_bytes())?;
        }
        Ok(())
    }

    fn protocol_features(&self) -> u64 {
        let mut features =
            protocol::MQ | protocol::LOG_SHMFD | protocol::REPLY_ACK | protocol::CONFIG;
        if self.able.page_faults {
            features |= protocol::PAGEFAULT;
        }
        if self.able.slots {
            features |= protocol::CONFIGURE_MEM_SLOTS;
        }
        features
    }

    fn take_table(&mut self, message: &Message) -> Result<()> {
        let mut regions = Vec::new();
        let mut payload = message.payload.clone();
        for number in 0..message.u32(0) as usize {
            let file = message.fds.get(number).context("a descriptor")?;
            let at = 8 + 32 * number;
            let region = Region::map(message, at, file)?;
            payload[at + 16..at + 24].copy_from_slice(&region.address()?.to_le_bytes());
            regions.push(Arc::new(region));
        }
        lock(&self.state).regions = regions;
        if !self.listening {
            return self.acknowledge(message);
        }
        self.wire.reply(message.code, &payload)?;
        let answer = self.wire.take()?.context("QEMU hangs up")?;
        ensure!(
            answer.code == Code::SET_MEM_TABLE && answer.payload == [0; 8],
            "no acknowledgement of the table"
        );
        self.watch()
    }

    fn add_region(&mut self, message: &Message) -> Result<()> {
        if self.listening && message.payload.len() == 8 {
            ensure!(message.u64(0) == 0, "QEMU can't serve faults");
            return self.watch();
        }
        let file = message.fds.first().context("a descriptor")?;
        let region = Region::map(message, 8, file)?;
        let mut payload = message.payload.clone();
        payload[24..32].copy_from_slice(&region.address()?.to_le_bytes());
        lock(&self.state).regions.push(Arc::new(region));
        if !self.listening {
            return self.acknowledge(message);
        }
        self.wire.reply(message.code, &payload)
    }

    fn acknowledge(&mut self, message: &Message) -> Result<()> {
        if message.wants_answer() {
            self.wire.reply(message.code, &0u64.to_le_bytes())?;
        }
        Ok(())
    }

    /// QEMU knows all of its addresses: faults may come.
    fn watch(&mut self) -> Result<()> {
        let uffd = self.uffd.as_ref().context("it was never advised")?;
        let mut state = lock(&self.state);
        for region in &state.regions {
            // What is registered already may be so again.
            uffd.register(region.address()?, region.size)?;
        }
        state.watched = true;
        Ok(())
    }
}
