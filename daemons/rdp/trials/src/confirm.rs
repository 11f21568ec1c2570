// SPDX-License-Identifier: GPL-2.0-or-later
//! A client's word that it draws orders, which IronRDP's connector doesn't let it say: its Order
//! Capability Set (MS-RDPBCGR 2.2.7.1.3) is amended on its way out.

use std::io::Result;
use std::pin::Pin;
use std::task::{Context, Poll};

use annex_usb::connect::Tls;
use ironrdp_core::encode_vec;
use ironrdp_pdu::rdp::capability_sets::{
    CapabilitySet, Order, OrderFlags, OrderSupportExFlags, OrderSupportIndex,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// TLS, and whether what the client says is amended.
pub struct Amended {
    /// What is below.
    pub tls: Tls,
    /// The client draws orders.
    pub orders: bool,
}

/// The set without any order, and with those that the client draws.
fn sets() -> [Vec<u8>; 2] {
    [false, true].map(|draws| {
        let flags = OrderFlags::NEGOTIATE_ORDER_SUPPORT | OrderFlags::ZERO_BOUNDS_DELTAS_SUPPORT;
        let mut order = Order::new(flags, OrderSupportExFlags::empty(), 0, 0);
        for index in [OrderSupportIndex::PatBlt, OrderSupportIndex::ScrBlt] {
            order.set_support_flag(index, draws);
        }
        encode_vec(&CapabilitySet::Order(order)).expect("a set that fits")
    })
}

impl AsyncWrite for Amended {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<Result<usize>> {
        let mut data = data.to_vec();
        if self.orders {
            let [plain, drawing] = sets();
            if let Some(at) = data.windows(plain.len()).position(|it| it == plain) {
                data[at..at + plain.len()].copy_from_slice(&drawing);
            }
        }
        Pin::new(&mut self.tls).poll_write(cx, &data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}

impl AsyncRead for Amended {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        Pin::new(&mut self.tls).poll_read(cx, buf)
    }
}
