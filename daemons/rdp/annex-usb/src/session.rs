// SPDX-License-Identifier: GPL-2.0-or-later
//! What runs while a connection stands.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use ironrdp_core::WriteBuf;
use ironrdp_dvc::DrdynvcClient;
use ironrdp_pdu::rdp::headers::ShareDataPdu;
use ironrdp_pdu::rdp::server_error_info::{ErrorInfo, ProtocolIndependentCode};
use ironrdp_pdu::rdp::suppress_output::SuppressOutputPdu;
use ironrdp_session::{ActiveStage, ActiveStageOutput, GracefulDisconnectReason};
use ironrdp_svc::{StaticChannelSet, SvcMessage, SvcProcessorMessages};
use ironrdp_tokio::FramedWrite;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::client::{Client, Event};
use crate::connect::{config, Connection, Refused, Server};
use crate::device::DeviceId;
use crate::devices::{Devices, Happened};

/// How long the end of a session may take, and that of its connection.
const GOODBYE: Duration = Duration::from_secs(1);

/// How a session has ended that didn't break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// By this side: nobody shares devices any more.
    Left,
    /// By the server, in its words, and not for good.
    Dismissed(String),
}

/// A session.
pub struct Session {
    connection: Connection,
    client: Client,
    /// Devices that the server has been offered. Each is, once.
    offered: BTreeSet<DeviceId>,
}

impl Session {
    /// Connects.
    ///
    /// # Errors
    ///
    /// The server isn't there, doesn't know the user, or does without NLA.
    pub async fn connect(server: &Server) -> Result<Session> {
        let (client, listener) = Client::new();
        let mut channels = StaticChannelSet::new();
        channels.insert(DrdynvcClient::new().with_listener(listener));
        Ok(Session {
            connection: Connection::open(server, config(server), channels).await?,
            client,
            offered: BTreeSet::new(),
        })
    }

    /// Shares devices and asks for no pictures, until the server ends the session or there are no
    /// more changes of devices.
    ///
    /// # Errors
    ///
    /// As [`Session::run`] has them.
    pub async fn share(&mut self, devices: &mut Devices, tell: impl FnMut(Event)) -> Result<End> {
        self.want_no_pictures().await?;
        self.run(devices, tell).await
    }

    /// Asks the server for no pictures (MS-RDPBCGR 2.2.11.3.1). Until it has heard that, it may
    /// send some.
    async fn want_no_pictures(&mut self) -> Result<()> {
        let none = SuppressOutputPdu { desktop_rect: None };
        let mut frame = WriteBuf::new();
        self.connection
            .stage
            .encode_static(&mut frame, ShareDataPdu::SuppressOutput(none))?;
        self.connection.framed.write_all(frame.filled()).await?;
        Ok(())
    }

    /// Shares devices, those that there are and those that come, until the server ends the
    /// session or there are no more changes. What has happened to devices is told to `tell`.
    ///
    /// # Errors
    ///
    /// The connection broke, the server sent what can't be, or it has ended the session for good:
    /// that is a [`Refused`].
    pub async fn run(&mut self, devices: &mut Devices, mut tell: impl FnMut(Event)) -> Result<End> {
        for id in devices.ids() {
            self.offer(devices, id);
        }
        loop {
            tokio::select! {
                frame = self.connection.framed.read_pdu() => {
                    let (action, frame) = frame.context("the connection has ended")?;
                    let Connection { stage, image, .. } = &mut self.connection;
                    let outputs = stage
                        .process(image, action, &frame, None)
                        .context("a message of the server")?;
                    for output in outputs {
                        match output {
                            ActiveStageOutput::ResponseFrame(frame) if !frame.is_empty() => {
                                self.connection.framed.write_all(&frame).await?;
                            }
                            ActiveStageOutput::Terminate(reason) => return dismissed(reason),
                            ActiveStageOutput::DeactivateAll => {
                                self.connection.activate_again().await?;
                            }
                            _ => (),
                        }
                    }
                }
                happened = devices.next() => match happened {
                    Happened::Arrived(id) => self.offer(devices, id),
                    Happened::Left(id) => self.withdraw(id).await?,
                    Happened::Ended(id, operation, done) => {
                        self.client.done(id, operation, done);
                        // It may have been the last one of an earlier session.
                        self.offer(devices, id);
                    }
                    Happened::Over => {
                        // An error: the server is gone as well.
                        let _ = timeout(GOODBYE, self.leave(devices)).await;
                        return Ok(End::Left);
                    }
                },
            }
            let messages = {
                let drdynvc = drdynvc(&mut self.connection.stage)?;
                self.client.poll(drdynvc).context("USB's messages")?
            };
            self.send(messages).await?;
            while let Some((device, id, operation)) = self.client.poll_operation() {
                devices.begin(device, id, operation);
            }
            while let Some(event) = self.client.poll_event() {
                if let Event::Refused(id) | Event::Released(id) = event {
                    devices.quiet(id);
                }
                tell(event);
            }
        }
    }

