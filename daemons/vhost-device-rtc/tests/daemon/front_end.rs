// SPDX-License-Identifier: GPL-2.0-or-later
//! A front-end with a guest's driver behind it, and the daemon as a process.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::event::{poll, PollFd, PollFlags};
use rustix::time::Timespec;
use vhost::vhost_user::message::{
    VhostUserHeaderFlag, VhostUserProtocolFeatures, VhostUserVirtioFeatures,
};
use vhost::vhost_user::{Frontend, VhostUserFrontend};
use vhost::{VhostBackend, VhostUserMemoryRegionInfo, VringConfigData};
use vhost_device_rtc::testing::{Driver, AVAIL, ENTRIES, MEMORY, TABLE, USED};
use vm_memory::{FileOffset, GuestAddress, GuestMemoryBackend, GuestMemoryMmap};
use vmm_sys_util::eventfd::{EventFd, EFD_NONBLOCK};

/// Long enough for whatever has to happen on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Wait until something holds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        sleep(Duration::from_millis(2));
    }
}

/// A daemon, which is killed in the end if it is still there.
pub struct Daemon {
    child: Child,
    pub socket: PathBuf,
    log: PathBuf,
}

pub const BINARY: &str = env!("CARGO_BIN_EXE_vhost-device-rtc");

impl Daemon {
    /// Start one that listens in `folder`.
    pub fn start(folder: &Path, arguments: &[&str]) -> Daemon {
        let socket = folder.join("socket");
        let mut command = Command::new(BINARY);
        command.arg("--socket-path").arg(&socket).args(arguments);
        Daemon::run(command, socket)
    }

    pub fn run(command: Command, socket: PathBuf) -> Daemon {
        Daemon::spawn(command, socket, Stdio::null())
    }

    /// With a socket as its standard input.
    pub fn run_with_input(command: Command, socket: PathBuf, listener: UnixListener) -> Daemon {
        Daemon::spawn(command, socket, OwnedFd::from(listener).into())
    }

    fn spawn(mut command: Command, socket: PathBuf, input: Stdio) -> Daemon {
        let log = socket.with_extension("log");
        command.env("RUST_LOG", "debug").stdin(input);
        command.stderr(File::create(&log).unwrap());
        let child = command.spawn().unwrap();
        let mut daemon = Daemon { child, socket, log };
        until("the daemon's socket", || {
            assert!(
                daemon.child.try_wait().unwrap().is_none(),
                "{}",
                daemon.log()
            );
            daemon.socket.exists() && daemon.log().contains("clocks:")
        });
        daemon
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill")
            .args([signal, &pid])
            .status()
            .unwrap()
            .success());
    }

    pub fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        until("the daemon's end", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// How many descriptors and threads it has.
    pub fn size(&self) -> (usize, usize) {
        let count = |what| {
            std::fs::read_dir(format!("/proc/{}/{what}", self.pid()))
                .unwrap()
                .count()
        };
        (count("fd"), count("task"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the daemon's log:\n{}", self.log());
        }
    }
}

/// One queue as a front-end has it.
pub struct Queue {
    pub driver: Driver,
    kick: EventFd,
    call: EventFd,
    pub error: EventFd,
}

impl Queue {
    fn new(memory: GuestMemoryMmap, at: u64) -> Queue {
        let fd = || EventFd::new(EFD_NONBLOCK).unwrap();
        Queue {
            driver: Driver::over(memory, at, false),
            kick: fd(),
            call: fd(),
            error: fd(),
        }
    }

    pub fn kick(&self) {
        self.kick.write(1).unwrap();
    }

    /// Whether the device calls within ms.
    pub fn called(&self, ms: i64) -> bool {
        let called = readable(&self.call, ms);
        let _ = self.call.read();
        called
    }
}

/// Whether something can be read of it within ms.
pub fn readable(fd: &EventFd, ms: i64) -> bool {
    let timeout = Timespec {
        tv_sec: ms / 1000,
        tv_nsec: ms % 1000 * 1_000_000,
    };
    let fd = borrowed(fd);
    let mut fds = [PollFd::new(&fd, PollFlags::IN)];
    poll(&mut fds, Some(&timeout)).unwrap() == 1
}

#[allow(unsafe_code)]
fn borrowed(fd: &EventFd) -> rustix::fd::BorrowedFd<'_> {
    // SAFETY: it lives as long as the EventFd.
    unsafe { rustix::fd::BorrowedFd::borrow_raw(fd.as_raw_fd()) }
}

