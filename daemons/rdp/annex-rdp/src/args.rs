// SPDX-License-Identifier: GPL-2.0-or-later
//! The command line, and what is refused before anything listens.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Parser};
use thiserror::Error;
use usbredir::{Filter, FilterError};

use crate::clipboard::Directions;

/// Where a password is looked for if --password-file isn't given.
pub const PASSWORD_VARIABLE: &str = "ANNEX_RDP_PASSWORD";
/// Bytes of a password file that are read; NTLM hashes what it gets, so more is a mistake.
const MAX_PASSWORD: u64 = 1024;

/// A QEMU guest's screen over RDP.
///
/// Joins a QEMU that was started with `-display dbus,p2p=yes`, and serves its screen, keyboard
/// and mouse to RDP clients of one user, up to four at a time. Listens on loopback
/// unless told otherwise, and beyond it only with a user and a password. The password comes
/// from --password-file or the variable ANNEX_RDP_PASSWORD, never from the command line.
#[derive(Clone, Debug, Parser)]
#[command(name = "annex-rdp", version, max_term_width = 100)]
#[command(group(ArgGroup::new("qemu").required(true).args(["qmp", "dbus"])))]
pub struct Args {
    /// Join the QEMU whose QMP monitor listens on this Unix socket. It is used for the time of
    /// two commands, and again when QEMU was restarted.
    #[arg(long, value_name = "SOCKET")]
    pub qmp: Option<PathBuf>,

    /// Join the QEMU that owns org.qemu on the bus at this D-Bus address (-display
    /// dbus,addr=ADDRESS).
    #[arg(long, value_name = "ADDRESS")]
    pub dbus: Option<String>,

    /// Listen on this address and port. Port 0 takes a free one; "listening on" is printed.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3389")]
    pub listen: SocketAddr,

    /// The certificate chain for TLS, a PEM file. Without it one is made for this run, and its
    /// SHA-256 fingerprint is printed.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_certificate: Option<PathBuf>,

    /// The private key for --tls-certificate, a PEM file.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,

    /// The user who may log in (NLA). Needs a password.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,

    /// Read the user's password from the first line of this file.
    #[arg(long, value_name = "FILE", requires = "user")]
    pub password_file: Option<PathBuf>,

    /// The guest's console, if it has several: 0 is the first screen.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub console: u32,

    /// Don't ask the guest to follow the size of the client's window.
    #[arg(long)]
    pub keep_resolution: bool,

    /// Which way text that is copied may go, if the guest has an agent for it (-chardev
    /// qemu-vdagent,clipboard=on). The guest can read what goes to it without a paste.
    #[arg(long, value_name = "WAY", value_enum, default_value_t)]
    pub clipboard: Directions,

    /// Which of the client's USB devices the guest may get, by rules as QEMU's usb-redir has
    /// them: CLASS:VENDOR:PRODUCT:VERSION:ALLOW, separated by |, where -1 is any and the first
    /// that matches counts. What no rule is about isn't admitted. Without this all are.
    #[arg(long, value_name = "RULES", value_parser = usb_filter, allow_hyphen_values = true)]
    pub usb_filter: Option<Filter>,
}

fn usb_filter(text: &str) -> Result<Filter, FilterError> {
    Filter::parse(text, ':')
}

/// Which QEMU, and how it is joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// By a descriptor handed over on its QMP socket.
    Qmp(PathBuf),
    /// Over a bus at this address.
    Bus(String),
}

/// Who may log in.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user's name.
    pub user: String,
    /// The password. Never printed.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// Why the server doesn't start with this command line.
#[derive(Debug, Error)]
pub enum ArgsError {
    /// The password file can't be read.
    #[error("the password file {0}: {1}")]
    ReadPassword(PathBuf, std::io::Error),
    /// There is a user, and no password.
    #[error("--user needs --password-file, or the variable {PASSWORD_VARIABLE}")]
    NoPassword,
    /// A password of no characters protects nothing.
    #[error("the password is empty")]
    EmptyPassword,
    /// Anybody could log in.
    #[error("{0} is not loopback: listening there needs --user and a password")]
    Open(SocketAddr),
}

impl Args {
    /// Which QEMU to join; clap has seen to it that there is one.
    pub fn target(&self) -> Option<Target> {
        self.qmp
            .clone()
            .map(Target::Qmp)
            .or_else(|| self.dbus.clone().map(Target::Bus))
    }

