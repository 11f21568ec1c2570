// SPDX-License-Identifier: GPL-2.0-or-later
//! A QEMU of one's own: started with three sockets, killed when dropped.

use std::env;
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{bail, ensure, Context, Result};
use command_fds::{CommandFdExt, FdMapping};
use serde_json::json;

use crate::accel::Accel;
use crate::agent::Agent;
use crate::console::Console;
use crate::error::MachineFailure;
use crate::files::{self, Dir, Guest};
use crate::memory::Backing;
use crate::qmp::Qmp;
use crate::{spawn, wait};

/// A guest boots in seconds; under TCG on a host with more to do than CPUs it
/// may take minutes.
pub const BOOT_LIMIT: Duration = Duration::from_secs(300);

/// Under hardware virtualisation a guest is up in a second or two. A host
/// that emulates its guests' kernel mode may open /dev/kvm and never get there.
const KVM_BOOT_LIMIT: Duration = Duration::from_secs(8);

/// What to start. Two machines made alike understand each other's snapshots.
#[derive(Clone, Debug)]
pub struct Config {
    /// QEMU's binary.
    pub qemu: PathBuf,
    /// The accelerator.
    pub accel: Accel,
    /// Properties of the accelerator, as `-accel` takes them behind a comma.
    pub accel_options: String,
    /// MiB of RAM.
    pub mib: u64,
    /// What the RAM is made of.
    pub backing: Backing,
    /// What it boots.
    pub guest: Guest,
    /// What its kernel is told besides the usual.
    pub kernel_options: String,
    /// Whether to wait for a snapshot instead of booting.
    pub incoming: bool,
    /// More arguments for QEMU.
    pub args: Vec<String>,
    /// A command that runs the rest of its command line, or nothing.
    pub wrapper: Vec<String>,
}

impl Config {
    /// A machine with `mib` MiB of anonymous RAM that boots the test guest in
    /// the QEMU under test, with the accelerator asked for.
    pub fn new(mib: u64) -> Result<Self> {
        Self::with_accel(mib, Accel::wanted()?)
    }

    /// The same with this accelerator.
    pub fn with_accel(mib: u64, accel: Accel) -> Result<Self> {
        Ok(Self {
            qemu: files::qemu()?,
            accel,
            accel_options: String::new(),
            mib,
            backing: Backing::Anon,
            guest: Guest::usual()?,
            kernel_options: String::new(),
            incoming: false,
            args: Vec::new(),
            wrapper: Vec::new(),
        })
    }

    /// The same machine waiting for `migrate-incoming`.
    pub fn incoming(&self) -> Self {
        Self {
            incoming: true,
            ..self.clone()
        }
    }

    /// The same machine with another guest in it.
    pub fn booting(&self, guest: Guest) -> Self {
        Self {
            guest,
            ..self.clone()
        }
    }

    /// The same machine with another kind of RAM.
    pub fn backed_by(&self, backing: Backing) -> Self {
        Self {
            backing,
            ..self.clone()
        }
    }

    /// The same machine whose kernel is told `options`, too.
    pub fn with_kernel_options(&self, options: &str) -> Self {
        Self {
            kernel_options: options.into(),
            ..self.clone()
        }
    }

    /// The same machine with more arguments.
    pub fn with<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Self {
        let mut config = self.clone();
        config.args.extend(args.into_iter().map(str::to_owned));
        config
    }

    /// The same machine whose accelerator has properties: `tlb-contexts=8`.
    pub fn with_accel_options(&self, options: &str) -> Self {
        Self {
            accel_options: options.into(),
            ..self.clone()
        }
    }

    /// The value of `-accel`.
    fn accel_line(&self) -> String {
        match self.accel_options.as_str() {
            "" => self.accel.to_string(),
            options => format!("{},{options}", self.accel),
        }
    }