/// A front-end with two queues.
pub struct FrontEnd {
    pub wire: Frontend,
    pub requests: Queue,
    pub alarms: Queue,
    memory: GuestMemoryMmap,
    features: u64,
}

const EVENT_IDX: u64 = 1 << 29;

/// A guest's memory: two queues with their buffers.
fn guest() -> GuestMemoryMmap {
    let file = tempfile::tempfile().unwrap();
    file.set_len(2 * MEMORY).unwrap();
    let range = (
        GuestAddress(0),
        2 * MEMORY as usize,
        Some(FileOffset::new(file, 0)),
    );
    GuestMemoryMmap::from_ranges_with_files([range]).unwrap()
}

impl FrontEnd {
    /// Connect and negotiate everything; no queue is started.
    pub fn connect(socket: &Path) -> FrontEnd {
        FrontEnd::connect_to(socket, 2)
    }

    /// The same where there are so many queues.
    pub fn connect_to(socket: &Path, queues: u64) -> FrontEnd {
        let memory = guest();
        let requests = Queue::new(memory.clone(), 0);
        let alarms = Queue::new(memory.clone(), MEMORY);
        FrontEnd::with(socket, queues, (memory, requests, alarms), !EVENT_IDX)
    }

    /// The same with event indices, which the driver goes by to the letter.
    pub fn with_events(socket: &Path) -> FrontEnd {
        let mut front = FrontEnd::connect(socket);
        front.features |= EVENT_IDX;
        front.renegotiate();
        front.start(0, 0);
        front.start(1, 0);
        front
    }

    /// The same guest connects again, and nobody knows what became of its requests.
    pub fn again(self, socket: &Path) -> FrontEnd {
        let FrontEnd {
            wire,
            requests,
            alarms,
            memory,
            ..
        } = self;
        drop(wire);
        let mut front = FrontEnd::with(socket, 2, (memory, requests, alarms), !EVENT_IDX);
        let (requests, alarms) = (
            front.requests.driver.used_idx(),
            front.alarms.driver.used_idx(),
        );
        front.start(0, requests);
        front.start(1, alarms);
        front
    }

    fn with(
        socket: &Path,
        queues: u64,
        (memory, requests, alarms): (GuestMemoryMmap, Queue, Queue),
        wanted: u64,
    ) -> FrontEnd {
        let mut wire = Frontend::connect(socket, queues).unwrap();
        wire.set_owner().unwrap();
        let features = wire.get_features().unwrap();
        let protocol = wire.get_protocol_features().unwrap();
        wire.set_protocol_features(protocol & !VhostUserProtocolFeatures::BACKEND_REQ)
            .unwrap();
        wire.set_hdr_flags(VhostUserHeaderFlag::NEED_REPLY);
        let features = features & !VhostUserVirtioFeatures::LOG_ALL.bits() & wanted;
        wire.set_features(features).unwrap();
        let regions: Vec<_> = memory
            .iter()
            .map(|region| VhostUserMemoryRegionInfo::from_guest_region(region).unwrap())
            .collect();
        wire.set_mem_table(&regions).unwrap();
        if queues > 1 {
            wire.set_vring_err(1, &alarms.error).unwrap();
        }
        FrontEnd {
            wire,
            requests,
            alarms,
            memory,
            features,
        }
    }

    /// The driver accepts the same features after a reset.
    pub fn renegotiate(&mut self) {
        self.wire.set_features(self.features).unwrap();
    }

    /// Connect and start both queues where a new driver starts them.
    pub fn started(socket: &Path) -> FrontEnd {
        let mut front = FrontEnd::connect(socket);
        front.start(0, 0);
        front.start(1, 0);
        front
    }

