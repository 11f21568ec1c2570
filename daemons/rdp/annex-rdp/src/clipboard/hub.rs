// SPDX-License-Identifier: GPL-2.0-or-later
//! Who has copied what, and who is to be told or asked: QEMU's clipboard (ui/dbus-display1.xml, and
//! ui/clipboard.c behind it) on one side, clients' (MS-RDPECLIP) on the other. Without I/O.
//!
//! The two sides aren't treated alike. QEMU's main loop waits for the answer when the guest pastes,
//! so a client's text is fetched when it is copied, and QEMU is told of it when it is here. A
//! guest's text is fetched when a client asks for it.
//!
//! What is to be done is what is so now, not a queue: a side that copies a thousand times while
//! the other one is slow costs no memory, and the last copy counts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use ironrdp_cliprdr::pdu::{
    Capabilities, ClipboardFormat, ClipboardFormatId, ClipboardGeneralCapabilityFlags,
    ClipboardPdu, ClipboardProtocolVersion, FormatDataRequest, FormatDataResponse, FormatList,
    FormatListResponse,
};

use super::text;

/// A session, for as long as its client is there.
pub type SessionId = u64;

/// QEMU's number of the selection that is copied to. Another is what is marked (PRIMARY), which
/// RDP has none of.
pub const CLIPBOARD: u32 = 0;
/// A text, for QEMU.
pub const MIME: &str = "text/plain;charset=utf-8";

/// How long a client may take for its text before it is asked again, when it has copied again.
/// FreeRDP (2.11.7) tells of most copies twice, and may forget what it was asked between the two.
const PATIENCE: Duration = Duration::from_secs(2);
/// Requests for the guest's text that a client may have out at once. A client needs one; one that
/// was told of a new text while it waits may ask again.
const MAX_WAITING: usize = 2;

/// Which way texts may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Directions {
    /// Both ways.
    #[default]
    Both,
    /// What is copied at a client can be pasted in the guest, and not the other way.
    ToGuest,
    /// What is copied in the guest can be pasted at a client, and not the other way.
    ToClient,
    /// Neither: clients are offered no clipboard.
    Off,
}

impl Directions {
    const fn to_guest(self) -> bool {
        matches!(self, Self::Both | Self::ToGuest)
    }

    const fn to_client(self) -> bool {
        matches!(self, Self::Both | Self::ToClient)
    }
}

/// Whose text is on the clipboard.
#[derive(Debug, Default)]
enum Content {
    #[default]
    Nobody,
    /// The guest's, and what it is if it has been fetched.
    Guest(Option<Arc<str>>),
    Client(SessionId, Arc<str>),
}

/// A request that is out to QEMU.
#[derive(Debug, Default, PartialEq, Eq)]
enum Fetch {
    #[default]
    No,
    /// It is to be sent.
    Due,
    /// It is out; the guest has copied nothing else since.
    Out,
    /// It is out, and of no use.
    Outdated,
}

/// What becomes of a client's answer. There is nothing in it that says what it is about, so only
/// one request is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// It is what the client has copied last.
    Take,
    /// The client has copied another text since.
    AskAgain,
    /// Something else was copied since, there or in the guest.
    Drop,
}

#[derive(Debug, Default)]
struct Client {
    long_names: bool,
    /// It has told its formats once, and may be told ours.
    ready: bool,
    /// It has been offered the guest's text last, and hasn't copied since.
    offered: bool,
    /// It is to be told whether there is a text.
    list: Option<bool>,
    /// It was asked for its text then.
    asked: Option<(Instant, Then)>,
    /// Its requests for the guest's text.
    waiting: usize,
    /// What is to be sent for them.
    answers: Option<(usize, Option<Arc<str>>)>,
    /// A text that is too long was logged; the next ones are for debugging.
    told: bool,
}

impl Client {
    /// What it was asked for has been replaced.
    fn forget_answer(&mut self) {
        if let Some((_, then)) = &mut self.asked {
            *then = Then::Drop;
        }
    }

    /// Answers that it is still to be sent.
    fn unsent(&self) -> usize {
        self.answers.as_ref().map_or(0, |(count, _)| *count)
    }
}

/// What QEMU is to be told or asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToQemu {
    /// There is a text, by this serial number.
    Grab(u32),
    /// There is none any more.
    Release,
    /// What is the guest's text? [`Hub::fetched`] wants the answer, whatever it is.
    Request,
}

