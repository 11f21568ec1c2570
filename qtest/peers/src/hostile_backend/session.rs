// SPDX-License-Identifier: GPL-2.0-or-later
//! A connection of QEMU's: its messages answered, its requests served, and an
//! attack when its time has come.

use std::os::fd::OwnedFd;

use anyhow::{ensure, Context, Result};
use rustix::event::{poll, PollFd, PollFlags, Timespec};

use crate::hostile_backend::attacks::{Attack, Hit, Load, Strike, Then};
use crate::hostile_backend::disk::Disk;
use crate::hostile_backend::features as f;
use crate::hostile_backend::habits::Habit;
use crate::hostile_backend::random::Mutator;
use crate::hostile_backend::report::say;
use crate::vhost_user::wire::{Code, Message, Wire};
use crate::vhost_user::{describe, Memory};
use crate::vhost_user::{Chain, Ring};

/// What it was started to do.
pub struct Plan {
    /// Its attack.
    pub attack: &'static Attack,
    /// How it answers requests.
    pub habit: Habit,
    /// How many requests are served first.
    pub after: u64,
    /// Of all that is random.
    pub seed: u64,
    /// Bytes to look for in the memory.
    pub canary: Vec<u8>,
    /// How many queues it has.
    pub queues: u16,
    /// Features that it offers beside a disk's.
    pub features: u64,
    /// Whether an attack on a request was carried out.
    pub struck: bool,
}

/// The state of a connection.
pub struct Session<'a> {
    /// To QEMU.
    pub wire: Wire,
    /// For requests of the back-end's own.
    pub back: Option<Wire>,
    /// What is shared.
    pub memory: Option<Memory>,
    /// Its queues.
    pub rings: Vec<Ring>,
    /// What it is asked to do.
    pub plan: &'a mut Plan,
    /// Whether rings are looked at without kicks.
    pub polling: bool,
    /// Whether nothing is given back any more.
    pub stalled: bool,
    /// The queue, the head and the length of a request that is given back when
    /// its queue starts again.
    pub kept: Option<(usize, u16, u32)>,
    /// What writes to the memory beside the requests.
    pub mutator: Option<Mutator>,
    disk: &'a mut Disk,
    inflight: Option<OwnedFd>,
    served: u64,
    scanned: u64,
    dirty: u64,
}

/// How long nothing happens before it is called idle.
const IDLE_MS: i64 = 150;

impl<'a> Session<'a> {
    /// Begins.
    pub fn new(wire: Wire, plan: &'a mut Plan, disk: &'a mut Disk) -> Self {
        let rings = (0..plan.queues).map(|_| Ring::default()).collect();
        let random = matches!(plan.attack.strike, Strike::Random);
        let mutator = random.then(|| Mutator::new(plan.seed));
        Self {
            wire,
            back: None,
            memory: None,
            rings,
            plan,
            polling: random,
            stalled: false,
            kept: None,
            mutator,
            disk,
            inflight: None,
            served: 0,
            scanned: 0,
            dirty: 0,
        }
    }

    /// Serves until QEMU hangs up.
    pub fn run(&mut self) -> Result<()> {
        loop {
            let rings: Vec<usize> = (0..self.rings.len()).filter(|&n| self.works(n)).collect();
            let mut fds = vec![PollFd::new(&self.wire, PollFlags::IN)];
            for &ring in &rings {
                let kick = self.rings[ring]
                    .kick
                    .as_ref()
                    .context("a ring that works")?;
                fds.push(PollFd::new(kick, PollFlags::IN));
            }
            let ms = if self.polling { 1 } else { IDLE_MS };
            let limit = Timespec {
                tv_sec: 0,
                tv_nsec: ms * 1_000_000,
            };
            let count = poll(&mut fds, Some(&limit))?;
            let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
            if ready[0] {
                match self.wire.take()? {
                    Some(message) => self.message(message)?,
                    None => return Ok(()),
                }
                continue;
            }
            for (&ring, &kicked) in rings.iter().zip(&ready[1..]) {
                if kicked {
                    self.rings[ring].kicked()?;
                }
                if kicked || self.polling {
                    self.work(ring)?;
                }
            }
            if count == 0 && !self.polling {
                self.idle()?;
            }
        }
    }

    fn works(&self, ring: usize) -> bool {
        self.rings[ring].runs() && self.memory.is_some() && !self.stalled
    }

