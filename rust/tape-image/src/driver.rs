// SPDX-License-Identifier: GPL-2.0-or-later
//! A [`Tape`] or [`Cartridge`](crate::container::Cartridge) over a medium that answers at once: for tests, benches and
//! fuzzing, and for whoever wants no more than a file.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::vec::Vec;

use rustix::io::{preadv, pwritev, retry_on_intr};

use crate::{Completion, Error, Io, IoError, Machine, Operate, Operation, Outcome, Request, Tape};

/// What a tape is kept on.
pub trait Medium {
    /// Reads at `offset`; fewer bytes than asked for mean the end.
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;
    /// Writes at `offset`, all of it; a hole before it reads as zeros.
    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()>;
    /// Reads into `first`, then into `second`.
    fn read_both(&mut self, offset: u64, first: &mut [u8], second: &mut [u8]) -> io::Result<usize> {
        read_apart(self, offset, first, second)
    }
    /// Writes `first`, and `second` behind it.
    fn write_both(&mut self, offset: u64, first: &[u8], second: &[u8]) -> io::Result<()> {
        write_apart(self, offset, first, second)
    }
    /// Everything so far is on stable storage.
    fn flush(&mut self) -> io::Result<()>;
    /// Cuts the medium.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
}

impl Medium for Vec<u8> {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let from = self
            .len()
            .min(usize::try_from(offset).unwrap_or(usize::MAX));
        let len = buf.len().min(self.len() - from);
        buf[..len].copy_from_slice(&self[from..from + len]);
        Ok(len)
    }

    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let end = offset as usize + data.len();
        if end > self.len() {
            self.resize(end, 0);
        }
        self[offset as usize..end].copy_from_slice(data);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        Vec::truncate(self, length as usize);
        Ok(())
    }
}

impl Medium for File {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            match FileExt::read_at(self, &mut buf[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(bytes) => done += bytes,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }

    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        FileExt::write_all_at(self, data, offset)
    }

    fn read_both(&mut self, offset: u64, first: &mut [u8], second: &mut [u8]) -> io::Result<usize> {
        let mut both = [IoSliceMut::new(first), IoSliceMut::new(second)];
        let bytes = retry_on_intr(|| preadv(&*self, &mut both, offset))?;
        match bytes == first.len() + second.len() {
            true => Ok(bytes),
            // It may be the end, or not.
            false => read_apart(self, offset, first, second),
        }
    }