    /// QEMU's command line; the sockets are descriptors 3, 4 and 5.
    fn command_line(&self, name: &str, dir: &Dir) -> Result<Vec<String>> {
        let path = |path: &Path| {
            path.to_str().map(str::to_owned).ok_or_else(|| {
                MachineFailure(format!(
                    "QEMU's options can't hold the path {}",
                    path.display()
                ))
            })
        };
        // A comma ends an option's value unless doubled.
        let log = path(&dir.file(&format!("{name}.console.log")))?.replace(',', ",,");
        let mut line = self.wrapper.clone();
        line.push(path(&self.qemu)?);
        line.extend(["-nodefaults", "-display", "none", "-no-reboot"].map(str::to_owned));
        // A test program that is killed can't kill its machines.
        line.extend(["-run-with", "exit-with-parent=on"].map(str::to_owned));
        line.extend(["-accel".into(), self.accel_line()]);
        line.extend(["-smp", "2"].map(str::to_owned));
        line.extend(["-m".into(), format!("{}M,slots=2,maxmem=32G", self.mib)]);
        line.extend(self.backing.args(self.mib));
        line.extend(["-kernel".into(), path(&self.guest.kernel)?]);
        line.extend(["-initrd".into(), path(&self.guest.initramfs)?]);
        // TCG on a busy host is late with the timer interrupts that Linux
        // counts while it boots; unchecked, they do. Seldom it loses one: a CPU
        // that had asked for that one only would sleep for ever, one that
        // ticks doesn't notice.
        let timers = "no_timer_check nohz=off highres=off";
        let options = format!("console=ttyS0 panic=-1 {timers} {}", self.kernel_options);
        line.extend(["-append".into(), options.trim_end().into()]);
        for arg in [
            "socket,id=qmp,fd=3",
            &format!("socket,id=console,fd=4,logfile={log}"),
        ] {
            line.extend(["-chardev".into(), arg.to_owned()]);
        }
        line.extend(["-chardev", "socket,id=agent,fd=5"].map(str::to_owned));
        line.extend(["-mon", "chardev=qmp,mode=control"].map(str::to_owned));
        line.extend(["-serial", "chardev:console", "-serial", "chardev:agent"].map(str::to_owned));
        for device in [
            "VGA",
            "virtio-balloon,id=balloon,free-page-reporting=on",
            "virtio-rng,id=rng",
        ] {
            line.extend(["-device".into(), device.to_owned()]);
        }
        line.extend(self.args.iter().cloned());
        if let Ok(events) = env::var("ANNEX_TRACE") {
            line.extend(["-trace".into(), events]);
        }
        if self.incoming {
            line.extend(["-incoming", "defer"].map(str::to_owned));
        }
        Ok(line)
    }

    /// Starts it. Its logs are `name`.qemu.log and `name`.console.log in `dir`.
    pub fn start(&self, name: &str, dir: &Dir) -> Result<Vm> {
        let line = self.command_line(name, dir)?;
        dir.log(format!("{name}: {}", line.join(" ")));
        let log_path = dir.file(&format!("{name}.qemu.log"));
        let log = File::create(&log_path)?;
        let (qmp, qmp_end) = UnixStream::pair()?;
        let (console, console_end) = UnixStream::pair()?;
        let (agent, agent_end) = UnixStream::pair()?;
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]).stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log);
        command.fd_mappings(
            [qmp_end, console_end, agent_end]
                .into_iter()
                .zip(3..)
                .map(|(end, child_fd)| FdMapping {
                    parent_fd: OwnedFd::from(end),
                    child_fd,
                })
                .collect(),
        )?;
        let child = spawn::spawn(command)
            .map_err(|error| MachineFailure(format!("can't start {}: {error}", line[0])))?;
        let child = Running(child);
        let qmp = Qmp::over(qmp).map_err(|error| {
            let said = fs::read_to_string(&log_path).unwrap_or_default();
            MachineFailure(format!("{name} didn't start: {error}\n{}", said.trim_end()))
        })?;
        let (console, agent) = (Console::over(console), Agent::over(agent)?);
        Ok(Vm {
            name: name.into(),
            log: log_path,
            config: self.clone(),
            qmp,
            console,
            agent,
            child,
        })
    }

    /// Starts it and waits for the agent.
    pub fn boot(&self, name: &str, dir: &Dir) -> Result<Vm> {
        let vm = self.start(name, dir)?;
        vm.console.wait_ready(0, BOOT_LIMIT)?;
        dir.log(format!("{name}: the guest is up"));
        Ok(vm)
    }
}

impl Accel {
    /// What `ANNEX_ACCEL` asks for, TCG by default. KVM is probed first.
    pub fn wanted() -> Result<Self> {
        match env::var("ANNEX_ACCEL").as_deref() {
            Err(_) | Ok("tcg") => Ok(Self::Tcg),
            Ok("kvm") => kvm_works().map(|()| Self::Kvm).map_err(|why| {
                MachineFailure(format!("ANNEX_ACCEL=kvm, but {why}: use tcg")).into()
            }),
            Ok(other) => {
                Err(MachineFailure(format!("ANNEX_ACCEL={other}: it can be tcg or kvm")).into())
            }
        }
    }
}