    /// Serves what waits in a ring.
    fn work(&mut self, index: usize) -> Result<()> {
        if !self.works(index) {
            return Ok(());
        }
        let memory = self.memory.clone().context("a ring without memory")?;
        if let Some(mut mutator) = self.mutator.take() {
            let result = mutator.work(&memory, &mut self.rings[index], self.disk);
            self.mutator = Some(mutator);
            return result;
        }
        loop {
            let due = self.strikes_requests() && self.served >= self.plan.after;
            let waiting = self.rings[index].waiting(&memory)?;
            if due && self.plan.attack.load == Load::Crowd && waiting < 2 {
                self.polling = true;
                return Ok(());
            }
            let Some(chain) = self.rings[index].take(&memory)? else {
                if self.rings[index].wait_for_kick(&memory)? {
                    continue;
                }
                return Ok(());
            };
            self.note_dirt(&chain, &memory)?;
            let len = self.plan.habit.serve(self.disk, &chain, &memory)?;
            self.served += 1;
            let hit = Hit {
                queue: index,
                chain,
                len,
            };
            let then = match (due, self.plan.attack.load, waiting) {
                (true, Load::Alone, 2..) | (false, ..) => Then::Give(len),
                (true, ..) => self.strike(&hit, &memory)?,
            };
            if let Then::Give(len) = then {
                self.rings[index].put(&memory, 0, u32::from(hit.chain.head), len)?;
                self.rings[index].give(&memory, 1)?;
            }
            if !self.works(index) {
                return Ok(());
            }
        }
    }

    /// Gives back what was kept while the ring was stopped.
    fn give_kept(&mut self, ring: usize) -> Result<()> {
        if !self.works(ring) {
            return Ok(());
        }
        if let Some((_, head, len)) = self.kept.take_if(|(queue, ..)| *queue == ring) {
            let memory = self.memory.clone().context("a ring without memory")?;
            self.rings[ring].put(&memory, 0, u32::from(head), len)?;
            self.rings[ring].give(&memory, 1)?;
            say("gave what was kept");
        }
        Ok(())
    }

    fn strikes_requests(&self) -> bool {
        !self.plan.struck && matches!(self.plan.attack.strike, Strike::Request(_))
    }

    fn strike(&mut self, hit: &Hit, memory: &Memory) -> Result<Then> {
        let Strike::Request(attack) = self.plan.attack.strike else {
            return Ok(Then::Give(hit.len));
        };
        self.plan.struck = true;
        say(format!(
            "strike {} after {} requests",
            self.plan.attack.name, self.served
        ));
        let then = attack(self, hit, memory)?;
        say("struck");
        Ok(then)
    }

    /// Counts buffers that are lent to be written and hold something, but for the
    /// status of a disk's request, which has failed until it is answered.
    fn note_dirt(&mut self, chain: &Chain, memory: &Memory) -> Result<()> {
        for (index, buffer) in chain.writable.iter().enumerate() {
            let mut bytes = memory.read(buffer.at, buffer.len as usize)?;
            if index + 1 == chain.writable.len() {
                bytes.pop();
            }
            self.dirty += u64::from(bytes.iter().any(|&byte| byte != 0));
        }
        Ok(())
    }

    /// Looks, once after each burst of requests, at what is left of them.
    fn idle(&mut self) -> Result<()> {
        if self.scanned == self.served {
            return Ok(());
        }
        self.scanned = self.served;
        let Some(memory) = &self.memory else {
            return Ok(());
        };
        let found = memory.find(&self.plan.canary)?.len();
        say(format!(
            "idle served={} dirty={} canary={found}",
            self.served, self.dirty
        ));
        Ok(())
    }

