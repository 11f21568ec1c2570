// SPDX-License-Identifier: GPL-2.0-or-later
//! What memory holds after a load on demand, and how much of it is taken.

use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use annex_qtest::error::Skip;
use annex_qtest::files::Dir;
use annex_qtest::memory::{Backing, HugePages};
use annex_qtest::snapshot::{self, Mode};
use annex_qtest::trial::Family;
use anyhow::{bail, ensure, Context, Result};
use mapped_ram::hold::Held;

use crate::fixture::{Fixture, RAM_MIB, SEED};

inventory::submit! { Family(|add| {
    for backing in Backing::ALL {
        add(
            format!("snapshot/on-demand/byte-for-byte/{backing}"),
            Box::new(move |dir| byte_for_byte(dir, backing)),
        );
    }
    add("snapshot/on-demand/mostly-empty".into(), Box::new(takes_no_more_memory));
    add("snapshot/on-demand/read-only".into(), Box::new(read_only));
}) }

/// Every RAM block as an eager load leaves it: machines restored paused and
/// saved again before they ran make the same file, as far as it is RAM. Private
/// memory may also be the snapshot itself.
fn byte_for_byte(dir: &Dir, backing: Backing) -> Result<()> {
    let _pages = match backing {
        Backing::Hugetlb => Some(HugePages::reserve(RAM_MIB)?),
        _ => None,
    };
    let fixture = Fixture::paused()?;
    let save = |name: &str, path: &Path, mode| {
        let config = fixture.config.backed_by(backing);
        let vm = snapshot::load_whole(&config, name, dir, path, mode)?;
        ensure!(
            vm.run_state()? == "paused",
            "restored {}, not paused",
            vm.run_state()?
        );
        let path = dir.file(&format!("{name}.snapshot"));
        snapshot::save(&vm, &path)?;
        vm.quit()?;
        anyhow::Ok(path)
    };
    let eager = save("eager", &fixture.path, Mode::Eager)?;
    let on_demand = save("on-demand", &fixture.path, Mode::OnDemand)?;
    same_bytes(&eager, &on_demand)?;
    if backing == Backing::Anon {
        let held = Held::of(&fixture.path)?;
        same_bytes(&eager, &save("mapped", &held.path(), Mode::Mapped)?)?;
    }
    Ok(())
}

/// Compares the RAM sections of two snapshots: names, sizes, bitmaps, pages.
fn same_bytes(a: &Path, b: &Path) -> Result<()> {
    let (mut a, mut b) = (File::open(a)?, File::open(b)?);
    let end = ram_end(&a)?;
    ensure!(
        end == ram_end(&b)?,
        "the RAM sections end at {end} and {}",
        ram_end(&b)?
    );
    ensure!(end > RAM_MIB << 20, "{end} bytes don't hold all of RAM");
    let (mut chunk_a, mut chunk_b) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    let mut offset = 0;
    while offset < end {
        let length = chunk_a.len().min(usize::try_from(end - offset)?);
        let (a_bytes, b_bytes) = (&mut chunk_a[..length], &mut chunk_b[..length]);
        a.read_exact(a_bytes)?;
        b.read_exact(b_bytes)?;
        // As a whole first: that is libc's, and fast where Rust isn't optimised.
        if a_bytes != b_bytes {
            let index = a_bytes.iter().zip(b_bytes.iter()).position(|(a, b)| a != b);
            let at = offset + index.context("they differ")? as u64;
            bail!("byte {at} of the files differs");
        }
        offset += length as u64;
    }
    Ok(())
}

/// Where the last block's pages end in a mapped-ram file.
///
/// The stream says how long all blocks are together, with a flag in the low
/// bits; then come the blocks: name, length, a 28-byte header, the bitmap and
/// at an offset told by the header the pages. The next block follows on them.
fn ram_end(file: &File) -> Result<u64> {
    const FIRST: &[u8] = b"\x06pc.ram";
    let mut start = vec![0; 1 << 16];
    file.read_exact_at(&mut start, 0)?;
    let found = start
        .windows(FIRST.len())
        .position(|window| window == FIRST);
    let mut at = found.context("no block pc.ram near the start")? as u64;
    let number = |at: u64| -> Result<u64> {
        let mut bytes = [0; 8];
        file.read_exact_at(&mut bytes, at)?;
        Ok(u64::from_be_bytes(bytes))
    };
    let mut left = number(at - 8)? & !0xfff;
    while left > 0 {
        let mut name_length = [0];
        file.read_exact_at(&mut name_length, at)?;
        let length = at + 1 + u64::from(name_length[0]);
        let header = length + 8;
        let pages = number(header + 20)?;
        at = pages + number(length)?;
        left = left
            .checked_sub(number(length)?)
            .context("blocks longer than their sum")?;
    }
    Ok(at)
}

/// Runs of zero pages take no memory: an eager load is the measure.
fn takes_no_more_memory(dir: &Dir) -> Result<()> {
    /// What the load itself may still hold: its buffers, its threads' stacks.
    const SLACK_KIB: u64 = 8 << 10;

    let fixture = Fixture::mostly_empty()?;
    let resident = |name, mode| {
        let vm = snapshot::load_whole(&fixture.config, name, dir, &fixture.path, mode)?;
        let resident = vm.resident_kib()?;
        dir.log(format!("{name}: {resident} KiB"));
        vm.quit()?;
        anyhow::Ok(resident)
    };
    let eager = resident("eager", Mode::Eager)?;
    let on_demand = resident("on-demand", Mode::OnDemand)?;
    ensure!(
        eager < fixture.config.mib * 1024 / 2,
        "{eager} KiB: not a mostly empty guest"
    );
    ensure!(
        on_demand <= eager + SLACK_KIB,
        "{on_demand} KiB resident after a load on demand, {eager} KiB after an eager one"
    );
    Ok(())
}

/// A snapshot that nobody may write, in a directory where nobody may.
fn read_only(dir: &Dir) -> Result<()> {
    let fixture = Fixture::live()?;
    let place = dir.file("read-only");
    fs::create_dir(&place)?;
    let path = place.join("snapshot");
    fs::copy(&fixture.path, &path)?;
    fs::set_permissions(&path, Permissions::from_mode(0o444))?;
    fs::set_permissions(&place, Permissions::from_mode(0o555))?;

    let mut config = fixture.config.clone();
    if rustix::process::geteuid().is_root() {
        // Permissions don't bind root; a read-only mount does.
        let unshare = ["unshare", "--mount", "--propagation", "private"];
        let possible = Command::new(unshare[0])
            .args(&unshare[1..])
            .arg("true")
            .status();
        if !possible.is_ok_and(|status| status.success()) {
            return Err(Skip("root, and may not unshare(1) the mounts".into()).into());
        }
        let script = r#"mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@""#;
        config.wrapper = unshare.into_iter().map(str::to_owned).collect();
        config
            .wrapper
            .extend(["sh".into(), "-c".into(), script.into()]);
        config.wrapper.push(place.display().to_string());
    }
    let vm = snapshot::load_whole(&config, "restored", dir, &path, Mode::OnDemand)?;
    fixture.check_alive(&vm)?;
    vm.agent.verify(SEED)?;
    vm.quit()?;
    fs::set_permissions(&place, Permissions::from_mode(0o755))?;
    fs::remove_dir_all(&place)?;
    Ok(())
}
