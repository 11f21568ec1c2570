// SPDX-License-Identifier: GPL-2.0-or-later
//! QEMU's D-Bus display: joined, listened to, told of the client's input; and joined again when
//! QEMU was restarted.
//!
//! The interfaces are those of ui/dbus-display1.xml in QEMU.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch, Notify};
use tokio::time::timeout;
use zbus::connection::Builder;
use zbus::export::ordered_stream::OrderedStreamExt;
use zbus::proxy::CacheProperties;
use zbus::zvariant::Fd;
use zbus::{Connection, MessageStream};

use crate::args::Target;
use crate::input::Command;
use crate::keys::{toggles, Key};
use crate::listener::{Listener, Map, PATH};
use crate::qmp::{add_display_client, QmpError};
use crate::screen::Shared;

/// Between two tries to join a QEMU that isn't there.
const PAUSE: Duration = Duration::from_millis(500);
/// How long QEMU may take for a call. It answers in its main loop, which may be busy.
const PATIENCE: Duration = Duration::from_secs(10);

#[zbus::proxy(
    interface = "org.qemu.Display1.Console",
    default_service = "org.qemu",
    gen_blocking = false
)]
trait Console {
    fn register_listener(&self, listener: Fd<'_>) -> zbus::Result<()>;
    #[zbus(name = "SetUIInfo")]
    fn set_ui_info(
        &self,
        width_mm: u16,
        height_mm: u16,
        xoff: i32,
        yoff: i32,
        width: u32,
        height: u32,
    ) -> zbus::Result<()>;
}

#[zbus::proxy(
    interface = "org.qemu.Display1.Keyboard",
    default_service = "org.qemu",
    gen_blocking = false
)]
trait Keyboard {
    fn press(&self, keycode: u32) -> zbus::Result<()>;
    fn release(&self, keycode: u32) -> zbus::Result<()>;
    #[zbus(property)]
    fn modifiers(&self) -> zbus::Result<u32>;
}

#[zbus::proxy(
    interface = "org.qemu.Display1.Mouse",
    default_service = "org.qemu",
    gen_blocking = false
)]
trait Mouse {
    fn press(&self, button: u32) -> zbus::Result<()>;
    fn release(&self, button: u32) -> zbus::Result<()>;
    fn set_abs_position(&self, x: u32, y: u32) -> zbus::Result<()>;
    fn rel_motion(&self, dx: i32, dy: i32) -> zbus::Result<()>;
    #[zbus(property)]
    fn is_absolute(&self) -> zbus::Result<bool>;
}

/// Why QEMU wasn't joined.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// QMP didn't do it.
    #[error(transparent)]
    Qmp(#[from] QmpError),
    /// D-Bus didn't.
    #[error("D-Bus: {0}")]
    Bus(#[from] zbus::Error),
    /// QEMU has taken a listener, and doesn't talk to it.
    #[error("QEMU doesn't answer on its listener's socket")]
    Silent,
    /// A socket couldn't be made.
    #[error("a pair of sockets: {0}")]
    Io(#[from] std::io::Error),
}

/// Has a console's QEMU call a listener, which draws the screen.
async fn listen(
    console: &ConsoleProxy<'_>,
    screen: &Shared,
    lost: &Arc<Notify>,
) -> Result<Connection, JoinError> {
    let (ours, theirs) = UnixStream::pair()?;
    let theirs = theirs.into_std()?;
    theirs.set_nonblocking(false)?;
    let listener = Builder::unix_stream(ours)
        .p2p()
        .serve_at(PATH, Listener::new(screen.clone(), lost.clone()))?
        .serve_at(PATH, Map::new(screen.clone()))?
        .build();
    // QEMU waits in its main loop until this end has authenticated, so both are done at once. If
    // it refuses (there is no such console, or nobody on the bus), nobody is at the other end.
    let both = async {
        tokio::try_join!(
            console.register_listener(Fd::from(theirs.as_fd())),
            listener
        )
    };
    let ((), listener) = timeout(PATIENCE, both)
        .await
        .map_err(|_| JoinError::Silent)??;
    Ok(listener)
}

/// Joins QEMU, draws its screen and passes commands on, until QEMU goes; and then again, for
/// ever. `connected` has the connection as long as there is one.
pub async fn follow(
    target: Target,
    console: u32,
    screen: Shared,
    mut commands: mpsc::Receiver<Command>,
    connected: watch::Sender<Option<Connection>>,
) {
    let mut told = String::new();
    loop {
        match Link::join(&target, console, &screen).await {
            Ok(link) => {
                log::info!("joined QEMU");
                told.clear();
                connected.send_replace(Some(link.main.clone()));
                let gone = link.serve(&screen, &mut commands).await;
                connected.send_replace(None);
                if gone {
                    log::warn!("QEMU has gone; waiting for it");
                    screen.blank();
                }
            }
            Err(error) => {
                let words = error.to_string();
                if words != told {
                    log::warn!("QEMU isn't there yet: {words}");
                    told = words;
                }
            }
        }
        // What a client does meanwhile reaches nobody, and must not reach the next guest.
        let pause = tokio::time::sleep(PAUSE);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => break,
                command = commands.recv() => if command.is_none() { return },
            }
        }
    }
}

struct Link {
    main: Connection,
    /// On which QEMU calls. It ends with QEMU, which the bus doesn't.
    listener: Connection,
    /// What QEMU draws is out of place.
    lost: Arc<Notify>,
    console: ConsoleProxy<'static>,
    keyboard: KeyboardProxy<'static>,
    mouse: MouseProxy<'static>,
}

