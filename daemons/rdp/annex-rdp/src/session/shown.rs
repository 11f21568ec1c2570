// SPDX-License-Identifier: GPL-2.0-or-later
//! A session that stands: its loop, and what it does with whatever comes.

use anyhow::{ensure, Context};
use ironrdp_core::{decode, encode_vec};
use ironrdp_dvc::DrdynvcServer;
use ironrdp_pdu::input::fast_path::FastPathInput;
use ironrdp_pdu::mcs::{
    DisconnectProviderUltimatum, DisconnectReason, McsMessage, SendDataIndication,
};
use ironrdp_pdu::rdp::client_info::CompressionType;
use ironrdp_pdu::rdp::headers::{
    CompressionFlags, ServerDeactivateAll, ShareControlHeader, ShareControlPdu, ShareDataHeader,
    ShareDataPdu, StreamPriority,
};
use ironrdp_pdu::rdp::server_error_info::{
    ErrorInfo, ProtocolIndependentCode, ServerSetErrorInfoPdu,
};
use ironrdp_pdu::x224::X224;
use ironrdp_pdu::Action;
use ironrdp_svc::{server_encode_svc_messages, StaticChannelSet, SvcMessage};
use ironrdp_tokio::FramedWrite;
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;
use urbdrc::{Messages, ToSession};

use super::{Common, Framed, Stop};
use crate::bounds::{Bounds, Chunk, ClipboardBounds};
use crate::capabilities::Client;
use crate::clipboard::{Channel, Outbox};
use crate::encode::Encoder;
use crate::input::{Command, Input};
use crate::screen::{Change, Size, Viewer};
use crate::sent::Sent;

/// Tiles that are sent before anything else has its turn. Behind a slow line, this is what a
/// picture that is out of date takes.
const TILES: usize = 32;

/// Why the screen is no longer shown.
pub enum End {
    /// The client left.
    Left,
    /// The session was told to end.
    Stopped(Stop),
    /// The desktop has another size.
    Size(Size),
}

/// A session that stands.
pub struct Shown<'a> {
    pub framed: Framed,
    pub channels: StaticChannelSet,
    pub bounds: Bounds,
    pub clipboard: Option<Outbox>,
    pub clipboard_bounds: ClipboardBounds,
    pub io_channel: u16,
    pub user_channel: u16,
    pub takes_reasons: bool,
    pub client: Client,
    pub encoder: Encoder,
    pub sent: Sent,
    /// The client wants no pictures: its window is minimized, or it has none. Nor is it told of
    /// the screen's size then.
    pub suppressed: bool,
    /// A fault on a channel was logged; the next ones are for debugging.
    pub told: bool,
    pub input: &'a mut Input,
    pub viewer: &'a Viewer,
    pub common: &'a Common,
}

