// SPDX-License-Identifier: GPL-2.0-or-later
//! A desktop's new size (MS-RDPBCGR 1.3.1.3): the share is taken away and made anew, while the
//! channels stay.
//!
//! Until the client has read that, it may send on channels and of the share, and until it has a share
//! again it may go on. IronRDP's own loop drops the first, so that a USB device's answers would be
//! lost, and its channel's messages torn apart; of the second it says that it has waited for something
//! else, and ends. So it is set aside here.

use anyhow::{ensure, Context};
use ironrdp_acceptor::{Acceptor, AcceptorResult};
use ironrdp_connector::Sequence;
use ironrdp_core::{decode, WriteBuf};
use ironrdp_pdu::mcs::McsMessage;
use ironrdp_pdu::rdp::headers::{ShareControlHeader, ShareControlPdu, ShareDataPdu};
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

/// Whether this is what a client sends to have a share: anything but input, what it wants to see, and
/// its channels' data.
fn is_about_share(action: Action, frame: &[u8], io_channel: u16) -> anyhow::Result<bool> {
    if action == Action::FastPath {
        return Ok(false);
    }
    let McsMessage::SendDataRequest(data) = decode::<X224<McsMessage<'_>>>(frame).context("MCS")?.0
    else {
        return Ok(true);
    };
    if data.channel_id != io_channel {
        return Ok(false);
    }
    // What can't be read is the acceptor's to complain of.
    let header = decode::<ShareControlHeader>(&data.user_data).map(|it| it.share_control_pdu);
    Ok(match header {
        Ok(ShareControlPdu::Data(header)) => matches!(
            header.share_data_pdu,
            ShareDataPdu::Synchronize(_) | ShareDataPdu::Control(_) | ShareDataPdu::FontList(_)
        ),
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use ironrdp_core::encode_vec;
    use ironrdp_pdu::mcs::SendDataRequest;
    use ironrdp_pdu::rdp::client_info::CompressionType;
    use ironrdp_pdu::rdp::finalization_messages::SynchronizePdu;
    use ironrdp_pdu::rdp::headers::{
        CompressionFlags, ServerDeactivateAll, ShareDataHeader, StreamPriority,
    };
    use ironrdp_pdu::rdp::suppress_output::SuppressOutputPdu;

    use super::*;

    const IO: u16 = 1003;

    fn is_about(channel_id: u16, share_control_pdu: ShareControlPdu) -> bool {
        let header = ShareControlHeader {
            share_id: 0,
            pdu_source: 1007,
            share_control_pdu,
        };
        let message = SendDataRequest {
            initiator_id: 1007,
            channel_id,
            user_data: encode_vec(&header).unwrap().into(),
        };
        is_about_share(Action::X224, &encode_vec(&X224(message)).unwrap(), IO).unwrap()
    }

    fn data(share_data_pdu: ShareDataPdu) -> ShareControlPdu {
        ShareControlPdu::Data(ShareDataHeader {
            share_data_pdu,
            stream_priority: StreamPriority::Medium,
            compression_flags: CompressionFlags::empty(),
            compression_type: CompressionType::K8,
        })
    }

    #[test]
    fn what_a_client_sent_before_it_knew_is_set_aside() {
        let suppress = SuppressOutputPdu { desktop_rect: None };
        assert!(!is_about(IO, data(ShareDataPdu::SuppressOutput(suppress))));
        assert!(!is_about(IO, data(ShareDataPdu::ShutdownRequest)));
        let synchronize = SynchronizePdu {
            target_user_id: 1002,
        };
        let synchronize = || data(ShareDataPdu::Synchronize(synchronize.clone()));
        assert!(is_about(IO, synchronize()));
        assert!(!is_about(IO + 1, synchronize()));
        // No data, as a client's Confirm Active is none.
        let other = ShareControlPdu::ServerDeactivateAll(ServerDeactivateAll);
        assert!(is_about(IO, other));
        assert!(!is_about_share(Action::FastPath, &[0x44, 4, 0x1e, 0], IO).unwrap());
    }
}