impl Link {
    async fn join(target: &Target, console: u32, screen: &Shared) -> Result<Self, JoinError> {
        let main = match target {
            Target::Bus(address) => {
                Builder::address(address.as_str())?
                    .method_timeout(PATIENCE)
                    .build()
                    .await?
            }
            Target::Qmp(path) => {
                let (ours, theirs) = UnixStream::pair()?;
                let theirs = theirs.into_std()?;
                theirs.set_nonblocking(false)?;
                let path = path.clone();
                tokio::task::spawn_blocking(move || add_display_client(&path, theirs.into()))
                    .await
                    .map_err(std::io::Error::other)??;
                Builder::unix_stream(ours)
                    .p2p()
                    .method_timeout(PATIENCE)
                    .build()
                    .await?
            }
        };
        let path = format!("/org/qemu/Display1/Console_{console}");
        macro_rules! proxy {
            ($name:ident) => {
                $name::builder(&main)
                    .path(path.clone())?
                    .cache_properties(CacheProperties::No)
                    .build()
                    .await?
            };
        }
        let (console, keyboard, mouse) = (
            proxy!(ConsoleProxy),
            proxy!(KeyboardProxy),
            proxy!(MouseProxy),
        );

        let lost = Arc::new(Notify::new());
        let listener = listen(&console, screen, &lost).await?;
        Ok(Self {
            main,
            listener,
            lost,
            console,
            keyboard,
            mouse,
        })
    }

    /// Passes commands on until QEMU goes: true. Or until it draws a screen of which it hasn't
    /// told the size, and is to be joined anew.
    async fn serve(self, screen: &Shared, commands: &mut mpsc::Receiver<Command>) -> bool {
        let mut calls = MessageStream::from(&self.listener);
        let mut pointing = Pointing::default();
        let gone = async { while let Some(Ok(_)) = calls.next().await {} };
        tokio::pin!(gone);
        loop {
            let command = tokio::select! {
                () = &mut gone => return true,
                () = self.lost.notified() => return false,
                command = commands.recv() => command,
            };
            let Some(command) = command else { return true };
            let done = tokio::select! {
                () = &mut gone => return true,
                done = self.command(command, screen, &mut pointing) => done,
            };
            // An error is an answer: the guest has no such device, or it is of another kind.
            // Which key it was is nobody's business.
            if let Err(error) = done {
                log::debug!("input: {error}");
            }
        }
    }

    async fn command(
        &self,
        command: Command,
        screen: &Shared,
        pointing: &mut Pointing,
    ) -> zbus::Result<()> {
        match command {
            Command::Key(key) => self.key(key).await,
            Command::Locks(wanted) => {
                let has = self.keyboard.modifiers().await? as u8;
                for key in toggles(wanted, has) {
                    self.key(key).await?;
                }
                Ok(())
            }
            Command::MoveTo(x, y) => {
                let (width, height) = screen.guest();
                let to = (
                    x.min(width.saturating_sub(1)),
                    y.min(height.saturating_sub(1)),
                );
                self.point(to, pointing).await
            }
            Command::MoveBy(dx, dy) => {
                if self.mouse.rel_motion(dx.into(), dy.into()).await.is_ok() {
                    pointing.relative = true;
                    return Ok(());
                }
                let (width, height) = screen.guest();
                let at = pointing.at.unwrap_or_default();
                let to = (
                    at.0.saturating_add_signed(dx).min(width.saturating_sub(1)),
                    at.1.saturating_add_signed(dy).min(height.saturating_sub(1)),
                );
                self.point(to, pointing).await
            }
            Command::Button(button, true) => self.mouse.press(button as u32).await,
            Command::Button(button, false) => self.mouse.release(button as u32).await,
            Command::Resize(width, height) => {
                self.console.set_ui_info(0, 0, 0, 0, width, height).await
            }
        }
    }

    async fn key(&self, key: Key) -> zbus::Result<()> {
        if key.down {
            self.keyboard.press(key.number.into()).await
        } else {
            self.keyboard.release(key.number.into()).await
        }
    }

    /// Moves the pointer, by whichever of the two ways the guest's mouse has now.
    async fn point(&self, to: (u16, u16), pointing: &mut Pointing) -> zbus::Result<()> {
        if pointing.relative {
            pointing.relative = !self.mouse.is_absolute().await?;
        }
        let from = pointing.at.replace(to).unwrap_or(to);
        if !pointing.relative {
            let moved = self.mouse.set_abs_position(to.0.into(), to.1.into()).await;
            if moved.is_ok() || self.mouse.is_absolute().await? {
                return moved;
            }
            pointing.relative = true;
        }
        let (dx, dy) = (
            i32::from(to.0) - i32::from(from.0),
            i32::from(to.1) - i32::from(from.1),
        );
        self.mouse.rel_motion(dx, dy).await
    }
}

#[derive(Default)]
struct Pointing {
    /// The guest's mouse tells distances, not places.
    relative: bool,
    /// Where the client's pointer was last, once it was anywhere.
    at: Option<(u16, u16)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A QEMU without this console, whose refusal has to be noticed: no one is at the listener's
    /// other end then.
    #[tokio::test]
    async fn a_listener_that_is_refused() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let guid = zbus::Guid::generate();
        let qemu = Builder::unix_stream(theirs)
            .server(guid)
            .unwrap()
            .p2p()
            .build();
        let main = Builder::unix_stream(ours).p2p().build();
        let (qemu, main) = tokio::try_join!(qemu, main).unwrap();
        // It answers calls, all of them by an error: it has no objects.
        let _objects = qemu.object_server();
        let console = ConsoleProxy::builder(&main)
            .path("/org/qemu/Display1/Console_7")
            .unwrap()
            .cache_properties(CacheProperties::No)
            .build()
            .await
            .unwrap();
        let joined = listen(&console, &Shared::default(), &Arc::default()).await;
        assert!(matches!(joined, Err(JoinError::Bus(_))), "{joined:?}");
    }
}
