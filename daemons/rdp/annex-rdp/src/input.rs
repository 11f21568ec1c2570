// SPDX-License-Identifier: GPL-2.0-or-later
//! What a client does with its keyboard and mouse, as what QEMU is told of it.

use ironrdp_pdu::input::fast_path::{FastPathInputEvent, KeyboardFlags};
use ironrdp_pdu::input::mouse::PointerFlags;
use ironrdp_pdu::input::mouse_rel::PointerRelFlags;
use ironrdp_pdu::input::mouse_x::PointerXFlags;
use ironrdp_pdu::input::{scan_code, InputEvent, MousePdu, MouseRelPdu, MouseXPdu};

use crate::keys::{Key, Keyboard, Locks, Prefix};

/// What a wheel sends for a notch (WHEEL_DELTA).
const NOTCH: i32 = 120;
/// Notches of a single event that are passed on: a PDU can say up to two.
const MAX_NOTCHES: i32 = 4;

/// A mouse's button, by QEMU's number (org.qemu.Display1.Mouse).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum Button {
    /// The left one.
    Left = 0,
    /// The middle one, or the wheel's.
    Middle = 1,
    /// The right one.
    Right = 2,
    /// A notch of the wheel away from the user.
    WheelUp = 3,
    /// A notch towards the user.
    WheelDown = 4,
    /// Back.
    Side = 5,
    /// Forward.
    Extra = 6,
}

/// What QEMU is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// A key.
    Key(Key),
    /// Make the guest's locks these.
    Locks(Locks),
    /// The pointer is here, in pixels of the desktop.
    MoveTo(u16, u16),
    /// The mouse has moved by this much.
    MoveBy(i16, i16),
    /// A button goes down or up.
    Button(Button, bool),
    /// The client would like the guest's screen to have this size, in pixels.
    Resize(u32, u32),
}

/// The state of a client's keyboard and mouse.
#[derive(Debug, Default)]
pub struct Input {
    keyboard: Keyboard,
    buttons: std::collections::BTreeSet<Button>,
    wheel: i32,
}

impl Input {
    /// What a fast-path event means (MS-RDPBCGR 2.2.8.1.2.2).
    pub fn fast_path(&mut self, event: FastPathInputEvent) -> Vec<Command> {
        match event {
            FastPathInputEvent::KeyboardEvent(flags, code) => {
                let prefix = prefix(
                    flags.contains(KeyboardFlags::EXTENDED),
                    flags.contains(KeyboardFlags::EXTENDED1),
                );
                self.scancode(code, prefix, !flags.contains(KeyboardFlags::RELEASE))
            }
            FastPathInputEvent::SyncEvent(flags) => self.synchronize(flags.bits()),
            FastPathInputEvent::MouseEvent(pdu) => self.mouse(&pdu),
            FastPathInputEvent::MouseEventEx(pdu) => self.mouse_x(&pdu),
            FastPathInputEvent::MouseEventRel(pdu) => self.mouse_rel(&pdu),
            // No keyboard has such keys; and QoE is for measuring.
            FastPathInputEvent::UnicodeKeyboardEvent(..) | FastPathInputEvent::QoeEvent(_) => {
                Vec::new()
            }
        }
    }

    /// What an event of the slow path means (MS-RDPBCGR 2.2.8.1.1.3.1.1).
    pub fn slow_path(&mut self, event: InputEvent) -> Vec<Command> {
        match event {
            InputEvent::ScanCode(pdu) => {
                let prefix = prefix(
                    pdu.flags.contains(scan_code::KeyboardFlags::EXTENDED),
                    pdu.flags.contains(scan_code::KeyboardFlags::EXTENDED_1),
                );
                let down = !pdu.flags.contains(scan_code::KeyboardFlags::RELEASE);
                self.scancode(u8::try_from(pdu.key_code).unwrap_or(0), prefix, down)
            }
            InputEvent::Sync(pdu) => self.synchronize(pdu.flags.bits() as u8),
            InputEvent::Mouse(pdu) => self.mouse(&pdu),
            InputEvent::MouseX(pdu) => self.mouse_x(&pdu),
            InputEvent::MouseRel(pdu) => self.mouse_rel(&pdu),
            InputEvent::Unicode(_) | InputEvent::Unused(_) => Vec::new(),
        }
    }

