// SPDX-License-Identifier: GPL-2.0-or-later
//! A guest that copies and pastes, clients that do, and strangers on both sides.

use ironrdp_cliprdr::pdu::{ClipboardFormatName, FormatDataRequest, LockDataId};
use proptest::prelude::*;

use super::*;

const TEXT: ClipboardFormatId = ClipboardFormatId::CF_UNICODETEXT;
const BITMAP: ClipboardFormatId = ClipboardFormatId::CF_DIB;

/// A hub that QEMU knows, and a client that has told that it has nothing.
fn hub(directions: Directions) -> Hub {
    let mut hub = Hub::new(directions);
    hub.registered();
    hub.join(1);
    send(&mut hub, 1, list(&[]));
    hub
}

fn list(formats: &[ClipboardFormatId]) -> ClipboardPdu<'static> {
    let formats: Vec<_> = formats.iter().map(|&id| ClipboardFormat::new(id)).collect();
    ClipboardPdu::FormatList(FormatList::new_unicode(&formats, false).unwrap())
}

fn data(text: &str) -> ClipboardPdu<'static> {
    ClipboardPdu::FormatDataResponse(FormatDataResponse::new_data(text::to_client(text)))
}

fn failed() -> ClipboardPdu<'static> {
    ClipboardPdu::FormatDataResponse(FormatDataResponse::new_error())
}

fn wanted(format: ClipboardFormatId) -> ClipboardPdu<'static> {
    ClipboardPdu::FormatDataRequest(FormatDataRequest { format })
}

fn accepted() -> ClipboardPdu<'static> {
    ClipboardPdu::FormatListResponse(FormatListResponse::Ok)
}

