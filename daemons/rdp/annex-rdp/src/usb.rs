// SPDX-License-Identifier: GPL-2.0-or-later
//! The guest's `usb-redir` devices, for as long as QEMU is there.

use tokio::sync::watch;
use urbdrc::dbus::UsbRedirs;
use urbdrc::Usb;
use zbus::names::BusName;
use zbus::Connection;

/// QEMU's name on a bus. A peer has none.
const QEMU: &str = "org.qemu";

/// Connects the `usb-redir` devices of each QEMU that is joined.
pub async fn follow(usb: Usb, mut connection: watch::Receiver<Option<Connection>>, on_bus: bool) {
    let mut redirs = UsbRedirs::new(usb);
    loop {
        let joined = connection.borrow_and_update().clone();
        if let Some(joined) = joined {
            let destination = on_bus.then(|| BusName::from_static_str(QEMU).expect("a good name"));
            let served = tokio::select! {
                served = redirs.serve(&joined, destination) => served,
                // It has gone, or there is another one.
                changed = connection.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
            };
            if let Err(error) = served {
                log::warn!("QEMU's usb-redir devices can't be reached: {error}");
            }
        }
        if connection.changed().await.is_err() {
            return;
        }
    }
}
