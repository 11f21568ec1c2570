// SPDX-License-Identifier: GPL-2.0-or-later
//! A client of IronRDP's crates, which shows what it is sent, byte by byte.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{bail, ensure, Context, Result};
use ironrdp_connector::connection_activation::ConnectionActivationState;
use ironrdp_connector::sspi::generator::NetworkRequest;
use ironrdp_connector::{
    general_err, BitmapConfig, ClientConnector, Config, ConnectionOutcome, ConnectorResult,
    Credentials, DesktopSize, Sequence,
};
use ironrdp_core::WriteBuf;
use ironrdp_displaycontrol::client::DisplayControlClient;
use ironrdp_dvc::DrdynvcClient;
use ironrdp_graphics::image_processing::PixelFormat;
use ironrdp_pdu::gcc::{ConnectionType, KeyboardType};
use ironrdp_pdu::input::fast_path::FastPathInputEvent;
use ironrdp_pdu::rdp::capability_sets::{BitmapCodecs, MajorPlatformType, RailSupportLevel};
use ironrdp_pdu::rdp::client_info::CompressionType;
use ironrdp_session::image::DecodedImage;
use ironrdp_session::{ActiveStage, ActiveStageBuilder, ActiveStageOutput};
use ironrdp_tokio::{single_sequence_step, FramedWrite, NetworkClient, TokioFramed};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{timeout, Instant};

use crate::picture::Picture;

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A client that is logged in. It sees and sends only while one of its functions runs.
pub struct Client {
    runtime: Runtime,
    framed: TokioFramed<ironrdp_tls::TlsStream<TcpStream>>,
    stage: ActiveStage,
    activation: ironrdp_connector::connection_activation::ConnectionActivationFactory,
    image: DecodedImage,
    /// Bytes of pictures and everything else that came.
    pub received: usize,
    closed: bool,
}

impl Client {
    /// Connects and logs in.
    pub fn connect(address: SocketAddr, user: &str, password: &str) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let connected = async {
            timeout(LIMIT, connect(address, user, password))
                .await
                .context("out of time to log in")?
        };
        let (framed, result) = runtime.block_on(connected)?;
        let image = image(result.desktop_size);
        let stage = ActiveStageBuilder {
            static_channels: result.static_channels,
            user_channel_id: result.user_channel_id,
            io_channel_id: result.io_channel_id,
            message_channel_id: result.message_channel_id,
            share_id: result.share_id,
            compression_type: result.compression_type,
            enable_server_pointer: result.enable_server_pointer,
            pointer_software_rendering: result.pointer_software_rendering,
        }
        .build();
        let activation = result.activation_factory;
        Ok(Self {
            runtime,
            framed,
            stage,
            activation,
            image,
            received: 0,
            closed: false,
        })
    }

    /// What it shows.
    pub fn picture(&self) -> Picture {
        let (width, height) = (self.image.width().into(), self.image.height().into());
        Picture::from_32(
            self.image.data(),
            width,
            height,
            self.image.stride(),
            [0, 1, 2],
        )
    }

    /// Takes what comes, for this long or until the server closes the connection.
    pub fn look(&mut self, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        while !self.closed && self.frame(until)? {}
        Ok(())
    }

    /// Waits until the server has closed the connection.
    pub fn closed(&mut self) -> Result<()> {
        self.look(LIMIT)?;
        ensure!(self.closed, "the server hasn't closed the connection");
        Ok(())
    }

    /// Does this with keyboard and mouse.
    pub fn input(&mut self, events: &[FastPathInputEvent]) -> Result<()> {
        let outputs = self.stage.process_fastpath_input(&mut self.image, events)?;
        self.apply(outputs)
    }

    /// Asks for a desktop of another size, once the server offers it.
    pub fn ask_for(&mut self, width: u32, height: u32) -> Result<()> {
        let until = Instant::now() + LIMIT;
        while self.stage.display_control_ready() != Some(true) {
            ensure!(self.frame(until)?, "no display control is offered");
        }
        let bytes = self
            .stage
            .encode_resize(width, height, None, None)
            .context("no channel")??;
        let Self {
            runtime, framed, ..
        } = self;
        Ok(runtime.block_on(framed.write_all(&bytes))?)
    }

    /// Columns, rows and pixels of what it shows: red, green, blue, 255.
    pub fn shown(&self) -> (usize, usize, &[u8]) {
        let (width, height) = (self.image.width(), self.image.height());
        (width.into(), height.into(), self.image.data())
    }

    /// Takes a frame. False: none came in time.
    ///
    /// # Errors
    ///
    /// The server has closed the connection.
    pub fn step(&mut self, until: std::time::Instant) -> Result<bool> {
        let came = self.frame(until.into())?;
        ensure!(!self.closed, "the server has closed the connection");
        Ok(came)
    }

    /// Takes a frame. False: none came in time.
    fn frame(&mut self, until: Instant) -> Result<bool> {
        let Self {
            runtime, framed, ..
        } = self;
        let read =
            runtime.block_on(async { tokio::time::timeout_at(until, framed.read_pdu()).await });
        let Ok(read) = read else { return Ok(false) };
        let Ok((action, frame)) = read else {
            self.closed = true;
            return Ok(true);
        };
        self.received += frame.len();
        let outputs = self.stage.process(&mut self.image, action, &frame, None)?;
        self.apply(outputs)?;
        Ok(true)
    }

    fn apply(&mut self, outputs: Vec<ActiveStageOutput>) -> Result<()> {
        for output in outputs {
            match output {
                ActiveStageOutput::ResponseFrame(frame) => {
                    let Self {
                        runtime, framed, ..
                    } = self;
                    runtime.block_on(framed.write_all(&frame))?;
                }
                ActiveStageOutput::DeactivateAll => self.reactivate()?,
                ActiveStageOutput::Terminate(_) => self.closed = true,
                _ => {}
            }
        }
        Ok(())
    }

    fn reactivate(&mut self) -> Result<()> {
        let Self {
            runtime,
            framed,
            stage,
            activation,
            ..
        } = self;
        let mut sequence = activation.create();
        let finalized = runtime.block_on(async {
            let mut buffer = WriteBuf::new();
            let steps = async {
                while !sequence.state().is_terminal() {
                    single_sequence_step(framed, &mut sequence, &mut buffer).await?;
                }
                anyhow::Ok(sequence.connection_activation_state())
            };
            timeout(LIMIT, steps)
                .await
                .context("out of time to follow a change of size")?
        })?;
        let ConnectionActivationState::Finalized {
            desktop_size,
            share_id,
            static_channel_chunk_size,
            enable_server_pointer,
            pointer_software_rendering,
            ..
        } = finalized
        else {
            bail!("an activation that ends otherwise");
        };
        let reactivated = stage.reactivate(
            activation.io_channel_id(),
            activation.user_channel_id(),
            share_id,
            enable_server_pointer,
            pointer_software_rendering,
            static_channel_chunk_size,
        );
        ensure!(reactivated, "the client couldn't be activated again");
        self.image = image(desktop_size);
        Ok(())
    }
}

