// SPDX-License-Identifier: GPL-2.0-or-later
//! libusbredirparser, as a peer that sends on whatever packets it is sent.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_void, CStr, CString};
use std::ptr::{null, null_mut};

use usbredir::{Caps, Filter, Interface, Role, Verdict};

/// libusbredirparser's guests acknowledge disconnections by themselves, and say so.
pub const AUTOMATIC_ACK: Caps = Caps::DEVICE_DISCONNECT_ACK;

/// struct usbredirparser, as usbredirparser.h has it.
#[repr(C)]
struct Parser {
    private: *mut c_void,
    log: Option<extern "C" fn(*mut c_void, c_int, *const c_char)>,
    read: Option<extern "C" fn(*mut c_void, *mut u8, c_int) -> c_int>,
    write: Option<extern "C" fn(*mut c_void, *mut u8, c_int) -> c_int>,
    callbacks: [*const c_void; 37],
}

/// struct usbredirfilter_rule.
#[repr(C)]
struct Rule {
    class: c_int,
    vendor: c_int,
    product: c_int,
    version: c_int,
    allow: c_int,
}

const FLAG_HOST: c_int = 1;
const PARSE_ERROR: c_int = -2;

#[link(name = "usbredirparser")]
extern "C" {
    fn usbredirparser_create() -> *mut Parser;
    fn usbredirparser_init(
        parser: *mut Parser,
        version: *const c_char,
        caps: *mut u32,
        count: c_int,
        flags: c_int,
    );
    fn usbredirparser_destroy(parser: *mut Parser);
    fn usbredirparser_do_read(parser: *mut Parser) -> c_int;
    fn usbredirparser_do_write(parser: *mut Parser) -> c_int;
    fn usbredirparser_free_packet_data(parser: *mut Parser, data: *mut u8);
    fn usbredirfilter_string_to_rules(
        text: *const c_char,
        token: *const c_char,
        rule: *const c_char,
        rules: *mut *mut Rule,
        count: *mut c_int,
    ) -> c_int;
    fn usbredirfilter_rules_to_string(
        rules: *const Rule,
        count: c_int,
        token: *const c_char,
        rule: *const c_char,
    ) -> *mut c_char;
    fn usbredirfilter_check(
        rules: *const Rule,
        count: c_int,
        class: u8,
        subclass: u8,
        protocol: u8,
        classes: *const u8,
        subclasses: *const u8,
        protocols: *const u8,
        interfaces: c_int,
        vendor: u16,
        product: u16,
        version: u16,
        flags: c_int,
    ) -> c_int;
    fn usbredirfilter_free(pointer: *mut c_void);
    fn usbredirparser_send_filter_filter(parser: *mut Parser, rules: *const Rule, count: c_int);
}

/// Declares functions that send a packet, and callbacks that call them with what came.
macro_rules! echoes {
    ($($index:literal $callback:ident $send:ident ($($argument:ident: $kind:ty),*) $free:ident)*) => {
        #[link(name = "usbredirparser")]
        extern "C" {
            $(fn $send(parser: *mut Parser, $($argument: $kind),*);)*
        }

        $(extern "C" fn $callback(private: *mut c_void, $($argument: $kind),*) {
            // SAFETY: `private` is the state of the echo whose parser calls this, and nobody else
            // uses it meanwhile; the arguments are what the parser gives to packets of this kind,
            // and the other parser takes the same.
            unsafe {
                let state = &*private.cast::<State>();
                $send(state.sender, $($argument),*);
                $free!(state.sender, $($argument),*);
            }
        })*

        fn set_echoes(parser: &mut Parser) {
            $(parser.callbacks[$index] = $callback as *const c_void;)*
        }
    };
}

macro_rules! keep {
    ($parser:expr, $($argument:ident),*) => {};
    ($parser:expr,) => {};
}

/// The data of a packet is the callback's.
macro_rules! free {
    ($parser:expr, $id:ident, $header:ident, $data:ident, $length:ident) => {
        usbredirparser_free_packet_data($parser, $data)
    };
}

type Header = *mut c_void;

