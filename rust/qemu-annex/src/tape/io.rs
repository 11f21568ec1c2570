// SPDX-License-Identifier: GPL-2.0-or-later
//! The drive's requests as I/O for C, which lends it memory until it has ended.

use std::{ptr, slice};

use tape_drive::{Completion, Io, Request};

use super::types::{AnnexTapeData, AnnexTapeIo, AnnexTapeIoKind};
use super::{Out, State};

impl State {
    /// What is to be done to the image; what only the buffer takes part in is done here.
    pub(super) fn poll(&mut self) -> Option<AnnexTapeIo> {
        loop {
            let request = self.drive.poll()?;
            let buf = match request.io {
                Io::Copy { data, mut buf } => {
                    // SAFETY: the drive keeps within the buffer, and nothing is being read into it.
                    let bytes =
                        unsafe { slice::from_raw_parts(self.data.add(data.start), data.len()) };
                    buf.extend_from_slice(bytes);
                    buf
                }
                Io::Put { data, buf, from } => {
                    let bytes = &buf[from..][..data.len()];
                    // SAFETY: the drive keeps within the buffer, which is the command's own, and
                    // no I/O that is out touches this part of it.
                    unsafe {
                        let to = self.data.add(data.start);
                        ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
                    }
                    buf
                }
                _ => return Some(self.io(request)),
            };
            self.drive.handle(Completion {
                id: request.id,
                result: Ok(0),
                buf,
            });
        }
    }

    fn io(&mut self, request: Request) -> AnnexTapeIo {
        let of = |data: *mut u8, range: &std::ops::Range<usize>| AnnexTapeData {
            base: data.wrapping_add(range.start),
            len: range.len(),
        };
        let none = AnnexTapeData {
            base: ptr::null_mut(),
            len: 0,
        };
        let id = request.id;
        let (kind, offset, data, buf) = match request.io {
            Io::Read {
                offset,
                data,
                mut buf,
                skip,
            } => {
                // The vector's memory stays where it is when the vector moves.
                let part = &mut buf[skip..];
                let second = AnnexTapeData {
                    base: part.as_mut_ptr(),
                    len: part.len(),
                };
                let data = [of(self.data, &data), second];
                (AnnexTapeIoKind::Read, offset, data, buf)
            }
            Io::Write {
                offset,
                mut head,
                data,
            } => {
                let first = AnnexTapeData {
                    base: head.as_mut_ptr(),
                    len: head.len(),
                };
                let data = [first, of(self.data, &data)];
                (AnnexTapeIoKind::Write, offset, data, head)
            }
            Io::Flush => (AnnexTapeIoKind::Flush, 0, [none; 2], Vec::new()),
            Io::Truncate { length } => (AnnexTapeIoKind::Truncate, length, [none; 2], Vec::new()),
            Io::Copy { .. } | Io::Put { .. } => unreachable!("carried out by the caller"),
        };
        self.out.push(Out {
            id,
            length: data[0].len + data[1].len,
            buf,
        });
        AnnexTapeIo {
            id: id.number(),
            kind,
            offset,
            data,
        }
    }
}