    fn write_both(&mut self, offset: u64, first: &[u8], second: &[u8]) -> io::Result<()> {
        let both = [IoSlice::new(first), IoSlice::new(second)];
        let bytes = retry_on_intr(|| pwritev(&*self, &both, offset))?;
        match bytes == first.len() + second.len() {
            true => Ok(()),
            false => write_apart(self, offset, first, second),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

/// As [`Medium::read_both`], one after the other.
fn read_apart<M: Medium + ?Sized>(
    medium: &mut M,
    offset: u64,
    first: &mut [u8],
    second: &mut [u8],
) -> io::Result<usize> {
    let mut bytes = 0;
    if !first.is_empty() {
        bytes = medium.read_at(offset, first)?;
    }
    if bytes == first.len() && !second.is_empty() {
        bytes += medium.read_at(offset + bytes as u64, second)?;
    }
    Ok(bytes)
}

/// As [`Medium::write_both`], one after the other.
fn write_apart<M: Medium + ?Sized>(
    medium: &mut M,
    offset: u64,
    first: &[u8],
    second: &[u8],
) -> io::Result<()> {
    if !first.is_empty() {
        medium.write_at(offset, first)?;
    }
    if !second.is_empty() {
        medium.write_at(offset + first.len() as u64, second)?;
    }
    Ok(())
}

/// The caller's data of an operation.
pub enum Data<'a> {
    /// The data of a write.
    Out(&'a [u8]),
    /// The buffer of a read.
    In(&'a mut [u8]),
    /// No data.
    None,
}

/// Carries an operation out, from start to outcome.
pub fn run<T, O>(
    machine: &mut Machine<T>,
    medium: &mut impl Medium,
    operation: T::Operation,
    mut data: Data,
) -> Result<O, Error>
where
    T: Operate<Outcome = Result<O, Error>>,
{
    machine.start(operation);
    loop {
        while let Some(request) = machine.poll_request() {
            let completion = carry_out(request, medium, &mut data);
            machine.handle(completion);
        }
        if let Some(outcome) = machine.poll_outcome() {
            return outcome;
        }
    }
}

/// Carries one request out.
pub fn carry_out(request: Request, medium: &mut impl Medium, data: &mut Data) -> Completion {
    let (result, buf) = match request.io {
        Io::Read {
            offset,
            data: range,
            mut buf,
            skip,
        } => {
            let result = medium.read_both(offset, input(data, range), &mut buf[skip..]);
            (result, buf)
        }
        Io::Write {
            offset,
            head,
            data: range,
        } => {
            let result = medium.write_both(offset, &head, output(data, range));
            (result.map(|()| 0), head)
        }
        Io::Copy {
            data: range,
            mut buf,
        } => {
            buf.extend_from_slice(output(data, range));
            (Ok(0), buf)
        }
        Io::Put {
            data: range,
            buf,
            from,
        } => {
            let bytes = input(data, range);
            bytes.copy_from_slice(&buf[from..][..bytes.len()]);
            (Ok(0), buf)
        }
        Io::Flush => (medium.flush().map(|()| 0), Vec::new()),
        Io::Truncate { length } => (medium.truncate(length).map(|()| 0), Vec::new()),
    };
    let id = request.id;
    let result = result.map_err(|e| IoError(e.raw_os_error().unwrap_or(IoError::EIO.0)));
    Completion { id, result, buf }
}

fn input<'a>(data: &'a mut Data, range: core::ops::Range<usize>) -> &'a mut [u8] {
    match data {
        Data::In(bytes) => &mut bytes[range],
        _ if range.is_empty() => &mut [],
        _ => panic!("a read without a buffer"),
    }
}

fn output<'a>(data: &'a Data, range: core::ops::Range<usize>) -> &'a [u8] {
    match data {
        Data::Out(bytes) => &bytes[range],
        _ if range.is_empty() => &[],
        _ => panic!("a write without data"),
    }
}

/// A tape and its medium, for code that reads like using a drive.
pub struct Drive<M> {
    /// The state machine.
    pub tape: Tape,
    /// What it is kept on.
    pub medium: M,
}

impl<M: Medium> Drive<M> {
    /// Loads a tape.
    pub fn load(mut medium: M, config: crate::Config) -> Result<Self, Error> {
        let mut tape = Tape::new(config);
        let _: Outcome = run(&mut tape, &mut medium, Operation::Load, Data::None)?;
        Ok(Self { tape, medium })
    }

    /// Anything without data.
    pub fn run(&mut self, operation: Operation) -> Result<Outcome, Error> {
        run(&mut self.tape, &mut self.medium, operation, Data::None)
    }

    /// Writes a record.
    pub fn write(&mut self, data: &[u8]) -> Result<Outcome, Error> {
        let operation = Operation::Write { length: data.len() };
        run(&mut self.tape, &mut self.medium, operation, Data::Out(data))
    }

    /// Reads into `data`, which is complete afterwards.
    pub fn read(&mut self, data: &mut [u8], reverse: bool) -> Result<Outcome, Error> {
        let limit = data.len();
        let operation = if reverse {
            Operation::ReadReverse { limit }
        } else {
            Operation::Read { limit }
        };
        self.read_by(operation, data)
    }

    /// Reads the record before the position once more, from byte `skip` on.
    pub fn reread(&mut self, skip: usize, data: &mut [u8]) -> Result<Outcome, Error> {
        let limit = data.len();
        self.read_by(Operation::Reread { skip, limit }, data)
    }

    fn read_by(&mut self, operation: Operation, data: &mut [u8]) -> Result<Outcome, Error> {
        let outcome = run(&mut self.tape, &mut self.medium, operation, Data::In(data))?;
        if let Outcome::Record { buffered, .. } = outcome {
            data[..buffered].copy_from_slice(self.tape.buffered());
        }
        Ok(outcome)
    }
}