impl Shown<'_> {
    pub async fn until_end(
        &mut self,
        size: Size,
        layouts: &mut watch::Receiver<Option<Command>>,
        usb: &mut Messages,
        stop: &mut watch::Receiver<Stop>,
    ) -> anyhow::Result<End> {
        loop {
            // Each of these can be dropped and lose nothing; what is done with them can't.
            tokio::select! {
                frame = self.framed.read_pdu() => {
                    let Some((action, frame)) = unless_closed(frame)? else {
                        return Ok(End::Left);
                    };
                    if self.frame(action, &frame).await? {
                        return Ok(End::Left);
                    }
                }
                () = self.viewer.changed(size), if !self.suppressed => {
                    if let Some(new) = self.picture(size).await? {
                        return Ok(End::Size(new));
                    }
                }
                Ok(()) = layouts.changed() => {
                    let wanted = *layouts.borrow_and_update();
                    if let (Some(resize), false) = (wanted, self.common.keep_resolution) {
                        self.tell(vec![resize]).await;
                    }
                }
                messages = next(&mut self.clipboard) => {
                    if let Some(id) = self.channels.get_channel_id_by_type::<Channel>() {
                        self.send(id, messages).await?;
                    }
                }
                Some(message) = usb.recv() => self.usb(message).await?,
                why = stopped(stop) => return Ok(End::Stopped(why)),
            }
        }
    }

    /// Sends some of what has changed, as far as the client lacks it; or the desktop's size, if it is
    /// another.
    async fn picture(&mut self, size: Size) -> anyhow::Result<Option<Size>> {
        let mut bytes = Vec::new();
        if self.client.orders {
            if let Some((picture, tiles)) = self.viewer.look(size) {
                let orders = self.sent.orders(&picture, &tiles);
                bytes = self.encoder.orders(&orders)?;
                log::trace!("{} tiles, {} orders", tiles.len(), orders.len());
            }
        }
        match self.viewer.take(size, TILES) {
            Some(Change::Size(new)) => return Ok(Some(new)),
            Some(Change::Picture(tiles, pointer)) => {
                let lacking = tiles.into_iter().filter_map(|tile| self.sent.changed(tile));
                bytes.extend(self.encoder.tiles(lacking.collect())?);
                if let Some(pointer) = pointer {
                    bytes.extend(self.encoder.pointer(&pointer, self.client.pointer)?);
                }
            }
            None => {}
        }
        log::trace!("a picture of {} bytes", bytes.len());
        self.framed
            .write_all(&bytes)
            .await
            .context("send a picture")?;
        Ok(None)
    }

    /// Sends what USB redirection has for the client.
    async fn usb(&mut self, message: ToSession) -> anyhow::Result<()> {
        let id = self.channels.get_channel_id_by_type::<DrdynvcServer>();
        let drdynvc = self
            .channels
            .get_by_type_mut::<DrdynvcServer>()
            .and_then(|it| it.channel_processor_downcast_mut::<DrdynvcServer>());
        match (drdynvc, id) {
            (Some(drdynvc), Some(id)) => {
                let messages = message.apply(drdynvc).context("USB's messages")?;
                self.send(id, messages).await
            }
            // The client has no dynamic channels.
            _ => Ok(()),
        }
    }

    /// Does what a frame says. True: the client leaves.
    pub async fn frame(&mut self, action: Action, frame: &[u8]) -> anyhow::Result<bool> {
        match action {
            Action::FastPath => {
                let events: FastPathInput = decode(frame).context("the client's input")?;
                for event in events.input_events() {
                    let commands = self.input.fast_path(*event);
                    self.tell(commands).await;
                }
                Ok(false)
            }
            Action::X224 => match decode::<X224<McsMessage<'_>>>(frame).context("MCS")?.0 {
                McsMessage::SendDataRequest(data) if data.channel_id == self.io_channel => {
                    self.share(&data.user_data).await
                }
                McsMessage::SendDataRequest(data) => {
                    self.channel(data.channel_id, &data.user_data).await?;
                    Ok(false)
                }
                McsMessage::DisconnectProviderUltimatum(_) => Ok(true),
                _ => Ok(false),
            },
        }
    }

    /// The share's channel: input of the slow path, and what the client wants to see.
    async fn share(&mut self, data: &[u8]) -> anyhow::Result<bool> {
        let header: ShareControlHeader = decode(data).context("a share's PDU")?;
        let ShareControlPdu::Data(header) = header.share_control_pdu else {
            return Ok(false);
        };
        match header.share_data_pdu {
            ShareDataPdu::Input(events) => {
                for event in events.0 {
                    let commands = self.input.slow_path(event);
                    self.tell(commands).await;
                }
            }
            ShareDataPdu::SuppressOutput(pdu) => {
                self.suppressed = pdu.desktop_rect.is_none();
                if !self.suppressed {
                    self.show_all();
                }
            }
            ShareDataPdu::RefreshRectangle(_) => self.show_all(),
            ShareDataPdu::ShutdownRequest => return Ok(true),
            _ => {}
        }
        Ok(false)
    }

    /// The client may have lost what it was shown.
    fn show_all(&mut self) {
        self.sent.forget();
        self.viewer.show_all();
    }

    /// A static channel's data: dynamic channels come in one, the clipboard in another. What is
    /// wrong with it ends no session, but what would take our memory does.
    async fn channel(&mut self, id: u16, data: &[u8]) -> anyhow::Result<()> {
        let Some(channel) = self.channels.get_by_channel_id_mut(id) else {
            return Ok(());
        };
        let processed = match channel.channel_processor_downcast_mut::<Channel>() {
            Some(clipboard) => match self.clipboard_bounds.look(data) {
                Chunk::Take => channel.process(data),
                Chunk::LeaveOut => return Ok(()),
                Chunk::TooLong => Ok(clipboard.too_long()),
            },
            None => {
                ensure!(
                    self.bounds.allow(data),
                    "a message on a channel is too long, or compressed"
                );
                channel.process(data)
            }
        };
        match processed {
            Ok(messages) => self.send(id, messages).await,
            Err(error) => {
                let level = if self.told {
                    log::Level::Debug
                } else {
                    log::Level::Warn
                };
                self.told = true;
                log::log!(level, "a message on a channel: {error}");
                Ok(())
            }
        }
    }

    pub async fn start_channels(&mut self) -> anyhow::Result<()> {
        let mut started = Vec::new();
        for (_, channel, id) in self.channels.iter_mut() {
            if let Some(id) = id {
                started.push((id, channel.start()?));
            }
        }
        for (id, messages) in started {
            self.send(id, messages).await?;
        }
        Ok(())
    }

    async fn send(&mut self, channel: u16, messages: Vec<SvcMessage>) -> anyhow::Result<()> {
        let bytes = server_encode_svc_messages(messages, channel, self.user_channel)
            .context("encode a channel's messages")?;
        self.framed
            .write_all(&bytes)
            .await
            .context("send on a channel")
    }

    async fn tell(&mut self, commands: Vec<Command>) {
        for command in commands {
            // An error: QEMU is followed no longer.
            let _ = self.common.commands.send(command).await;
        }
    }

    /// MS-RDPBCGR 1.3.1.3: takes the share away, so that it can be made anew.
    pub async fn deactivate(&mut self) -> anyhow::Result<()> {
        self.control(ShareControlPdu::ServerDeactivateAll(ServerDeactivateAll))
            .await
            .context("deactivate")
    }

    /// MS-RDPBCGR 2.2.5.1: says why the session is about to end, to a client that wants to know.
    async fn reason(&mut self, code: ProtocolIndependentCode) -> anyhow::Result<()> {
        if !self.takes_reasons {
            return Ok(());
        }
        let info = ServerSetErrorInfoPdu(ErrorInfo::ProtocolIndependentCode(code));
        let header = ShareDataHeader {
            share_data_pdu: ShareDataPdu::ServerSetErrorInfo(info),
            stream_priority: StreamPriority::Medium,
            compression_flags: CompressionFlags::empty(),
            compression_type: CompressionType::K8,
        };
        self.control(ShareControlPdu::Data(header))
            .await
            .context("say why")
    }

    async fn control(&mut self, share_control_pdu: ShareControlPdu) -> anyhow::Result<()> {
        let pdu = ShareControlHeader {
            share_id: 0,
            pdu_source: self.io_channel,
            share_control_pdu,
        };
        let message = SendDataIndication {
            initiator_id: self.user_channel,
            channel_id: self.io_channel,
            user_data: encode_vec(&pdu)?.into(),
        };
        let bytes = encode_vec(&X224(message))?;
        Ok(self.framed.write_all(&bytes).await?)
    }

    pub async fn farewell(mut self, why: Stop) -> anyhow::Result<()> {
        if why == Stop::Displaced {
            self.reason(ProtocolIndependentCode::DisconnectedByOtherconnection)
                .await?;
        }
        let reason = DisconnectReason::ProviderInitiated;
        let message = McsMessage::DisconnectProviderUltimatum(
            DisconnectProviderUltimatum::from_reason(reason),
        );
        self.framed
            .write_all(&encode_vec(&X224(message))?)
            .await
            .context("say goodbye")?;
        let (mut stream, _) = self.framed.into_inner();
        stream.shutdown().await.context("close TLS")
    }
}

