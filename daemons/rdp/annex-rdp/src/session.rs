// SPDX-License-Identifier: GPL-2.0-or-later
//! One client's connection, from its first byte to its last.
//!
//! A single loop takes whatever comes first (something of the client's, a change of the screen)
//! and does it to its end. So a client that doesn't read is sent nothing more, and isn't read
//! either: it waits for itself. The screen and QEMU don't: see [`crate::screen`].

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{bail, ensure, Context};
use ironrdp_acceptor::{
    accept_begin, accept_credssp, Acceptor, AcceptorResult, BeginResult, DesktopSize,
};
use ironrdp_connector::sspi::generator::NetworkRequest;
use ironrdp_connector::{general_err, ConnectorResult};
use ironrdp_core::{decode, encode_vec};
use ironrdp_displaycontrol::pdu::DisplayControlMonitorLayout;
use ironrdp_displaycontrol::server::{DisplayControlHandler, DisplayControlServer};
use ironrdp_dvc::DrdynvcServer;
use ironrdp_pdu::gcc::ClientEarlyCapabilityFlags;
use ironrdp_pdu::input::fast_path::FastPathInput;
use ironrdp_pdu::mcs::{
    DisconnectProviderUltimatum, DisconnectReason, McsMessage, SendDataIndication,
};
use ironrdp_pdu::nego::SecurityProtocol;
use ironrdp_pdu::rdp::client_info::{CompressionType, Credentials};
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
use ironrdp_tokio::{FramedWrite, NetworkClient, TokioFramed};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use urbdrc::{Messages, ToSession, Usb};

use crate::accept::finalize;
use crate::args::Login;
use crate::bounds::Bounds;
use crate::bulk::Bulk;
use crate::capabilities::{self, Client};
use crate::encode::Encoder;
use crate::input::{Command, Input};
use crate::reactivate::reactivate;
use crate::screen::{Change, Pointer, Shared, Size, Tile, Viewer};
use crate::sent::Sent;
use crate::silence::Silence;
use crate::tls::Tls;

/// How long a client may take to log in, and to follow a change of size.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a client's machine may answer nothing, not even TCP's. Its devices are in nobody's way
/// then.
const SILENCE: Silence = Silence::of(18);
/// How long an end may take that is told to the client.
const FAREWELL: Duration = Duration::from_secs(2);
/// Tiles that are sent before anything else has its turn. Behind a slow line, this is what a
/// picture that is out of date takes.
const TILES: usize = 32;
/// The largest desktop that a client may ask for, and a guest is asked to have, per side.
const MAX_REQUESTED: u32 = 4096;

/// What all sessions have in common.
#[derive(Clone)]
pub struct Common {
    /// The certificate.
    pub tls: Tls,
    /// Who may log in. None: whoever connects.
    pub login: Option<Login>,
    /// The guest's screen.
    pub screen: Shared,
    /// Where input goes.
    pub commands: mpsc::Sender<Command>,
    /// Don't ask the guest to follow the client's size.
    pub keep_resolution: bool,
    /// The guest's `usb-redir` devices.
    pub usb: Usb,
}

type Framed = TokioFramed<TlsStream<TcpStream>>;

/// A client that has logged in.
pub struct Session {
    common: Common,
    framed: Framed,
    acceptor: Acceptor,
    result: AcceptorResult,
    size: Size,
    encoder: Encoder,
    layouts: watch::Receiver<Option<Command>>,
    usb: Messages,
}

/// Whether a session is to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stop {
    /// It isn't.
    #[default]
    No,
    /// The server ends: there may be another one soon.
    Server,
    /// A later session has its place. A client that came again at once would take another's.
    Displaced,
}

/// Why the screen is no longer shown.
enum End {
    /// The client left.
    Left,
    /// The session was told to end.
    Stopped(Stop),
    /// The desktop has another size.
    Size(Size),
}

impl Session {
    /// Negotiates with a client until it is logged in.
    ///
    /// # Errors
    ///
    /// The client isn't one, can't do TLS (or NLA where it has to), has the wrong password, or
    /// takes too long.
    pub async fn accept(
        stream: TcpStream,
        peer: SocketAddr,
        common: Common,
    ) -> anyhow::Result<Self> {
        timeout(PATIENCE, Self::negotiate(stream, peer, common))
            .await
            .context("the client took too long to log in")?
    }