echoes! {
    0 connect usbredirparser_send_device_connect(header: Header) keep
    1 disconnect usbredirparser_send_device_disconnect() keep
    2 reset usbredirparser_send_reset() keep
    3 interface_info usbredirparser_send_interface_info(header: Header) keep
    4 ep_info usbredirparser_send_ep_info(header: Header) keep
    5 set_configuration usbredirparser_send_set_configuration(id: u64, header: Header) keep
    6 get_configuration usbredirparser_send_get_configuration(id: u64) keep
    7 configuration usbredirparser_send_configuration_status(id: u64, header: Header) keep
    8 set_alt usbredirparser_send_set_alt_setting(id: u64, header: Header) keep
    9 get_alt usbredirparser_send_get_alt_setting(id: u64, header: Header) keep
    10 alt usbredirparser_send_alt_setting_status(id: u64, header: Header) keep
    11 start_iso usbredirparser_send_start_iso_stream(id: u64, header: Header) keep
    12 stop_iso usbredirparser_send_stop_iso_stream(id: u64, header: Header) keep
    13 iso_status usbredirparser_send_iso_stream_status(id: u64, header: Header) keep
    14 start_int usbredirparser_send_start_interrupt_receiving(id: u64, header: Header) keep
    15 stop_int usbredirparser_send_stop_interrupt_receiving(id: u64, header: Header) keep
    16 int_status usbredirparser_send_interrupt_receiving_status(id: u64, header: Header) keep
    17 alloc usbredirparser_send_alloc_bulk_streams(id: u64, header: Header) keep
    18 free_streams usbredirparser_send_free_bulk_streams(id: u64, header: Header) keep
    19 streams usbredirparser_send_bulk_streams_status(id: u64, header: Header) keep
    20 cancel usbredirparser_send_cancel_data_packet(id: u64) keep
    21 control usbredirparser_send_control_packet(
        id: u64, header: Header, data: *mut u8, length: c_int) free
    22 bulk usbredirparser_send_bulk_packet(
        id: u64, header: Header, data: *mut u8, length: c_int) free
    23 iso usbredirparser_send_iso_packet(
        id: u64, header: Header, data: *mut u8, length: c_int) free
    24 interrupt usbredirparser_send_interrupt_packet(
        id: u64, header: Header, data: *mut u8, length: c_int) free
    30 reject usbredirparser_send_filter_reject() keep
    33 start_bulk usbredirparser_send_start_bulk_receiving(id: u64, header: Header) keep
    34 stop_bulk usbredirparser_send_stop_bulk_receiving(id: u64, header: Header) keep
    35 bulk_status usbredirparser_send_bulk_receiving_status(id: u64, header: Header) keep
    36 buffered usbredirparser_send_buffered_bulk_packet(
        id: u64, header: Header, data: *mut u8, length: c_int) free
}

extern "C" fn filter(private: *mut c_void, rules: *mut Rule, count: c_int) {
    // SAFETY: as in the callbacks above; the rules are the callback's.
    unsafe {
        let state = &*private.cast::<State>();
        usbredirparser_send_filter_filter(state.sender, rules, count);
        usbredirfilter_free(rules.cast());
    }
}

/// An acknowledgement can't be sent on.
extern "C" fn ack(_: *mut c_void) {}

extern "C" fn log(_: *mut c_void, _: c_int, _: *const c_char) {}

extern "C" fn read(private: *mut c_void, data: *mut u8, count: c_int) -> c_int {
    // SAFETY: `private` is the state of the echo whose parser calls this, and nobody else uses it
    // meanwhile; there is room for `count` bytes at `data`.
    unsafe {
        let state = &mut *private.cast::<State>();
        let count = state.input.len().min(count as usize);
        std::ptr::copy_nonoverlapping(state.input.as_ptr(), data, count);
        state.input.drain(..count);
        count as c_int
    }
}

extern "C" fn write(private: *mut c_void, data: *mut u8, count: c_int) -> c_int {
    // SAFETY: as above, with `count` bytes to be read at `data`.
    unsafe {
        let bytes = std::slice::from_raw_parts(data, count as usize);
        (*private.cast::<State>()).output.extend(bytes);
    }
    count
}

/// What the callbacks of a parser need.
struct State {
    input: Vec<u8>,
    output: Vec<u8>,
    sender: *mut Parser,
}

/// A parser that reads, and one of the other side that sends what the first has read.
pub struct Echo {
    reader: *mut Parser,
    reading: *mut State,
    sending: *mut State,
    own_hello: Vec<u8>,
}

fn parser(role: Role, caps: Caps) -> (*mut Parser, *mut State) {
    let state = Box::into_raw(Box::new(State {
        input: Vec::new(),
        output: Vec::new(),
        sender: null_mut(),
    }));
    // SAFETY: the parser and its state live until the echo is dropped; the callbacks have the
    // types that the header gives them.
    unsafe {
        let parser = usbredirparser_create();
        assert!(!parser.is_null());
        (*parser).private = state.cast();
        (*parser).log = Some(log);
        (*parser).read = Some(read);
        (*parser).write = Some(write);
        set_echoes(&mut *parser);
        (*parser).callbacks[31] = filter as *const c_void;
        (*parser).callbacks[32] = ack as *const c_void;
        let flags = if role == Role::Host { FLAG_HOST } else { 0 };
        usbredirparser_init(parser, c"".as_ptr(), &mut caps.bits(), 1, flags);
        (parser, state)
    }
}

