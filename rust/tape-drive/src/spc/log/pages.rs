// SPDX-License-Identifier: GPL-2.0-or-later
//! What the log pages hold: SPC-4 7.3, SSC-3 8.2; page 17h is SSC-4's, and 30h
//! and 31h are those of LTO drives.

use tape_image::container::Attribute;

use crate::alert;
use crate::config::Config;
use crate::counters::Counters;
use crate::density::{early_warning_in, megabytes};
use crate::spc::attribute::life;
use crate::view::{Partition, Tape, View};

/// What the pages are about, besides the counters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) config: &'a Config,
    pub(crate) view: View<'a>,
    /// The attributes of partition 0, as they are kept on the cartridge.
    pub(crate) attributes: &'a [Attribute],
    /// The data compression page says that it's on.
    pub(crate) compression: bool,
}

/// The parameters of a page.
pub(super) type Contents = fn(&Context<'_>, &Counters) -> Vec<Parameter>;

/// A log parameter.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) code: u16,
    kind: Kind,
    value: Vec<u8>,
}

/// FORMAT AND LINKING.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter = 0,
    Text = 1,
    Binary = 3,
}

impl Parameter {
    /// Appends it, with the values that PC asks for: thresholds, which are
    /// never met, the counter, or its default. Lists have but one value.
    pub(super) fn append(&self, control: u8, bytes: &mut Vec<u8>) {
        const CUMULATIVE: u8 = 1;
        const DEFAULT_CUMULATIVE: u8 = 3;
        const TSD: u8 = 0x20;
        bytes.extend(self.code.to_be_bytes());
        bytes.extend([TSD | self.kind as u8, self.value.len() as u8]);
        match control {
            _ if self.kind != Kind::Counter => bytes.extend(&self.value),
            CUMULATIVE => bytes.extend(&self.value),
            DEFAULT_CUMULATIVE => bytes.extend(vec![0; self.value.len()]),
            _ => bytes.extend(vec![0xff; self.value.len()]),
        }
    }
}

/// Ascending, without page 00h.
pub(super) const PAGES: [(u8, Contents); 8] = [
    (0x02, write_errors),
    (0x03, read_errors),
    (0x0c, sequential_access),
    (0x17, volume),
    (0x1b, compression),
    (alert::PAGE, tape_alert),
    (0x30, usage),
    (0x31, capacity),
];

fn parameter(code: u16, kind: Kind, value: impl Into<Vec<u8>>) -> Parameter {
    let value = value.into();
    Parameter { code, kind, value }
}

/// A counter of `size` bytes, which stays at its highest value.
fn counter(code: u16, value: u64, size: usize) -> Parameter {
    let value = value.min(u64::MAX >> (64 - 8 * size)).to_be_bytes();
    parameter(code, Kind::Counter, &value[8 - size..])
}

fn binary(code: u16, value: impl Into<Vec<u8>>) -> Parameter {
    parameter(code, Kind::Binary, value)
}

/// SPC-4 7.3.5: bytes processed and errors; nothing is corrected here.
fn errors(bytes: u64, uncorrected: u64) -> Vec<Parameter> {
    let mut page: Vec<_> = (0..5).map(|code| counter(code, 0, 4)).collect();
    page.push(counter(5, bytes, 8));
    page.push(counter(6, uncorrected, 4));
    page
}

/// 02h.
fn write_errors(_: &Context<'_>, counters: &Counters) -> Vec<Parameter> {
    let total = counters.total();
    errors(total.to_medium, total.write_errors)
}

/// 03h.
fn read_errors(_: &Context<'_>, counters: &Counters) -> Vec<Parameter> {
    let total = counters.total();
    errors(total.from_medium, total.read_errors)
}

/// 0Ch, SSC-3 8.2.2. Capacities are in 10^6 bytes.
fn sequential_access(context: &Context<'_>, counters: &Counters) -> Vec<Parameter> {
    let total = counters.total();
    let mut page = vec![
        counter(0, total.from_host, 8),
        counter(1, total.to_medium, 8),
        counter(2, total.from_medium, 8),
        counter(3, total.to_host, 8),
    ];
    let current = context
        .view
        .and_then(|tape| Some((tape, tape.partitions.get(tape.partition)?)));
    if let Some((tape, partition)) = current {
        let early_warning = early_warning_in(context.config, partition.capacity);
        let before = match partition.capacity {
            u64::MAX => u64::MAX,
            capacity => capacity.saturating_sub(early_warning),
        };
        page.extend([
            binary(4, mega(partition.used)),
            binary(5, mega(before)),
            binary(6, mega(early_warning)),
            binary(7, mega(tape.position)),
        ]);
    }
    // Cleaning is never required.
    page.push(binary(0x0100, [0; 8]));
    page
}

/// 10^6 bytes, 4 bytes of them; the highest value stands for unknown or
/// without bound, and the next for more than there are numbers.
fn mega(bytes: u64) -> [u8; 4] {
    units(bytes, 1_000_000)
}

/// 2^20 bytes, likewise.
fn mebi(bytes: u64) -> [u8; 4] {
    units(bytes, 1 << 20)
}

fn units(bytes: u64, unit: u64) -> [u8; 4] {
    let value = match bytes {
        u64::MAX => u32::MAX,
        _ => u32::try_from(bytes / unit)
            .unwrap_or(u32::MAX)
            .min(u32::MAX - 1),
    };
    value.to_be_bytes()
}

