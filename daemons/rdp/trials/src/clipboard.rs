// SPDX-License-Identifier: GPL-2.0-or-later
//! What is copied in the guest is pasted at the client, and the other way, through QEMU's clipboard.
//! The client's end is IronRDP's, which is not what annex-rdp has.

use std::sync::{Arc, Mutex};

use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Result};
use ironrdp_cliprdr::backend::CliprdrBackend;
use ironrdp_cliprdr::pdu::{
    ClipboardFormat, ClipboardFormatId, ClipboardGeneralCapabilityFlags, FileContentsRequest,
    FileContentsResponse, FormatDataRequest, FormatDataResponse, LockDataId,
    OwnedFormatDataResponse,
};
use ironrdp_cliprdr::CliprdrClient;
use ironrdp_core::impl_as_any;
use ironrdp_svc::StaticChannelSet;

use crate::agent::{Agent, Told};
use crate::client::Client;
use crate::machine::{Server, LIMIT, LOGIN};
use crate::screen::LOOK;

inventory::submit! { Family(|add| {
    add("rdp/clipboard/both-ways".into(), Box::new(both_ways));
    add("rdp/clipboard/off".into(), Box::new(off));
}) }

const TEXT: ClipboardFormatId = ClipboardFormatId::CF_UNICODETEXT;

/// What the server has said to the client's clipboard.
#[derive(Debug)]
enum Said {
    /// The channel is there; the client is to say what it has.
    Begin,
    /// There is a text, or there is none.
    Offered(bool),
    /// The client's text is wanted.
    Wanted,
    /// The text that was asked for, or none.
    Text(Option<String>),
}

#[derive(Clone, Debug, Default)]
struct Desktop(Arc<Mutex<Vec<Said>>>);

impl Desktop {
    fn say(&self, said: Said) {
        self.0.lock().expect("nothing panics with it").push(said);
    }
}

impl_as_any!(Desktop);

impl CliprdrBackend for Desktop {
    fn temporary_directory(&self) -> &str {
        "none"
    }
    fn client_capabilities(&self) -> ClipboardGeneralCapabilityFlags {
        ClipboardGeneralCapabilityFlags::empty()
    }
    fn on_ready(&mut self) {}
    fn on_request_format_list(&mut self) {
        self.say(Said::Begin);
    }
    fn on_process_negotiated_capabilities(&mut self, _: ClipboardGeneralCapabilityFlags) {}
    fn on_remote_copy(&mut self, formats: &[ClipboardFormat]) {
        self.say(Said::Offered(formats.iter().any(|it| it.id() == TEXT)));
    }
    fn on_format_data_request(&mut self, request: FormatDataRequest) {
        if request.format == TEXT {
            self.say(Said::Wanted);
        }
    }
    fn on_format_data_response(&mut self, response: FormatDataResponse<'_>) {
        let text = (!response.is_error())
            .then(|| response.to_unicode_string().ok())
            .flatten();
        self.say(Said::Text(text));
    }
    fn on_file_contents_request(&mut self, _: FileContentsRequest) {}
    fn on_file_contents_response(&mut self, _: FileContentsResponse<'_>) {}
    fn on_lock(&mut self, _: LockDataId) {}
    fn on_unlock(&mut self, _: LockDataId) {}
}

/// A client with a clipboard, and the agent that it shares it with.
struct Shared {
    agent: Agent,
    client: Client,
    desktop: Desktop,
    /// What the client has copied.
    copied: String,
}

impl Shared {
    /// Has the client say that it has copied a text, or nothing.
    fn copy(&mut self, text: Option<&str>) -> Result<()> {
        self.copied = text.unwrap_or_default().into();
        let formats = text.map(|_| ClipboardFormat::new(TEXT));
        let formats: Vec<_> = formats.into_iter().collect();
        self.client
            .channel(|channel: &mut CliprdrClient| channel.initiate_copy(&formats))
    }

    fn paste(&mut self) -> Result<()> {
        self.client
            .channel(|channel: &mut CliprdrClient| channel.initiate_paste(TEXT))
    }

    /// Lets both ends go on, until the client has been told something that counts here. The text
    /// of either is given when it is wanted.
    fn until<T>(
        &mut self,
        what: &str,
        guest: &str,
        mut found: impl FnMut(&Said) -> Option<T>,
    ) -> Result<T> {
        wait::until(what, LIMIT, || {
            self.go_on(guest)?;
            let mut said = self.desktop.0.lock().expect("nothing panics with it");
            let found = said.iter().find_map(&mut found);
            if found.is_some() {
                said.clear();
            }
            Ok(found)
        })
    }

