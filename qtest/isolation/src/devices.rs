// SPDX-License-Identifier: GPL-2.0-or-later
//! Isolated devices of other kinds, with other projects' back-ends.

use std::fs;
use std::io::{Read, Write};
use std::net::UdpSocket;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use annex_qtest::files::{self, Dir};
use annex_qtest::qemu::Config;
use annex_qtest::trial::Family;
use annex_qtest::{stream, wait};
use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};

use crate::backend::{socket, Backend};
use crate::rig::{config, Machine, LIMIT, SEED, SOON};

inventory::submit! { Family(|add| {
    for (name, options) in [("main-loop", ",memory-isolation-main-loop=on"), ("iothread", ",memory-isolation-iothread=io"),
                            ("packed", ",packed=on")] {
        add(format!("isolation/fs/{name}"), Box::new(move |dir| file_system(dir, options)));
        add(format!("isolation/net/{name}"), Box::new(move |dir| {
            let booted = options.is_empty().then(config).transpose()?;
            network(dir, booted.as_ref(), options).and_then(finish_network)
        }));
        add(format!("isolation/vsock/{name}"), Box::new(move |dir| vsock(dir, options)));
        add(format!("isolation/rng/{name}"), Box::new(move |dir| random(dir, options)));
    }
    add("isolation/scsi/main-loop".into(), Box::new(|dir| {
        scsi(dir, &[("memory-isolation-main-loop", json!(true))])
    }));
    add("isolation/scsi/iothread".into(), Box::new(|dir| {
        scsi(dir, &[("memory-isolation-iothread", json!("io"))])
    }));
    add("isolation/scsi/packed".into(), Box::new(|dir| scsi(dir, &[("packed", json!(true))])));
}) }

/// A machine with the isolated device, whose back-end listens on `socket`: there
/// when the guest boots if it has no options of its own, else plugged in.
pub fn start(dir: &Dir, socket: &Path, device: &str, options: &str) -> Result<Machine> {
    let chardev = format!("socket,id=backend,path={}", socket.display());
    let device = format!("{device},id=isolated,chardev=backend,memory-isolation=on{options}");
    let args = [
        "-object",
        "iothread,id=io",
        "-chardev",
        &chardev,
        "-device",
        &device,
    ];
    if options.is_empty() {
        return Machine::boot(&config()?.with(args), "vm", dir);
    }
    let machine = Machine::plugged(args, "vm", dir)?;
    machine.wait_driver("isolated")?;
    Ok(machine)
}

/// Checks that a device's queue has carried so many bytes each way, and that
/// the guest and QEMU are well; ends it.
fn finish(machine: Machine, queue: u16, at_least: (u64, u64)) -> Result<()> {
    let figures = machine.figures("isolated", queue)?;
    let enough = figures["bytes-out"].as_u64() >= Some(at_least.0)
        && figures["bytes-in"].as_u64() >= Some(at_least.1);
    ensure!(enough, "not through the area: {figures}");
    machine.check()?;
    machine.vm.quit()
}

fn stop_and_cont(machine: &Machine) -> Result<()> {
    machine.vm.qmp.execute_within(SOON, "stop", json!({}))?;
    machine
        .vm
        .qmp
        .execute_within(SOON, "cont", json!({}))
        .map(drop)
}

/// virtiofsd, which shares a directory.
pub fn virtiofsd(dir: &Dir, shared: &Path) -> Result<Backend> {
    let path = socket(dir, "fs")?;
    let mut command = Command::new(files::backend("virtiofsd")?);
    command
        .arg("--shared-dir")
        .arg(shared)
        .arg("--socket-path")
        .arg(&path);
    command.args(["--sandbox", "none"]);
    Backend::start(command, dir, "fs", path)
}

