// SPDX-License-Identifier: GPL-2.0-or-later
//! What this server can, and what a client says that it can (MS-RDPBCGR 2.2.7).

use ironrdp_pdu::rdp::capability_sets::{
    Bitmap, BitmapDrawingFlags, CapabilitySet, General, GeneralExtraFlags, Input, InputFlags,
    LargePointer, LargePointerSupportFlags, MultifragmentUpdate, Order, OrderFlags,
    OrderSupportExFlags, OrderSupportIndex, Pointer, VirtualChannel, VirtualChannelFlags,
};

use crate::encode::{LARGE_POINTER, POINTER};
use crate::screen::Size;

/// Bytes of an update that a client may send in fragments; ours send single ones, but a large
/// pointer goes with at least this much (MS-RDPBCGR 2.2.7.2.7).
const MAX_REQUEST: u32 = 64 * 1024;
/// Bytes that a client has to reassemble for a pointer of 96x96.
const LARGE_POINTER_REQUEST: u32 = 38_055;

/// The server's, for a desktop of this size.
pub fn server(size: Size) -> Vec<CapabilitySet> {
    vec![
        CapabilitySet::General(General {
            extra_flags: GeneralExtraFlags::FASTPATH_OUTPUT_SUPPORTED,
            refresh_rect_support: true,
            suppress_output_support: true,
            ..Default::default()
        }),
        CapabilitySet::Bitmap(Bitmap {
            pref_bits_per_pix: 32,
            desktop_width: size.width,
            desktop_height: size.height,
            desktop_resize_flag: true,
            drawing_flags: BitmapDrawingFlags::empty(),
        }),
        CapabilitySet::Order(orders()),
        CapabilitySet::Pointer(Pointer {
            color_pointer_cache_size: 1,
            pointer_cache_size: 1,
        }),
        CapabilitySet::LargePointer(LargePointer {
            flags: LargePointerSupportFlags::UP_TO_96X96_PIXELS,
        }),
        CapabilitySet::Input(Input {
            input_flags: InputFlags::SCANCODES
                | InputFlags::MOUSEX
                | InputFlags::MOUSE_RELATIVE
                | InputFlags::FASTPATH_INPUT
                | InputFlags::FASTPATH_INPUT_2,
            keyboard_layout: 0,
            keyboard_type: None,
            keyboard_subtype: 0,
            keyboard_function_key: 128,
            keyboard_ime_filename: String::new(),
        }),
        CapabilitySet::VirtualChannel(VirtualChannel {
            flags: VirtualChannelFlags::NO_COMPRESSION,
            chunk_size: None,
        }),
        CapabilitySet::MultiFragmentUpdate(MultifragmentUpdate {
            max_request_size: MAX_REQUEST,
        }),
    ]
}

/// The orders that are sent ([`crate::orders`]): a client with PatBlt has OpaqueRect as well
/// (MS-RDPBCGR 2.2.7.1.3).
const ORDERS: [OrderSupportIndex; 2] = [OrderSupportIndex::PatBlt, OrderSupportIndex::ScrBlt];

fn orders() -> Order {
    let flags = OrderFlags::NEGOTIATE_ORDER_SUPPORT | OrderFlags::ZERO_BOUNDS_DELTAS_SUPPORT;
    let mut orders = Order::new(flags, OrderSupportExFlags::empty(), 0, 0);
    for order in ORDERS {
        orders.set_support_flag(order, true);
    }
    orders
}

/// What of a client's capabilities counts here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// It takes fast-path updates, and nothing else is sent.
    pub fast_path: bool,
    /// It follows when the desktop has another size.
    pub resizes: bool,
    /// It draws what [`crate::orders`] has.
    pub orders: bool,
    /// The sides of the largest pointer that it draws, in pixels.
    pub pointer: u16,
}

impl From<&[CapabilitySet]> for Client {
    fn from(sets: &[CapabilitySet]) -> Self {
        let mut client = Self {
            fast_path: false,
            resizes: false,
            orders: false,
            pointer: POINTER,
        };
        let (mut large, mut request) = (false, 0);
        for set in sets {
            match set {
                CapabilitySet::General(general) => {
                    let flag = GeneralExtraFlags::FASTPATH_OUTPUT_SUPPORTED;
                    client.fast_path = general.extra_flags.contains(flag);
                }
                CapabilitySet::Bitmap(bitmap) => client.resizes = bitmap.desktop_resize_flag,
                CapabilitySet::Order(order) => {
                    let mut order = order.clone();
                    client.orders = ORDERS.into_iter().all(|it| order.get_support_flag(it));
                }
                CapabilitySet::LargePointer(pointer) => {
                    large = pointer
                        .flags
                        .contains(LargePointerSupportFlags::UP_TO_96X96_PIXELS);
                }
                CapabilitySet::MultiFragmentUpdate(update) => request = update.max_request_size,
                _ => {}
            }
        }
        if large && request >= LARGE_POINTER_REQUEST {
            client.pointer = LARGE_POINTER;
        }
        client
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_like_this_server_has_everything() {
        let sets = server(Size {
            width: 640,
            height: 480,
        });
        let everything = Client {
            fast_path: true,
            resizes: true,
            orders: true,
            pointer: LARGE_POINTER,
        };
        assert_eq!(Client::from(sets.as_slice()), everything);
        let nothing = Client {
            fast_path: false,
            resizes: false,
            orders: false,
            pointer: POINTER,
        };
        assert_eq!(Client::from([].as_slice()), nothing);
    }

    #[test]
    fn a_large_pointer_needs_room() {
        let mut sets = server(Size {
            width: 640,
            height: 480,
        });
        let small = MultifragmentUpdate {
            max_request_size: LARGE_POINTER_REQUEST - 1,
        };
        *sets.last_mut().unwrap() = CapabilitySet::MultiFragmentUpdate(small);
        assert_eq!(Client::from(sets.as_slice()).pointer, POINTER);
    }
}
