// SPDX-License-Identifier: GPL-2.0-or-later
//! A client of IronRDP's crates, which shows what it is sent, byte by byte.

use std::net::SocketAddr;
use std::time::Duration;

use annex_usb::connect::{config, Connection, Server};
use anyhow::{ensure, Context, Result};
use ironrdp_connector::{BitmapConfig, Config};
use ironrdp_displaycontrol::client::DisplayControlClient;
use ironrdp_dvc::DrdynvcClient;
use ironrdp_pdu::input::fast_path::FastPathInputEvent;
use ironrdp_pdu::rdp::capability_sets::BitmapCodecs;
use ironrdp_pdu::rdp::client_info::CompressionType;
use ironrdp_pdu::Action;
use ironrdp_session::ActiveStageOutput;
use ironrdp_svc::{StaticChannelSet, SvcProcessor, SvcProcessorMessages};
use ironrdp_tokio::FramedWrite;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{timeout, timeout_at, Instant};

use crate::confirm::Amended;
use crate::drawn::Drawn;
use crate::picture::Picture;

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A client that is logged in. It sees and sends only while one of its functions runs.
pub struct Client {
    runtime: Runtime,
    connection: Connection<Amended>,
    drawn: Drawn,
    /// Bytes of pictures and everything else that came.
    pub received: usize,
    closed: bool,
    reason: Option<String>,
}

impl Client {
    /// Connects and logs in.
    pub fn connect(address: SocketAddr, user: &str, password: &str) -> Result<Self> {
        Self::connect_with(address, user, password, StaticChannelSet::new())
    }

    /// The same with these channels as well.
    pub fn connect_with(
        address: SocketAddr,
        user: &str,
        password: &str,
        channels: StaticChannelSet,
    ) -> Result<Self> {
        Self::log_in(server(address, user, password), channels, true)
    }

    /// One that neither draws orders nor decompresses in bulk.
    pub fn plain(address: SocketAddr, user: &str, password: &str) -> Result<Self> {
        Self::log_in(
            server(address, user, password),
            StaticChannelSet::new(),
            false,
        )
    }

    fn log_in(server: Server, mut channels: StaticChannelSet, modern: bool) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let config = Config {
            bitmap: Some(BitmapConfig {
                lossy_compression: false,
                color_depth: 32,
                codecs: BitmapCodecs(Vec::new()),
            }),
            compression_type: modern.then_some(CompressionType::Rdp61),
            ..config(&server)
        };
        let displays = DisplayControlClient::new(|_| Ok(Vec::new()));
        channels.insert(DrdynvcClient::new().with_dynamic_channel(displays));
        let connection = runtime.block_on(async {
            let put = |tls| Amended {
                tls,
                orders: modern,
            };
            timeout(
                LIMIT,
                Connection::open_through(&server, config, channels, put),
            )
            .await
            .context("out of time to log in")?
        })?;
        let (width, height) = (connection.image.width(), connection.image.height());
        Ok(Self {
            runtime,
            connection,
            drawn: Drawn::new(width, height),
            received: 0,
            closed: false,
            reason: None,
        })
    }

    /// What it shows.
    pub fn picture(&self) -> Picture {
        let (width, height, pixels) = self.shown();
        Picture::from_32(pixels, width, height, width * 4, [0, 1, 2])
    }

    /// Why the server has closed the connection, as far as it has said so.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
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
        let Connection { stage, image, .. } = &mut self.connection;
        let outputs = stage.process_fastpath_input(image, events)?;
        self.apply(outputs)
    }

    /// Asks for a desktop of another size, once the server offers it.
    pub fn ask_for(&mut self, width: u32, height: u32) -> Result<()> {
        let until = Instant::now() + LIMIT;
        while self.connection.stage.display_control_ready() != Some(true) {
            ensure!(self.frame(until)?, "no display control is offered");
        }
        let bytes = self
            .connection
            .stage
            .encode_resize(width, height, None, None)
            .context("no channel")??;
        self.write(&bytes)
    }

    /// Has a channel's processor do something, and sends what it says.
    pub fn channel<C: SvcProcessor + 'static, E>(
        &mut self,
        work: impl FnOnce(&mut C) -> Result<SvcProcessorMessages<C>, E>,
    ) -> Result<()>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let stage = &mut self.connection.stage;
        let processor = stage.get_svc_processor_mut().context("no such channel")?;
        let messages = work(processor)?;
        let bytes = stage.process_svc_processor_messages(messages)?;
        self.write(&bytes)
    }

    /// Columns, rows and pixels of what it shows: red, green, blue, 255.
    pub fn shown(&self) -> (usize, usize, &[u8]) {
        self.drawn.shown()
    }

    /// How many orders it has drawn.
    pub fn orders(&self) -> usize {
        self.drawn.number
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
        let Connection {
            framed,
            stage,
            image,
            ..
        } = &mut self.connection;
        let read = self
            .runtime
            .block_on(async { timeout_at(until, framed.read_pdu()).await });
        let Ok(read) = read else { return Ok(false) };
        let Ok((action, frame)) = read else {
            self.closed = true;
            return Ok(true);
        };
        self.received += frame.len();
        if action == Action::FastPath {
            self.drawn.draw(&frame)?;
            return Ok(true);
        }
        let outputs = stage.process(image, action, &frame, None)?;
        self.apply(outputs)?;
        Ok(true)
    }

    fn apply(&mut self, outputs: Vec<ActiveStageOutput>) -> Result<()> {
        for output in outputs {
            match output {
                ActiveStageOutput::ResponseFrame(frame) => self.write(&frame)?,
                ActiveStageOutput::DeactivateAll => self.reactivate()?,
                ActiveStageOutput::Terminate(reason) => {
                    self.closed = true;
                    self.reason = Some(reason.description());
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let writing = self.connection.framed.write_all(bytes);
        Ok(self.runtime.block_on(writing)?)
    }

    fn reactivate(&mut self) -> Result<()> {
        self.runtime.block_on(async {
            timeout(LIMIT, self.connection.activate_again())
                .await
                .context("out of time to follow a change of size")?
        })?;
        let image = &self.connection.image;
        self.drawn.resize(image.width(), image.height());
        Ok(())
    }
}

/// Who logs in there.
pub fn server(address: SocketAddr, user: &str, password: &str) -> Server {
    Server {
        host: address.ip().to_string(),
        port: address.port(),
        user: user.into(),
        password: password.into(),
        domain: None,
    }
}