/// Files written by the guest are the host's, and the other way round; large
/// and small ones, renamed and removed.
fn file_system(dir: &Dir, options: &str) -> Result<()> {
    const MIB: u64 = 16;
    let shared = dir.file("shared");
    fs::create_dir(&shared)?;
    let host_file = stream::bytes(9, 0, (MIB as usize) << 20);
    fs::write(shared.join("of-the-host"), host_file)?;
    let backend = virtiofsd(dir, &shared)?;
    let machine = start(dir, &backend.socket, "vhost-user-fs-pci,tag=annex", options)?;
    let agent = &machine.vm.agent;
    agent.sh("mkdir -p /mnt && mount -t virtiofs annex /mnt")?;
    stop_and_cont(&machine)?;
    let digest = agent.sh("sha256sum /mnt/of-the-host")?;
    ensure!(
        digest.starts_with(&stream::sha256(9, MIB)),
        "the host's file: {digest}"
    );
    agent.sh(&format!(
        "head -c {} /data/fill > /mnt/of-the-guest && sync",
        MIB << 20
    ))?;
    let digest = stream::sha256_of(&shared.join("of-the-guest"))?;
    ensure!(
        digest == stream::sha256(SEED, MIB),
        "the guest's file: {digest}"
    );
    agent.sh("mkdir /mnt/small && for n in $(seq 100); do echo $n > /mnt/small/$n; done")?;
    agent.sh("mv /mnt/small /mnt/moved && rm /mnt/moved/7 && umount /mnt")?;
    let left = fs::read_dir(shared.join("moved"))?.count();
    ensure!(left == 99, "{left} small files");
    ensure!(
        fs::read_to_string(shared.join("moved/42"))? == "42\n",
        "a small file"
    );
    fs::remove_dir_all(&shared)?;
    finish(machine, 1, (MIB << 20, MIB << 20))
}

/// vhost-device-rng, with a source that the test knows.
fn random(dir: &Dir, options: &str) -> Result<()> {
    let source = dir.file("source");
    let known = stream::bytes(11, 0, 1 << 20);
    fs::write(&source, &known)?;
    let mut command = Command::new(files::backend("vhost-device-rng")?);
    command
        .arg("--socket-path")
        .arg(socket(dir, "rng")?)
        .arg("--rng-source")
        .arg(&source);
    // It serves several sockets, and numbers them.
    let backend = Backend::start(command, dir, "rng", dir.file("rng.sock0"))?;
    let machine = start(dir, &backend.socket, "vhost-user-rng-pci", options)?;
    let agent = &machine.vm.agent;
    let hwrng = "/sys/class/misc/hw_random";
    let names = agent.sh(&format!("cat {hwrng}/rng_available"))?;
    let mut found = false;
    for name in names
        .split_whitespace()
        .filter(|name| name.starts_with("virtio_rng"))
    {
        agent.sh(&format!("echo {name} > {hwrng}/rng_current"))?;
        let hex =
            agent.sh("timeout -s KILL 30 dd if=/dev/hwrng bs=64 count=4 2>/dev/null | hexdump -ve '1/1 \"%02x\"'")?;
        let bytes = hex::decode(&hex).context("hexadecimal")?;
        ensure!(bytes.len() == 256, "{} bytes of {name}", bytes.len());
        found |= known.windows(32).any(|window| window == &bytes[224..]);
    }
    ensure!(found, "none of {names} brings what the back-end reads");
    stop_and_cont(&machine)?;
    agent.sh("timeout -s KILL 30 dd if=/dev/hwrng bs=64 count=16 of=/dev/null")?;
    finish(machine, 0, (0, 256))
}