    /// Offers a device to the server, if it is ready and hasn't been offered.
    fn offer(&mut self, devices: &Devices, id: DeviceId) {
        let Some(description) = devices.ready(id) else {
            return;
        };
        if !self.offered.insert(id) {
            return;
        }
        if let Err(error) = self.client.add(id, description.clone()) {
            log::warn!("device {} can't be shared: {error}", id.0);
        }
    }

    /// A device is gone.
    async fn withdraw(&mut self, id: DeviceId) -> Result<()> {
        let drdynvc = drdynvc(&mut self.connection.stage)?;
        let messages = self.client.remove(id, drdynvc);
        self.send(messages).await
    }

    async fn send(&mut self, messages: Vec<SvcMessage>) -> Result<()> {
        if messages.is_empty() {
            return Ok(());
        }
        let messages = SvcProcessorMessages::<DrdynvcClient>::new(messages);
        let frame = self
            .connection
            .stage
            .process_svc_processor_messages(messages)?;
        self.connection.framed.write_all(&frame).await?;
        Ok(())
    }

    /// Ends the session: devices go first.
    async fn leave(&mut self, devices: &Devices) -> Result<()> {
        for id in devices.ids() {
            self.withdraw(id).await?;
        }
        for output in self.connection.stage.graceful_shutdown()? {
            if let ActiveStageOutput::ResponseFrame(frame) = output {
                self.connection.framed.write_all(&frame).await?;
            }
        }
        Ok(())
    }

    /// Closes the connection, as far as it stands.
    pub async fn hang_up(mut self) {
        let (stream, _) = self.connection.framed.get_inner_mut();
        // Errors: it doesn't stand any more, or nobody reads at the other end.
        let _ = timeout(GOODBYE, stream.shutdown()).await;
    }
}

/// What a server means that ends a session. With a reason that somebody has given (MS-RDPBCGR
/// 2.2.5.1.1) it means it; one that stops or starts again, as annex-rdp does, gives none, or says
/// just that.
fn dismissed(reason: GracefulDisconnectReason) -> Result<End> {
    use ProtocolIndependentCode::{
        DisconnectedByOtherconnection, IdleTimeout, LogoffByUser, LogonTimeout,
        RpcInitiatedDisconnect, RpcInitiatedDisconnectByuser, RpcInitiatedLogoff,
        ServerDeniedConnection, ServerFreshCredentialsRequired, ServerInsufficientPrivileges,
    };
    const FOR_GOOD: [ProtocolIndependentCode; 10] = [
        DisconnectedByOtherconnection,
        IdleTimeout,
        LogoffByUser,
        LogonTimeout,
        RpcInitiatedDisconnect,
        RpcInitiatedDisconnectByuser,
        RpcInitiatedLogoff,
        ServerDeniedConnection,
        ServerFreshCredentialsRequired,
        ServerInsufficientPrivileges,
    ];
    let said = reason.description();
    // ironrdp gives a reason's words, and no number.
    let is_final = FOR_GOOD
        .into_iter()
        .any(|code| ErrorInfo::ProtocolIndependentCode(code).description() == said);
    if is_final {
        Err(anyhow::anyhow!(said).context(Refused::Ended))
    } else {
        Ok(End::Dismissed(said))
    }
}

fn drdynvc(stage: &mut ActiveStage) -> Result<&mut DrdynvcClient> {
    stage
        .get_svc_processor_mut::<DrdynvcClient>()
        .context("the server has no dynamic channels")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_means_it_is_left_alone() {
        let said = |code| {
            let info = ErrorInfo::ProtocolIndependentCode(code);
            dismissed(GracefulDisconnectReason::Other(info.description()))
        };
        for code in [
            ProtocolIndependentCode::DisconnectedByOtherconnection,
            ProtocolIndependentCode::LogoffByUser,
            ProtocolIndependentCode::ServerDeniedConnection,
        ] {
            let error = said(code).expect_err("for good");
            assert!(error.is::<Refused>(), "{error:#}");
        }
        for code in [
            ProtocolIndependentCode::ServerReboot,
            ProtocolIndependentCode::ServerShutdown,
            ProtocolIndependentCode::OutOfMemory,
        ] {
            assert!(matches!(said(code), Ok(End::Dismissed(_))), "{code:?}");
        }
        let plain = dismissed(GracefulDisconnectReason::ServerInitiated);
        assert!(matches!(plain, Ok(End::Dismissed(_))));
    }
}
