// SPDX-License-Identifier: GPL-2.0-or-later
//! QEMU's side: org.qemu.Display1.Clipboard (ui/dbus-display1.xml), which both ends have.

use std::time::Duration;

use serde_bytes::ByteBuf;
use tokio::sync::watch;
use tokio::time::sleep;
use zbus::proxy::CacheProperties;
use zbus::{fdo, Connection};

use super::hub::{ToQemu, CLIPBOARD, MIME};
use super::{text, Clipboard};

/// Where both ends have it.
const PATH: &str = "/org/qemu/Display1/Clipboard";
/// Between two times that QEMU is told of a client's clipboard, so that a client that copies all
/// the time isn't the guest's business.
const PAUSE: Duration = Duration::from_millis(50);
/// Between two tries to be the one who has QEMU's clipboard.
const RETRY: Duration = Duration::from_secs(2);

#[zbus::proxy(
    interface = "org.qemu.Display1.Clipboard",
    default_service = "org.qemu",
    default_path = "/org/qemu/Display1/Clipboard",
    gen_blocking = false
)]
trait Qemu {
    fn register(&self) -> zbus::Result<()>;
    fn grab(&self, selection: u32, serial: u32, mimes: &[&str]) -> zbus::Result<()>;
    fn release(&self, selection: u32) -> zbus::Result<()>;
    fn request(&self, selection: u32, mimes: &[&str]) -> zbus::Result<(String, ByteBuf)>;
}

/// What QEMU calls. All of it is answered at once: QEMU's main loop waits for a text.
struct Peer(Clipboard);

#[zbus::interface(name = "org.qemu.Display1.Clipboard", spawn = false)]
impl Peer {
    fn register(&self) {
        self.0.hub(|hub| hub.reset());
    }

    fn unregister(&self) {}

    fn grab(&self, selection: u32, serial: u32, mimes: Vec<&str>) {
        let has_text = mimes.contains(&MIME);
        self.0.hub(|hub| hub.grabbed(selection, serial, has_text));
    }

    fn release(&self, selection: u32) {
        self.0.hub(|hub| hub.released(selection));
    }

    fn request(&self, selection: u32, mimes: Vec<&str>) -> fdo::Result<(&'static str, ByteBuf)> {
        let text = self.0.hub(|hub| hub.text(selection));
        match text {
            Some(text) if mimes.contains(&MIME) => Ok((MIME, ByteBuf::from(text.as_bytes()))),
            _ => Err(fdo::Error::Failed("there is no text".into())),
        }
    }

    #[zbus(property)]
    fn interfaces(&self) -> Vec<String> {
        vec![]
    }
}

/// Why there is no clipboard with a QEMU.
enum Without {
    /// It has none.
    None(zbus::Error),
    /// It has gone.
    Gone(zbus::Error),
}

/// Joins the clipboard of each QEMU that is joined.
pub async fn follow(clipboard: Clipboard, mut connection: watch::Receiver<Option<Connection>>) {
    loop {
        let joined = connection.borrow_and_update().clone();
        if let Some(joined) = joined {
            let served = tokio::select! {
                served = serve(&clipboard, &joined) => served,
                // It has gone, or there is another one.
                changed = connection.changed() => {
                    clipboard.hub(|hub| hub.gone());
                    match changed {
                        Ok(()) => continue,
                        Err(_) => return,
                    }
                }
            };
            clipboard.hub(|hub| hub.gone());
            match served {
                Without::None(error) => log::info!("QEMU has no clipboard on D-Bus: {error}"),
                Without::Gone(error) => log::debug!("QEMU's clipboard: {error}"),
            }
        }
        if connection.changed().await.is_err() {
            return;
        }
    }
}

async fn serve(clipboard: &Clipboard, connection: &Connection) -> Without {
    // QEMU looks at it before it answers a registration.
    let server = connection.object_server();
    if let Err(error) = server.at(PATH, Peer(clipboard.clone())).await {
        return Without::None(error);
    }
    let proxy = QemuProxy::builder(connection)
        .cache_properties(CacheProperties::No)
        .build()
        .await;
    let qemu = match proxy {
        Ok(qemu) => qemu,
        Err(error) => return Without::None(error),
    };
    let mut told = false;
    while let Err(error) = qemu.register().await {
        let words = error.to_string();
        match error {
            // Somebody else on the bus has it, or an annex-rdp that has just ended.
            zbus::Error::MethodError(name, ..) if name.starts_with("org.qemu.") => {
                if !std::mem::replace(&mut told, true) {
                    log::warn!("QEMU's clipboard is waited for: {words}");
                }
                sleep(RETRY).await;
            }
            error @ (zbus::Error::MethodError(..) | zbus::Error::FDO(_)) => {
                return Without::None(error);
            }
            error => return Without::Gone(error),
        }
    }
    log::debug!("QEMU's clipboard is joined");
    clipboard.hub(|hub| hub.registered());
    loop {
        clipboard.qemu.notified().await;
        while let Some(todo) = clipboard.hub(|hub| hub.todo()) {
            let done = match todo {
                ToQemu::Grab(serial) => qemu.grab(CLIPBOARD, serial, &[MIME]).await,
                ToQemu::Release => qemu.release(CLIPBOARD).await,
                ToQemu::Request => {
                    // The guest may take its time; what a client copies meanwhile doesn't wait.
                    tokio::spawn(fetch(clipboard.clone(), qemu.clone()));
                    continue;
                }
            };
            if let Err(error) = done {
                log::debug!("QEMU's clipboard: {error}");
            }
            sleep(PAUSE).await;
        }
    }
}

/// Asks for the guest's text. QEMU has a limit for how long the guest may take.
async fn fetch(clipboard: Clipboard, qemu: QemuProxy<'static>) {
    let text = match qemu.request(CLIPBOARD, &[MIME]).await {
        Ok((mime, data)) if mime == MIME => text::from_guest(&data)
            .inspect_err(|error| log::warn!("the guest has copied {error}: no client gets it"))
            .ok(),
        Ok((mime, _)) => {
            log::debug!("QEMU's clipboard: a text of the type {mime:?}");
            None
        }
        Err(error) => {
            log::debug!("the guest's text: {error}");
            None
        }
    };
    clipboard.hub(|hub| hub.fetched(text));
}