/// The clipboard of a guest and its clients.
#[derive(Debug, Default)]
pub struct Hub {
    directions: Directions,
    content: Content,
    /// QEMU knows this end.
    registered: bool,
    /// The number of the last grab since QEMU has reset it, on either side.
    serial: Option<u32>,
    grab: bool,
    release: bool,
    fetch: Fetch,
    clients: BTreeMap<SessionId, Client>,
}

impl Hub {
    /// An empty one.
    pub fn new(directions: Directions) -> Self {
        Self {
            directions,
            ..Self::default()
        }
    }

    /// A client has a clipboard; what it is to be sent first (MS-RDPECLIP 1.3.2.1).
    pub fn join(&mut self, id: SessionId) -> Vec<ClipboardPdu<'static>> {
        self.clients.insert(id, Client::default());
        let capabilities = Capabilities::new(
            ClipboardProtocolVersion::V2,
            ClipboardGeneralCapabilityFlags::USE_LONG_FORMAT_NAMES,
        );
        vec![
            ClipboardPdu::Capabilities(capabilities),
            ClipboardPdu::MonitorReady,
        ]
    }

    /// A client has gone, and its text with it.
    pub fn leave(&mut self, id: SessionId) {
        self.clients.remove(&id);
        self.drop_text_of(id);
    }

    /// A client has sent this; what it is answered at once. What makes no sense is ignored.
    pub fn message(
        &mut self,
        id: SessionId,
        message: ClipboardPdu<'_>,
        now: Instant,
    ) -> Vec<ClipboardPdu<'static>> {
        let Some(client) = self.clients.get_mut(&id) else {
            return vec![];
        };
        match message {
            ClipboardPdu::Capabilities(capabilities) => {
                let flag = ClipboardGeneralCapabilityFlags::USE_LONG_FORMAT_NAMES;
                client.long_names = capabilities.flags().contains(flag);
                vec![]
            }
            ClipboardPdu::FormatList(list) => match list.get_formats(client.long_names) {
                Ok(formats) => self.copied(id, &formats, now),
                Err(error) => {
                    log::debug!("a client's formats: {error}");
                    vec![ClipboardPdu::FormatListResponse(FormatListResponse::Fail)]
                }
            },
            ClipboardPdu::FormatDataRequest(request) => self.wants(id, request.format),
            ClipboardPdu::FormatDataResponse(response) => {
                let text = match response.is_error() {
                    true => Ok(String::new()),
                    false => text::from_client(response.data()),
                };
                self.answered(id, text, now)
            }
            // Files, and locks that are for files, haven't been offered.
            _ => vec![],
        }
    }

    /// A client has sent a text that nobody has read, it was too long. What it is sent for it.
    pub fn too_long(&mut self, id: SessionId, now: Instant) -> Vec<ClipboardPdu<'static>> {
        self.answered(id, Err(text::TooLong), now)
    }

    /// A client has copied something of these formats, or has nothing.
    fn copied(
        &mut self,
        id: SessionId,
        formats: &[ClipboardFormat],
        now: Instant,
    ) -> Vec<ClipboardPdu<'static>> {
        let mut answer = vec![ClipboardPdu::FormatListResponse(FormatListResponse::Ok)];
        let to_guest = self.directions.to_guest();
        let offer = self.directions.to_client() && matches!(self.content, Content::Guest(_));
        let Some(client) = self.clients.get_mut(&id) else {
            return answer;
        };
        let first = !std::mem::replace(&mut client.ready, true);
        client.offered = false;
        client.list = None;
        let has_text = formats
            .iter()
            .any(|format| format.id() == ClipboardFormatId::CF_UNICODETEXT);
        if has_text && to_guest {
            client.asked = match client.asked {
                Some((since, _)) if now.saturating_duration_since(since) < PATIENCE => {
                    Some((since, Then::AskAgain))
                }
                _ => {
                    answer.push(request_text());
                    Some((now, Then::Take))
                }
            };
            return answer;
        }
        client.forget_answer();
        // A client that has something else keeps it.
        if first && formats.is_empty() && offer {
            client.offered = true;
            client.list = Some(true);
        }
        self.drop_text_of(id);
        answer
    }

    /// A client has answered: an empty text is none.
    fn answered(
        &mut self,
        id: SessionId,
        text: Result<String, text::TooLong>,
        now: Instant,
    ) -> Vec<ClipboardPdu<'static>> {
        let Some(client) = self.clients.get_mut(&id) else {
            return vec![];
        };
        match client.asked.take() {
            Some((_, Then::Take)) => {}
            Some((_, Then::AskAgain)) => {
                client.asked = Some((now, Then::Take));
                return vec![request_text()];
            }
            Some((_, Then::Drop)) | None => return vec![],
        }
        if let Err(error) = &text {
            let level = match std::mem::replace(&mut client.told, true) {
                false => log::Level::Warn,
                true => log::Level::Debug,
            };
            log::log!(
                level,
                "a client has copied {error}: the guest doesn't get it"
            );
        }
        let text = text.unwrap_or_default();
        match &mut self.content {
            _ if text.is_empty() => self.drop_text_of(id),
            // Two programs that show a clipboard to each other: it is the guest's own.
            Content::Guest(Some(known)) if **known == *text => {}
            Content::Client(owner, known) if **known == *text => *owner = id,
            _ => {
                self.content = Content::Client(id, text.into());
                self.grab = true;
                self.release = false;
                self.withdraw();
            }
        }
        vec![]
    }

    /// A client wants a text in this format.
    fn wants(&mut self, id: SessionId, format: ClipboardFormatId) -> Vec<ClipboardPdu<'static>> {
        let Some(client) = self.clients.get_mut(&id) else {
            return vec![];
        };
        let failed = vec![ClipboardPdu::FormatDataResponse(
            FormatDataResponse::new_error(),
        )];
        let Content::Guest(text) = &self.content else {
            return failed;
        };
        if format != ClipboardFormatId::CF_UNICODETEXT
            || !client.offered
            || client.waiting + client.unsent() >= MAX_WAITING
        {
            return failed;
        }
        if let (Some(text), 0, 0) = (text, client.waiting, client.unsent()) {
            return vec![answer(Some(text))];
        }
        client.waiting += 1;
        if self.fetch == Fetch::No {
            self.fetch = Fetch::Due;
        }
        vec![]
    }

    /// A text that a client has copied, and hasn't any more, is nobody's.
    fn drop_text_of(&mut self, id: SessionId) {
        if matches!(self.content, Content::Client(owner, _) if owner == id) {
            self.content = Content::Nobody;
            self.grab = false;
            self.release = true;
        }
    }

    /// The guest's text is there no more.
    fn withdraw(&mut self) {
        for client in self.clients.values_mut() {
            if std::mem::take(&mut client.offered) {
                client.list = Some(false);
            }
        }
    }

    /// What a client is to be asked again, since it hasn't answered.
    pub fn remind(&mut self, id: SessionId, now: Instant) -> Option<ClipboardPdu<'static>> {
        let client = self.clients.get_mut(&id)?;
        match client.asked {
            Some((since, Then::AskAgain)) if now.saturating_duration_since(since) >= PATIENCE => {
                client.asked = Some((now, Then::Take));
                Some(request_text())
            }
            _ => None,
        }
    }

    /// Whether [`Self::take`] has anything for a client.
    pub fn has_for(&self, id: SessionId) -> bool {
        self.clients
            .get(&id)
            .is_some_and(|client| client.list.is_some() || client.answers.is_some())
    }

    /// What a client is to be sent.
    pub fn take(&mut self, id: SessionId) -> Vec<ClipboardPdu<'static>> {
        let Some(client) = self.clients.get_mut(&id) else {
            return vec![];
        };
        let mut messages = Vec::new();
        if let Some((count, text)) = client.answers.take() {
            messages.extend((0..count).map(|_| answer(text.as_ref())));
        }
        if let Some(there_is) = client.list.take() {
            let text = ClipboardFormat::new(ClipboardFormatId::CF_UNICODETEXT);
            let formats = if there_is { &[text][..] } else { &[] };
            match FormatList::new_unicode(formats, client.long_names) {
                Ok(list) => messages.push(ClipboardPdu::FormatList(list)),
                Err(error) => log::debug!("a list of formats: {error}"),
            }
        }
        messages
    }

    /// QEMU has taken the registration.
    pub fn registered(&mut self) {
        self.registered = true;
        self.reset();
    }

    /// QEMU counts from the beginning, since there is another agent in the guest: it has to be told
    /// again what there is.
    pub fn reset(&mut self) {
        self.serial = None;
        self.grab = matches!(self.content, Content::Client(..));
    }

    /// QEMU has gone, with its guest's text. A request that is out is answered by an error.
    pub fn gone(&mut self) {
        self.registered = false;
        self.serial = None;
        self.release = false;
        if self.fetch == Fetch::Due {
            self.fetch = Fetch::No;
            self.answer_waiting(None);
        }
        self.released(CLIPBOARD);
    }

    /// Somebody else, the guest, has copied something of these types.
    pub fn grabbed(&mut self, selection: u32, serial: u32, has_text: bool) {
        if selection != CLIPBOARD {
            return;
        }
        match (&self.content, self.serial) {
            // Both at once, or one that doesn't count: whose grab has the lower number, or is the
            // guest's, is to be forgotten. QEMU has taken it, so it is told once more.
            (Content::Client(..), Some(last)) if serial <= last => {
                self.grab = true;
                return;
            }
            // Told again: the guest has answered late, or was paused.
            (Content::Guest(_), Some(last)) if serial == last => return,
            _ => {}
        }
        self.serial = Some(serial);
        self.grab = false;
        self.release = false;
        if self.fetch == Fetch::Out {
            self.fetch = Fetch::Outdated;
        }
        if !has_text {
            self.content = Content::Nobody;
            self.withdraw();
            return;
        }
        self.content = Content::Guest(None);
        for client in self.clients.values_mut() {
            client.forget_answer();
        }
        if self.directions.to_client() {
            for client in self.clients.values_mut().filter(|client| client.ready) {
                client.offered = true;
                client.list = Some(true);
            }
        }
    }

    /// The guest has nothing on its clipboard any more. What a client has copied stays: QEMU says
    /// the same when it was told by [`ToQemu::Release`].
    pub fn released(&mut self, selection: u32) {
        if selection == CLIPBOARD && matches!(self.content, Content::Guest(_)) {
            self.content = Content::Nobody;
            if self.fetch == Fetch::Out {
                self.fetch = Fetch::Outdated;
            }
            self.withdraw();
        }
    }

    /// What the guest gets when it pastes.
    pub fn text(&self, selection: u32) -> Option<Arc<str>> {
        match &self.content {
            Content::Client(_, text) if selection == CLIPBOARD => Some(text.clone()),
            _ => None,
        }
    }

    /// Whether [`Self::todo`] has anything.
    pub fn has_todo(&self) -> bool {
        self.registered && (self.grab || self.release || self.fetch == Fetch::Due)
    }

    /// What QEMU is to be told or asked next.
    pub fn todo(&mut self) -> Option<ToQemu> {
        if !self.registered {
            return None;
        }
        if std::mem::take(&mut self.release) {
            return Some(ToQemu::Release);
        }
        if std::mem::take(&mut self.grab) {
            let serial = self.serial.map_or(1, |last| last.saturating_add(1));
            self.serial = Some(serial);
            return Some(ToQemu::Grab(serial));
        }
        if self.fetch == Fetch::Due {
            self.fetch = Fetch::Out;
            return Some(ToQemu::Request);
        }
        None
    }

    /// The guest's text, or none if it couldn't be had.
    pub fn fetched(&mut self, text: Option<String>) {
        let fetched = std::mem::take(&mut self.fetch);
        let text: Option<Arc<str>> = text.map(Arc::from);
        match &mut self.content {
            Content::Guest(_) if fetched == Fetch::Outdated => {
                if self.clients.values().any(|client| client.waiting > 0) {
                    self.fetch = Fetch::Due;
                }
                return;
            }
            Content::Guest(known) => known.clone_from(&text),
            _ => {}
        }
        self.answer_waiting(text);
    }

    fn answer_waiting(&mut self, text: Option<Arc<str>>) {
        for client in self.clients.values_mut() {
            match std::mem::take(&mut client.waiting) {
                0 => {}
                count => client.answers = Some((count + client.unsent(), text.clone())),
            }
        }
    }
}

fn request_text() -> ClipboardPdu<'static> {
    ClipboardPdu::FormatDataRequest(FormatDataRequest {
        format: ClipboardFormatId::CF_UNICODETEXT,
    })
}

fn answer(text: Option<&Arc<str>>) -> ClipboardPdu<'static> {
    ClipboardPdu::FormatDataResponse(match text {
        Some(text) => FormatDataResponse::new_data(text::to_client(text)),
        None => FormatDataResponse::new_error(),
    })
}

#[cfg(test)]
mod tests;
