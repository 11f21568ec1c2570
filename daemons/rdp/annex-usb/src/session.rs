// SPDX-License-Identifier: GPL-2.0-or-later
//! The RDP connection, and what runs while it stands.
//!
//! The server proves by NLA that it knows the password, and for which certificate (MS-CSSP 3.1.5):
//! nobody between the two can have one of their own, and no other check of it is made. Without
//! NLA there is no connection.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{bail, ensure, Context, Result};
use ironrdp_connector::connection_activation::{
    ConnectionActivationFactory, ConnectionActivationState,
};
use ironrdp_connector::{
    ClientConnector, Config, ConnectionResult, ConnectorResult, Credentials, DesktopSize,
    ServerName,
};
use ironrdp_core::WriteBuf;
use ironrdp_dvc::DrdynvcClient;
use ironrdp_graphics::image_processing::PixelFormat;
use ironrdp_pdu::gcc::{ConnectionType, KeyboardType};
use ironrdp_pdu::rdp::capability_sets::{MajorPlatformType, RailSupportLevel};
use ironrdp_pdu::rdp::client_info::{PerformanceFlags, TimezoneInfo};
use ironrdp_pdu::rdp::headers::ShareDataPdu;
use ironrdp_pdu::rdp::suppress_output::SuppressOutputPdu;
use ironrdp_session::image::DecodedImage;
use ironrdp_session::{ActiveStage, ActiveStageBuilder, ActiveStageOutput};
use ironrdp_svc::{SvcMessage, SvcProcessorMessages};
use ironrdp_tokio::{FramedWrite, NetworkClient, TokioFramed};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls;
use x509_cert::der::Decode;

use crate::client::{Client, Event, Listener};
use crate::device::{Description, Device, DeviceId, Ended};

/// Who is at the server, and where it is.
#[derive(Clone)]
pub struct Server {
    /// Its name or address.
    pub host: String,
    /// Its TCP port.
    pub port: u16,
    /// The user's name.
    pub user: String,
    /// The user's password.
    pub password: String,
    /// The user's domain.
    pub domain: Option<String>,
}

/// A device that comes or goes while a session runs.
pub enum Change {
    /// It has come.
    Arrived(DeviceId, Description, Box<dyn Device>),
    /// It has gone.
    Left(DeviceId),
}

type Framed = TokioFramed<TlsStream<TcpStream>>;

/// A connection that stands.
pub struct Session {
    framed: Framed,
    stage: ActiveStage,
    activation: ConnectionActivationFactory,
    image: DecodedImage,
    client: Client,
    devices: BTreeMap<DeviceId, Box<dyn Device>>,
}

impl Session {
    /// Connects.
    ///
    /// # Errors
    ///
    /// The server isn't there, doesn't know the user, or does without NLA.
    pub async fn connect(server: &Server) -> Result<Session> {
        let (client, listener) = Client::new();
        let (framed, connected) = connect(server, listener)
            .await
            .with_context(|| format!("{}:{}", server.host, server.port))?;
        let DesktopSize { width, height } = connected.desktop_size;
        let stage = ActiveStageBuilder {
            static_channels: connected.static_channels,
            user_channel_id: connected.user_channel_id,
            io_channel_id: connected.io_channel_id,
            message_channel_id: connected.message_channel_id,
            share_id: connected.share_id,
            compression_type: connected.compression_type,
            enable_server_pointer: connected.enable_server_pointer,
            pointer_software_rendering: connected.pointer_software_rendering,
        };
        Ok(Session {
            framed,
            stage: stage.build(),
            activation: connected.activation_factory,
            image: DecodedImage::new(PixelFormat::RgbA32, width, height),
            client,
            devices: BTreeMap::new(),
        })
    }

    /// Asks the server for no pictures (MS-RDPBCGR 2.2.11.3.1). Until it has heard that, it may
    /// send some.
    ///
    /// # Errors
    ///
    /// The connection broke.
    pub async fn want_no_pictures(&mut self) -> Result<()> {
        let none = SuppressOutputPdu { desktop_rect: None };
        let mut frame = WriteBuf::new();
        self.stage
            .encode_static(&mut frame, ShareDataPdu::SuppressOutput(none))?;
        self.framed.write_all(frame.filled()).await?;
        Ok(())
    }