    async fn negotiate(
        stream: TcpStream,
        peer: SocketAddr,
        common: Common,
    ) -> anyhow::Result<Self> {
        stream.set_nodelay(true)?;
        SILENCE.watch(&stream).context("a limit for silence")?;
        let credentials = common.login.as_ref().map(|login| Credentials {
            username: login.user.clone(),
            password: login.password.clone(),
            domain: None,
        });
        let security = match credentials {
            Some(_) => SecurityProtocol::HYBRID | SecurityProtocol::HYBRID_EX,
            None => SecurityProtocol::SSL,
        };
        let size = common.screen.size();
        let mut acceptor = Acceptor::new(
            security,
            desktop(size),
            capabilities::server(size),
            credentials,
        );
        let (sender, layouts) = watch::channel(None);
        let display = DisplayControlServer::new(Box::new(Layouts(sender)));
        let (channel, usb) = common.usb.session();
        acceptor.attach_static_channel(
            DrdynvcServer::new()
                .with_dynamic_channel(display)
                .with_dynamic_channel(channel),
        );

        let begun = accept_begin(TokioFramed::new(stream), &mut acceptor)
            .await
            .context("begin to negotiate")?;
        let BeginResult::ShouldUpgrade(stream) = begun else {
            bail!("the client can't do TLS");
        };
        let stream = common.tls.acceptor.accept(stream).await.context("TLS")?;
        acceptor.mark_security_upgrade_as_done();
        let mut framed = TokioFramed::new(stream);
        if acceptor.should_perform_credssp() {
            let name = peer.ip().to_string().into();
            let key = common.tls.public_key.clone();
            accept_credssp(&mut framed, &mut acceptor, &mut NoNetwork, name, key, None)
                .await
                .context("NLA")?;
        }
        let (result, compression) = finalize(&mut framed, &mut acceptor)
            .await
            .context("negotiate capabilities")?;
        log::debug!("{peer}: compression in bulk: {compression:?}");
        Ok(Self {
            common,
            framed,
            acceptor,
            result,
            size,
            encoder: Encoder::new(compression.and_then(Bulk::new)),
            layouts,
            usb,
        })
    }

    /// Shows the screen, unless the client wants none, until it leaves, or `stop` says so.
    ///
    /// # Errors
    ///
    /// The connection breaks, or the client sends what is none of RDP's.
    pub async fn run(self, stop: watch::Receiver<Stop>) -> anyhow::Result<()> {
        let mut input = Input::default();
        let commands = self.common.commands.clone();
        let mut late = stop.clone();
        let ended = tokio::select! {
            ended = self.show(&mut input, stop) => ended,
            // A client that reads nothing can't be told.
            () = async { let _ = stopped(&mut late).await; tokio::time::sleep(FAREWELL).await } => Ok(()),
        };
        for command in input.release_all() {
            // An error: QEMU is followed no longer.
            let _ = commands.send(command).await;
        }
        ended
    }

    async fn show(self, input: &mut Input, mut stop: watch::Receiver<Stop>) -> anyhow::Result<()> {
        let Self {
            common,
            framed,
            mut acceptor,
            mut result,
            mut size,
            encoder,
            mut layouts,
            mut usb,
        } = self;
        let client = Client::from(result.capabilities.as_slice());
        ensure!(client.fast_path, "the client takes no fast-path updates");
        let viewer = common.screen.viewer();
        let mut shown = Shown {
            framed,
            channels: std::mem::take(&mut result.static_channels),
            bounds: Bounds::default(),
            io_channel: result.io_channel_id,
            user_channel: result.user_channel_id,
            takes_reasons: result
                .client_early_capability_flags
                .contains(ClientEarlyCapabilityFlags::SUPPORT_ERR_INFO_PDU),
            client,
            encoder,
            sent: Sent::new(size),
            suppressed: false,
            told: false,
            input,
            viewer: &viewer,
            common: &common,
        };
        shown.start_channels().await?;
        loop {
            for frame in std::mem::take(&mut result.input_events) {
                let action = frame
                    .first()
                    .map(|&first| Action::from_fp_output_header(first));
                if let Some(Ok(action)) = action {
                    if shown.frame(action, &frame).await? {
                        return Ok(());
                    }
                }
            }
            // A client that is activated has an empty screen.
            shown.sent = Sent::new(size);
            viewer.show_all();
            match shown
                .until_end(size, &mut layouts, &mut usb, &mut stop)
                .await?
            {
                End::Left => return Ok(()),
                End::Stopped(why) => return shown.farewell(why).await,
                End::Size(new) => {
                    ensure!(
                        client.resizes,
                        "the client can't follow a change of the desktop's size"
                    );
                    size = new;
                }
            }
            shown.deactivate().await?;
            let channels = std::mem::take(&mut shown.channels);
            acceptor = Acceptor::new_deactivation_reactivation(acceptor, channels, desktop(size))?;
            let activated = reactivate(&mut shown.framed, &mut acceptor, shown.io_channel);
            result = timeout(PATIENCE, activated)
                .await
                .context("the client took too long to follow a change of size")?
                .context("change the desktop's size")?;
            shown.channels = std::mem::take(&mut result.static_channels);
        }
    }
}

