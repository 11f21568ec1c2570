// SPDX-License-Identifier: GPL-2.0-or-later
//! The pipe by which the device's state goes to the front-end or comes from it
//! (VHOST_USER_SET_DEVICE_STATE_FD). Nothing waits for the other end.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, RawFd};

use crate::state::MAX_LENGTH;
use crate::vring::nonblocking;

/// Where a transfer is.
#[derive(Debug, Default)]
pub enum Transfer {
    /// None was begun.
    #[default]
    None,
    /// The state was written.
    Saved,
    /// The state is being read.
    Loading(File, Vec<u8>),
    /// The state was read to its end.
    Loaded(Vec<u8>),
    /// It broke off.
    Failed,
}

impl Transfer {
    /// Write a state, which fits into a pipe, and close it.
    pub fn save(mut file: File, bytes: &[u8]) -> Transfer {
        nonblocking(&file);
        match file.write_all(bytes) {
            Ok(()) => Transfer::Saved,
            Err(error) => {
                log::warn!("the device's state can't be written: {error}");
                Transfer::Failed
            }
        }
    }

    /// Begin to read a state. [`Transfer::read`] is to be called whenever there is something.
    pub fn load(file: File) -> Transfer {
        nonblocking(&file);
        Transfer::Loading(file, Vec::new())
    }

    /// What to poll.
    pub fn fd(&self) -> Option<RawFd> {
        match self {
            Transfer::Loading(file, _) => Some(file.as_raw_fd()),
            _ => None,
        }
    }

    /// Read what is there. More than any state has is read as well, so that whoever writes it
    /// gets to the end, and forgotten.
    pub fn read(&mut self) {
        let Transfer::Loading(file, bytes) = self else {
            return;
        };
        let mut part = [0; 4096];
        *self = loop {
            match file.read(&mut part) {
                Ok(0) => break Transfer::Loaded(std::mem::take(bytes)),
                Ok(length) if (bytes.len() as u64) < MAX_LENGTH => {
                    bytes.extend_from_slice(&part[..length])
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => {
                    log::warn!("the device's state can't be read: {error}");
                    break Transfer::Failed;
                }
            }
        };
    }

    /// The front-end has done its part: what was loaded, or None if a state was saved.
    pub fn finish(mut self) -> io::Result<Option<Vec<u8>>> {
        self.read();
        match self {
            Transfer::Saved => Ok(None),
            Transfer::Loaded(bytes) => Ok(Some(bytes)),
            _ => {
                log::warn!("no state of the device was transferred to its end");
                Err(ErrorKind::InvalidInput.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn pair() -> (File, File) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (OwnedFd::from(ours).into(), OwnedFd::from(theirs).into())
    }

    #[test]
    fn is_read_as_it_comes() {
        let (file, mut other) = pair();
        let mut transfer = Transfer::load(file);
        for part in [&b"one"[..], b"two"] {
            other.write_all(part).unwrap();
            transfer.read();
            assert!(transfer.fd().is_some());
        }
        other.write_all(b"end").unwrap();
        drop(other);
        assert_eq!(transfer.finish().unwrap(), Some(b"onetwoend".to_vec()));
    }

    #[test]
    fn what_never_ends_is_an_error() {
        let (file, mut other) = pair();
        let transfer = Transfer::load(file);
        other.write_all(b"half").unwrap();
        assert!(transfer.finish().is_err());
        assert!(Transfer::None.finish().is_err());
    }

    #[test]
    fn too_much_is_read_and_not_kept() {
        let (file, mut other) = pair();
        let mut transfer = Transfer::load(file);
        let much = vec![0; 4096];
        for _ in 0..MAX_LENGTH / 4096 + 100 {
            other.write_all(&much).unwrap();
            transfer.read();
        }
        drop(other);
        let kept = transfer.finish().unwrap().unwrap();
        assert!(kept.len() as u64 <= MAX_LENGTH + 4096);
    }

    #[test]
    fn is_written_at_once() {
        let (file, mut other) = pair();
        assert!(Transfer::save(file, b"state").finish().unwrap().is_none());
        let mut bytes = Vec::new();
        other.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"state");
    }
}
