// SPDX-License-Identifier: GPL-2.0-or-later
//! A saved state, and going over it: what is written and what is read back is
//! told once. Each field is given as it is and comes back as it is to be, which is
//! the same while the state is written.
//!
//! Numbers are big-endian. Whoever sent a state may be hostile, so that everything
//! can be missing: `None`.

/// See the module's documentation.
#[derive(Debug)]
pub(crate) enum State<'a> {
    /// What has been written.
    Saving(Vec<u8>),
    /// What is still to be read.
    Restoring(&'a [u8]),
}

impl State<'_> {
    /// As many bytes as there are.
    pub(crate) fn bytes(&mut self, bytes: &mut [u8]) -> Option<()> {
        match self {
            Self::Saving(state) => state.extend_from_slice(bytes),
            Self::Restoring(state) => {
                let (read, rest) = state.split_at_checked(bytes.len())?;
                bytes.copy_from_slice(read);
                *state = rest;
            }
        }
        Some(())
    }

    pub(crate) fn array<const N: usize>(&mut self, mut bytes: [u8; N]) -> Option<[u8; N]> {
        self.bytes(&mut bytes).map(|()| bytes)
    }

    pub(crate) fn u8(&mut self, value: u8) -> Option<u8> {
        self.array([value]).map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self, value: u16) -> Option<u16> {
        self.array(value.to_be_bytes()).map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self, value: u32) -> Option<u32> {
        self.array(value.to_be_bytes()).map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self, value: u64) -> Option<u64> {
        self.array(value.to_be_bytes()).map(u64::from_be_bytes)
    }

    /// A byte, 0 or 1.
    pub(crate) fn flag(&mut self, value: bool) -> Option<bool> {
        match self.u8(value.into())? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

/// A part of a drive's state, by itself.
#[cfg(test)]
pub(crate) mod part {
    use super::State;

    type Fields<T> = fn(&mut T, &mut State<'_>) -> Option<()>;

    pub(crate) fn save<T: Clone>(part: &T, fields: Fields<T>) -> Vec<u8> {
        let mut state = State::Saving(Vec::new());
        fields(&mut part.clone(), &mut state).expect("nothing is missing");
        match state {
            State::Saving(bytes) => bytes,
            State::Restoring(_) => unreachable!("it was written"),
        }
    }

    /// `None` also if something is left over.
    pub(crate) fn restore<T>(mut part: T, fields: Fields<T>, bytes: &[u8]) -> Option<T> {
        let mut state = State::Restoring(bytes);
        fields(&mut part, &mut state)?;
        matches!(state, State::Restoring([])).then_some(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Fields = (u8, u16, u32, u64, bool, [u8; 2]);

    fn fields(all: &mut Fields, state: &mut State<'_>) -> Option<()> {
        all.0 = state.u8(all.0)?;
        all.1 = state.u16(all.1)?;
        all.2 = state.u32(all.2)?;
        all.3 = state.u64(all.3)?;
        all.4 = state.flag(all.4)?;
        state.bytes(&mut all.5)
    }

    #[test]
    fn numbers_flags_and_the_end() {
        let all = (1, 2, 3, 4, true, [5, 6]);
        let bytes = part::save(&all, fields);
        let expected = [1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4, 1, 5, 6];
        assert_eq!(bytes, expected);
        let restore = |bytes: &[u8]| part::restore(Fields::default(), fields, bytes);
        assert_eq!(restore(&bytes), Some(all));
        for length in 0..bytes.len() {
            assert_eq!(restore(&bytes[..length]), None, "{length}");
        }
        let mut neither = bytes;
        neither[15] = 2;
        assert_eq!(restore(&neither), None);
    }
}