/// A session that stands.
struct Shown<'a> {
    framed: Framed,
    channels: StaticChannelSet,
    bounds: Bounds,
    io_channel: u16,
    user_channel: u16,
    takes_reasons: bool,
    client: Client,
    encoder: Encoder,
    sent: Sent,
    /// The client wants no pictures: its window is minimized, or it has none. Nor is it told of
    /// the screen's size then.
    suppressed: bool,
    /// A fault on a channel was logged; the next ones are for debugging.
    told: bool,
    input: &'a mut Input,
    viewer: &'a Viewer,
    common: &'a Common,
}

impl Shown<'_> {
    async fn until_end(
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
                change = self.viewer.change(size, TILES), if !self.suppressed => {
                    match change {
                        Change::Size(new) => return Ok(End::Size(new)),
                        Change::Picture(tiles, pointer) => self.picture(tiles, pointer).await?,
                    }
                }
                Ok(()) = layouts.changed() => {
                    let wanted = *layouts.borrow_and_update();
                    if let (Some(resize), false) = (wanted, self.common.keep_resolution) {
                        self.tell(vec![resize]).await;
                    }
                }
                Some(message) = usb.recv() => self.usb(message).await?,
                why = stopped(stop) => return Ok(End::Stopped(why)),
            }
        }
    }

    /// Sends what the client lacks of these tiles, and the pointer.
    async fn picture(&mut self, tiles: Vec<Tile>, pointer: Option<Pointer>) -> anyhow::Result<()> {
        let lacking = tiles.into_iter().filter_map(|tile| self.sent.changed(tile));
        let mut bytes = self.encoder.tiles(&lacking.collect::<Vec<_>>())?;
        if let Some(pointer) = pointer {
            bytes.extend(self.encoder.pointer(&pointer, self.client.pointer)?);
        }
        self.framed
            .write_all(&bytes)
            .await
            .context("send a picture")
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
    async fn frame(&mut self, action: Action, frame: &[u8]) -> anyhow::Result<bool> {
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

    /// A static channel's data: dynamic channels come in one. What is wrong with it ends no
    /// session, but what would take our memory does.
    async fn channel(&mut self, id: u16, data: &[u8]) -> anyhow::Result<()> {
        let Some(channel) = self.channels.get_by_channel_id_mut(id) else {
            return Ok(());
        };
        ensure!(
            self.bounds.allow(data),
            "a message on a channel is too long"
        );
        match channel.process(data) {
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

    async fn start_channels(&mut self) -> anyhow::Result<()> {
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
    async fn deactivate(&mut self) -> anyhow::Result<()> {
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

    async fn farewell(mut self, why: Stop) -> anyhow::Result<()> {
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

/// Waits until `stop` says so, or nobody is left who could have it say so.
async fn stopped(stop: &mut watch::Receiver<Stop>) -> Stop {
    let why = stop.wait_for(|stop| *stop != Stop::No).await;
    why.map_or(Stop::Server, |why| *why)
}

const fn desktop(size: Size) -> DesktopSize {
    DesktopSize {
        width: size.width,
        height: size.height,
    }
}

/// What a client's window would like the guest's screen to be (MS-RDPEDISP). The latest counts.
struct Layouts(watch::Sender<Option<Command>>);

impl DisplayControlHandler for Layouts {
    fn monitor_layout(&self, layout: DisplayControlMonitorLayout) {
        let monitors = layout.monitors();
        let primary = monitors
            .iter()
            .find(|monitor| monitor.is_primary())
            .or(monitors.first());
        if let Some((width, height)) = primary.map(|monitor| monitor.dimensions()) {
            let [width, height] = [width, height].map(|side| side.clamp(200, MAX_REQUESTED));
            self.0
                .send_replace(Some(Command::Resize(width & !3, height)));
        }
    }
}

/// NLA here is NTLM: there is no Kerberos server to ask.
struct NoNetwork;

impl NetworkClient for NoNetwork {
    async fn send(&mut self, _request: &NetworkRequest) -> ConnectorResult<Vec<u8>> {
        Err(general_err!("NLA by Kerberos isn't offered"))
    }
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
