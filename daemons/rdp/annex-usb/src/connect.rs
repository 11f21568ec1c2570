// SPDX-License-Identifier: GPL-2.0-or-later
//! To an RDP server, by TLS and NLA.
//!
//! The server proves by NLA that it knows the password, and for which certificate (MS-CSSP 3.1.5):
//! nobody between the two can have one of their own, and no other check of it is made. Without
//! NLA there is no connection.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{bail, ensure, Context, Result};
use ironrdp_connector::connection_activation::{
    ConnectionActivationFactory, ConnectionActivationState,
};
use ironrdp_connector::{
    ClientConnector, Config, ConnectionResult, ConnectorError, ConnectorErrorKind, ConnectorResult,
    Credentials, DesktopSize, ServerName,
};
use ironrdp_core::WriteBuf;
use ironrdp_graphics::image_processing::PixelFormat;
use ironrdp_pdu::gcc::{ConnectionType, KeyboardType};
use ironrdp_pdu::rdp::capability_sets::{MajorPlatformType, RailSupportLevel};
use ironrdp_pdu::rdp::client_info::{PerformanceFlags, TimezoneInfo};
use ironrdp_session::image::DecodedImage;
use ironrdp_session::{ActiveStage, ActiveStageBuilder};
use ironrdp_svc::StaticChannelSet;
use ironrdp_tokio::{NetworkClient, TokioFramed};
use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls;
use x509_cert::der::Decode;

/// How long the server's machine may answer nothing, not even TCP's.
const SILENCE: Duration = Duration::from_secs(18);
/// How long it may take to log in.
const PATIENCE: Duration = Duration::from_secs(30);

/// The server doesn't want what was asked of it: trying again doesn't help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// NLA has failed.
    #[error("the server refuses the user or the password, or can't prove who it is")]
    Login,
    /// There is no NLA, or none that both know.
    #[error("the server does without NLA, so nothing proves who it is")]
    WithoutNla,
    /// It has ended a session, for good.
    #[error("the server has ended the session")]
    Ended,
}

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

/// What is below a connection.
pub type Tls = TlsStream<TcpStream>;

/// A connection that stands. What comes is to be processed by `stage`.
pub struct Connection<S = Tls> {
    /// What is read and written, in frames.
    pub framed: TokioFramed<S>,
    /// The protocol's state.
    pub stage: ActiveStage,
    /// The server's screen, as far as it has been sent.
    pub image: DecodedImage,
    activation: ConnectionActivationFactory,
}

impl Connection {
    /// Connects and logs in, with these channels.
    ///
    /// # Errors
    ///
    /// The server isn't there, or doesn't answer in time; or it doesn't know the user, or does
    /// without NLA: that is a [`Refused`].
    pub async fn open(
        server: &Server,
        config: Config,
        channels: StaticChannelSet,
    ) -> Result<Connection> {
        Self::open_through(server, config, channels, |tls| tls).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + Sync> Connection<S> {
    /// The same, through something that TLS is put into.
    ///
    /// # Errors
    ///
    /// As [`Connection::open`].
    pub async fn open_through(
        server: &Server,
        config: Config,
        channels: StaticChannelSet,
        put: impl FnOnce(Tls) -> S,
    ) -> Result<Self> {
        let (framed, result) = timeout(PATIENCE, log_in(server, config, channels, put))
            .await
            .unwrap_or_else(|_| bail!("it took too long to log in"))
            .with_context(|| format!("{}:{}", server.host, server.port))?;
        let stage = ActiveStageBuilder {
            static_channels: result.static_channels,
            user_channel_id: result.user_channel_id,
            io_channel_id: result.io_channel_id,
            message_channel_id: result.message_channel_id,
            share_id: result.share_id,
            compression_type: result.compression_type,
            enable_server_pointer: result.enable_server_pointer,
            pointer_software_rendering: result.pointer_software_rendering,
        };
        Ok(Self {
            framed,
            stage: stage.build(),
            image: image(result.desktop_size),
            activation: result.activation_factory,
        })
    }

    /// The server begins the session anew, for a screen of another size (MS-RDPBCGR 1.3.1.3).
    /// Channels stay.
    ///
    /// # Errors
    ///
    /// The connection broke, or the server sent what can't be.
    pub async fn activate_again(&mut self) -> Result<()> {
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
                self.image = image(desktop_size);
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
}

fn image(DesktopSize { width, height }: DesktopSize) -> DecodedImage {
    DecodedImage::new(PixelFormat::RgbA32, width, height)
}

async fn log_in<S: AsyncRead + AsyncWrite + Unpin + Send + Sync>(
    server: &Server,
    config: Config,
    channels: StaticChannelSet,
    put: impl FnOnce(Tls) -> S,
) -> Result<(TokioFramed<S>, ConnectionResult)> {
    let tcp = TcpStream::connect((&server.host[..], server.port)).await?;
    tcp.set_nodelay(true)?;
    silence(&tcp).context("a limit for silence")?;
    let address = tcp.local_addr()?;
    let mut framed = TokioFramed::new(tcp);
    let mut connector = ClientConnector::new(config, address);
    connector.static_channels = channels;
    let upgrade = ironrdp_tokio::connect_begin(&mut framed, &mut connector).await?;
    let tcp = framed.into_inner_no_leftover();
    let (tls, key) = tls(tcp, &server.host).await?;
    let upgraded = ironrdp_tokio::mark_as_upgraded(upgrade, &mut connector);
    if !connector.should_perform_credssp() {
        bail!(Refused::WithoutNla);
    }
    let mut framed = TokioFramed::new(put(tls));
    let outcome = ironrdp_tokio::connect_finalize(
        upgraded,
        connector,
        &mut framed,
        &mut NoNetwork,
        ServerName::new(&server.host),
        key,
        None,
    )
    .await
    .map_err(refused)?;
    Ok((framed, outcome.into_connected()?))
}

/// A server that has vanished without a word (its network did, or its power) is given up within
/// [`SILENCE`].
fn silence(stream: &TcpStream) -> rustix::io::Result<()> {
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, SILENCE / 2)?;
    sockopt::set_tcp_keepintvl(stream, SILENCE / 6)?;
    sockopt::set_tcp_keepcnt(stream, 3)?;
    sockopt::set_tcp_user_timeout(stream, SILENCE.as_millis() as u32)
}

/// Tells what NLA has said from a connection that broke.
fn refused(error: ConnectorError) -> anyhow::Error {
    match error.kind() {
        ConnectorErrorKind::AccessDenied | ConnectorErrorKind::Credssp(_) => {
            anyhow::Error::new(error).context(Refused::Login)
        }
        _ => error.into(),
    }
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

/// What a client is that wants none of a server's pictures, sound or programs.
pub fn config(server: &Server) -> Config {
    Config {
        // As good as any other.
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
    }
}

/// TLS, and the server's public key, which NLA is about.
async fn tls(tcp: TcpStream, host: &str) -> Result<(Tls, Vec<u8>)> {
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
