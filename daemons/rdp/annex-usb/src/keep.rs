// SPDX-License-Identifier: GPL-2.0-or-later
//! One session after another: when the connection or the server goes, devices stay open, and the
//! next session has them.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{sleep, Instant};

use crate::client::Event;
use crate::connect::{Refused, Server};
use crate::devices::Devices;
use crate::reconnect::{Ending, Next, Reconnect};
use crate::session::{End, Session};

/// What is told of sessions.
#[derive(Debug)]
pub enum News {
    /// A session has begun.
    Connected,
    /// The session has ended, or a try to have one, for this reason; so long is waited before the
    /// next try.
    Lost(anyhow::Error, Duration),
    /// A device of the session.
    Device(Event),
}

/// The server has ended the session, and didn't say that it is for good.
#[derive(Debug, thiserror::Error)]
#[error("the server has ended the session: {0}")]
struct Dismissed(String);

/// Shares devices in one session after another, as `reconnect` says, until there are no more
/// changes of devices.
///
/// # Errors
///
/// Why the last session ended, or the last try to have one, if nobody wanted it to.
pub async fn keep(
    server: &Server,
    mut reconnect: Reconnect,
    mut devices: Devices,
    mut tell: impl FnMut(News),
) -> Result<()> {
    let start = Instant::now();
    loop {
        let Some(connected) = devices.during(Session::connect(server)).await else {
            return Ok(());
        };
        let ended = match connected {
            Ok(mut session) => {
                reconnect.connected(start.elapsed());
                tell(News::Connected);
                let told = |event| tell(News::Device(event));
                let ended = session.share(&mut devices, told).await;
                session.hang_up().await;
                devices.quiet_all();
                ended
            }
            Err(error) => Err(error),
        };
        let (error, how) = match ended {
            Ok(End::Left) => return Ok(()),
            Ok(End::Dismissed(why)) => (Dismissed(why).into(), Ending::Lost),
            Err(error) if error.is::<Refused>() => (error, Ending::Refused),
            Err(error) => (error, Ending::Lost),
        };
        let pause = match reconnect.ended(start.elapsed(), how) {
            Next::Connect(pause) => pause,
            Next::GiveUp => return Err(error),
        };
        tell(News::Lost(error, pause));
        if devices.during(sleep(pause)).await.is_none() {
            return Ok(());
        }
    }
}
