// SPDX-License-Identifier: GPL-2.0-or-later
//! From the scancodes of RDP to QEMU's key numbers.
//!
//! RDP sends what a PC keyboard's set 1 has (MS-RDPBCGR 2.2.8.1.2.2.1): a code of 7 bits, and
//! flags for the prefixes E0 and E1. QEMU's numbers are the same codes with bit 7 for E0. The
//! client's layout needs no translation: keys are places, and the guest gives them meanings.

/// Set in QEMU's numbers for keys with the prefix E0.
const EXTENDED: u8 = 0x80;
/// What E1 stands before: the first half of Pause.
const E1_CONTROL: u8 = 0x1d;
/// The second half of Pause, and by itself Num Lock.
const NUM_LOCK: u8 = 0x45;
/// QEMU's number of Pause.
pub const PAUSE: u8 = 0xc6;
/// The keys that toggle, in the order of the bits of [`Locks`].
const LOCKS: [u8; 3] = [0x46, NUM_LOCK, 0x3a];

/// The prefix of a scancode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// None.
    None,
    /// KBDFLAGS_EXTENDED.
    E0,
    /// KBDFLAGS_EXTENDED1.
    E1,
}

/// A key that goes down or up, by QEMU's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// QEMU's key number.
    pub number: u8,
    /// Whether it is pressed.
    pub down: bool,
}

/// Scroll, Num and Caps Lock: bits 0 to 2 in RDP's TS_SYNC_EVENT and in QEMU's
/// `Keyboard.Modifiers`, by good luck in the same order.
pub type Locks = u8;

/// What a client has done to its keyboard.
#[derive(Debug, Default)]
pub struct Keyboard {
    held: std::collections::BTreeSet<u8>,
    pausing: bool,
}

impl Keyboard {
    /// What a scancode means. None: half of a sequence, or no key.
    pub fn scancode(&mut self, code: u8, prefix: Prefix, down: bool) -> Option<Key> {
        let number = match (prefix, code) {
            (_, 0 | 0x80..) => return None,
            (Prefix::E1, E1_CONTROL) => {
                self.pausing = true;
                return None;
            }
            (Prefix::None, NUM_LOCK) if self.pausing => {
                self.pausing = false;
                PAUSE
            }
            (Prefix::E0, code) => code | EXTENDED,
            (Prefix::None | Prefix::E1, code) => code,
        };
        if down {
            self.held.insert(number);
        } else if !self.held.remove(&number) {
            // The guest never saw it go down.
            return None;
        }
        Some(Key { number, down })
    }

    /// Lets go of every key: the client left, or says that it starts anew.
    pub fn release_all(&mut self) -> Vec<Key> {
        self.pausing = false;
        std::mem::take(&mut self.held)
            .into_iter()
            .map(|number| Key {
                number,
                down: false,
            })
            .collect()
    }
}

/// What to press so that the locks that a guest has become those that are wanted.
pub fn toggles(wanted: Locks, has: Locks) -> Vec<Key> {
    LOCKS
        .into_iter()
        .enumerate()
        .filter(|(bit, _)| (wanted ^ has) >> bit & 1 == 1)
        .flat_map(|(_, number)| [true, false].map(|down| Key { number, down }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(keyboard: &mut Keyboard, codes: &[(u8, Prefix, bool)]) -> Vec<(u8, bool)> {
        codes
            .iter()
            .filter_map(|&(code, prefix, down)| keyboard.scancode(code, prefix, down))
            .map(|key| (key.number, key.down))
            .collect()
    }

    #[test]
    fn plain_and_extended() {
        let mut keyboard = Keyboard::default();
        // A, right Control, Print.
        let codes = [
            (0x1e, Prefix::None, true),
            (0x1d, Prefix::E0, true),
            (0x37, Prefix::E0, true),
            (0x1e, Prefix::None, false),
        ];
        let expected = [(0x1e, true), (0x9d, true), (0xb7, true), (0x1e, false)];
        assert_eq!(numbers(&mut keyboard, &codes), expected);
    }

    #[test]
    fn pause_is_one_key_and_num_lock_another() {
        let mut keyboard = Keyboard::default();
        let codes = [
            (0x1d, Prefix::E1, true),
            (0x45, Prefix::None, true),
            (0x1d, Prefix::E1, false),
            (0x45, Prefix::None, false),
            (0x45, Prefix::None, true),
            (0x45, Prefix::None, false),
        ];
        let expected = [(PAUSE, true), (PAUSE, false), (0x45, true), (0x45, false)];
        assert_eq!(numbers(&mut keyboard, &codes), expected);
    }

    #[test]
    fn what_is_held_is_released_once() {
        let mut keyboard = Keyboard::default();
        let codes = [(0x2a, Prefix::None, true), (0x2a, Prefix::None, true)];
        assert_eq!(numbers(&mut keyboard, &codes).len(), 2, "a key repeats");
        assert_eq!(
            keyboard.release_all(),
            [Key {
                number: 0x2a,
                down: false
            }]
        );
        assert_eq!(keyboard.release_all(), []);
        assert_eq!(keyboard.scancode(0x2a, Prefix::None, false), None);
    }

    #[test]
    fn no_code_becomes_another_key() {
        for code in 0..=255 {
            for prefix in [Prefix::None, Prefix::E0] {
                let key = Keyboard::default().scancode(code, prefix, true);
                let expected = (1..0x80).contains(&code).then_some(code);
                assert_eq!(key.map(|key| key.number & 0x7f), expected);
                assert_eq!(
                    key.is_some_and(|key| key.number & EXTENDED != 0),
                    expected.is_some() && prefix == Prefix::E0
                );
            }
        }
    }

    #[test]
    fn locks_that_differ_are_toggled() {
        assert_eq!(toggles(0b101, 0b101), []);
        let keys: Vec<_> = toggles(0b110, 0b011).iter().map(|key| key.number).collect();
        assert_eq!(keys, [0x46, 0x46, 0x3a, 0x3a]);
        assert_eq!(toggles(0b1000, 0), [], "Kana Lock isn't QEMU's");
    }
}