    /// Lets go of all keys and buttons: the client has left.
    pub fn release_all(&mut self) -> Vec<Command> {
        let keys = self.keyboard.release_all().into_iter().map(Command::Key);
        let buttons = std::mem::take(&mut self.buttons);
        keys.chain(
            buttons
                .into_iter()
                .map(|button| Command::Button(button, false)),
        )
        .collect()
    }

    fn scancode(&mut self, code: u8, prefix: Prefix, down: bool) -> Vec<Command> {
        let key = self.keyboard.scancode(code, prefix, down);
        key.map(Command::Key).into_iter().collect()
    }

    fn synchronize(&mut self, locks: Locks) -> Vec<Command> {
        let keys = self.keyboard.release_all().into_iter().map(Command::Key);
        keys.chain([Command::Locks(locks)]).collect()
    }

    fn button(&mut self, button: Button, down: bool) -> Command {
        if down {
            self.buttons.insert(button);
        } else {
            self.buttons.remove(&button);
        }
        Command::Button(button, down)
    }

    fn mouse(&mut self, pdu: &MousePdu) -> Vec<Command> {
        if pdu.flags.contains(PointerFlags::VERTICAL_WHEEL) {
            return self.turn(i32::from(pdu.number_of_wheel_rotation_units));
        }
        if pdu.flags.contains(PointerFlags::HORIZONTAL_WHEEL) {
            return Vec::new();
        }
        let down = pdu.flags.contains(PointerFlags::DOWN);
        // A click has its place, which counts for it.
        let mut commands = vec![Command::MoveTo(pdu.x_position, pdu.y_position)];
        for (flag, button) in [
            (PointerFlags::LEFT_BUTTON, Button::Left),
            (PointerFlags::RIGHT_BUTTON, Button::Right),
            (PointerFlags::MIDDLE_BUTTON_OR_WHEEL, Button::Middle),
        ] {
            if pdu.flags.contains(flag) {
                commands.push(self.button(button, down));
            }
        }
        commands
    }

    fn mouse_x(&mut self, pdu: &MouseXPdu) -> Vec<Command> {
        let down = pdu.flags.contains(PointerXFlags::DOWN);
        let mut commands = vec![Command::MoveTo(pdu.x_position, pdu.y_position)];
        for (flag, button) in [
            (PointerXFlags::BUTTON1, Button::Side),
            (PointerXFlags::BUTTON2, Button::Extra),
        ] {
            if pdu.flags.contains(flag) {
                commands.push(self.button(button, down));
            }
        }
        commands
    }

    fn mouse_rel(&mut self, pdu: &MouseRelPdu) -> Vec<Command> {
        let mut commands = Vec::new();
        if (pdu.x_delta, pdu.y_delta) != (0, 0) {
            commands.push(Command::MoveBy(pdu.x_delta, pdu.y_delta));
        }
        let down = pdu.flags.contains(PointerRelFlags::DOWN);
        for (flag, button) in [
            (PointerRelFlags::BUTTON1, Button::Left),
            (PointerRelFlags::BUTTON2, Button::Right),
            (PointerRelFlags::BUTTON3, Button::Middle),
            (PointerRelFlags::XBUTTON1, Button::Side),
            (PointerRelFlags::XBUTTON2, Button::Extra),
        ] {
            if pdu.flags.contains(flag) {
                commands.push(self.button(button, down));
            }
        }
        commands
    }

    /// Wheels that turn finely send parts of a notch.
    fn turn(&mut self, units: i32) -> Vec<Command> {
        self.wheel = (self.wheel + units).clamp(-MAX_NOTCHES * NOTCH, MAX_NOTCHES * NOTCH);
        let notches = self.wheel / NOTCH;
        self.wheel -= notches * NOTCH;
        let button = if notches > 0 {
            Button::WheelUp
        } else {
            Button::WheelDown
        };
        let notch = [true, false].map(|down| Command::Button(button, down));
        notch.repeat(notches.unsigned_abs() as usize)
    }
}

