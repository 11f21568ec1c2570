// SPDX-License-Identifier: GPL-2.0-or-later
//! The `usb-redir`s that QEMU's D-Bus display has: `-chardev dbus,name=org.qemu.usbredir`.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use tokio::net::UnixStream;
use tokio::task::JoinSet;
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

    /// Connects all `usb-redir`s of a QEMU, and returns when none of them is connected any more:
    /// it has gone, or somebody else has them. When this is dropped, they are disconnected.
    ///
    /// # Errors
    ///
    /// QEMU doesn't answer, or not as it should.
    pub async fn serve(
        &mut self,
        connection: &Connection,
        destination: Option<BusName<'_>>,
    ) -> zbus::Result<()> {
        let mut tasks = JoinSet::new();
        self.usb.set_complete(false);
        for path in chardevs(connection, destination.clone()).await? {
            let stream = register(connection, destination.clone(), &path).await?;
            let usb = &self.usb;
            let name = path.as_str().rsplit('/').next().unwrap_or_default();
            let link = self
                .links
                .entry(path.clone())
                .or_insert_with(|| Arc::new(usb.add(name)))
                .clone();
            tasks.spawn(async move { link.run(stream).await });
        }
        log::info!("QEMU has {} usb-redir devices", tasks.len());
        self.usb.set_complete(true);
        while let Some(ended) = tasks.join_next().await {
            if let Ok(Err(error)) = ended {
                log::warn!("a usb-redir: {error}");
            }
        }
        Ok(())
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

/// Connects to a chardev, which whoever had it before loses.
///
/// # Errors
///
/// QEMU doesn't take the other end.
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