fn image(size: DesktopSize) -> DecodedImage {
    DecodedImage::new(PixelFormat::RgbA32, size.width, size.height)
}

async fn connect(
    address: SocketAddr,
    user: &str,
    password: &str,
) -> Result<(
    TokioFramed<ironrdp_tls::TlsStream<TcpStream>>,
    ironrdp_connector::ConnectionResult,
)> {
    let stream = TcpStream::connect(address).await?;
    let local = stream.local_addr()?;
    let displays = DisplayControlClient::new(|_| Ok(Vec::new()));
    let mut connector = ClientConnector::new(config(user, password), local)
        .with_static_channel(DrdynvcClient::new().with_dynamic_channel(displays));
    let mut framed = TokioFramed::new(stream);
    let upgrade = ironrdp_tokio::connect_begin(&mut framed, &mut connector).await?;
    let stream = framed.into_inner_no_leftover();
    let (stream, certificate) = ironrdp_tls::upgrade(stream, "localhost").await?;
    let upgraded = ironrdp_tokio::mark_as_upgraded(upgrade, &mut connector);
    let key = ironrdp_tls::extract_tls_server_public_key(&certificate).context("a public key")?;
    let mut framed = TokioFramed::new(stream);
    let outcome = ironrdp_tokio::connect_finalize(
        upgraded,
        connector,
        &mut framed,
        &mut NoNetwork,
        "localhost".into(),
        key.to_vec(),
        None,
    )
    .await?;
    match outcome {
        ConnectionOutcome::Connected(result) => Ok((framed, result)),
        ConnectionOutcome::Redirected(_) => bail!("redirected"),
    }
}

struct NoNetwork;

impl NetworkClient for NoNetwork {
    async fn send(&mut self, _request: &NetworkRequest) -> ConnectorResult<Vec<u8>> {
        Err(general_err!("there is no network here"))
    }
}

fn config(user: &str, password: &str) -> Config {
    Config {
        desktop_size: DesktopSize {
            width: 1024,
            height: 768,
        },
        monitor_layout: None,
        desktop_scale_factor: 0,
        desktop_physical_size: None,
        desktop_orientation: None,
        device_scale_factor: None,
        monitor_extended_layout: None,
        relative_mouse_input: false,
        enable_tls: false,
        enable_credssp: true,
        enable_standard_rdp_security: false,
        credentials: Credentials::UsernamePassword {
            username: user.into(),
            password: password.into(),
        },
        domain: None,
        client_build: 0,
        client_name: "trial".into(),
        keyboard_type: KeyboardType::IBM_ENHANCED,
        keyboard_subtype: 0,
        keyboard_functional_keys_count: 12,
        keyboard_layout: 0,
        connection_type: ConnectionType::Lan,
        ime_file_name: String::new(),
        bitmap: Some(BitmapConfig {
            lossy_compression: false,
            color_depth: 32,
            codecs: BitmapCodecs(Vec::new()),
        }),
        dig_product_id: String::new(),
        client_dir: String::new(),
        alternate_shell: String::new(),
        work_dir: String::new(),
        remote_application_mode: false,
        rail_support_level: RailSupportLevel::empty(),
        platform: MajorPlatformType::UNIX,
        hardware_id: None,
        request_data: None,
        autologon: false,
        enable_audio_playback: false,
        enable_audio_capture: false,
        performance_flags: Default::default(),
        license_cache: None,
        timezone_info: Default::default(),
        compression_type: Some(CompressionType::Rdp61),
        enable_server_pointer: false,
        pointer_software_rendering: false,
        multitransport_flags: None,
        support_dyn_vc_gfx_protocol: false,
    }
}
