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
use ironrdp_displaycontrol::pdu::DisplayControlMonitorLayout;
use ironrdp_displaycontrol::server::{DisplayControlHandler, DisplayControlServer};
use ironrdp_dvc::DrdynvcServer;
use ironrdp_pdu::gcc::ClientEarlyCapabilityFlags;
use ironrdp_pdu::nego::SecurityProtocol;
use ironrdp_pdu::rdp::client_info::Credentials;
use ironrdp_pdu::Action;
use ironrdp_tokio::{NetworkClient, TokioFramed};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use urbdrc::{Messages, Usb};

use crate::accept::finalize;
use crate::args::Login;
use crate::bounds::{Bounds, ClipboardBounds};
use crate::bulk::Bulk;
use crate::capabilities::{self, Client};
use crate::clipboard::{Clipboard, Outbox};
use crate::encode::Encoder;
use crate::input::{Command, Input};
use crate::reactivate::reactivate;
use crate::screen::{Shared, Size};
use crate::sent::Sent;
use crate::silence::Silence;
use crate::tls::Tls;

mod shown;

use shown::{stopped, End, Shown};

/// How long a client may take to log in, and to follow a change of size.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a client's machine may answer nothing, not even TCP's. Its devices are in nobody's way
/// then.
const SILENCE: Silence = Silence::of(18);
/// How long an end may take that is told to the client.
const FAREWELL: Duration = Duration::from_secs(2);
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
    /// What is copied in the guest and at clients.
    pub clipboard: Clipboard,
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
    clipboard: Option<Outbox>,
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
        let clipboard = common.clipboard.session().map(|(channel, outbox)| {
            acceptor.attach_static_channel(channel);
            outbox
        });

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
            clipboard,
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
            clipboard,
            mut usb,
        } = self;
        let client = Client::from(result.capabilities.as_slice());
        log::debug!("the client's capabilities: {client:?}");
        ensure!(client.fast_path, "the client takes no fast-path updates");
        let viewer = common.screen.viewer();
        let mut shown = Shown {
            framed,
            channels: std::mem::take(&mut result.static_channels),
            bounds: Bounds::default(),
            clipboard,
            clipboard_bounds: ClipboardBounds::default(),
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
            shown.encoder.activated();
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
