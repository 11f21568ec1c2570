// SPDX-License-Identifier: GPL-2.0-or-later
//! A [`Drive`] over a medium that answers at once: for tests, benches and
//! fuzzing.

use tape_image::driver::{carry_out, Data, Medium as Bytes};
use tape_image::Truncation;

use crate::{Config, Done, Drive, Io, Medium, Status, Task};

/// A drive and the image in it.
pub struct Runner<M> {
    /// The state machine.
    pub drive: Drive,
    /// The image.
    pub medium: M,
}

/// A command's end, with the data that came with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The status, and what belongs to it.
    pub done: Done,
    /// Data in.
    pub data: Vec<u8>,
}

impl<M: Bytes> Runner<M> {
    /// A drive with `medium` in it, `length` bytes long, writable.
    ///
    /// # Panics
    /// If the configuration is wrong.
    pub fn new(config: Config, medium: M, length: u64) -> Self {
        let mut drive = Drive::new(config).expect("a good configuration");
        drive.insert(Medium {
            length,
            truncation: Truncation::Exact,
            read_only: false,
        });
        Self { drive, medium }
    }

    /// Carries out a command with as much data out as it announces, if `out`
    /// has that much.
    pub fn command(&mut self, cdb: &[u8], out: &[u8]) -> Ended {
        let bytes = self.drive.transfer(cdb).bytes() as usize;
        let out = &out[..bytes.min(out.len())];
        let mut buffer = vec![0; self.drive.buffer_length(cdb)];
        let room = match self.drive.transfer(cdb) {
            crate::Transfer::Out(_) => out.len(),
            _ => buffer.len(),
        };
        let sent = out.len().min(buffer.len());
        buffer[..sent].copy_from_slice(&out[..sent]);
        self.drive.start(cdb, room);
        let done = self.finish(&mut buffer);
        buffer.truncate(done.data_in);
        Ended { done, data: buffer }
    }

    /// Carries out a task.
    pub fn task(&mut self, task: Task) -> Done {
        self.drive.start_task(task);
        self.finish(&mut [])
    }

    /// Takes the command or task under way to its end.
    ///
    /// # Panics
    /// If it doesn't come to one.
    pub fn finish(&mut self, buffer: &mut [u8]) -> Done {
        self.finish_interrupted(buffer, 0)
    }

    /// As [`finish`](Self::finish), and asks it to end early at its `stop`th request.
    ///
    /// # Panics
    /// If it doesn't come to an end.
    pub fn finish_interrupted(&mut self, buffer: &mut [u8], stop: u64) -> Done {
        let mut requests = 0;
        while let Some(request) = self.drive.poll() {
            requests += 1;
            if requests == stop {
                self.drive.interrupt();
            }
            let mut data = match request.io {
                Io::Read { .. } | Io::Put { .. } => Data::In(buffer),
                _ => Data::Out(buffer),
            };
            let completion = carry_out(request, &mut self.medium, &mut data);
            self.drive.handle(completion);
        }
        self.drive.poll_done().expect("nothing is out")
    }

    /// A command that succeeds: its data in.
    ///
    /// # Panics
    /// If it doesn't.
    #[track_caller]
    pub fn ok(&mut self, cdb: impl AsRef<[u8]>) -> Vec<u8> {
        self.ok_with(cdb, &[])
    }

    /// A command with data out that succeeds.
    ///
    /// # Panics
    /// If it doesn't.
    #[track_caller]
    pub fn ok_with(&mut self, cdb: impl AsRef<[u8]>, out: &[u8]) -> Vec<u8> {
        let cdb = cdb.as_ref();
        let ended = self.command(cdb, out);
        assert_eq!(ended.done.status, Status::Good, "{cdb:02x?}: {ended:?}");
        ended.data
    }
}

impl Runner<Vec<u8>> {
    /// A drive of the default configuration with a blank tape.
    pub fn blank() -> Self {
        Self::with(Config::default(), Vec::new())
    }

    /// A drive with an image in it.
    ///
    /// # Panics
    /// If the configuration is wrong.
    pub fn with(config: Config, image: Vec<u8>) -> Self {
        let length = image.len() as u64;
        Self::new(config, image, length)
    }
}