/// 17h, volume statistics. Page valid is 0 without a cartridge.
fn volume(context: &Context<'_>, counters: &Counters) -> Vec<Parameter> {
    let Some(tape) = context.view else {
        return vec![binary(0x0000, [0])];
    };
    let (mount, life) = (counters.mount(), life::of(context.attributes));
    // This mount included.
    let loads = life.loads + 1;
    let megabytes_of = |bytes: u64| bytes / 1_000_000;
    // The cartridge counts in 2^20 bytes.
    let in_life =
        |mebi: u64, bytes| megabytes_of(mebi.saturating_mul(1 << 20).saturating_add(bytes));
    let barcode = life::barcode(context.attributes);
    let config = context.config;
    let before_early_warning = |partition: &Partition| match partition.remaining() {
        u64::MAX => u64::MAX,
        bytes => bytes.saturating_sub(early_warning_in(config, partition.capacity)),
    };
    vec![
        binary(0x0000, [1]),
        counter(0x0001, loads, 4),
        counter(0x0002, mount.records_written, 8),
        counter(0x0003, 0, 4),
        counter(0x0004, mount.write_errors, 2),
        counter(0x0007, mount.records_read, 8),
        counter(0x0008, 0, 4),
        counter(0x0009, mount.read_errors, 2),
        counter(0x000c, mount.write_errors, 2),
        counter(0x000d, mount.read_errors, 2),
        counter(0x000e, megabytes_of(mount.from_host), 4),
        counter(0x000f, megabytes_of(mount.to_host), 4),
        counter(0x0010, in_life(life.written, mount.from_host), 8),
        counter(0x0011, in_life(life.read, mount.to_host), 8),
        binary(0x0016, megabytes(config).to_be_bytes()),
        binary(0x0017, mega(used(tape))),
        parameter(0x0042, Kind::Text, format!("{barcode:32}")),
        binary(0x0080, [u8::from(tape.write_protected)]),
        binary(0x0081, [u8::from(tape.worm)]),
        // Of earlier mounts it is known that each began there.
        counter(0x0101, loads.saturating_add(mount.beginning_passes), 4),
        counter(0x0102, mount.middle_passes, 4),
        binary(0x0202, records(tape, |partition| partition.capacity)),
        binary(0x0203, records(tape, |partition| partition.used)),
        binary(0x0204, records(tape, before_early_warning)),
    ]
}

fn used(tape: &Tape) -> u64 {
    let used = tape.partitions.iter().map(|partition| partition.used);
    used.fold(0, u64::saturating_add)
}

/// Partition records: length without itself, partition, 10^6 bytes.
fn records(tape: &Tape, bytes: impl Fn(&Partition) -> u64) -> Vec<u8> {
    let mut value = Vec::new();
    for (number, partition) in (0u16..).zip(&tape.partitions) {
        value.extend([7, 0]);
        value.extend(number.to_be_bytes());
        value.extend(mega(bytes(partition)));
    }
    value
}

/// 1Bh, SSC-3 8.2.4: ratios in hundredths, and amounts as 10^6 bytes and the
/// bytes left over. The data is plain.
fn compression(context: &Context<'_>, counters: &Counters) -> Vec<Parameter> {
    const NONE: u64 = 100;
    let total = counters.total();
    let ratio = |bytes: u64| if bytes == 0 { 0 } else { NONE };
    let mut page = vec![
        counter(0, ratio(total.to_host), 2),
        counter(1, ratio(total.from_host), 2),
    ];
    let amounts = [
        total.to_host,
        total.from_medium,
        total.from_host,
        total.to_medium,
    ];
    for (code, bytes) in (2..).step_by(2).zip(amounts) {
        page.push(counter(code, bytes / 1_000_000, 4));
        page.push(counter(code + 1, bytes % 1_000_000, 4));
    }
    page.push(binary(0x0100, [0, u8::from(context.compression)]));
    page
}

/// 2Eh: a byte for each flag.
fn tape_alert(_: &Context<'_>, counters: &Counters) -> Vec<Parameter> {
    (1..=alert::COUNT)
        .map(|flag| {
            let set = counters.alerts() & alert::bit(flag) != 0;
            binary(flag.into(), [u8::from(set)])
        })
        .collect()
}

/// 30h, tape usage. A record is a data set here.
fn usage(context: &Context<'_>, counters: &Counters) -> Vec<Parameter> {
    let (mount, life) = (counters.mount(), life::of(context.attributes));
    let mounted = u64::from(context.view.is_some());
    vec![
        counter(0x01, life.loads + mounted, 4),
        counter(0x02, mount.records_written, 8),
        counter(0x03, 0, 4),
        counter(0x04, mount.write_errors, 2),
        counter(0x05, 0, 2),
        counter(0x06, 0, 2),
        counter(0x07, mount.records_read, 8),
        counter(0x08, 0, 4),
        counter(0x09, mount.read_errors, 2),
        counter(0x0a, 0, 2),
        counter(0x0b, 0, 2),
    ]
}

/// 31h, tape capacity, in 2^20 bytes: what remains of the main partition and
/// of the alternate one, and what there is of them; 0 if there is none.
fn capacity(context: &Context<'_>, _: &Counters) -> Vec<Parameter> {
    let partition = |number: usize| context.view.and_then(|tape| tape.partitions.get(number));
    let of = |number, bytes: fn(&Partition) -> u64| partition(number).map_or(0, bytes);
    vec![
        binary(1, mebi(of(0, Partition::remaining))),
        binary(2, mebi(of(1, Partition::remaining))),
        binary(3, mebi(of(0, |partition| partition.capacity))),
        binary(4, mebi(of(1, |partition| partition.capacity))),
    ]
}
