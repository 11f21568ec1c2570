// SPDX-License-Identifier: GPL-2.0-or-later
//! Alarms against a naive model, which steps through time a second at a time and asks of each
//! alarm whether it is there yet.

use proptest::prelude::*;
use vhost_device_rtc::clocks::{Clocks, Deadline};
use vhost_device_rtc::device::Device;
use vhost_device_rtc::host::{Base, Host, SECOND};
use vhost_device_rtc::kind::Kind;
use vhost_device_rtc::protocol::answer;
use vhost_device_rtc::testing::FakeHost;

#[derive(Clone, Debug)]
enum Doing {
    /// Let so many seconds pass, with the device woken by its deadlines only.
    Pass(u8),
    /// Set the host's clock.
    Step(i8),
    /// SET_ALARM of a clock at so many seconds from now.
    Set(u16, i8, bool),
    /// SET_ALARM_ENABLED.
    Enable(u16, bool),
    /// RESET_DEVICE, and the driver negotiates again.
    Reset,
    /// The driver takes what is due.
    Take,
}

fn doing() -> impl Strategy<Value = Doing> {
    prop_oneof![
        any::<u8>().prop_map(Doing::Pass),
        any::<i8>().prop_map(Doing::Step),
        (0..2u16, any::<i8>(), any::<bool>()).prop_map(|(id, at, on)| Doing::Set(id, at, on)),
        (0..2u16, any::<bool>()).prop_map(|(id, on)| Doing::Enable(id, on)),
        Just(Doing::Reset),
        Just(Doing::Take),
    ]
}

/// What the specification says, in as many words.
#[derive(Clone, Debug, Default)]
struct Model {
    time: u64,
    enabled: bool,
    before: Option<u64>,
    due: bool,
}

impl Model {
    fn see(&mut self, now: u64) {
        let crossed = self.before.is_none_or(|before| before < self.time) && now >= self.time;
        if self.enabled && crossed {
            self.due = true;
        }
        if now < self.time {
            self.due = false;
        }
        self.before = Some(now);
    }

    fn set(&mut self, time: u64, enabled: bool, now: u64) {
        *self = Model {
            time,
            enabled,
            before: None,
            due: false,
        };
        self.see(now);
    }
}

struct Pair {
    host: FakeHost,
    device: Device,
    models: [Model; 2],
}

impl Pair {
    fn new() -> Pair {
        let mut device = Device::new(Clocks::new(&[Kind::Utc, Kind::Monotonic], None));
        device.set_has_alarms(true);
        Pair {
            host: FakeHost::new(),
            device,
            models: Default::default(),
        }
    }

    fn now(&mut self, id: u16) -> u64 {
        if id == 0 {
            self.host.realtime()
        } else {
            self.host.now(Base::Elapsed)
        }
    }

    fn see(&mut self) {
        for id in 0..2 {
            let now = self.now(id);
            self.models[usize::from(id)].see(now);
        }
    }

    fn tell(&mut self, request: &[u8]) {
        let answer = answer(&mut self.device, &mut self.host, request, 8);
        assert_eq!(answer.bytes()[0], 0);
    }

    /// Whether a timer that was set by the device's deadline goes off now.
    fn woken(&mut self) -> bool {
        (0..2).any(|id| match self.device.deadline(id, &mut self.host) {
            None => false,
            Some(Deadline::Realtime(time)) => self.host.realtime() >= time,
            Some(Deadline::Elapsed(time)) => self.host.elapsed >= time,
        })
    }

    fn act(&mut self, doing: &Doing) {
        match *doing {
            Doing::Pass(seconds) => {
                for _ in 0..seconds {
                    self.host.advance(SECOND);
                    self.see();
                    if self.woken() {
                        self.device.look(&mut self.host);
                    }
                }
            }
            Doing::Step(seconds) => {
                self.host.step(i64::from(seconds));
                self.see();
                // The timer tells of a step.
                self.device.look(&mut self.host);
            }
            Doing::Set(id, at, enabled) => {
                let now = self.now(id);
                let time = now.saturating_add_signed(i64::from(at) * SECOND as i64);
                let mut bytes = [0; 24];
                bytes[..2].copy_from_slice(&0x1004u16.to_le_bytes());
                bytes[8..16].copy_from_slice(&time.to_le_bytes());
                bytes[16] = id as u8;
                bytes[18] = u8::from(enabled);
                self.tell(&bytes);
                self.models[usize::from(id)].set(time, enabled, now);
            }
            Doing::Enable(id, enabled) => {
                let now = self.now(id);
                let bytes = [
                    5,
                    0x10,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    id as u8,
                    0,
                    u8::from(enabled),
                    0,
                    0,
                    0,
                    0,
                    0,
                ];
                self.tell(&bytes);
                let model = &mut self.models[usize::from(id)];
                model.set(model.time, enabled, now);
            }
            Doing::Reset => {
                self.device.reset();
                self.device.set_has_alarms(true);
                for id in 0..2 {
                    let now = self.now(id);
                    let model = &mut self.models[usize::from(id)];
                    model.set(model.time, false, now);
                }
            }
            Doing::Take => {
                while let Some(id) = self.device.due() {
                    let model = &mut self.models[usize::from(id)];
                    assert!(std::mem::take(&mut model.due), "clock {id} isn't due");
                    self.device.delivered(id);
                }
                assert!(
                    self.models.iter().all(|model| !model.due),
                    "{:?}",
                    self.models
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn alarms_do_what_a_naive_model_does(doings in proptest::collection::vec(doing(), 0..40)) {
        let mut pair = Pair::new();
        for doing in &doings {
            pair.act(doing);
        }
        pair.act(&Doing::Take);
    }
}