    pub fn start(&mut self, index: usize, base: u16) {
        let (queue, at) = match index {
            0 => (&self.requests, 0),
            _ => (&self.alarms, MEMORY),
        };
        let address = |offset| {
            self.memory
                .get_host_address(GuestAddress(at + offset))
                .unwrap() as u64
        };
        let wire = &mut self.wire;
        wire.set_vring_num(index, ENTRIES).unwrap();
        let config = VringConfigData {
            queue_max_size: ENTRIES,
            queue_size: ENTRIES,
            flags: 0,
            desc_table_addr: address(TABLE),
            used_ring_addr: address(USED),
            avail_ring_addr: address(AVAIL),
            log_addr: None,
        };
        wire.set_vring_addr(index, &config).unwrap();
        wire.set_vring_base(index, base).unwrap();
        wire.set_vring_call(index, &queue.call).unwrap();
        wire.set_vring_kick(index, &queue.kick).unwrap();
        wire.set_vring_enable(index, true).unwrap();
    }

    pub fn stop(&mut self, index: usize) -> u16 {
        self.wire.get_vring_base(index).unwrap() as u16
    }

    /// Read a clock as a driver with event indices does: it kicks only if it has to, and sleeps
    /// until it is called.
    pub fn read_by_events(&mut self) {
        self.requests.driver.call_for_next();
        let mut bytes = [0; 16];
        bytes[0] = 1;
        self.requests.driver.request(&bytes, &[16], &[16], true);
        // The device asks for a kick before it looks for what has come without one.
        std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
        if self.requests.driver.wants_kick() {
            self.requests.kick();
        }
        assert!(self.requests.called(60_000), "not called");
        assert_eq!(self.requests.driver.used().map(|used| used.1), Some(16));
    }

    /// Make a request, and wait for its answer.
    pub fn ask(&mut self, kind: u16, fields: &[u8], room: usize) -> Vec<u8> {
        let mut bytes = kind.to_le_bytes().to_vec();
        bytes.resize(8, 0);
        bytes.extend(fields);
        let length = bytes.len();
        let at = self
            .requests
            .driver
            .request(&bytes, &[length], &[room], false);
        self.requests.kick();
        let mut used = None;
        until("an answer", || {
            used = self.requests.driver.used();
            used.is_some()
        });
        let mut answer = self.requests.driver.rooms(&at);
        answer.truncate(used.unwrap().1 as usize);
        answer
    }

    /// A clock's reading.
    pub fn read(&mut self, clock: u8) -> u64 {
        let answer = self.ask(1, &[clock, 0, 0, 0, 0, 0, 0, 0], 16);
        assert_eq!(answer[0], 0);
        u64::from_le_bytes(answer[8..].try_into().unwrap())
    }

    pub fn set_alarm(&mut self, clock: u8, time: u64, enabled: bool) {
        let mut fields = time.to_le_bytes().to_vec();
        fields.extend([clock, 0, u8::from(enabled), 0, 0, 0, 0, 0]);
        assert_eq!(self.ask(0x1004, &fields, 8), [0; 8]);
    }

    /// An alarm's time, and whether it is enabled.
    pub fn alarm(&mut self, clock: u8) -> (u64, bool) {
        let answer = self.ask(0x1003, &[clock, 0, 0, 0, 0, 0, 0, 0], 24);
        assert_eq!(answer[0], 0);
        (
            u64::from_le_bytes(answer[8..16].try_into().unwrap()),
            answer[16] == 1,
        )
    }

    /// Put a buffer for a notification into the alarmq.
    pub fn offer(&mut self) -> Vec<(u64, usize)> {
        let at = self.alarms.driver.request(&[], &[], &[16], false);
        self.alarms.kick();
        at
    }

    /// Wait for a notification in that buffer; gives its clock.
    pub fn notified(&mut self, at: &[(u64, usize)]) -> u8 {
        let mut used = None;
        until("a notification", || {
            used = self.alarms.driver.used();
            used.is_some()
        });
        assert_eq!(used.unwrap().1, 16);
        let note = self.alarms.driver.rooms(at);
        assert_eq!(note[..2], [0, 0x20]);
        note[8]
    }
}
