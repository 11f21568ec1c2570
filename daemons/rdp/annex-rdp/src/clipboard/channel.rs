// SPDX-License-Identifier: GPL-2.0-or-later
//! A client's clipboard as IronRDP wants it, the static channel `cliprdr`. Its own processor for it
//! is about files, their locks and a desktop's clipboard; of these there are none here.

use std::sync::Arc;
use std::time::Duration;

use ironrdp_cliprdr::pdu::ClipboardPdu;
use ironrdp_core::{decode, impl_as_any};
use ironrdp_pdu::gcc::ChannelName;
use ironrdp_pdu::{decode_err, PduResult};
use ironrdp_svc::{ChannelFlags, SvcMessage, SvcProcessor, SvcServerProcessor};
use tokio::sync::Notify;
use tokio::time::{interval, sleep_until, Instant, Interval, MissedTickBehavior};

use super::hub::SessionId;
use super::Clipboard;

/// Between two times that a client is told of the guest's clipboard. Guests may copy as often as
/// they like.
const PAUSE: Duration = Duration::from_millis(50);
/// How often it is looked whether a client hasn't answered.
const TICK: Duration = Duration::from_secs(1);

/// A session's end of `cliprdr`.
#[derive(Debug)]
pub struct Channel {
    clipboard: Clipboard,
    id: SessionId,
}

impl Channel {
    pub(super) fn new(clipboard: Clipboard, id: SessionId) -> Self {
        Self { clipboard, id }
    }

    /// The client sends a message that is longer than any text may be, which nobody reads. What it
    /// is answered.
    pub fn too_long(&mut self) -> Vec<SvcMessage> {
        let now = std::time::Instant::now();
        messages(self.clipboard.hub(|hub| hub.too_long(self.id, now)))
    }
}

impl_as_any!(Channel);

impl SvcProcessor for Channel {
    fn channel_name(&self) -> ChannelName {
        ChannelName::from_static(b"cliprdr\0")
    }

    fn start(&mut self) -> PduResult<Vec<SvcMessage>> {
        Ok(messages(self.clipboard.hub(|hub| hub.join(self.id))))
    }

    fn process(&mut self, payload: &[u8]) -> PduResult<Vec<SvcMessage>> {
        let message: ClipboardPdu<'_> = decode(payload).map_err(|error| decode_err!(error))?;
        let now = std::time::Instant::now();
        let answers = self.clipboard.hub(|hub| hub.message(self.id, message, now));
        Ok(messages(answers))
    }
}

impl SvcServerProcessor for Channel {}

impl Drop for Channel {
    fn drop(&mut self) {
        self.clipboard.leave(self.id);
    }
}

/// What a session is to send that is no answer to what it has just got.
pub struct Outbox {
    clipboard: Clipboard,
    id: SessionId,
    wake: Arc<Notify>,
    not_before: Instant,
    ticks: Interval,
}

impl Outbox {
    pub(super) fn new(clipboard: Clipboard, id: SessionId, wake: Arc<Notify>) -> Self {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            clipboard,
            id,
            wake,
            not_before: Instant::now(),
            ticks,
        }
    }

    /// Waits until there is something. Can be dropped, and loses nothing.
    pub async fn next(&mut self) -> Vec<SvcMessage> {
        loop {
            sleep_until(self.not_before).await;
            tokio::select! {
                () = self.wake.notified() => {}
                _ = self.ticks.tick() => {}
            }
            let taken = self.clipboard.hub(|hub| {
                let mut taken = hub.take(self.id);
                taken.extend(hub.remind(self.id, std::time::Instant::now()));
                taken
            });
            if !taken.is_empty() {
                self.not_before = Instant::now() + PAUSE;
                return messages(taken);
            }
        }
    }
}

/// With the flag that clients of this channel want (MS-RDPBCGR 2.2.6.1.1).
fn messages(pdus: Vec<ClipboardPdu<'static>>) -> Vec<SvcMessage> {
    let message = |pdu| SvcMessage::from(pdu).with_flags(ChannelFlags::SHOW_PROTOCOL);
    pdus.into_iter().map(message).collect()
}
