// SPDX-License-Identifier: GPL-2.0-or-later
//! `annex-usb list` and `annex-usb share DEVICE... rdp://HOST`.

use std::path::PathBuf;
use std::process::ExitCode;

use annex_usb::client::Event;
use annex_usb::connect::Server;
use annex_usb::device::{DeviceId, Ended};
use annex_usb::devices::{Change, Devices};
use annex_usb::hotplug::{Hotplug, Plugged};
use annex_usb::keep::{keep, News};
use annex_usb::real::{self, Held};
use annex_usb::reconnect::Reconnect;
use annex_usb::select::{path, Selector};
use anyhow::{bail, Context, Result};
use clap::{Parser, Subcommand};
use nusb::DeviceInfo;
use tokio::signal::unix::{signal, SignalKind};
use tokio::sync::mpsc;

/// Hands local USB devices to an RDP server.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists the devices of this machine.
    List,
    /// Shares devices until it is interrupted. Nothing is shared that isn't named.
    #[command(override_usage = "annex-usb share --user USER DEVICE... rdp://HOST[:PORT]")]
    Share {
        /// VENDOR:PRODUCT, BUS-PORT, or serial=TEXT, as `list` has them; then rdp://HOST[:PORT].
        #[arg(required = true, num_args = 2.., value_name = "WHAT")]
        what: Vec<String>,
        /// The user's name.
        #[arg(long, env = "ANNEX_USB_USER")]
        user: String,
        /// The user's domain.
        #[arg(long)]
        domain: Option<String>,
        /// A file whose first line is the password. Without it, it is ANNEX_USB_PASSWORD in the
        /// environment.
        #[arg(long)]
        password_file: Option<PathBuf>,
        /// End with the session when the connection or the server goes, instead of connecting
        /// again after growing pauses.
        #[arg(long)]
        no_reconnect: bool,
        /// Give up after so many tries in a row to connect again. Without it, there is no end.
        #[arg(long, value_name = "COUNT", conflicts_with = "no_reconnect")]
        reconnect_tries: Option<u32>,
    },
}

// A transfer goes from the connection to the device and back: no other thread has to wake up for it.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    env_logger::Builder::from_env(
        env_logger::Env::default().default_filter_or("warn,annex_usb=info"),
    )
    .format_timestamp(None)
    .init();
    match run(Args::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("annex-usb: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<()> {
    match command {
        Command::List => list().await,
        Command::Share {
            what,
            user,
            domain,
            password_file,
            no_reconnect,
            reconnect_tries,
        } => {
            let (selectors, (host, port)) = parse(&what)?;
            let password = password(password_file)?;
            let server = Server {
                host,
                port,
                user,
                password,
                domain,
            };
            let tries = if no_reconnect {
                Some(0)
            } else {
                reconnect_tries
            };
            share(&selectors, &server, Reconnect::new(tries)).await
        }
    }
}

async fn list() -> Result<()> {
    let mut devices: Vec<DeviceInfo> = nusb::list_devices().await?.collect();
    devices.sort_by_key(|it| (it.busnum(), it.port_chain().to_vec()));
    for it in devices {
        let place = path(it.busnum(), it.port_chain());
        let text = |text: Option<&str>| text.unwrap_or("").escape_debug().to_string();
        let serial = match it.serial_number() {
            Some(serial) => format!(" serial={}", serial.escape_debug()),
            None => String::new(),
        };
        println!(
            "{:04x}:{:04x} {place:<10} {} {}{serial}",
            it.vendor_id(),
            it.product_id(),
            text(it.manufacturer_string()),
            text(it.product_string()),
        );
    }
    Ok(())
}

type Target = (String, u16);

/// The names of devices, and the server behind them.
fn parse(what: &[String]) -> Result<(Vec<Selector>, Target)> {
    let (url, names) = what.split_last().context("no server")?;
    let Some(rest) = url.strip_prefix("rdp://") else {
        bail!("{url:?} isn't rdp://HOST[:PORT]");
    };
    let rest = rest.trim_end_matches('/');
    let (host, port) = match rest.strip_prefix('[') {
        // An IPv6 address.
        Some(rest) => {
            let (host, port) = rest.split_once(']').context("no ] behind the address")?;
            (host, port.strip_prefix(':'))
        }
        None => match rest.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (rest, None),
        },
    };
    let port = match port {
        Some(port) => port.parse().with_context(|| format!("the port {port:?}"))?,
        None => 3389,
    };
    if host.is_empty() {
        bail!("{url:?} names no host");
    }
    let selectors = names
        .iter()
        .map(|name| Ok(name.parse()?))
        .collect::<Result<Vec<Selector>>>()?;
    Ok((selectors, (host.to_owned(), port)))
}

