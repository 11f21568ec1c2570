// SPDX-License-Identifier: GPL-2.0-or-later
//! A vhost-user back-end for networks, in this process: a host with the UDP
//! services echo and discard, and nothing else.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;
use std::thread;

use annex_peers::vhost_user::features::{EVENT_IDX, INDIRECT, PROTOCOL_FEATURES, VERSION_1};
use annex_peers::vhost_user::wire::{Code, Message, Wire};
use annex_peers::vhost_user::{Chain, Memory, Ring};
use anyhow::{bail, ensure, Context, Result};
use rustix::event::{poll, PollFd, PollFlags};

use super::packet::{Packet, Service};

/// What the guest sends with; the other ring is what it receives with.
const TX: usize = 1;

/// A running one; it ends with its front-end.
pub struct Reflector(Arc<AtomicU64>);

impl Reflector {
    /// Listens on `socket` for one front-end.
    pub fn start(socket: &Path) -> Result<Self> {
        let _ = fs::remove_file(socket);
        let listener = UnixListener::bind(socket).with_context(|| socket.display().to_string())?;
        let discarded = Arc::new(AtomicU64::new(0));
        let counter = discarded.clone();
        thread::spawn(move || {
            let served = listener
                .accept()
                .map_err(Into::into)
                .and_then(|(stream, _)| {
                    let rings = [Ring::default(), Ring::default()];
                    Host {
                        wire: Wire::over(stream),
                        memory: None,
                        rings,
                        counter,
                    }
                    .serve()
                });
            if let Err(error) = served {
                eprintln!("bench: the reflector: {error:#}");
            }
        });
        Ok(Self(discarded))
    }

    /// How many packets came to the discard service.
    pub fn discarded(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

struct Host {
    wire: Wire,
    memory: Option<Memory>,
    rings: [Ring; 2],
    counter: Arc<AtomicU64>,
}

impl Host {
    /// Until the front-end hangs up.
    fn serve(&mut self) -> Result<()> {
        loop {
            let mut fds = vec![PollFd::new(&self.wire, PollFlags::IN)];
            let kick = self.rings[TX].kick.as_ref().filter(|_| self.works());
            fds.extend(kick.map(|kick| PollFd::new(kick, PollFlags::IN)));
            poll(&mut fds, None)?;
            let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
            if ready[0] {
                match self.wire.take()? {
                    Some(message) => self.message(&message)?,
                    None => return Ok(()),
                }
            } else {
                self.rings[TX].kicked()?;
                self.carry()?;
            }
        }
    }

    fn works(&self) -> bool {
        self.memory.is_some() && self.rings.iter().all(Ring::runs)
    }

    fn message(&mut self, message: &Message) -> Result<()> {
        let ring = message.u32(0) as usize & 0xff;
        let answer = |value: u64| value.to_le_bytes();
        match message.code {
            Code::GET_FEATURES => {
                let features = INDIRECT | EVENT_IDX | PROTOCOL_FEATURES | VERSION_1;
                return self.wire.reply(message.code, &answer(features));
            }
            Code::GET_PROTOCOL_FEATURES => return self.wire.reply(message.code, &answer(0)),
            Code::GET_VRING_BASE => {
                let ring = self
                    .rings
                    .get_mut(ring)
                    .context("a ring that isn't there")?;
                ring.kick = None;
                let base = [message.u32(0), u32::from(ring.taken)].map(u32::to_le_bytes);
                return self.wire.reply(message.code, base.as_flattened());
            }
            Code::SET_FEATURES => {
                self.rings
                    .iter_mut()
                    .for_each(|ring| ring.set_features(message.u64(0)));
            }
            Code::SET_MEM_TABLE => self.memory = Some(Memory::from_table(message, drop)?),
            Code::SET_OWNER | Code::SET_PROTOCOL_FEATURES | Code::SET_VRING_ERR => {}
            code => {
                let ring = self
                    .rings
                    .get_mut(ring)
                    .context("a ring that isn't there")?;
                ensure!(
                    ring.set(message, self.memory.as_ref())?,
                    "{code} wasn't agreed upon"
                );
            }
        }
        self.carry()
    }

    /// Takes what the guest has sent since.
    fn carry(&mut self) -> Result<()> {
        let Some(memory) = self.memory.clone().filter(|_| self.works()) else {
            return Ok(());
        };
        let [rx, tx] = &mut self.rings;
        loop {
            let (mut sent, mut answered) = (0, 0);
            while let Some(chain) = tx.take(&memory)? {
                let mut packet = Packet::new();
                read(&memory, &chain, &mut packet, Packet::HEADERS)?;
                match packet.service() {
                    Some(Service::Discard) => {
                        self.counter.fetch_add(1, Relaxed);
                    }
                    Some(Service::Echo) => {
                        read(&memory, &chain, &mut packet, Packet::MOST)?;
                        packet.answer();
                        // No room, no answer: so are networks.
                        if let Some(room) = rx.take(&memory)? {
                            let len = write(&memory, &room, packet.bytes())?;
                            rx.put(&memory, answered, u32::from(room.head), len)?;
                            answered += 1;
                        }
                    }
                    None => {}
                }
                tx.put(&memory, sent, u32::from(chain.head), 0)?;
                sent += 1;
            }
            if answered > 0 {
                rx.give(&memory, answered)?;
            }
            if sent > 0 {
                tx.give(&memory, sent)?;
            }
            if !tx.wait_for_kick(&memory)? {
                return Ok(());
            }
        }
    }
}

/// Reads what a packet lacks of its first `len` bytes.
fn read(memory: &Memory, chain: &Chain, packet: &mut Packet, len: usize) -> Result<()> {
    let mut start = 0;
    for buffer in &chain.readable {
        let end = start + buffer.len as usize;
        let has = packet.bytes().len();
        if has < end && has < len {
            let more = end.min(len) - has;
            packet.extend(&memory.read(buffer.at + (has - start) as u64, more)?);
        }
        start = end;
    }
    Ok(())
}

/// Writes a packet into a buffer of the guest's; its length.
fn write(memory: &Memory, room: &Chain, mut bytes: &[u8]) -> Result<u32> {
    let len = bytes.len() as u32;
    for buffer in &room.writable {
        let (now, later) = bytes.split_at(bytes.len().min(buffer.len as usize));
        memory.write(buffer.at, now)?;
        bytes = later;
    }
    if !bytes.is_empty() {
        bail!("the guest has too little room for a packet of {len} bytes");
    }
    Ok(len)
}