/// vhost-device-vsock: what the guest sends comes back.
fn vsock(dir: &Dir, options: &str) -> Result<()> {
    const MIB: u64 = 8;
    const PORT: u32 = 1234;
    let host = dir.file("host.sock");
    let path = socket(dir, "vsock")?;
    let mut command = Command::new(files::backend("vhost-device-vsock")?);
    command
        .arg("--socket")
        .arg(&path)
        .arg("--uds-path")
        .arg(&host);
    let backend = Backend::start(command, dir, "vsock", path)?;
    let listener = UnixListener::bind(format!("{}_{PORT}", host.display()))?;
    thread::spawn(move || -> Result<()> {
        // Ends with the test.
        loop {
            let (mut stream, _) = listener.accept()?;
            // This back-end doesn't pass on that one direction has ended.
            let mut bytes = vec![0; (MIB as usize) << 20];
            stream.read_exact(&mut bytes)?;
            stream.write_all(&bytes)?;
        }
    });
    let machine = start(dir, &backend.socket, "vhost-user-vsock-pci", options)?;
    let agent = &machine.vm.agent;
    let echo = format!(
        "head -c {} /data/fill | vsock {PORT} | sha256sum",
        MIB << 20
    );
    for _ in 0..2 {
        stop_and_cont(&machine)?;
        let digest = agent.sh(&echo)?;
        ensure!(
            digest.starts_with(&stream::sha256(SEED, MIB)),
            "what came back: {digest}"
        );
    }
    finish(machine, 1, (MIB << 20, 0))
}

/// vhost-device-scsi, which can only read: the disk is the host's image, read in
/// large requests and in small ones, while the machine stops now and then. It is
/// plugged in late: this back-end doesn't set its used index back when a driver
/// resets the device, as that of the firmware does.
fn scsi(dir: &Dir, options: &[(&str, Value)]) -> Result<()> {
    const MIB: u64 = 12;
    let image = dir.file("disk.img");
    fs::write(&image, stream::bytes(13, 0, (MIB as usize) << 20))?;
    let path = socket(dir, "scsi")?;
    let mut command = Command::new(files::backend("vhost-device-scsi")?);
    command
        .arg("--read-only")
        .arg("--socket-path")
        .arg(&path)
        .arg(&image);
    let backend = Backend::start(command, dir, "scsi", path)?;
    let chardev = format!("socket,id=backend,path={}", backend.socket.display());
    let args = ["-object", "iothread,id=io", "-chardev", &chardev];
    let machine = Machine::plugged(args, "vm", dir)?;
    let mut device = json!({
        "driver": "vhost-user-scsi-pci", "id": "isolated", "chardev": "backend",
        // It knows one queue, and refuses features that it hasn't offered.
        "num_queues": 1, "param_change": false,
        "memory-isolation": true,
    });
    for (name, value) in options {
        device[*name] = value.clone();
    }
    machine.vm.qmp.execute_within(SOON, "device_add", device)?;
    let agent = &machine.vm.agent;
    agent.sh("timeout 60 sh -c 'until [ -b /dev/sda ]; do sleep 0.1; done'")?;
    let about = agent.sh("cat /sys/block/sda/ro /sys/block/sda/size")?;
    ensure!(about == format!("1\n{}", MIB << 11), "the disk: {about}");
    agent.sh("(cat /dev/sda | sha256sum; echo end) > /data/got &")?;
    let mut stops = 0;
    let digest = wait::until("the disk to be read", LIMIT, || {
        stop_and_cont(&machine)?;
        let digest = agent.sh("cat /data/got")?;
        let ended = digest.ends_with("end");
        stops += usize::from(!ended);
        Ok(ended.then_some(digest))
    })?;
    ensure!(
        digest.starts_with(&stream::sha256(13, MIB)),
        "stopped {stops} times: {digest}"
    );
    ensure!(
        stops > 0,
        "the disk had been read before the machine was stopped"
    );
    let digest = agent.sh("dd if=/dev/sda bs=8k iflag=direct 2>&- | sha256sum")?;
    ensure!(
        digest.starts_with(&stream::sha256(13, MIB)),
        "in small requests: {digest}"
    );
    agent.sh("! dd if=/data/fill of=/dev/sda bs=8k count=1 conv=fsync")?;
    ensure!(
        stream::sha256_of(&image)? == stream::sha256(13, MIB),
        "the image has changed"
    );
    finish(machine, 2, (0, MIB << 20))
}

