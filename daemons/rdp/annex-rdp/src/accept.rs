// SPDX-License-Identifier: GPL-2.0-or-later
//! The last part of a connection's begin, with what IronRDP's own loop doesn't tell of it: how the
//! client would like data to be compressed (MS-RDPBCGR 2.2.1.11.1.1, INFO_COMPRESSION).

use anyhow::Context;
use ironrdp_acceptor::{Acceptor, AcceptorResult};
use ironrdp_connector::Sequence;
use ironrdp_core::{decode, WriteBuf};
use ironrdp_pdu::mcs::McsMessage;
use ironrdp_pdu::rdp::client_info::{ClientInfoFlags, CompressionType};
use ironrdp_pdu::rdp::ClientInfoPdu;
use ironrdp_pdu::x224::X224;
use ironrdp_tokio::{FramedWrite, TokioFramed};
use tokio::io::{AsyncRead, AsyncWrite};

/// Leads a client that has authenticated to where it has a share. The compression is the best
/// that it decompresses, if any.
///
/// # Errors
///
/// The connection breaks, or the client sends what doesn't belong there.
pub async fn finalize<S>(
    framed: &mut TokioFramed<S>,
    acceptor: &mut Acceptor,
) -> anyhow::Result<(AcceptorResult, Option<CompressionType>)>
where
    S: AsyncRead + AsyncWrite + Send + Sync + Unpin,
{
    let mut compression = None;
    let mut buffer = WriteBuf::new();
    loop {
        if let Some(result) = acceptor.get_result() {
            return Ok((result, compression));
        }
        buffer.clear();
        let written = match acceptor.next_pdu_hint() {
            Some(hint) => {
                let frame = framed
                    .read_by_hint(hint)
                    .await
                    .context("read from the client")?;
                compression = compression.or_else(|| wanted(&frame));
                acceptor.step(&frame, None, &mut buffer)?
            }
            None => acceptor.step_no_input(&mut buffer)?,
        };
        if written.size().is_some() {
            framed
                .write_all(buffer.filled())
                .await
                .context("send to the client")?;
        }
    }
}

/// What a Client Info PDU says, if this is one.
fn wanted(frame: &[u8]) -> Option<CompressionType> {
    let message = decode::<X224<McsMessage<'_>>>(frame).ok()?.0;
    let McsMessage::SendDataRequest(data) = message else {
        return None;
    };
    let info = decode::<ClientInfoPdu>(&data.user_data).ok()?.client_info;
    info.flags
        .contains(ClientInfoFlags::COMPRESSION)
        .then_some(info.compression_type)
}