/// A client that closes its connection has left, whether it said so or not; likewise one that has
/// vanished.
fn unless_closed<T>(read: std::io::Result<T>) -> anyhow::Result<Option<T>> {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, TimedOut, UnexpectedEof};
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error)
            if [BrokenPipe, ConnectionReset, TimedOut, UnexpectedEof].contains(&error.kind()) =>
        {
            Ok(None)
        }
        Err(error) => Err(error).context("read from the client"),
    }
}

/// What a clipboard has for the client.
async fn next(clipboard: &mut Option<Outbox>) -> Vec<SvcMessage> {
    match clipboard {
        Some(clipboard) => clipboard.next().await,
        None => std::future::pending().await,
    }
}

/// Waits until `stop` says so, or nobody is left who could have it say so.
pub async fn stopped(stop: &mut watch::Receiver<Stop>) -> Stop {
    let why = stop.wait_for(|stop| *stop != Stop::No).await;
    why.map_or(Stop::Server, |why| *why)
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn whoever_closes_or_vanishes_has_left() {
        let read = |kind| unless_closed::<()>(Err(Error::from(kind)));
        for kind in [
            ErrorKind::UnexpectedEof,
            ErrorKind::ConnectionReset,
            ErrorKind::BrokenPipe,
            ErrorKind::TimedOut,
        ] {
            assert!(matches!(read(kind), Ok(None)), "{kind}");
        }
        assert!(read(ErrorKind::InvalidData).is_err());
    }
}