fn send(hub: &mut Hub, id: SessionId, pdu: ClipboardPdu<'_>) -> Vec<ClipboardPdu<'static>> {
    hub.message(id, pdu, Instant::now())
}

/// What a client copies; it is asked for it and answers.
fn copy(hub: &mut Hub, id: SessionId, text: &str) {
    assert_eq!(
        send(hub, id, list(&[BITMAP, TEXT])),
        [accepted(), wanted(TEXT)]
    );
    assert_eq!(send(hub, id, data(text)), []);
}

fn pasted(hub: &Hub) -> Option<String> {
    hub.text(CLIPBOARD).map(|text| text.to_string())
}

#[test]
fn from_a_client_to_the_guest() {
    let mut hub = hub(Directions::Both);
    assert_eq!(hub.todo(), None);
    copy(&mut hub, 1, "a\nb");
    assert_eq!(hub.todo(), Some(ToQemu::Grab(1)));
    assert_eq!(hub.todo(), None);
    assert_eq!(pasted(&hub).as_deref(), Some("a\nb"));
    assert_eq!(hub.text(1), None, "what is marked is nobody's business");
    // The same again is nothing new; another one is.
    copy(&mut hub, 1, "a\nb");
    assert!(!hub.has_todo());
    copy(&mut hub, 1, "c");
    assert_eq!(hub.todo(), Some(ToQemu::Grab(2)));
    // A picture is no text.
    assert_eq!(send(&mut hub, 1, list(&[BITMAP])), [accepted()]);
    assert_eq!(hub.todo(), Some(ToQemu::Release));
    assert_eq!(pasted(&hub), None);
    hub.released(CLIPBOARD);
    assert_eq!(hub.todo(), None);
    assert_eq!(hub.take(1), []);
}

#[test]
fn from_the_guest_to_a_client() {
    let mut hub = hub(Directions::Both);
    hub.grabbed(CLIPBOARD, 0, true);
    assert_eq!(hub.take(1), [list(&[TEXT])]);
    assert_eq!(send(&mut hub, 1, accepted()), []);
    assert!(!hub.has_todo(), "nobody has asked for it");
    assert_eq!(send(&mut hub, 1, wanted(BITMAP)), [failed()]);
    assert_eq!(send(&mut hub, 1, wanted(TEXT)), []);
    assert_eq!(hub.todo(), Some(ToQemu::Request));
    assert_eq!(hub.todo(), None);
    hub.fetched(Some("x\ny".into()));
    assert_eq!(hub.take(1), [data("x\ny")]);
    // It is known now.
    assert_eq!(send(&mut hub, 1, wanted(TEXT)), [data("x\ny")]);
    // What comes back isn't copied.
    copy(&mut hub, 1, "x\ny");
    assert!(!hub.has_todo());
    assert_eq!(pasted(&hub), None);
}

#[test]
fn the_guest_says_nothing_or_has_nothing_more() {
    let mut hub = hub(Directions::Both);
    hub.grabbed(CLIPBOARD, 0, true);
    hub.take(1);
    send(&mut hub, 1, wanted(TEXT));
    assert_eq!(hub.todo(), Some(ToQemu::Request));
    hub.fetched(None);
    assert_eq!(hub.take(1), [failed()]);
    hub.released(CLIPBOARD);
    assert_eq!(hub.take(1), [list(&[])]);
    assert_eq!(send(&mut hub, 1, wanted(TEXT)), [failed()]);
    hub.released(CLIPBOARD);
    assert_eq!(hub.take(1), []);
}

/// The answer to a request is for the text that the guest has copied last.
#[test]
fn the_guest_copies_while_it_is_asked() {
    let mut hub = hub(Directions::Both);
    hub.grabbed(CLIPBOARD, 0, true);
    hub.take(1);
    send(&mut hub, 1, wanted(TEXT));
    assert_eq!(hub.todo(), Some(ToQemu::Request));
    hub.grabbed(CLIPBOARD, 1, true);
    assert_eq!(hub.take(1), [list(&[TEXT])]);
    assert_eq!(send(&mut hub, 1, wanted(TEXT)), []);
    assert_eq!(send(&mut hub, 1, wanted(TEXT)), [failed()], "too many");
    assert_eq!(hub.todo(), None, "one is out already");
    hub.fetched(Some("old".into()));
    assert_eq!(hub.todo(), Some(ToQemu::Request));
    hub.fetched(Some("new".into()));
    assert_eq!(hub.take(1), [data("new"), data("new")]);
}

#[test]
fn only_one_way() {
    let mut to_guest = hub(Directions::ToGuest);
    to_guest.grabbed(CLIPBOARD, 0, true);
    assert_eq!(to_guest.take(1), []);
    assert_eq!(send(&mut to_guest, 1, wanted(TEXT)), [failed()]);
    assert!(!to_guest.has_todo());
    copy(&mut to_guest, 1, "a");
    assert_eq!(to_guest.todo(), Some(ToQemu::Grab(1)));

    let mut to_client = hub(Directions::ToClient);
    assert_eq!(send(&mut to_client, 1, list(&[TEXT])), [accepted()]);
    assert_eq!(send(&mut to_client, 1, data("secret")), []);
    assert!(!to_client.has_todo());
    assert_eq!(pasted(&to_client), None);
    to_client.grabbed(CLIPBOARD, 0, true);
    assert_eq!(to_client.take(1), [list(&[TEXT])]);
}

/// ui/dbus-display1.xml: the higher number counts, and the client's of two that are equal.
#[test]
fn who_was_first() {
    let mut hub = hub(Directions::Both);
    hub.grabbed(CLIPBOARD, 4, true);
    hub.take(1);
    copy(&mut hub, 1, "a");
    assert_eq!(hub.todo(), Some(ToQemu::Grab(5)));
    // Sent before it had heard of this, but QEMU has taken it.
    for serial in [4, 5] {
        hub.grabbed(CLIPBOARD, serial, true);
        assert_eq!(pasted(&hub).as_deref(), Some("a"));
    }
    assert_eq!(hub.todo(), Some(ToQemu::Grab(6)));
    assert_eq!(hub.take(1), []);
    hub.grabbed(CLIPBOARD, 7, true);
    assert_eq!(pasted(&hub), None);
    assert_eq!(hub.take(1), [list(&[TEXT])]);
    // A guest that was paused is told of again.
    hub.grabbed(CLIPBOARD, 7, true);
    assert_eq!(hub.take(1), []);
    // The highest number there is.
    hub.grabbed(CLIPBOARD, u32::MAX, true);
    copy(&mut hub, 1, "b");
    assert_eq!(hub.todo(), Some(ToQemu::Grab(u32::MAX)));
}

/// A guest that begins anew, with another agent, is told what there is.
#[test]
fn numbers_begin_again() {
    let mut hub = hub(Directions::Both);
    hub.grabbed(CLIPBOARD, 9, true);
    copy(&mut hub, 1, "a");
    assert_eq!(hub.todo(), Some(ToQemu::Grab(10)));
    hub.reset();
    assert_eq!(hub.todo(), Some(ToQemu::Grab(1)));
    hub.reset();
    hub.grabbed(CLIPBOARD, 0, true);
    assert_eq!(hub.todo(), None);
    assert_eq!(pasted(&hub), None);
}

#[test]
fn the_guest_copies_while_a_client_is_asked() {
    let mut hub = hub(Directions::Both);
    send(&mut hub, 1, list(&[TEXT]));
    hub.grabbed(CLIPBOARD, 0, true);
    assert_eq!(send(&mut hub, 1, data("earlier")), []);
    assert_eq!(pasted(&hub), None);
    assert_eq!(hub.take(1), [list(&[TEXT])]);
    assert!(!hub.has_todo());
}

#[test]
fn a_client_copies_while_it_is_asked() {
    let mut hub = hub(Directions::Both);
    assert_eq!(send(&mut hub, 1, list(&[TEXT])), [accepted(), wanted(TEXT)]);
    for _ in 0..1000 {
        assert_eq!(send(&mut hub, 1, list(&[TEXT])), [accepted()], "one is out");
    }
    assert_eq!(send(&mut hub, 1, data("old")), [wanted(TEXT)]);
    assert_eq!(pasted(&hub), None);
    assert_eq!(send(&mut hub, 1, data("new")), []);
    assert_eq!(pasted(&hub).as_deref(), Some("new"));
    // Something else meanwhile, and then a text.
    send(&mut hub, 1, list(&[TEXT]));
    send(&mut hub, 1, list(&[BITMAP]));
    assert_eq!(pasted(&hub), None);
    assert_eq!(send(&mut hub, 1, list(&[TEXT])), [accepted()]);
    assert_eq!(send(&mut hub, 1, data("older")), [wanted(TEXT)]);
    assert_eq!(send(&mut hub, 1, failed()), []);
    assert_eq!(pasted(&hub), None);
}

#[test]
fn a_client_that_doesnt_answer_is_asked_again_when_it_copies() {
    let mut hub = hub(Directions::Both);
    let now = Instant::now();
    hub.message(1, list(&[TEXT]), now);
    let answer = hub.message(1, list(&[TEXT]), now + PATIENCE - Duration::from_millis(1));
    assert_eq!(answer, [accepted()]);
    let answer = hub.message(1, list(&[TEXT]), now + PATIENCE);
    assert_eq!(answer, [accepted(), wanted(TEXT)]);
    // Or after some time, once: it has copied since it was asked.
    assert_eq!(hub.remind(1, now + 3 * PATIENCE), None);
    let now = now + PATIENCE;
    hub.message(1, list(&[TEXT]), now);
    assert_eq!(
        hub.remind(1, now + PATIENCE - Duration::from_millis(1)),
        None
    );
    assert_eq!(hub.remind(1, now + PATIENCE), Some(wanted(TEXT)));
    assert_eq!(hub.remind(1, now + 3 * PATIENCE), None);
    assert_eq!(send(&mut hub, 1, data("a")), []);
    assert_eq!(pasted(&hub).as_deref(), Some("a"));
}

#[test]
fn a_text_that_is_too_long() {
    let mut hub = hub(Directions::Both);
    copy(&mut hub, 1, "a");
    assert_eq!(hub.todo(), Some(ToQemu::Grab(1)));
    send(&mut hub, 1, list(&[TEXT]));
    send(&mut hub, 1, data(&"a".repeat(text::MAX_TEXT + 1)));
    assert_eq!(pasted(&hub), None, "nor is the last one pasted instead");
    assert_eq!(hub.todo(), Some(ToQemu::Release));
    send(&mut hub, 1, list(&[TEXT]));
    assert_eq!(hub.too_long(1, Instant::now()), []);
    copy(&mut hub, 1, "b");
    assert_eq!(pasted(&hub).as_deref(), Some("b"));
}

#[test]
fn what_nobody_asked_for() {
    let mut hub = hub(Directions::Both);
    assert_eq!(send(&mut hub, 1, data("a")), []);
    assert_eq!(hub.too_long(1, Instant::now()), []);
    assert_eq!(send(&mut hub, 1, wanted(TEXT)), [failed()]);
    assert_eq!(send(&mut hub, 1, ClipboardPdu::LockData(LockDataId(7))), []);
    assert_eq!(send(&mut hub, 1, ClipboardPdu::MonitorReady), []);
    assert_eq!(send(&mut hub, 2, list(&[TEXT])), []);
    assert_eq!(send(&mut hub, 2, data("a")), []);
    hub.fetched(Some("a".into()));
    assert_eq!(hub.take(1), []);
    assert!(!hub.has_todo());
    // What is marked isn't copied.
    hub.grabbed(1, 5, true);
    hub.released(1);
    assert_eq!(hub.take(1), []);
    // Nor is what has no text.
    hub.grabbed(CLIPBOARD, 6, false);
    assert_eq!(hub.take(1), []);
}

#[test]
fn long_names_and_names_that_are_none() {
    let mut hub = hub(Directions::Both);
    let flag = ClipboardGeneralCapabilityFlags::USE_LONG_FORMAT_NAMES;
    let capabilities = Capabilities::new(ClipboardProtocolVersion::V2, flag);
    send(&mut hub, 1, ClipboardPdu::Capabilities(capabilities));
    let html = ClipboardFormat::new(ClipboardFormatId(0xc001)).with_name(ClipboardFormatName::HTML);
    let formats = [html, ClipboardFormat::new(TEXT)];
    let long = FormatList::new_unicode(&formats, true).unwrap();
    let answer = send(&mut hub, 1, ClipboardPdu::FormatList(long));
    assert_eq!(answer, [accepted(), wanted(TEXT)]);
    // CB_FORMAT_LIST, no flags, eight bytes: a name that is half of a pair.
    let lone = [2, 0, 0, 0, 8, 0, 0, 0, 13, 0, 0, 0, 0, 0xd8, 0, 0];
    let pdu = ironrdp_core::decode::<ClipboardPdu<'_>>(&lone).unwrap();
    let refused = ClipboardPdu::FormatListResponse(FormatListResponse::Fail);
    assert_eq!(send(&mut hub, 1, pdu), [refused]);
}

#[test]
fn clients_side_by_side() {
    let mut hub = hub(Directions::Both);
    hub.join(2);
    hub.grabbed(CLIPBOARD, 0, true);
    assert_eq!(hub.take(2), [], "it hasn't begun");
    assert_eq!(hub.take(1), [list(&[TEXT])]);
    assert_eq!(send(&mut hub, 2, list(&[])), [accepted()]);
    assert_eq!(hub.take(2), [list(&[TEXT])]);
    // One that comes with something keeps it.
    hub.join(3);
    send(&mut hub, 3, list(&[BITMAP]));
    assert_eq!(hub.take(3), []);

    send(&mut hub, 1, wanted(TEXT));
    send(&mut hub, 2, wanted(TEXT));
    assert_eq!(hub.todo(), Some(ToQemu::Request));
    assert_eq!(hub.todo(), None);
    hub.fetched(Some("a".into()));
    assert_eq!(hub.take(1), [data("a")]);
    assert_eq!(hub.take(2), [data("a")]);

    // What one has copied is the guest's, and not another client's.
    copy(&mut hub, 1, "b");
    assert_eq!(hub.take(1), []);
    assert_eq!(hub.take(2), [list(&[])]);
    assert_eq!(send(&mut hub, 2, wanted(TEXT)), [failed()]);
    assert_eq!(hub.todo(), Some(ToQemu::Grab(1)));
    hub.leave(2);
    assert_eq!(pasted(&hub).as_deref(), Some("b"));
    hub.leave(1);
    assert_eq!(pasted(&hub), None, "who has gone has no text");
    assert_eq!(hub.todo(), Some(ToQemu::Release));
}

#[test]
fn qemu_goes_and_comes() {
    let mut hub = hub(Directions::Both);
    hub.grabbed(CLIPBOARD, 3, true);
    hub.take(1);
    send(&mut hub, 1, wanted(TEXT));
    hub.gone();
    assert_eq!(hub.take(1), [failed(), list(&[])]);
    copy(&mut hub, 1, "a");
    assert_eq!(hub.todo(), None);
    hub.registered();
    assert_eq!(hub.todo(), Some(ToQemu::Grab(1)));
    hub.gone();
    hub.registered();
    assert_eq!(hub.todo(), Some(ToQemu::Grab(1)));
    // A request that was out when it went.
    hub.grabbed(CLIPBOARD, 5, true);
    hub.take(1);
    send(&mut hub, 1, wanted(TEXT));
    assert_eq!(hub.todo(), Some(ToQemu::Request));
    hub.gone();
    hub.fetched(None);
    assert_eq!(hub.take(1), [failed(), list(&[])]);
}

#[derive(Clone, Debug)]
enum Step {
    Bytes(SessionId, Vec<u8>),
    List(SessionId, bool),
    Data(SessionId, String),
    TooLong(SessionId),
    Want(SessionId),
    Take(SessionId),
    Leave(SessionId),
    Join(SessionId),
    Grabbed(u32, u32, bool),
    Released(u32),
    Reset,
    Gone,
    Registered,
    Todo,
    Fetched(Option<String>),
}

fn step() -> impl Strategy<Value = Step> {
    let id = || 1..3_u64;
    prop_oneof![
        (id(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(id, it)| Step::Bytes(id, it)),
        (id(), any::<bool>()).prop_map(|(id, text)| Step::List(id, text)),
        (id(), "[ab\n]{0,2}").prop_map(|(id, text)| Step::Data(id, text)),
        id().prop_map(Step::TooLong),
        id().prop_map(Step::Want),
        id().prop_map(Step::Take),
        id().prop_map(Step::Leave),
        id().prop_map(Step::Join),
        (0..2_u32, 0..4_u32, any::<bool>()).prop_map(|(a, b, c)| Step::Grabbed(a, b, c)),
        (0..2_u32).prop_map(Step::Released),
        Just(Step::Reset),
        Just(Step::Gone),
        Just(Step::Registered),
        Just(Step::Todo),
        prop::option::of("[ab\n]{0,2}").prop_map(Step::Fetched),
    ]
}

proptest! {
    /// In whatever order things come: each side has one request out, each of a client's is answered
    /// once, and in the end QEMU knows whose text it is.
    #[test]
    fn whatever_comes(steps in prop::collection::vec(step(), 0..80)) {
        let mut hub = Hub::new(Directions::Both);
        // Requests and what answers them: of this end to clients and QEMU, of clients to this end.
        let mut asked = BTreeMap::<SessionId, i32>::new();
        let mut waiting = BTreeMap::<SessionId, i32>::new();
        let mut out = 0;
        let mut owner = false;
        for step in steps {
            let mut sent = vec![];
            let mut to = 1;
            match step {
                Step::Bytes(id, bytes) => {
                    if let Ok(pdu) = ironrdp_core::decode::<ClipboardPdu<'_>>(&bytes) {
                        to = id;
                        let is_request = matches!(pdu, ClipboardPdu::FormatDataRequest(_));
                        let is_answer = matches!(pdu, ClipboardPdu::FormatDataResponse(_));
                        if hub.clients.contains_key(&id) {
                            *waiting.entry(id).or_default() += i32::from(is_request);
                            if is_answer {
                                asked.insert(id, 0);
                            }
                        }
                        sent = send(&mut hub, id, pdu);
                    }
                }
                Step::List(id, text) => {
                    to = id;
                    sent = send(&mut hub, id, list(if text { &[TEXT] } else { &[] }));
                }
                Step::Data(id, text) => {
                    to = id;
                    asked.insert(id, 0);
                    sent = send(&mut hub, id, data(&text));
                }
                Step::TooLong(id) => {
                    to = id;
                    asked.insert(id, 0);
                    sent = hub.too_long(id, Instant::now());
                }
                Step::Want(id) => {
                    to = id;
                    if hub.clients.contains_key(&id) {
                        *waiting.entry(id).or_default() += 1;
                    }
                    sent = send(&mut hub, id, wanted(TEXT));
                }
                Step::Take(id) => {
                    to = id;
                    sent = hub.take(id);
                    prop_assert!(!hub.has_for(id));
                }
                Step::Leave(id) => {
                    hub.leave(id);
                    asked.remove(&id);
                    waiting.remove(&id);
                }
                Step::Join(id) if !hub.clients.contains_key(&id) => {
                    hub.join(id);
                }
                Step::Join(_) => {}
                Step::Grabbed(selection, serial, text) => {
                    hub.grabbed(selection, serial, text);
                    owner &= selection != CLIPBOARD;
                }
                Step::Released(selection) => hub.released(selection),
                Step::Reset => hub.reset(),
                Step::Gone => {
                    hub.gone();
                    owner = false;
                }
                Step::Registered => {
                    hub.registered();
                    owner = false;
                }
                Step::Todo => match hub.todo() {
                    Some(ToQemu::Grab(_)) => owner = true,
                    Some(ToQemu::Release) => owner = false,
                    Some(ToQemu::Request) => out += 1,
                    None => prop_assert!(!hub.has_todo()),
                },
                Step::Fetched(text) if out > 0 => {
                    out = 0;
                    hub.fetched(text);
                }
                Step::Fetched(_) => {}
            }
            for pdu in sent {
                match pdu {
                    ClipboardPdu::FormatDataRequest(_) => *asked.entry(to).or_default() += 1,
                    ClipboardPdu::FormatDataResponse(_) => *waiting.entry(to).or_default() -= 1,
                    _ => {}
                }
            }
            prop_assert!(out <= 1, "two requests to QEMU");
            prop_assert!(asked.values().all(|&count| count <= 1), "two requests to a client");
            prop_assert!(waiting.values().all(|count| (0..=2).contains(count)), "{waiting:?}");
        }
        if hub.registered {
            while let Some(todo) = hub.todo() {
                match todo {
                    ToQemu::Grab(_) => owner = true,
                    ToQemu::Release => owner = false,
                    ToQemu::Request => hub.fetched(None),
                }
            }
            prop_assert_eq!(pasted(&hub).is_some(), owner);
        }
    }
}