    /// Who may log in, or nobody by name if only this machine can connect. `variable` is the
    /// value of [`PASSWORD_VARIABLE`].
    pub fn login(&self, variable: Option<String>) -> Result<Option<Login>, ArgsError> {
        let Some(user) = self.user.clone() else {
            if !self.listen.ip().to_canonical().is_loopback() {
                return Err(ArgsError::Open(self.listen));
            }
            return Ok(None);
        };
        let password = match &self.password_file {
            Some(file) => read_password(file)?,
            None => variable.ok_or(ArgsError::NoPassword)?,
        };
        if password.is_empty() {
            return Err(ArgsError::EmptyPassword);
        }
        Ok(Some(Login { user, password }))
    }
}

fn read_password(file: &Path) -> Result<String, ArgsError> {
    let mut text = String::new();
    File::open(file)
        .and_then(|opened| opened.take(MAX_PASSWORD).read_to_string(&mut text))
        .map_err(|error| ArgsError::ReadPassword(file.into(), error))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from([&["annex-rdp"], words].concat())
    }

    #[test]
    fn one_qemu_is_named() {
        assert!(parse(&[]).is_err());
        assert!(parse(&["--qmp", "q", "--dbus", "unix:path=b"]).is_err());
        let args = parse(&["--qmp", "q"]).unwrap();
        assert_eq!(args.target(), Some(Target::Qmp("q".into())));
        assert!(args.listen.ip().is_loopback());
        let args = parse(&["--dbus", "unix:path=b"]).unwrap();
        assert_eq!(args.target(), Some(Target::Bus("unix:path=b".into())));
    }

    #[test]
    fn a_password_is_no_argument() {
        assert!(parse(&["--qmp", "q", "--user", "u", "--password", "p"]).is_err());
        assert!(parse(&["--qmp", "q", "--password-file", "p"]).is_err());
    }

    #[test]
    fn only_this_machine_may_come_without_a_password() {
        for (listen, open) in [
            ("127.0.0.1:3389", false),
            ("127.8.0.1:0", false),
            ("[::1]:3389", false),
            ("[::ffff:127.0.0.1]:3389", false),
            ("0.0.0.0:3389", true),
            ("[::]:3389", true),
            ("192.0.2.1:3389", true),
            ("[::ffff:192.0.2.1]:3389", true),
        ] {
            let args = parse(&["--qmp", "q", "--listen", listen]).unwrap();
            assert_eq!(
                matches!(args.login(None), Err(ArgsError::Open(_))),
                open,
                "{listen}"
            );
            // A password nobody asks for doesn't count.
            let login = args.login(Some("p".into()));
            assert_eq!(matches!(login, Err(ArgsError::Open(_))), open, "{listen}");

            let args = parse(&["--qmp", "q", "--listen", listen, "--user", "u"]).unwrap();
            assert!(matches!(args.login(None), Err(ArgsError::NoPassword)));
            assert!(matches!(
                args.login(Some(String::new())),
                Err(ArgsError::EmptyPassword)
            ));
            let login = args.login(Some("p".into())).unwrap().unwrap();
            assert_eq!((login.user.as_str(), login.password.as_str()), ("u", "p"));
        }
    }

    #[test]
    fn the_file_goes_first_and_its_first_line_counts() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("password");
        std::fs::write(&file, "se cret\r\nmore\n").unwrap();
        let name = file.to_str().unwrap();
        let words = ["--qmp", "q", "--user", "u", "--password-file", name];
        let login = parse(&words).unwrap().login(Some("variable".into()));
        let login = login.unwrap().unwrap();
        assert_eq!(login.password, "se cret");
        assert!(!format!("{login:?}").contains("cret"));

        std::fs::write(&file, "\n").unwrap();
        let login = parse(&words).unwrap().login(Some("variable".into()));
        assert!(matches!(login, Err(ArgsError::EmptyPassword)));
        std::fs::remove_file(&file).unwrap();
        let error = parse(&words).unwrap().login(None).unwrap_err();
        assert!(error.to_string().contains(name));
    }

    #[test]
    fn text_goes_which_way() {
        for (words, way) in [
            (&[][..], Directions::Both),
            (&["--clipboard", "both"], Directions::Both),
            (&["--clipboard", "to-guest"], Directions::ToGuest),
            (&["--clipboard", "to-client"], Directions::ToClient),
            (&["--clipboard", "off"], Directions::Off),
        ] {
            let args = parse(&[&["--qmp", "q"], words].concat()).unwrap();
            assert_eq!(args.clipboard, way);
        }
        assert!(parse(&["--qmp", "q", "--clipboard", "on"]).is_err());
    }

    #[test]
    fn a_certificate_and_its_key_go_together() {
        assert!(parse(&["--qmp", "q", "--tls-certificate", "c"]).is_err());
        assert!(parse(&["--qmp", "q", "--tls-key", "k"]).is_err());
    }
}
