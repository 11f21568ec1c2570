// SPDX-License-Identifier: GPL-2.0-or-later
//! What memory holds after a load on demand, and how much of it is taken.

use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use annex_qtest::error::Skip;
use annex_qtest::files::Dir;
use annex_qtest::memory::{Backing, HugePages};
use annex_qtest::snapshot::{self, Mode};
use annex_qtest::trial::Family;
use anyhow::{ensure, Result};

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

/// Every RAM block, and the device state, as an eager load leaves it: two
/// machines restored paused, saved again before they ran, make the same file.
fn byte_for_byte(dir: &Dir, backing: Backing) -> Result<()> {
    let _pages = match backing {
        Backing::Hugetlb => Some(HugePages::reserve(RAM_MIB)?),
        _ => None,
    };
    let fixture = Fixture::paused()?;
    let mut saved = Vec::new();
    for (name, mode) in [("eager", Mode::Eager), ("on-demand", Mode::OnDemand)] {
        let config = fixture.config.backed_by(backing);
        let vm = snapshot::load_whole(&config, name, dir, &fixture.path, mode)?;
        ensure!(vm.run_state()? == "paused", "restored {}, not paused", vm.run_state()?);
        let path = dir.file(&format!("{name}.snapshot"));
        snapshot::save(&vm, &path)?;
        vm.quit()?;
        saved.push(path);
    }
    same_bytes(&saved[0], &saved[1])
}

/// Compares two files to their ends.
fn same_bytes(a: &Path, b: &Path) -> Result<()> {
    let (mut a, mut b) = (File::open(a)?, File::open(b)?);
    let (length_a, length_b) = (a.metadata()?.len(), b.metadata()?.len());
    ensure!(length_a == length_b, "{length_a} bytes against {length_b}");
    let (mut chunk_a, mut chunk_b) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    let mut offset = 0;
    while offset < length_a {
        let length = chunk_a.len().min(usize::try_from(length_a - offset)?);
        a.read_exact(&mut chunk_a[..length])?;
        b.read_exact(&mut chunk_b[..length])?;
        let differs = (0..length).find(|&index| chunk_a[index] != chunk_b[index]);
        ensure!(
            differs.is_none(),
            "byte {} of the files differs",
            offset + differs.unwrap_or(0) as u64
        );
        offset += length as u64;
    }
    Ok(())
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
    ensure!(eager < fixture.config.mib * 1024 / 2, "{eager} KiB: not a mostly empty guest");
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
        let possible = Command::new(unshare[0]).args(&unshare[1..]).arg("true").status();
        if !possible.is_ok_and(|status| status.success()) {
            return Err(Skip("root, and may not unshare(1) the mounts".into()).into());
        }
        let script = r#"mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@""#;
        config.wrapper = unshare.into_iter().map(str::to_owned).collect();
        config.wrapper.extend(["sh".into(), "-c".into(), script.into()]);
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