fn prefix(e0: bool, e1: bool) -> Prefix {
    match (e0, e1) {
        (_, true) => Prefix::E1,
        (true, false) => Prefix::E0,
        (false, false) => Prefix::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mouse(flags: PointerFlags, units: i16) -> FastPathInputEvent {
        FastPathInputEvent::MouseEvent(MousePdu {
            flags,
            number_of_wheel_rotation_units: units,
            x_position: 7,
            y_position: 9,
        })
    }

    #[test]
    fn a_click_moves_first() {
        let mut input = Input::default();
        let down = input.fast_path(mouse(PointerFlags::RIGHT_BUTTON | PointerFlags::DOWN, 0));
        assert_eq!(
            down,
            [Command::MoveTo(7, 9), Command::Button(Button::Right, true)]
        );
        let up = input.fast_path(mouse(PointerFlags::RIGHT_BUTTON, 0));
        assert_eq!(
            up,
            [Command::MoveTo(7, 9), Command::Button(Button::Right, false)]
        );
        assert_eq!(
            input.fast_path(mouse(PointerFlags::MOVE, 0)),
            [Command::MoveTo(7, 9)]
        );
    }

    #[test]
    fn a_wheel_turns_by_whole_notches() {
        let mut input = Input::default();
        let mut turn = |units| input.fast_path(mouse(PointerFlags::VERTICAL_WHEEL, units));
        let notch = |button| [true, false].map(|down| Command::Button(button, down));
        assert_eq!(turn(120), notch(Button::WheelUp));
        assert_eq!(turn(-240), notch(Button::WheelDown).repeat(2));
        assert_eq!(turn(-60), []);
        assert_eq!(turn(-60), notch(Button::WheelDown));
        assert_eq!(turn(i16::MIN).len(), 8);
        let wheel = mouse(PointerFlags::HORIZONTAL_WHEEL, 120);
        assert_eq!(Input::default().fast_path(wheel), []);
    }

    #[test]
    fn five_buttons_of_either_kind() {
        let mut input = Input::default();
        let flags = PointerXFlags::BUTTON2 | PointerXFlags::DOWN;
        let pdu = MouseXPdu {
            flags,
            x_position: 1,
            y_position: 2,
        };
        let commands = input.slow_path(InputEvent::MouseX(pdu));
        assert_eq!(
            commands,
            [Command::MoveTo(1, 2), Command::Button(Button::Extra, true)]
        );
        let flags = PointerRelFlags::BUTTON3 | PointerRelFlags::DOWN;
        let pdu = MouseRelPdu {
            flags,
            x_delta: -1,
            y_delta: 2,
        };
        let commands = input.fast_path(FastPathInputEvent::MouseEventRel(pdu));
        assert_eq!(
            commands,
            [
                Command::MoveBy(-1, 2),
                Command::Button(Button::Middle, true)
            ]
        );
        let released = [Button::Middle, Button::Extra].map(|b| Command::Button(b, false));
        assert_eq!(input.release_all(), released);
    }

    #[test]
    fn a_synchronization_lets_go_and_sets_the_locks() {
        let mut input = Input::default();
        input.fast_path(FastPathInputEvent::KeyboardEvent(
            KeyboardFlags::empty(),
            0x2a,
        ));
        let flags = ironrdp_pdu::input::fast_path::SynchronizeFlags::CAPS_LOCK;
        let commands = input.fast_path(FastPathInputEvent::SyncEvent(flags));
        let shift = Command::Key(Key {
            number: 0x2a,
            down: false,
        });
        assert_eq!(commands, [shift, Command::Locks(4)]);
    }

    #[test]
    fn the_slow_path_has_the_same_keys() {
        let mut input = Input::default();
        let mut key = |key_code, flags| {
            let pdu = scan_code::ScanCodePdu { flags, key_code };
            input.slow_path(InputEvent::ScanCode(pdu))
        };
        let down = Command::Key(Key {
            number: 0xc8,
            down: true,
        });
        assert_eq!(key(0x48, scan_code::KeyboardFlags::EXTENDED), [down]);
        assert_eq!(key(0x148, scan_code::KeyboardFlags::empty()), []);
    }
}
