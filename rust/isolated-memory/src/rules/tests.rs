// SPDX-License-Identifier: GPL-2.0-or-later
use super::*;
use proptest::prelude::*;

/// What the writable buffers hold after a failure, of a guest that had 0xee there.
fn failed(device: u16, queue: usize, out: &[u8], room: usize) -> Option<(u64, Vec<u8>)> {
    let (mut out, mut into) = (out.to_vec(), vec![0xee; room]);
    let end = Rule::new(device, queue).fail(
        iter::once(VolatileSlice::from(&mut out[..])),
        iter::once(VolatileSlice::from(&mut into[..])),
        room as u64,
    );
    assert!(
        end.is_some() || into.iter().all(|&byte| byte == 0xee),
        "no failure, but something was written"
    );
    end.map(|end| (end, into))
}

#[test]
fn a_status_that_is_the_last_byte() {
    for (device, queue, value) in [(2, 0, 1), (2, 7, 1), (20, 0, 1), (34, 0, 1), (8, 0, 9)] {
        let (end, into) = failed(device, queue, &[0; 16], 5).expect("room for a status");
        assert_eq!((end, into), (5, vec![0xee, 0xee, 0xee, 0xee, value]));
        assert_eq!(failed(device, queue, &[0; 16], 0), None);
    }
}

#[test]
fn a_status_that_comes_first() {
    let (end, into) = failed(8, 2, &[0; 51], 108).expect("room for a response");
    assert_eq!(end, 12);
    assert_eq!(into[..12], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
    assert!(into[12..].iter().all(|&byte| byte == 0xee));
    assert_eq!(failed(8, 2, &[0; 51], 11), None);
    assert_eq!(failed(41, 0, &[0; 8], 2), Some((2, vec![1, 0])));
    assert_eq!(failed(41, 1, &[0; 4], 1), Some((1, vec![0])));
    assert_eq!(failed(17, 0, &[0; 8], 8).expect("room").1[0], 5);
    let (end, into) = failed(25, 0, &[0; 4], 6).expect("room for a code");
    assert_eq!((end, into), (4, vec![0x03, 0x80, 0, 0, 0xee, 0xee]));
}

#[test]
fn a_sound_cards_status_follows_what_it_captured() {
    for queue in [2, 3] {
        let (end, into) = failed(25, queue, &[0; 4], 10).expect("room for a status");
        assert_eq!(end, 10);
        assert_eq!(into, [0xee, 0xee, 0x03, 0x80, 0, 0, 0, 0, 0, 0]);
        assert_eq!(failed(25, queue, &[0; 4], 7), None);
    }
}

#[test]
fn an_answer_that_names_its_request() {
    let request: Vec<u8> = (1..=40).collect();
    let (end, into) = failed(26, 1, &request, 20).expect("room for a header");
    assert_eq!(end, 16);
    let reply = [
        16, 0, 0, 0, 0xfb, 0xff, 0xff, 0xff, 9, 10, 11, 12, 13, 14, 15, 16,
    ];
    assert_eq!(into[..16], reply);
    assert_eq!(failed(26, 1, &request[..15], 20), None, "no unique");
    assert_eq!(failed(26, 1, &request, 0), None, "FORGET wants no answer");
    let (end, into) = failed(32, 0, &request, 9).expect("room for a status");
    assert_eq!(end, 8);
    assert_eq!(into, [1, 2, 3, 4, 0xf9, 0xff, 0xff, 0xff, 0xee]);
}

#[test]
fn streams_and_strangers_have_no_failure() {
    for (device, queue) in [
        (1, 0),
        (1, 1),
        (3, 0),
        (4, 0),
        (19, 0),
        (19, 2),
        (18, 0),
        (99, 0),
    ] {
        assert_eq!(
            failed(device, queue, &[0; 64], 64),
            None,
            "{device}, {queue}"
        );
    }
    assert_eq!(Rule::new(99, 0), OTHERS);
}

#[test]
fn streams_alone_believe_the_length() {
    let streams = TABLE.iter().filter(|row| row.rule.length == Length::Stream);
    let mut names: Vec<_> = streams.map(|row| row.name).collect();
    names.dedup();
    assert_eq!(names, ["net", "console", "rng", "vsock"]);
}

/// What a driver looks at first must not lie behind what it is told of.
#[test]
fn whoever_has_a_status_sees_it() {
    for row in TABLE {
        let sees = matches!(row.rule.length, Length::Status | Length::Reply);
        let captures = row.device == SOUND && row.queues == Queues::One(3);
        assert_eq!(row.rule.failure.is_some(), sees || captures, "{row}");
        if let Some(failure) = row.rule.failure {
            assert!(failure.bytes.len() <= FAILURE_MAX, "{row}");
        }
    }
}

#[test]
fn the_docs_have_this_table() {
    let docs = include_str!("../../../../docs/memory-isolation.md");
    let missing: Vec<_> = TABLE.iter().map(Row::to_string).collect();
    let missing: Vec<_> = missing.iter().filter(|row| !docs.contains(*row)).collect();
    assert!(
        missing.is_empty(),
        "not in docs/memory-isolation.md:\n{missing:#?}"
    );
}

fn cut(bytes: &mut [u8], at: usize) -> [VolatileSlice<'_>; 2] {
    let slice = VolatileSlice::from(bytes);
    let (first, last) = slice.split_at(at.min(slice.len())).expect("inside");
    [first, last]
}

proptest! {
    /// However the guest cuts its buffers, the answer is the same.
    #[test]
    fn cuts_make_no_difference(
        row in 0..TABLE.len(),
        out in prop::collection::vec(any::<u8>(), 0..64),
        out_cut in 0..64usize,
        room in 0..64usize,
        room_cut in 0..64usize,
    ) {
        let row = &TABLE[row];
        let queue = (0..8).find(|&queue| row.queues.has(queue)).expect("a queue");
        let whole = failed(row.device, queue, &out, room);
        let (mut readable, mut writable) = (out.clone(), vec![0xee; room]);
        let end = Rule::new(row.device, queue).fail(
            cut(&mut readable, out_cut).into_iter(),
            cut(&mut writable, room_cut).into_iter(),
            room as u64,
        );
        prop_assert_eq!(end.map(|end| (end, writable)), whole);
        prop_assert_eq!(readable, out);
    }
}