    fn message(&mut self, message: Message) -> Result<()> {
        say(format!(
            "message {} size={}",
            message.code,
            message.payload.len()
        ));
        for file in &message.fds {
            say(format!("fd {} {}", message.code, describe(file)));
        }
        if let Strike::Message(code, attack) = self.plan.attack.strike {
            if code == message.code {
                say(format!("strike {}", self.plan.attack.name));
                return attack(self, &message);
            }
        }
        let ring = message.u32(0) as usize & 0xff;
        match message.code {
            Code::GET_FEATURES => self.answer(&message, f::OFFERED | self.plan.features)?,
            Code::GET_PROTOCOL_FEATURES => {
                let Attack { offers, lacks, .. } = self.plan.attack;
                self.answer(&message, (f::PROTOCOL | offers) & !lacks)?
            }
            Code::GET_QUEUE_NUM => self.answer(&message, u64::from(self.plan.queues))?,
            Code::GET_MAX_MEM_SLOTS => self.answer(&message, 8)?,
            Code::GET_STATUS => self.answer(&message, 0xf)?,
            Code::GET_CONFIG => {
                let (offset, size) = (message.u32(0) as usize, message.u32(4) as usize);
                let mut config = self.disk.config(self.plan.queues);
                config.resize(offset + size, 0);
                let mut payload = message.payload[..12].to_vec();
                payload.extend(&config[offset..]);
                self.wire.reply(message.code, &payload)?;
            }
            Code::GET_VRING_BASE => {
                let base = u32::from(self.ring(ring)?.taken);
                self.ring(ring)?.kick = None;
                let payload = [message.u32(0).to_le_bytes(), base.to_le_bytes()].concat();
                self.wire.reply(message.code, &payload)?;
            }
            Code::GET_INFLIGHT_FD => self.lend_inflight(&message)?,
            code => {
                let wants = message.wants_answer();
                let refused = self.set(message, ring).err();
                if let Some(why) = &refused {
                    say(format!("refused {code}: {why:#}"));
                }
                if wants {
                    let answer = u64::from(refused.is_some());
                    self.wire.reply(code, &answer.to_le_bytes())?;
                }
            }
        }
        Ok(())
    }

    /// Does what a message without an answer of its own asks.
    fn set(&mut self, message: Message, ring: usize) -> Result<()> {
        match message.code {
            Code::SET_FEATURES => {
                say(format!("features {:#x}", message.u64(0)));
                for ring in &mut self.rings {
                    ring.set_features(message.u64(0));
                }
            }
            Code::SET_PROTOCOL_FEATURES => {
                say(format!("protocol-features {:#x}", message.u64(0)));
            }
            Code::SET_MEM_TABLE => {
                self.memory = Some(Memory::from_table(&message, say)?);
            }
            Code::SET_BACKEND_REQ_FD => {
                let file = message.fds.into_iter().next();
                self.back = file.map(|file| Wire::from(OwnedFd::from(file)));
            }
            Code::SET_OWNER
            | Code::SET_VRING_ERR
            | Code::SET_CONFIG
            | Code::SET_INFLIGHT_FD
            | Code::RESET_DEVICE
            | Code::SET_STATUS => {}
            code => {
                let memory = self.memory.clone();
                let is_known = self.ring(ring)?.set(&message, memory.as_ref())?;
                ensure!(is_known, "{code} wasn't agreed upon");
                match code {
                    Code::SET_VRING_BASE => say(format!("base {ring} {}", message.u32(4) as u16)),
                    Code::SET_VRING_KICK | Code::SET_VRING_ENABLE => {
                        self.give_kept(ring)?;
                        self.work(ring)?;
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// The ring that QEMU means.
    fn ring(&mut self, index: usize) -> Result<&mut Ring> {
        self.rings
            .get_mut(index)
            .with_context(|| format!("no ring {index}"))
    }

    /// Answers with a double word.
    pub fn answer(&mut self, message: &Message, value: u64) -> Result<()> {
        self.wire.reply(message.code, &value.to_le_bytes())
    }

    /// Says that a message was taken, to a QEMU that waits for that.
    pub fn acknowledge(&mut self, message: &Message) -> Result<()> {
        if message.wants_answer() {
            self.answer(message, 0)?;
        }
        Ok(())
    }

    /// Memory that outlives the back-end: all it is for is to be asked for.
    fn lend_inflight(&mut self, message: &Message) -> Result<()> {
        const SIZE: u64 = 1 << 16;
        let fd = rustix::fs::memfd_create("inflight", rustix::fs::MemfdFlags::CLOEXEC)?;
        rustix::fs::ftruncate(&fd, SIZE)?;
        let mut payload = message.payload.clone();
        payload[..8].copy_from_slice(&SIZE.to_le_bytes());
        payload[8..16].fill(0);
        self.wire.reply_with(message.code, &payload, &fd)?;
        self.inflight = Some(fd);
        Ok(())
    }
}
