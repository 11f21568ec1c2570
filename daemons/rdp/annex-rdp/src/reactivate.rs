// SPDX-License-Identifier: GPL-2.0-or-later
//! A desktop's new size (MS-RDPBCGR 1.3.1.3): the share is taken away and made anew, while the
//! channels stay.
//!
//! Until the client has read that, it may send on channels, and until it has a share again it may
//! go on. IronRDP's own loop drops that: a USB device's answers would be lost, and its channel's
//! messages torn apart. So it is set aside here.

use anyhow::{ensure, Context};
use ironrdp_acceptor::{Acceptor, AcceptorResult};
use ironrdp_connector::Sequence;
use ironrdp_core::{decode, WriteBuf};
use ironrdp_pdu::mcs::McsMessage;
use ironrdp_pdu::x224::X224;
use ironrdp_pdu::Action;
use ironrdp_tokio::{FramedWrite, TokioFramed};
use tokio::io::{AsyncRead, AsyncWrite};

/// Bytes that are set aside: more than devices may have in flight is a client that doesn't follow.
const MAX_ASIDE: usize = 32 << 20;

/// Leads a client whose share has been taken away to a new one. What it sends meanwhile that isn't
/// about that is in the result's `input_events`, in order.
///
/// # Errors
///
/// The connection breaks, or the client doesn't follow.
pub async fn reactivate<S>(
    framed: &mut TokioFramed<S>,
    acceptor: &mut Acceptor,
    io_channel: u16,
) -> anyhow::Result<AcceptorResult>
where
    S: AsyncRead + AsyncWrite + Send + Sync + Unpin,
{
    let mut aside = Vec::new();
    let mut size = 0;
    let mut buffer = WriteBuf::new();
    loop {
        if let Some(mut result) = acceptor.get_result() {
            aside.append(&mut result.input_events);
            result.input_events = aside;
            return Ok(result);
        }
        buffer.clear();
        let written = if acceptor.next_pdu_hint().is_none() {
            acceptor.step_no_input(&mut buffer)?
        } else {
            let (action, frame) = framed.read_pdu().await.context("read from the client")?;
            if !is_about_share(action, &frame, io_channel)? {
                size += frame.len();
                ensure!(size <= MAX_ASIDE, "the client goes on without a share");
                aside.push(frame.to_vec());
                continue;
            }
            acceptor.step(&frame, None, &mut buffer)?
        };
        if written.size().is_some() {
            framed
                .write_all(buffer.filled())
                .await
                .context("send to the client")?;
        }
    }
}

fn is_about_share(action: Action, frame: &[u8], io_channel: u16) -> anyhow::Result<bool> {
    if action == Action::FastPath {
        return Ok(false);
    }
    let message = decode::<X224<McsMessage<'_>>>(frame).context("MCS")?.0;
    Ok(!matches!(message, McsMessage::SendDataRequest(data) if data.channel_id != io_channel))
}
