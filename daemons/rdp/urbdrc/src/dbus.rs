// SPDX-License-Identifier: GPL-2.0-or-later
//! The `usb-redir`s that QEMU's D-Bus display has: `-chardev dbus,name=org.qemu.usbredir`.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::sleep;
use zbus::names::{BusName, OwnedInterfaceName};
use zbus::zvariant::{Fd, OwnedObjectPath, OwnedValue};
use zbus::Connection;

use crate::link::Link;
use crate::session::Usb;

/// The object manager of QEMU's D-Bus display (docs/interop/dbus-display).
const ROOT: &str = "/org/qemu/Display1";
const CHARDEV: &str = "org.qemu.Display1.Chardev";
/// What a `usb-redir`'s chardev is named.
const USBREDIR: &str = "org.qemu.usbredir";

/// How long is waited before a `usb-redir` is connected again.
const AGAIN: Duration = Duration::from_secs(1);

type Objects = HashMap<OwnedObjectPath, HashMap<OwnedInterfaceName, HashMap<String, OwnedValue>>>;

/// The `usb-redir`s of a QEMU that may go and come back.
pub struct UsbRedirs {
    usb: Usb,
    /// By the chardev's path, which is the same in the next QEMU.
    links: HashMap<OwnedObjectPath, Arc<Link>>,
}

impl UsbRedirs {
    /// None are known yet.
    pub fn new(usb: Usb) -> UsbRedirs {
        let links = HashMap::new();
        usb.set_complete(false);
        UsbRedirs { usb, links }
    }

    /// Connects all `usb-redir`s of a QEMU, and each of them again when QEMU ends its connection
    /// alone, as it does when a snapshot is loaded. Returns when QEMU can't be asked any more. When
    /// this is dropped, they are disconnected.
    ///
    /// # Errors
    ///
    /// QEMU doesn't answer, or not as it should.
    pub async fn serve(
        &mut self,
        connection: &Connection,
        destination: Option<BusName<'static>>,
    ) -> zbus::Result<()> {
        let mut tasks = JoinSet::new();
        self.usb.set_complete(false);
        for path in chardevs(connection, destination.clone()).await? {
            let usb = &self.usb;
            let name = path.as_str().rsplit('/').next().unwrap_or_default();
            let link = self
                .links
                .entry(path.clone())
                .or_insert_with(|| Arc::new(usb.add(name)))
                .clone();
            let chardev = Chardev {
                name: name.to_owned(),
                connection: connection.clone(),
                destination: destination.clone(),
                path,
            };
            let stream = chardev.free().await?;
            tasks.spawn(async move { chardev.keep(&link, stream).await });
        }
        log::info!("QEMU has {} usb-redir devices", tasks.len());
        self.usb.set_complete(true);
        while let Some(ended) = tasks.join_next().await {
            if let Ok(Err(error)) = ended {
                log::debug!("a usb-redir can't be connected again: {error}");
            }
        }
        Ok(())
    }
}

/// A `usb-redir`'s chardev.
struct Chardev {
    name: String,
    connection: Connection,
    destination: Option<BusName<'static>>,
    path: OwnedObjectPath,
}

impl Chardev {
    /// Connects `link`, and again after each end, until QEMU can't be asked any more.
    async fn keep(&self, link: &Link, mut stream: Option<UnixStream>) -> zbus::Result<()> {
        loop {
            if let Some(stream) = stream.take() {
                if let Err(error) = link.run(stream).await {
                    log::warn!("{}: {error}", self.name);
                }
            }
            sleep(AGAIN).await;
            stream = self.free().await?;
        }
    }

    /// Connects to it, unless somebody else is.
    async fn free(&self) -> zbus::Result<Option<UnixStream>> {
        let destination = self.destination.clone();
        match register(&self.connection, destination, &self.path).await {
            Ok(stream) => Ok(Some(stream)),
            Err(zbus::Error::MethodError(_, why, _)) => {
                let why = why.unwrap_or_default();
                log::debug!("{}: QEMU doesn't let it be connected: {why}", self.name);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// The paths of the chardevs for `usb-redir`s, in order. `destination` is QEMU's name on a bus;
/// a peer has none.
///
/// # Errors
///
/// QEMU doesn't answer, or not as it should.
pub async fn chardevs(
    connection: &Connection,
    destination: Option<BusName<'_>>,
) -> zbus::Result<Vec<OwnedObjectPath>> {
    let manager = Some("org.freedesktop.DBus.ObjectManager");
    let answer = connection
        .call_method(destination, ROOT, manager, "GetManagedObjects", &())
        .await?;
    let objects: Objects = answer.body().deserialize()?;
    let is_usb = |interfaces: &HashMap<OwnedInterfaceName, HashMap<String, OwnedValue>>| {
        interfaces
            .iter()
            .filter(|(name, _)| name.as_str() == CHARDEV)
            .filter_map(|(_, properties)| properties.get("Name"))
            .any(|name| name.downcast_ref::<&str>().is_ok_and(|it| it == USBREDIR))
    };
    let mut paths: Vec<OwnedObjectPath> = objects
        .into_iter()
        .filter(|(_, interfaces)| is_usb(interfaces))
        .map(|(path, _)| path)
        .collect();
    paths.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    Ok(paths)
}

/// Connects to a chardev.
///
/// # Errors
///
/// Somebody else is connected to it, or QEMU doesn't answer.
pub async fn register(
    connection: &Connection,
    destination: Option<BusName<'_>>,
    path: &OwnedObjectPath,
) -> zbus::Result<UnixStream> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    let theirs = OwnedFd::from(theirs);
    let end = Fd::from(theirs.as_fd());
    connection
        .call_method(destination, path, Some(CHARDEV), "Register", &end)
        .await?;
    ours.set_nonblocking(true)?;
    Ok(UnixStream::from_std(ours)?)
}