fn password(file: Option<PathBuf>) -> Result<String> {
    match file {
        Some(file) => {
            let text =
                std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
            Ok(text.lines().next().unwrap_or("").to_owned())
        }
        None => std::env::var("ANNEX_USB_PASSWORD")
            .context("no password: --password-file, or ANNEX_USB_PASSWORD"),
    }
}

async fn share(selectors: &[Selector], server: &Server, reconnect: Reconnect) -> Result<()> {
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    let (devices, changes, ended) = Devices::new();
    let (held, mut given_back) = mpsc::channel(1);
    let watch = async {
        // When this ends, so does the session, in order.
        tokio::select! {
            result = watch(selectors, ended, held, changes) => result,
            _ = interrupt.recv() => Ok(()),
            _ = terminate.recv() => Ok(()),
        }
    };
    let place = format!("{}:{}", server.host, server.port);
    let kept = keep(server, reconnect, devices, |news| tell(&place, news));
    let (watched, kept) = tokio::join!(watch, kept);
    // The kernel's drivers get devices back. Whoever can't wait interrupts again.
    tokio::select! {
        _ = given_back.recv() => (),
        _ = interrupt.recv() => (),
        _ = terminate.recv() => (),
    }
    watched.and(kept)
}

fn tell(server: &str, news: News) {
    match news {
        News::Connected => log::info!("connected to {server}"),
        News::Lost(error, pause) => log::warn!(
            "{error:#}; devices stay with annex-usb, which connects again in {} s",
            pause.as_secs()
        ),
        News::Device(Event::Taken(DeviceId(id))) => log::info!("device {id}: the server has it"),
        News::Device(Event::Refused(DeviceId(id))) => log::warn!(
            "device {id}: the server doesn't want it: all of its usb-redir devices are in use, \
             or a rule is against it"
        ),
        News::Device(Event::Released(DeviceId(id))) => {
            log::info!("device {id}: the server has let it go");
        }
    }
}

/// Opens the devices that are named, as they come.
async fn watch(
    selectors: &[Selector],
    ended: Ended,
    held: Held,
    changes: mpsc::Sender<Change>,
) -> Result<()> {
    let mut hotplug = Hotplug::new().await?;
    for selector in selectors {
        if !hotplug.present().any(|it| selector.names(it)) {
            log::info!("{selector} isn't there: it is shared when it comes");
        }
    }
    let mut known: Vec<(nusb::DeviceId, DeviceId)> = Vec::new();
    let mut next = 1;
    loop {
        let event = tokio::select! {
            event = hotplug.next() => event?,
            () = changes.closed() => return Ok(()),
        };
        let change = match event {
            Plugged::In(info) => {
                let is_known = known.iter().any(|(it, _)| *it == info.id());
                if is_known || !selectors.iter().any(|it| it.names(&info)) {
                    continue;
                }
                let id = DeviceId(next);
                match real::open(&info, id, ended.clone(), held.clone()).await {
                    Ok((device, description)) => {
                        let place = path(info.busnum(), info.port_chain());
                        let (vendor, product) = (info.vendor_id(), info.product_id());
                        log::info!("device {next}: {vendor:04x}:{product:04x} at {place}");
                        known.push((info.id(), id));
                        next += 1;
                        Change::Arrived(id, description, Box::new(device))
                    }
                    Err(error) => {
                        log::error!("{error:#}");
                        continue;
                    }
                }
            }
            Plugged::Out(gone) => {
                let Some(at) = known.iter().position(|(it, _)| *it == gone) else {
                    continue;
                };
                let (_, id) = known.swap_remove(at);
                log::info!("device {} is gone", id.0);
                Change::Left(id)
            }
        };
        if changes.send(change).await.is_err() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_manual_has_every_option_and_no_other() {
        installed::check_manual(include_str!("../annex-usb.1"), &Args::command());
    }

    #[test]
    fn devices_and_servers_are_told_apart() {
        let parsed = |url: &str| parse(&["46f4:1".to_owned(), url.to_owned()]).ok();
        let good = [
            ("rdp://host", "host", 3389),
            ("rdp://host:7/", "host", 7),
            ("rdp://192.0.2.1:3390", "192.0.2.1", 3390),
            ("rdp://[2001:db8::1]", "2001:db8::1", 3389),
            ("rdp://[2001:db8::1]:7", "2001:db8::1", 7),
        ];
        for (url, host, port) in good {
            let (selectors, target) = parsed(url).expect(url);
            assert_eq!(selectors, [Selector::Id(0x46f4, 1)]);
            assert_eq!(target, (host.to_owned(), port), "{url}");
        }
        for url in [
            "host",
            "rdp://",
            "rdp://host:",
            "rdp://host:x",
            "rdp://[::1",
            "http://host",
        ] {
            assert!(parsed(url).is_none(), "{url}");
        }
        assert!(parse(&["rdp://host".to_owned(), "46f4:1".to_owned()]).is_err());
    }
}
