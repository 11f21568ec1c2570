// SPDX-License-Identifier: GPL-2.0-or-later
//! SEND DIAGNOSTIC and RECEIVE DIAGNOSTIC RESULTS (SPC-4 6.41, 6.30): the
//! default self-test, which there is nothing to fail in, and the list of
//! pages; READ and WRITE BUFFER (6.18, 6.49): a buffer to test a transport
//! with, and the echo buffer. Microcode is none of the initiator's.

use crate::bytes::number;
use crate::sense::{asc, Key, Reply, Sense};
use crate::state::State;

/// SEND DIAGNOSTIC, with what was received of its list.
pub(crate) fn send(cdb: &[u8], data: &[u8]) -> Result<(), Sense> {
    const SELF_TEST: u8 = 0x04;
    const PAGE_FORMAT: u8 = 0x10;
    let length = number(cdb, 3, 2) as usize;
    // SELF-TEST CODE: short and extended tests.
    if cdb[1] & 0xe0 != 0 {
        return Err(Sense::cdb_field(1, Some(7)));
    }
    if length == 0 {
        return Ok(());
    }
    if cdb[1] & SELF_TEST != 0 {
        return Err(Sense::cdb_field(3, None));
    }
    if cdb[1] & PAGE_FORMAT == 0 {
        return Err(Sense::cdb_field(1, Some(4)));
    }
    match data.get(..length).ok_or(Sense::TRUNCATED_LIST)? {
        // Supported diagnostic pages.
        [0, _, 0, 0] => Ok(()),
        [0, _, 0, 0, ..] | [] | [_] | [_, _] | [_, _, _] => Err(Sense::TRUNCATED_LIST),
        [0, ..] => Err(Sense::list_field(2, None)),
        _ => Err(Sense::list_field(0, Some(7))),
    }
}

/// RECEIVE DIAGNOSTIC RESULTS: the supported pages, which is the one page.
pub(crate) fn receive(cdb: &[u8]) -> Reply {
    match cdb[2] {
        0 => Ok(vec![0, 0, 0, 1, 0]),
        _ => Err(Sense::cdb_field(2, Some(7))),
    }
}

/// Bytes of each buffer. The echo buffer's size has 13 bits.
const CAPACITY: usize = 4096;

/// The buffers of READ and WRITE BUFFER.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Buffers {
    /// Buffer 0: what was written of it; the rest is 0.
    data: Vec<u8>,
    /// The buffer as the last WRITE BUFFER left it; `None`: there was none.
    echo: Option<Vec<u8>>,
}

const DATA: u8 = 0x02;
const DESCRIPTOR: u8 = 0x03;
const ECHO: u8 = 0x0a;
const ECHO_DESCRIPTOR: u8 = 0x0b;

impl Buffers {
    /// READ BUFFER.
    pub(crate) fn read(&self, cdb: &[u8]) -> Reply {
        let [high, low] = (CAPACITY as u16).to_be_bytes();
        match cdb[1] & 0x1f {
            DATA => {
                let offset = data_offset(cdb)?;
                let mut bytes = self.data.clone();
                bytes.resize(CAPACITY, 0);
                Ok(bytes.split_off(offset))
            }
            // OFFSET BOUNDARY 0: any offset. A buffer that isn't there has no
            // capacity.
            DESCRIPTOR if cdb[2] == 0 => Ok(vec![0, 0, high, low]),
            DESCRIPTOR => Ok(vec![0; 4]),
            ECHO => self
                .echo
                .clone()
                .ok_or(Sense::new(Key::IllegalRequest, asc::COMMAND_SEQUENCE_ERROR)),
            ECHO_DESCRIPTOR => Ok(vec![0, 0, high, low]),
            _ => Err(Sense::cdb_field(1, Some(4))),
        }
    }

    /// WRITE BUFFER, with what was received.
    pub(crate) fn write(&mut self, cdb: &[u8], data: &[u8]) -> Result<(), Sense> {
        let length = number(cdb, 6, 3) as usize;
        let data = &data[..length.min(data.len())];
        match cdb[1] & 0x1f {
            DATA => {
                let offset = data_offset(cdb)?;
                if offset + length > CAPACITY {
                    return Err(Sense::cdb_field(6, None));
                }
                let end = offset + data.len();
                self.data.resize(self.data.len().max(end), 0);
                self.data[offset..end].copy_from_slice(data);
                Ok(())
            }
            ECHO if length > CAPACITY => Err(Sense::cdb_field(6, None)),
            ECHO => {
                self.echo = Some(data.to_vec());
                Ok(())
            }
            _ => Err(Sense::cdb_field(1, Some(4))),
        }
    }

    /// Their state for migration.
    pub(crate) fn state(&mut self, state: &mut State<'_>) -> Option<()> {
        let echoed = state.flag(self.echo.is_some())?;
        let mut echo = self.echo.take().unwrap_or_default();
        for buffer in [&mut self.data, &mut echo] {
            let length = usize::from(state.u16(buffer.len() as u16)?);
            if length > CAPACITY {
                return None;
            }
            buffer.resize(length, 0);
            state.bytes(buffer)?;
        }
        let sound = echoed || echo.is_empty();
        self.echo = echoed.then_some(echo);
        sound.then_some(())
    }
}

