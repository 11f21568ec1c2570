// SPDX-License-Identifier: GPL-2.0-or-later
//! What is printed.

use std::io::{self, Write};

use mapped_ram::snapshot::{End, Snapshot};
use mapped_ram::working_set::{Identity, WorkingSet};

const MIB: f64 = (1 << 20) as f64;

/// A snapshot: a line for each block, and its end.
pub fn snapshot(out: &mut impl Write, snapshot: &Snapshot, identity: &Identity) -> io::Result<()> {
    let machine = snapshot.machine.as_deref().unwrap_or("unknown");
    writeln!(out, "identity      {identity}")?;
    writeln!(out, "machine type  {}", printable(machine))?;
    writeln!(out, "file          {:.1} MiB", snapshot.size as f64 / MIB)?;
    writeln!(out, "device state  {} bytes", snapshot.device_state)?;
    let end = match snapshot.end {
        End::Description => "yes",
        End::Unknown => {
            "unknown: it doesn't end with QEMU's description of the device state, as a file does \
             that wasn't cut"
        }
        End::NoDeviceState => "no: it ends where the device state should begin",
    };
    writeln!(out, "whole         {end}\n")?;
    writeln!(
        out,
        "{:>12} {:>6} {:>12} {:>12}  RAM block",
        "MiB", "page", "data pages", "zero pages"
    )?;
    let (mut bytes, mut data, mut zero) = (0, 0, 0);
    for block in &snapshot.blocks {
        let image = &block.image;
        let set = block.data.count(0..block.data.len());
        row(
            out,
            image.length,
            Some(image.page_size),
            set,
            image.pages() - set,
            &image.name,
        )?;
        bytes += image.length;
        data += set;
        zero += image.pages() - set;
    }
    row(out, bytes, None, data, zero, "in all")
}

fn row(
    out: &mut impl Write,
    bytes: u64,
    page: Option<u64>,
    data: u64,
    zero: u64,
    name: &str,
) -> io::Result<()> {
    let page = page.map(|page| page.to_string()).unwrap_or_default();
    let mib = bytes as f64 / MIB;
    writeln!(
        out,
        "{mib:>12.3} {page:>6} {data:>12} {zero:>12}  {}",
        printable(name)
    )
}

/// A working set: what it is of, and how much of each block.
pub fn working_set(out: &mut impl Write, set: &WorkingSet) -> io::Result<()> {
    writeln!(out, "snapshot      {}", set.identity)?;
    writeln!(out, "loads         {}", set.loads)?;
    writeln!(out, "page size     {}", set.page_size)?;
    writeln!(
        out,
        "pages         {}, {:.1} MiB, in {} runs",
        set.pages(),
        set.bytes() as f64 / MIB,
        set.runs.len()
    )?;
    let along = set.runs.iter().filter(|run| run.along);
    let along: u64 = along.map(|run| u64::from(run.pages)).sum();
    writeln!(out, "came along    {along}\n")?;
    writeln!(out, "{:>12} {:>12}  RAM block", "pages", "of")?;
    for (index, block) in set.blocks.iter().enumerate() {
        let runs = set
            .runs
            .iter()
            .filter(|run| usize::from(run.block) == index);
        let pages: u64 = runs.map(|run| u64::from(run.pages)).sum();
        writeln!(
            out,
            "{pages:>12} {:>12}  {}",
            block.pages,
            printable(&block.name)
        )?;
    }
    Ok(())
}

/// A working set's runs of pages, in order.
pub fn pages(out: &mut impl Write, set: &WorkingSet) -> io::Result<()> {
    writeln!(
        out,
        "\n{:>12} {:>8} {:>5}       RAM block",
        "first page", "pages", "loads"
    )?;
    for run in &set.runs {
        let along = if run.along { "along" } else { "" };
        let block = &set.blocks[usize::from(run.block)].name;
        writeln!(
            out,
            "{:>12} {:>8} {:>5} {along:5} {}",
            run.page,
            run.pages,
            run.loads,
            printable(block)
        )?;
    }
    Ok(())
}

/// A name that comes from a file, without what would control the terminal.
fn printable(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}