    /// Shares devices until the server ends the session, or `changes` ends. What has happened to
    /// devices is told to `tell`.
    ///
    /// # Errors
    ///
    /// The connection broke, or the server sent what can't be.
    pub async fn run(
        &mut self,
        mut changes: mpsc::Receiver<Change>,
        mut ends: mpsc::UnboundedReceiver<(DeviceId, rdp_usb::OperationId, rdp_usb::Done)>,
        mut tell: impl FnMut(Event),
    ) -> Result<()> {
        loop {
            tokio::select! {
                frame = self.framed.read_pdu() => {
                    let (action, frame) = frame.context("the connection has ended")?;
                    let outputs = self
                        .stage
                        .process(&mut self.image, action, &frame, None)
                        .context("a message of the server")?;
                    for output in outputs {
                        match output {
                            ActiveStageOutput::ResponseFrame(frame) if !frame.is_empty() => {
                                self.framed.write_all(&frame).await?;
                            }
                            ActiveStageOutput::Terminate(reason) => {
                                log::info!("the server has ended the session: {reason}");
                                return Ok(());
                            }
                            ActiveStageOutput::DeactivateAll => self.activate_again().await?,
                            _ => (),
                        }
                    }
                }
                change = changes.recv() => match change {
                    Some(Change::Arrived(id, description, device)) => {
                        match self.client.add(id, description) {
                            Ok(()) => {
                                self.devices.insert(id, device);
                            }
                            Err(error) => log::warn!("a device can't be shared: {error}"),
                        }
                    }
                    Some(Change::Left(id)) => {
                        self.devices.remove(&id);
                        let drdynvc = drdynvc(&mut self.stage)?;
                        let messages = self.client.remove(id, drdynvc);
                        self.send(messages).await?;
                    }
                    None => return self.leave().await,
                },
                Some((device, id, done)) = ends.recv() => self.client.done(device, id, done),
            }
            let messages = {
                let drdynvc = drdynvc(&mut self.stage)?;
                self.client.poll(drdynvc).context("USB's messages")?
            };
            self.send(messages).await?;
            while let Some((device, id, operation)) = self.client.poll_operation() {
                if let Some(device) = self.devices.get_mut(&device) {
                    device.begin(id, operation);
                }
            }
            while let Some(event) = self.client.poll_event() {
                tell(event);
            }
        }
    }

    /// The server begins the session anew, for a screen of another size (MS-RDPBCGR 1.3.1.3).
    /// Channels stay.
    async fn activate_again(&mut self) -> Result<()> {
        let mut sequence = self.activation.create();
        let mut buffer = WriteBuf::new();
        loop {
            ironrdp_tokio::single_sequence_step(&mut self.framed, &mut sequence, &mut buffer)
                .await
                .context("the session's new beginning")?;
            if let ConnectionActivationState::Finalized {
                desktop_size,
                share_id,
                enable_server_pointer,
                pointer_software_rendering,
                static_channel_chunk_size,
                ..
            } = sequence.connection_activation_state()
            {
                let DesktopSize { width, height } = desktop_size;
                self.image = DecodedImage::new(PixelFormat::RgbA32, width, height);
                let good = self.stage.reactivate(
                    sequence.io_channel_id(),
                    sequence.user_channel_id(),
                    share_id,
                    enable_server_pointer,
                    pointer_software_rendering,
                    static_channel_chunk_size,
                );
                ensure!(good, "the server's channels have no size that can be");
                return Ok(());
            }
        }
    }

    async fn send(&mut self, messages: Vec<SvcMessage>) -> Result<()> {
        if messages.is_empty() {
            return Ok(());
        }
        let messages = SvcProcessorMessages::<DrdynvcClient>::new(messages);
        let frame = self.stage.process_svc_processor_messages(messages)?;
        self.framed.write_all(&frame).await?;
        Ok(())
    }

    /// Ends the session: devices go first.
    async fn leave(&mut self) -> Result<()> {
        for id in std::mem::take(&mut self.devices).into_keys() {
            let messages = self.client.remove(id, drdynvc(&mut self.stage)?);
            self.send(messages).await?;
        }
        for output in self.stage.graceful_shutdown()? {
            if let ActiveStageOutput::ResponseFrame(frame) = output {
                self.framed.write_all(&frame).await?;
            }
        }
        Ok(())
    }
}