/// vhost-user-bridge, and at its other end a guest with a NIC of QEMU's own:
/// ping, and a stream each way. The bridge loses packets and prints each. The
/// machine with the isolated device boots `here`, or has it plugged in; it and
/// the bridge still run.
pub fn network(dir: &Dir, here: Option<&Config>, options: &str) -> Result<(Machine, Backend)> {
    const MIB: u64 = 1;
    // Free when they are asked for; nobody else is likely to take them.
    let ports = [
        UdpSocket::bind("127.0.0.1:0")?,
        UdpSocket::bind("127.0.0.1:0")?,
    ]
    .map(|socket| socket.local_addr().map(|address| address.port()));
    let [near, far] = ports;
    let (near, far) = (near?, far?);
    let path = socket(dir, "net")?;
    let mut command = Command::new(files::vhost_user_bridge()?);
    command.arg("-u").arg(&path);
    command.args([
        "-l",
        &format!("127.0.0.1:{near}"),
        "-r",
        &format!("127.0.0.1:{far}"),
    ]);
    let backend = Backend::start(command, dir, "net", path)?;

    // Isolation is the netdev's affair, the ring the NIC's.
    let (of_netdev, of_nic) = match options.contains("memory-isolation") {
        true => (options, ""),
        false => ("", options),
    };
    let chardev = format!("socket,id=backend,path={}", backend.socket.display());
    let netdev = format!("vhost-user,id=net,chardev=backend,memory-isolation=on{of_netdev}");
    let nic = format!("virtio-net-pci,id=isolated,netdev=net,mac=52:54:00:00:00:01{of_nic}");
    let args = [
        ["-object", "iothread,id=io"],
        ["-chardev", &chardev],
        ["-netdev", &netdev],
        ["-device", &nic],
    ];
    let args = args.concat();
    let here = match here {
        Some(config) => Machine::boot(&config.with(args), "here", dir)?,
        None => Machine::plugged(args, "here", dir)?,
    };
    let there = Machine::plugged([], "there", dir)?;
    // HMP doesn't know this kind.
    let address =
        |port: u16| json!({ "type": "inet", "host": "127.0.0.1", "port": port.to_string() });
    there.vm.qmp.execute(
        "netdev_add",
        json!({ "type": "dgram", "id": "net", "local": address(far), "remote": address(near) }),
    )?;
    there.vm.plug([
        "-device",
        "virtio-net-pci,id=nic,netdev=net,mac=52:54:00:00:00:02",
    ])?;
    for (machine, device) in [(&here, "isolated"), (&there, "nic")] {
        let there = "timeout 60 sh -c 'until [ -e /sys/class/net/eth0 ]; do sleep 0.1; done'";
        machine
            .vm
            .agent
            .sh(there)
            .with_context(|| format!("the guest doesn't see {device}"))?;
    }
    for (machine, address) in [(&here, "10.4.0.1"), (&there, "10.4.0.2")] {
        machine
            .vm
            .agent
            .sh(&format!("ifconfig eth0 {address} netmask 255.255.255.0 up"))?;
    }
    here.vm.agent.sh("ping -c 3 -w 20 10.4.0.2")?;
    let send = format!("head -c {} /data/fill | nc -w 30 ", MIB << 20);
    for (from, to, address) in [(&here, &there, "10.4.0.2"), (&there, &here, "10.4.0.1")] {
        // An end of input would make the other end hang up.
        to.vm
            .agent
            .sh("(sleep 100 | nc -l -p 5000 | sha256sum) > /data/got 2>&1 &")?;
        thread::sleep(Duration::from_millis(500));
        from.vm.agent.sh(&format!("{send} {address} 5000"))?;
        let wait = "timeout 100 sh -c 'until [ -s /data/got ]; do sleep 0.2; done'; cat /data/got";
        let digest = to.vm.agent.sh(wait)?;
        ensure!(
            digest.starts_with(&stream::sha256(SEED, MIB)),
            "to {address} came {digest}"
        );
        stop_and_cont(&here)?;
        here.vm.agent.sh("ping -c 3 -w 20 10.4.0.2")?;
    }
    there.vm.quit()?;
    Ok((here, backend))
}

/// Ends what [`network`] leaves.
pub fn finish_network((here, _bridge): (Machine, Backend)) -> Result<()> {
    finish(here, 0, (0, 64))
}