impl Echo {
    /// A peer of a side with `role` and `ours`, with other capabilities of its own.
    pub fn new(role: Role, ours: Caps, theirs: Caps) -> Echo {
        let (reader, reading) = parser(role.peer(), theirs);
        let (sender, sending) = parser(role, ours);
        // SAFETY: both states are this echo's, and no parser runs.
        unsafe {
            (*reading).sender = sender;
            // The parser that sends on believes that it talks to the one that reads.
            usbredirparser_do_write(reader);
            (*sending).input = (*reading).output.clone();
            usbredirparser_do_read(sender);
            let own_hello = std::mem::take(&mut (*reading).output);
            usbredirparser_do_write(sender);
            Echo {
                reader,
                reading,
                sending,
                own_hello,
            }
        }
    }

    /// The hello of the parser that reads.
    pub fn own_hello(&self) -> Vec<u8> {
        self.own_hello.clone()
    }

    /// Takes a peer's hello, which must be what the reference's own would be.
    pub fn hello(&mut self, bytes: &[u8]) {
        // SAFETY: the state is this echo's, and no parser runs.
        let own = unsafe { std::mem::take(&mut (*self.sending).output) };
        assert_eq!(bytes, own);
        assert_eq!(self.echo(bytes), []);
    }

    /// The packets among `bytes` that are taken, as the reference sends them.
    pub fn echo(&mut self, bytes: &[u8]) -> Vec<u8> {
        // SAFETY: parsers and states are this echo's.
        unsafe {
            (*self.reading).input = bytes.to_vec();
            loop {
                let ended = usbredirparser_do_read(self.reader) != PARSE_ERROR;
                if ended || (*self.reading).input.is_empty() {
                    break;
                }
            }
            usbredirparser_do_write((*self.reading).sender);
            std::mem::take(&mut (*self.sending).output)
        }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        // SAFETY: nothing else has the parsers and states.
        unsafe {
            usbredirparser_destroy((*self.reading).sender);
            usbredirparser_destroy(self.reader);
            drop(Box::from_raw(self.reading));
            drop(Box::from_raw(self.sending));
        }
    }
}

/// The rules of a text as the reference writes them; nothing if it has a fault.
pub fn filter_text(text: &str) -> Option<String> {
    let text = CString::new(text).expect("no zero byte");
    let (mut rules, mut count) = (null_mut(), 0);
    // SAFETY: all are strings that end; the rules are freed.
    unsafe {
        let (token, rule) = (c",".as_ptr(), c"|".as_ptr());
        if usbredirfilter_string_to_rules(text.as_ptr(), token, rule, &mut rules, &mut count) != 0 {
            return None;
        }
        let string = usbredirfilter_rules_to_string(rules, count, token, rule);
        let answer = CStr::from_ptr(string).to_str().expect("ASCII").to_owned();
        usbredirfilter_free(string.cast());
        usbredirfilter_free(rules.cast());
        Some(answer)
    }
}

/// What the reference says of a device with the ids of vendor, product and version.
pub fn filter_check(
    filter: &Filter,
    class: u8,
    ids: [u16; 3],
    interfaces: &[Interface],
) -> Verdict {
    let id = |value: Option<u16>| value.map_or(-1, c_int::from);
    let rules: Vec<Rule> = filter
        .rules()
        .iter()
        .map(|rule| Rule {
            class: rule.class.map_or(-1, c_int::from),
            vendor: id(rule.vendor),
            product: id(rule.product),
            version: id(rule.version),
            allow: rule.allow.into(),
        })
        .collect();
    let column = |value: fn(&Interface) -> u8| interfaces.iter().map(value).collect::<Vec<u8>>();
    let classes = column(|interface| interface.class);
    let subclasses = column(|interface| interface.subclass);
    let protocols = column(|interface| interface.protocol);
    // SAFETY: the arrays are as long as the counts say.
    let answer = unsafe {
        usbredirfilter_check(
            if rules.is_empty() {
                null()
            } else {
                rules.as_ptr()
            },
            rules.len() as c_int,
            class,
            0,
            0,
            classes.as_ptr(),
            subclasses.as_ptr(),
            protocols.as_ptr(),
            interfaces.len() as c_int,
            ids[0],
            ids[1],
            ids[2],
            0,
        )
    };
    match -answer {
        0 => Verdict::Allowed,
        libc::EPERM => Verdict::Denied,
        libc::ENOENT => Verdict::NoRule,
        other => panic!("error {other}"),
    }
}
