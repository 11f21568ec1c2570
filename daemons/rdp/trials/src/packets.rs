// SPDX-License-Identifier: GPL-2.0-or-later
//! A device with isochronous endpoints in software, at a `usb-redir` of a guest: Linux has it there
//! as any other.

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{anyhow, Context, Result};
use rdp_usb::testing::{Device, IsoLoop, Redirected};
use rdp_usb::{Buffer, Done, IsoResult, Operation, UsbdStatus};

/// Its vendor and product.
pub const PACKETS: &str = "1209:0003";

/// Between two packets.
const INTERVAL: Duration = Duration::from_millis(1);
/// As many may come at once, when nobody asked for them in time.
const LATE: Duration = Duration::from_millis(50);

/// What its interrupt endpoint tells, again and again.
pub const STATUS: [u8; 8] = *b"a status";
const STATUS_INTERVAL: Duration = Duration::from_millis(20);
/// A vendor's request, which is never answered.
const NO_ANSWER: [u8; 2] = [0xc0, 1];

/// One interface, which has endpoints in its alternate setting 1.
const CONFIGURATION: [u8; 48] = [
    9, 2, 48, 0, 1, 1, 0, 0x80, 50, // one interface, 100 mA
    9, 4, 0, 0, 0, 0xff, 0, 0, 0, // without endpoints
    9, 4, 0, 1, 3, 0xff, 0, 0, 0, //
    7, 5, 0x83, 5, 192, 0, 4, // isochronous, a packet in a millisecond
    7, 5, 0x04, 9, 192, 0, 4, //
    7, 5, 0x81, 3, 8, 0, 4, // interrupt
];

/// The packet of this number.
pub fn packet(number: u32) -> Vec<u8> {
    let mut packet = number.to_le_bytes().to_vec();
    packet.resize(4 + number as usize % 189, number as u8);
    packet
}

/// Sends packets that count, and keeps those that come.
struct Source {
    next: u32,
    next_at: Instant,
    status_at: Instant,
    came: Arc<Mutex<Vec<u8>>>,
}

impl Device for Source {
    fn descriptor(&self) -> Vec<u8> {
        IsoLoop::default().descriptor()
    }

    fn configuration(&self) -> Vec<u8> {
        CONFIGURATION.to_vec()
    }

    fn transfer(&mut self, operation: &Operation) -> Option<Done> {
        let now = Instant::now();
        let (packets, buffer) = match operation {
            Operation::Iso {
                packets, buffer, ..
            } => (packets, buffer),
            Operation::Interrupt { .. } if now < self.status_at => return None,
            Operation::Interrupt { .. } => {
                self.status_at = now + STATUS_INTERVAL;
                return Some(Done {
                    data: STATUS.to_vec(),
                    ..Done::with(UsbdStatus::SUCCESS)
                });
            }
            _ => return Some(Done::with(UsbdStatus::INVALID_PARAMETER)),
        };
        let result = |length| IsoResult {
            length,
            status: UsbdStatus::SUCCESS,
        };
        let mut done = Done::with(UsbdStatus::SUCCESS);
        if let Buffer::Out(data) = buffer {
            self.came.lock().expect("no panic").extend(data);
            done.sent = data.len();
            done.packets = packets.iter().map(|it| result(*it)).collect();
            return Some(done);
        }
        if now < self.next_at {
            return None;
        }
        self.next_at = self.next_at.max(now - LATE) + INTERVAL * packets.len() as u32;
        for size in packets {
            let packet = packet(self.next);
            self.next += 1;
            done.packets.push(result(packet.len() as u16));
            let end = done.data.len() + usize::from(*size);
            done.data.extend(packet);
            done.data.resize(end, 0);
        }
        Some(done)
    }
}

/// The same, which doesn't answer everything.
struct Silent(Source);

impl Device for Silent {
    fn descriptor(&self) -> Vec<u8> {
        self.0.descriptor()
    }

    fn configuration(&self) -> Vec<u8> {
        self.0.configuration()
    }

    fn transfer(&mut self, operation: &Operation) -> Option<Done> {
        self.0.transfer(operation)
    }

    fn perform(&mut self, operation: &Operation) -> Option<Done> {
        match operation {
            Operation::Control { setup, .. } if setup.starts_with(&NO_ANSWER) => None,
            other => self.0.perform(other),
        }
    }
}

/// The device, while it is plugged in.
pub struct Plugged {
    stream: UnixStream,
    thread: JoinHandle<Result<()>>,
    came: Arc<Mutex<Vec<u8>>>,
}

impl Plugged {
    /// Plugs one in at a `usb-redir`'s socket.
    pub fn at(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket).context("a usb-redir's socket")?;
        let ours = stream.try_clone()?;
        ours.set_read_timeout(Some(INTERVAL))?;
        let came = Arc::default();
        let source = Source {
            next: 0,
            next_at: Instant::now(),
            status_at: Instant::now(),
            came: Arc::clone(&came),
        };
        let thread = thread::spawn(move || {
            let mut redirected = Redirected::new(Silent(source), ours)?;
            loop {
                match redirected.turn() {
                    Ok(true) => (),
                    Ok(false) => return Ok(()),
                    // It was unplugged.
                    Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                    Err(error) => return Err(error.into()),
                }
            }
        });
        Ok(Self {
            stream,
            thread,
            came,
        })
    }

    /// What has come.
    pub fn came(&self) -> Vec<u8> {
        self.came.lock().expect("no panic").clone()
    }

    /// Pulls it.
    pub fn unplug(self) -> Result<()> {
        self.stream.shutdown(std::net::Shutdown::Both)?;
        self.thread.join().map_err(|_| anyhow!("a panic"))?
    }
}
