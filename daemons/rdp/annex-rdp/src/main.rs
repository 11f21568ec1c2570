// SPDX-License-Identifier: GPL-2.0-or-later
//! annex-rdp: a QEMU guest's screen over RDP. See the crate's documentation.

use std::io::Write;
use std::process::ExitCode;

use annex_rdp::args::{Args, PASSWORD_VARIABLE};
use annex_rdp::clipboard::{self, Clipboard, Directions};
use annex_rdp::screen::Shared;
use annex_rdp::session::Common;
use annex_rdp::tls::Tls;
use annex_rdp::{qemu, server, usb};
use anyhow::Context;
use clap::Parser;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{signal, SignalKind};
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;
use urbdrc::Usb;

/// Input that waits for QEMU. When it is full, the client isn't read.
const COMMANDS: usize = 64;
/// Threads for D-Bus: what a session does can't keep QEMU's messages waiting. Sessions have the main
/// thread, and `usb-redir`s as well: a transfer goes from one to the other, and would wait for a thread
/// to wake up each time.
const THREADS: usize = 2;

/// Serves clients; what has to do with D-Bus runs in `dbus`.
async fn run(args: Args, dbus: &Runtime) -> anyhow::Result<()> {
    let login = args.login(std::env::var(PASSWORD_VARIABLE).ok())?;
    let target = args.target().context("no QEMU was named")?;
    let tls = match (&args.tls_certificate, &args.tls_key) {
        (Some(certificate), Some(key)) => Tls::load(certificate, key)?,
        _ => Tls::generate()?,
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("listen on {}", args.listen))?;

    let screen = Shared::default();
    let (commands, received) = mpsc::channel(COMMANDS);
    let (connected, connection) = watch::channel(None);
    let usb = Usb::new(urbdrc::Config {
        filter: args.usb_filter.clone(),
        ..urbdrc::Config::default()
    });
    let clipboard = Clipboard::new(args.clipboard);
    if args.clipboard != Directions::Off {
        dbus.spawn(clipboard::qemu::follow(
            clipboard.clone(),
            connection.clone(),
        ));
    }
    tokio::spawn(usb::follow(usb.clone(), connection, args.dbus.is_some()));
    dbus.spawn(qemu::follow(
        target,
        args.console,
        screen.clone(),
        received,
        connected,
    ));
    let (end, stop) = watch::channel(false);
    tokio::task::spawn_local(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        end.send_replace(true);
    });

    let mut out = std::io::stdout().lock();
    writeln!(out, "certificate SHA-256 {}", tls.fingerprint)?;
    writeln!(out, "listening on {}", listener.local_addr()?)?;
    out.flush()?;
    drop(out);
    let keep_resolution = args.keep_resolution;
    server::serve(
        listener,
        Common {
            tls,
            login,
            screen,
            commands,
            keep_resolution,
            clipboard,
            usb,
        },
        stop,
    )
    .await;
    Ok(())
}

fn main() -> ExitCode {
    let filter = env_logger::Env::default().default_filter_or("warn,annex_rdp=info");
    env_logger::Builder::from_env(filter).init();
    let args = Args::parse();
    match start(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(args: Args) -> anyhow::Result<()> {
    let dbus = Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .context("start threads")?;
    let sessions = Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&sessions, run(args, &dbus))
}