    fn go_on(&mut self, guest: &str) -> Result<Option<Told>> {
        self.client.look(LOOK)?;
        let wanted = {
            let mut said = self.desktop.0.lock().expect("nothing panics with it");
            let before = said.len();
            said.retain(|it| !matches!(it, Said::Wanted));
            before > said.len()
        };
        if wanted {
            let text = self.copied.clone();
            let response = OwnedFormatDataResponse::new_unicode_string(&text);
            self.client
                .channel(|channel: &mut CliprdrClient| channel.submit_format_data(response))?;
        }
        let told = self.agent.hear()?;
        if told == Some(Told::Request) {
            self.agent.answer(guest.as_bytes())?;
        }
        Ok(told)
    }

    /// Lets both ends go on until the agent is told something that counts here.
    fn told<T>(&mut self, what: &str, mut found: impl FnMut(Told) -> Option<T>) -> Result<T> {
        wait::until(what, LIMIT, || Ok(self.go_on("")?.and_then(&mut found)))
    }

    /// What the guest pastes.
    fn pasted(&mut self) -> Result<String> {
        self.agent.request()?;
        let text = self.told("a text in the guest", |told| match told {
            Told::Text(text) => Some(text),
            _ => None,
        })?;
        Ok(String::from_utf8(text)?)
    }
}

fn connect(server: &Server) -> Result<(Client, Desktop)> {
    let desktop = Desktop::default();
    let mut channels = StaticChannelSet::new();
    channels.insert(CliprdrClient::new(Box::new(desktop.clone())));
    let client = Client::connect_with(server.address, LOGIN.0, LOGIN.1, channels)?;
    Ok((client, desktop))
}

fn both_ways(dir: &Dir) -> Result<()> {
    let mut agent = Agent::start(dir)?;
    agent.announce()?;
    let server = Server::start(dir, &dir.file("qmp"))?;
    let (client, desktop) = connect(&server)?;
    let mut shared = Shared {
        agent,
        client,
        desktop,
        copied: String::new(),
    };
    shared.until("the clipboard's channel", "", |said| {
        matches!(said, Said::Begin).then_some(())
    })?;

    // What the client has when it comes, in more than one of the agent's chunks and of RDP's.
    let long = "Lines of \u{e4}\u{20ac}\u{1f600}\r\n".repeat(100);
    shared.copy(Some(&long))?;
    let grab = |told| match told {
        Told::Grab(serial) => Some(serial),
        _ => None,
    };
    let first = shared.told("a text for the guest", grab)?;
    let pasted = shared.pasted()?;
    ensure!(pasted == long.replace("\r\n", "\n"), "pasted {pasted:?}");

    // What the guest copies then, which the client asks for twice.
    shared.agent.grab(first + 1)?;
    let offered = |said: &Said| matches!(said, Said::Offered(true)).then_some(());
    let text = |said: &Said| match said {
        Said::Text(text) => Some(text.clone()),
        _ => None,
    };
    let guest = "copied in the guest \u{20ac}\n".repeat(100);
    shared.until("a text for the client", "", offered)?;
    for _ in 0..2 {
        shared.paste()?;
        let pasted = shared.until("a text at the client", &guest, text)?;
        ensure!(
            pasted.as_deref() == Some(&guest.replace('\n', "\r\n")),
            "pasted {pasted:?}"
        );
    }

    // And back again, with a number that the guest takes.
    shared.copy(Some("back"))?;
    let second = shared.told("another text for the guest", grab)?;
    ensure!(second > first + 1, "number {second} after {}", first + 1);
    ensure!(shared.pasted()? == "back", "another text");

    // A client that has nothing any more, and a guest.
    shared.copy(None)?;
    shared.told("no text for the guest", |told| {
        (told == Told::Release).then_some(())
    })?;
    shared.agent.grab(40)?;
    shared.until("a text for the client", "", offered)?;
    shared.agent.release()?;
    shared.until("no text for the client", "", |said| {
        matches!(said, Said::Offered(false)).then_some(())
    })?;
    shared.paste()?;
    let pasted = shared.until("an answer to a paste", "", text)?;
    ensure!(pasted.is_none(), "pasted {pasted:?}");

    // The client's text goes with the client.
    shared.copy(Some("mine"))?;
    shared.told("a text for the guest", grab)?;
    let Shared {
        mut agent, client, ..
    } = shared;
    drop(client);
    agent.expect(&Told::Release)
}

/// A client is offered no clipboard where its user doesn't want it.
fn off(dir: &Dir) -> Result<()> {
    let server = Server::with(dir, &dir.file("qmp"), &["--clipboard", "off"])?;
    let (mut client, desktop) = connect(&server)?;
    // Channels begin at once.
    client.look(10 * LOOK)?;
    let said = desktop.0.lock().expect("nothing panics with it");
    ensure!(said.is_empty(), "{said:?}");
    Ok(())
}