/// BUFFER ID and BUFFER OFFSET of the data buffer.
fn data_offset(cdb: &[u8]) -> Result<usize, Sense> {
    let offset = number(cdb, 3, 3) as usize;
    if cdb[2] != 0 {
        return Err(Sense::cdb_field(2, Some(7)));
    }
    if offset > CAPACITY {
        return Err(Sense::cdb_field(3, None));
    }
    Ok(offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::part;
    use proptest::prelude::*;

    #[test]
    fn self_tests_and_pages() {
        let send = |bits: u8, list: &[u8]| send(&[0x1d, bits, 0, 0, list.len() as u8, 0], list);
        let truncated = Err(Sense::new(Key::IllegalRequest, asc::PARAMETER_LIST_LENGTH));
        assert_eq!(send(0x04, &[]), Ok(()));
        assert_eq!(send(0x00, &[]), Ok(()));
        assert_eq!(send(0x10, &[0; 4]), Ok(()));
        assert_eq!(send(0x24, &[]), Err(Sense::cdb_field(1, Some(7))));
        assert_eq!(send(0x14, &[0; 4]), Err(Sense::cdb_field(3, None)));
        assert_eq!(send(0x00, &[0; 4]), Err(Sense::cdb_field(1, Some(4))));
        assert_eq!(send(0x10, &[0; 3]), truncated);
        assert_eq!(send(0x10, &[0; 5]), truncated);
        assert_eq!(
            send(0x10, &[0, 0, 0, 1, 0]),
            Err(Sense::list_field(2, None))
        );
        assert_eq!(
            send(0x10, &[0x40, 0, 0, 0]),
            Err(Sense::list_field(0, Some(7)))
        );
        assert_eq!(receive(&[0x1c, 0, 0, 0, 9, 0]).unwrap(), [0, 0, 0, 1, 0]);
        assert_eq!(
            receive(&[0x1c, 1, 1, 0, 9, 0]),
            Err(Sense::cdb_field(2, Some(7)))
        );
    }

    fn cdb(opcode: u8, mode: u8, id: u8, offset: u16, length: u16) -> [u8; 10] {
        let ([a, b], [c, d]) = (offset.to_be_bytes(), length.to_be_bytes());
        [opcode, mode, id, 0, a, b, 0, c, d, 0]
    }

    #[test]
    fn what_is_written_can_be_read() {
        let mut buffers = Buffers::default();
        let read = |buffers: &Buffers, mode, offset| buffers.read(&cdb(0x3c, mode, 0, offset, 99));
        assert_eq!(read(&buffers, DESCRIPTOR, 0).unwrap(), [0, 0, 16, 0]);
        assert_eq!(read(&buffers, ECHO_DESCRIPTOR, 0).unwrap(), [0, 0, 16, 0]);
        assert_eq!(read(&buffers, DATA, 0).unwrap(), [0; CAPACITY]);
        assert_eq!(read(&buffers, ECHO, 0).unwrap_err().asc, 0x2c00);
        buffers
            .write(&cdb(0x3b, DATA, 0, 4092, 4), b"data")
            .unwrap();
        buffers.write(&cdb(0x3b, ECHO, 0, 0, 4), b"echo").unwrap();
        assert_eq!(read(&buffers, DATA, 4092).unwrap(), b"data");
        assert_eq!(read(&buffers, DATA, 4096).unwrap(), b"");
        assert_eq!(read(&buffers, ECHO, 0).unwrap(), b"echo");
        let state = part::save(&buffers, Buffers::state);
        let restore = |state: &[u8]| part::restore(Buffers::default(), Buffers::state, state);
        assert_eq!(restore(&state), Some(buffers));
        for length in 0..state.len() {
            assert_eq!(restore(&state[..length]), None);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut buffers = Buffers::default();
        let mut write = |mode, id, offset, length| {
            buffers.write(
                &cdb(0x3b, mode, id, offset, length),
                &vec![1; length.into()],
            )
        };
        assert_eq!(write(DATA, 0, 4093, 4), Err(Sense::cdb_field(6, None)));
        assert_eq!(write(DATA, 0, 4097, 0), Err(Sense::cdb_field(3, None)));
        assert_eq!(write(DATA, 1, 0, 1), Err(Sense::cdb_field(2, Some(7))));
        assert_eq!(write(ECHO, 0, 0, 4097), Err(Sense::cdb_field(6, None)));
        // Microcode.
        assert_eq!(write(5, 0, 0, 1), Err(Sense::cdb_field(1, Some(4))));
        assert_eq!(buffers, Buffers::default());
        let other = buffers.read(&cdb(0x3c, DESCRIPTOR, 1, 0, 4));
        assert_eq!(other.unwrap(), [0; 4]);
        let sense = buffers.read(&cdb(0x3c, 0, 0, 0, 4)).unwrap_err();
        assert_eq!(sense, Sense::cdb_field(1, Some(4)));
    }

    proptest! {
        #[test]
        fn nothing_panics(
            cdb in prop::array::uniform10(any::<u8>()),
            mode in prop::sample::select(vec![DATA, ECHO]),
            data in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut buffers = Buffers::default();
            let mut moded = cdb;
            moded[1] = mode;
            moded[2] = 0;
            moded[3] = 0;
            moded[6] = 0;
            for cdb in [cdb, moded] {
                let _ = send(&cdb, &data);
                let _ = receive(&cdb);
                let _ = buffers.write(&cdb, &data);
                let _ = buffers.read(&cdb);
            }
            let _ = part::restore(Buffers::default(), Buffers::state, &data);
        }
    }
}