/// What tells a [`Session`] that operations have ended.
pub fn ends() -> (
    Ended,
    mpsc::UnboundedReceiver<(DeviceId, rdp_usb::OperationId, rdp_usb::Done)>,
) {
    mpsc::unbounded_channel()
}

fn drdynvc(stage: &mut ActiveStage) -> Result<&mut DrdynvcClient> {
    stage
        .get_svc_processor_mut::<DrdynvcClient>()
        .context("the server has no dynamic channels")
}

async fn connect(server: &Server, listener: Listener) -> Result<(Framed, ConnectionResult)> {
    let tcp = TcpStream::connect((&server.host[..], server.port)).await?;
    tcp.set_nodelay(true)?;
    let address = tcp.local_addr()?;
    let mut framed = TokioFramed::new(tcp);
    let mut connector = connector(server, address);
    connector.attach_static_channel(DrdynvcClient::new().with_listener(listener));
    let upgrade = ironrdp_tokio::connect_begin(&mut framed, &mut connector).await?;
    let tcp = framed.into_inner_no_leftover();
    let (tls, key) = tls(tcp, &server.host).await?;
    let upgraded = ironrdp_tokio::mark_as_upgraded(upgrade, &mut connector);
    if !connector.should_perform_credssp() {
        bail!("the server does without NLA, so nothing proves who it is");
    }
    let mut framed = TokioFramed::new(tls);
    let outcome = ironrdp_tokio::connect_finalize(
        upgraded,
        connector,
        &mut framed,
        &mut NoNetwork,
        ServerName::new(&server.host),
        key,
        None,
    )
    .await?;
    Ok((framed, outcome.into_connected()?))
}

/// NTLM needs no other server.
struct NoNetwork;

impl NetworkClient for NoNetwork {
    async fn send(
        &mut self,
        _: &ironrdp_connector::sspi::generator::NetworkRequest,
    ) -> ConnectorResult<Vec<u8>> {
        Err(ironrdp_connector::general_err!("Kerberos isn't known here"))
    }
}

fn connector(server: &Server, address: SocketAddr) -> ClientConnector {
    // No more of a screen than has to be: it isn't shown.
    let desktop_size = DesktopSize {
        width: 1024,
        height: 768,
    };
    let config = Config {
        desktop_size,
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
            username: server.user.clone(),
            password: server.password.clone(),
        },
        domain: server.domain.clone(),
        client_build: 0,
        client_name: "annex-usb".to_owned(),
        keyboard_type: KeyboardType::IBM_ENHANCED,
        keyboard_subtype: 0,
        keyboard_functional_keys_count: 12,
        keyboard_layout: 0,
        connection_type: ConnectionType::Lan,
        ime_file_name: String::new(),
        bitmap: None,
        dig_product_id: String::new(),
        client_dir: String::new(),
        alternate_shell: String::new(),
        work_dir: String::new(),
        remote_application_mode: false,
        rail_support_level: RailSupportLevel::empty(),
        platform: MajorPlatformType::UNIX,
        hardware_id: None,
        request_data: None,
        autologon: true,
        enable_audio_playback: false,
        enable_audio_capture: false,
        performance_flags: PerformanceFlags::empty(),
        license_cache: None,
        timezone_info: TimezoneInfo::default(),
        compression_type: None,
        enable_server_pointer: false,
        pointer_software_rendering: false,
        multitransport_flags: None,
        support_dyn_vc_gfx_protocol: false,
    };
    ClientConnector::new(config, address)
}

/// TLS, and the server's public key, which NLA is about.
async fn tls(tcp: TcpStream, host: &str) -> Result<(TlsStream<TcpStream>, Vec<u8>)> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    // CredSSP is about one connection.
    config.resumption = rustls::client::Resumption::disabled();
    let name = rustls::pki_types::ServerName::try_from(host.to_owned())?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, tcp).await?;
    let certificates = stream.get_ref().1.peer_certificates();
    let certificate = certificates
        .and_then(<[_]>::first)
        .context("the server has no certificate")?;
    let certificate = x509_cert::Certificate::from_der(certificate)?;
    let key = certificate
        .tbs_certificate
        .subject_public_key_info
        .subject_public_key
        .as_bytes()
        .context("the server's public key")?
        .to_vec();
    Ok((stream, key))
}

/// Takes any certificate whose key the server has: what it is worth is found out by NLA.
#[derive(Debug)]
struct AnyCertificate(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &rustls::pki_types::CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &rustls::pki_types::CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