/// Whether a guest reaches user space under KVM here, or why not. Tried once.
pub fn kvm_works() -> Result<(), String> {
    static TRIED: OnceLock<Result<(), String>> = OnceLock::new();
    TRIED
        .get_or_init(|| {
            if !Path::new("/dev/kvm").exists() {
                return Err("there is no /dev/kvm".into());
            }
            probe_kvm().map_err(|error| format!("no guest gets up under KVM here ({error})"))
        })
        .clone()
}

fn probe_kvm() -> Result<()> {
    let vm = Config::with_accel(256, Accel::Kvm)?.start("probe", &Dir::for_test("probe-kvm")?)?;
    vm.console.wait_ready(0, KVM_BOOT_LIMIT)
}

/// A running QEMU and the three ways to talk to it.
pub struct Vm {
    /// What its logs are called.
    pub name: String,
    /// What QEMU said.
    pub log: PathBuf,
    /// What was started.
    pub config: Config,
    /// The monitor.
    pub qmp: Qmp,
    /// The guest's output.
    pub console: Console,
    /// The guest's obedience.
    pub agent: Agent,
    child: Running,
}

impl Vm {
    /// QEMU's process id.
    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// The run state, as query-status names it.
    pub fn run_state(&self) -> Result<String> {
        let status = self.qmp.execute("query-status", json!({}))?;
        Ok(status["status"]
            .as_str()
            .context("query-status has a status")?
            .to_owned())
    }

    /// Waits until the VM is in run state `wanted`.
    pub fn wait_run_state(&self, wanted: &str, limit: Duration) -> Result<()> {
        wait::until(
            &format!("{} to be in run state {wanted}", self.name),
            limit,
            || Ok((self.run_state()? == wanted).then_some(())),
        )
    }

    /// Adds what these arguments would have added at the start: objects,
    /// chardevs, netdevs, block nodes (in JSON) and devices.
    pub fn plug<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let mut args = args.into_iter();
        while let (Some(option), Some(value)) = (args.next(), args.next()) {
            let command = match option {
                "-blockdev" => {
                    self.qmp
                        .execute("blockdev-add", serde_json::from_str(value)?)?;
                    continue;
                }
                "-object" => "object_add",
                "-chardev" => "chardev-add",
                "-netdev" => "netdev_add",
                "-device" => "device_add",
                _ => bail!("{option} can't be added to a machine that runs"),
            };
            // QMP wants numbers and booleans told from strings; HMP knows.
            let line = json!({ "command-line": format!("{command} {value}") });
            let said = self.qmp.execute("human-monitor-command", line)?;
            let said = said.as_str().unwrap_or_default().trim();
            ensure!(said.is_empty(), "{command} {value}: {said}");
        }
        Ok(())
    }

    /// Resets the machine, and waits until the guest is up again. A tick wouldn't tell: the
    /// guest goes on until the main loop comes to the reset, after QMP's answer.
    pub fn reboot(&self) -> Result<()> {
        let from = self.console.now();
        self.qmp.execute("system_reset", json!({}))?;
        self.console.wait_ready(from, BOOT_LIMIT)
    }

    /// Resident memory of the QEMU process in KiB, shared memory included.
    pub fn resident_kib(&self) -> Result<u64> {
        self.memory_kib("Rss")
    }

    /// A figure of the QEMU process's memory in KiB, by its name in
    /// smaps_rollup: see proc_pid_smaps(5). In `Pss` each process has its share
    /// of a page that several have mapped.
    pub fn memory_kib(&self, figure: &str) -> Result<u64> {
        let path = format!("/proc/{}/smaps_rollup", self.pid());
        let text = fs::read_to_string(&path).with_context(|| path.clone())?;
        text.lines()
            .find_map(|line| {
                line.strip_prefix(figure)?
                    .strip_prefix(':')?
                    .trim()
                    .strip_suffix(" kB")?
                    .parse()
                    .ok()
            })
            .with_context(|| format!("no {figure} in {path}"))
    }

    /// SIGKILL, and how QEMU ended.
    pub fn kill(mut self) -> Result<ExitStatus> {
        self.child.0.kill()?;
        Ok(self.child.0.wait()?)
    }

    /// Asks QEMU to quit, and waits until it has.
    pub fn quit(mut self) -> Result<()> {
        self.qmp.execute("quit", json!({}))?;
        let name = self.name.clone();
        let child = &mut self.child.0;
        let limit = Duration::from_secs(30);
        let status = wait::until(&format!("{name} to quit"), limit, || Ok(child.try_wait()?))?;
        if !status.success() {
            return Err(MachineFailure(format!("{name} quit with {status}")).into());
        }
        Ok(())
    }
}

/// A process that doesn't outlive its owner.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
