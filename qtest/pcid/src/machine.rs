// SPDX-License-Identifier: GPL-2.0-or-later
//! A machine whose firmware (firmware/) does a program's steps: no kernel, and
//! RAM that is a file, into which programs are written before it starts.
//!
//! ```text
//! 0x1_0000    the firmware's page tables: the lower 4 GiB, as they are
//! 0x2_0000    stacks
//! 0x3_0000    CPUs started, CPUs wanted; from 0x3_0100 on what each does, 128 bytes
//! 0x3_4000    a task-state segment for each CPU, 128 bytes
//! 0x3_8000    what system management mode executes, and a count of it
//! 2 MiB       what user mode executes to make an access
//! 4 MiB       what programs change: a tlb_model Layout for each CPU
//! 32 MiB      each CPU's steps, and behind them its answers
//! ```

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use annex_qtest::files::{top, Dir};
use annex_qtest::qemu::{Config, Vm};
use annex_qtest::wait;
use anyhow::{bail, ensure, Context, Result};
use serde_json::json;
use tlb_model::entry::{LARGE, PRESENT, USER, WRITABLE};
use tlb_model::testing::{Layout, Observed, Step};
use tlb_model::Kind;

const MIB: u64 = 1 << 20;

const BOOT_TABLES: u64 = 0x1_0000;
/// How many CPUs have started, 32 bits, and how many are to.
const CPUS: u64 = 0x3_0000;
const WORK: u64 = 0x3_0100;
const WORK_SIZE: u64 = 128;
/// Within a CPU's work.
const DONE: u64 = 40;
const STACKS: u64 = 0x2_0000;
const STACK_SIZE: u64 = 0x4000;
/// Within a stack, where user mode comes back to.
const USER_SIDE: u64 = 0x1000;
const TSS: u64 = 0x3_4000;
const TSS_SIZE: u64 = 128;
/// Within a task-state segment: the stack of supervisors.
const RSP0: u64 = 4;
/// Where a CPU goes with its first system management interrupt, and how many there were.
const SMI_HANDLER: u64 = 0x3_8000;
pub const SMI_COUNT: u64 = 0x3_8100;
/// INC CS:[0x8100], 32 bits, in 16-bit code; RSM.
const SMI_CODE: [u8; 8] = [0x2e, 0x66, 0xff, 0x06, 0x00, 0x81, 0x0f, 0xaa];
const USER_CODE: u64 = 2 * MIB;
const LAYOUTS: u64 = 4 * MIB;
const STEPS: u64 = 32 * MIB;
const STEP_SIZE: u64 = 32;
const ANSWER_SIZE: u64 = 8;

/// The answer of an access that made a page fault.
const NO_PAGE: u64 = u64::MAX;

/// Within a page, the code that a supervisor's fetch executes.
pub const SUPERVISORS_CODE: u64 = 16;

/// For a load, a store and a fetch: MOV (RDI), RAX; MOV RSI, (RDI) and XOR EAX, EAX; JMP RDI. UD2
/// ends each.
const USER_ACCESSES: [&[u8]; 3] = [
    &[0x48, 0x8b, 0x07, 0x0f, 0x0b],
    &[0x48, 0x89, 0x37, 0x31, 0xc0, 0x0f, 0x0b],
    &[0xff, 0xe7],
];

/// A million steps of two CPUs take some seconds on an idle host.
const LIMIT: Duration = Duration::from_secs(300);

/// The memory of a CPU's program.
pub fn layout(cpu: usize) -> Layout {
    Layout::at(LAYOUTS + cpu as u64 * Layout::SIZE)
}

/// What programs are run on.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The value of `-cpu`.
    pub cpu: String,
    /// Properties of the accelerator.
    pub accel: String,
    /// More arguments for QEMU.
    pub args: Vec<String>,
}

impl Machine {
    /// One with every feature that TCG has.
    pub fn max(accel: &str) -> Self {
        Self {
            cpu: "max".into(),
            accel: accel.into(),
            args: Vec::new(),
        }
    }

    /// Runs a program on each CPU, all at the same time, and gives the machine
    /// when they are done, with what each access came to.
    pub fn run(&self, dir: &Dir, programs: &[Vec<Step>]) -> Result<(Vm, Vec<Vec<Observed>>)> {
        let running = self.start(dir, programs)?;
        let answers = running.wait()?;
        Ok((running.vm, answers))
    }

    /// Starts to.
    pub fn start(&self, dir: &Dir, programs: &[Vec<Step>]) -> Result<Running> {
        let areas: Vec<_> = areas(programs);
        let end = areas.last().context("a program")?.end();
        let mib = end.div_ceil(MIB);
        let path = dir.file("ram");
        let ram = Ram::create(path.clone(), mib)?;
        ram.prepare(programs, &areas)?;
        let memory = format!(
            "memory-backend-file,id=pc.ram,share=on,size={mib}M,mem-path={}",
            path.display()
        );
        let firmware = firmware()?;
        let firmware = firmware.to_str().context("a path of text")?;
        let cpus = programs.len().to_string();
        let vm = Config::new(mib)?
            .with_accel_options(&self.accel)
            .with(["-object", &memory, "-machine", "memory-backend=pc.ram"])
            .with(["-bios", firmware, "-smp", &cpus, "-cpu", &self.cpu])
            .with(self.args.iter().map(String::as_str))
            .start("vm", dir)?;
        Ok(Running { vm, ram, areas })
    }
}

/// A machine that does its programs.
pub struct Running {
    /// It.
    pub vm: Vm,
    ram: Ram,
    areas: Vec<Area>,
}

impl Running {
    /// Waits until the programs are done, and gives what each access came to.
    pub fn wait(&self) -> Result<Vec<Vec<Observed>>> {
        for cpu in 0..self.areas.len() {
            self.ram.wait(&self.vm, cpu)?;
        }
        self.areas
            .iter()
            .map(|area| self.ram.answers(area))
            .collect()
    }
}

impl Running {
    /// Eight bytes of its memory.
    pub fn read(&self, address: u64) -> Result<u64> {
        self.ram.read(address)
    }

    /// Writes eight bytes there.
    pub fn write(&self, address: u64, value: u64) -> Result<()> {
        self.ram.write(address, value)
    }

    /// Resets the machine, which does its programs once more.
    pub fn again(&self) -> Result<()> {
        self.vm.qmp.execute("stop", json!({}))?;
        self.ram.write(CPUS, (self.areas.len() as u64) << 32)?;
        for (cpu, area) in self.areas.iter().enumerate() {
            self.ram.write(WORK + cpu as u64 * WORK_SIZE + DONE, 0)?;
            let nothing = vec![0; (area.accesses * ANSWER_SIZE) as usize];
            self.ram.0.write_all_at(&nothing, area.answers)?;
            // What was stored tells where it went.
            for page in layout(cpu).all_pages() {
                self.ram.0.write_all_at(&content(page), page)?;
            }
        }
        self.vm.qmp.execute("system_reset", json!({}))?;
        self.vm.qmp.execute("cont", json!({}))?;
        Ok(())
    }
}

/// Where a CPU's steps and answers are.
struct Area {
    steps: u64,
    answers: u64,
    accesses: u64,
    /// All that they may come to, a list.
    pages: u64,
}

impl Area {
    fn end(&self) -> u64 {
        self.pages + 4096
    }
}

fn areas(programs: &[Vec<Step>]) -> Vec<Area> {
    let mut next = STEPS;
    let mut place = |program: &Vec<Step>| {
        let accesses = program
            .iter()
            .filter(|step| matches!(step, Step::Access(..)));
        let accesses = accesses.count() as u64;
        let answers = next + program.len() as u64 * STEP_SIZE;
        let area = Area {
            steps: next,
            answers,
            accesses,
            pages: answers + accesses * ANSWER_SIZE,
        };
        next = area.end().next_multiple_of(4096);
        area
    };
    programs.iter().map(&mut place).collect()
}

struct Ram(File);

impl Ram {
    fn create(path: PathBuf, mib: u64) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)?;
        file.set_len(mib * MIB)?;
        Ok(Self(file))
    }

    fn write(&self, address: u64, value: u64) -> Result<()> {
        Ok(self.0.write_all_at(&value.to_le_bytes(), address)?)
    }

    fn read(&self, address: u64) -> Result<u64> {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, address)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Everything that the firmware needs, and the programs.
    fn prepare(&self, programs: &[Vec<Step>], areas: &[Area]) -> Result<()> {
        // A PML4, a page-directory-pointer table, four page directories.
        let directory = |number: u64| BOOT_TABLES + (2 + number) * 0x1000;
        // User mode has the 2 MiB of its code, and what programs give it.
        let identity = (BOOT_TABLES + 0x1000) | PRESENT | WRITABLE | USER;
        self.write(BOOT_TABLES, identity)?;
        for number in 0..4 {
            let entry = directory(number) | PRESENT | WRITABLE | USER;
            self.write(BOOT_TABLES + 0x1000 + 8 * number, entry)?;
            for page in 0..512 {
                let address = number << 30 | page << 21;
                let user = if address == USER_CODE { USER } else { 0 };
                let entry = address | PRESENT | WRITABLE | LARGE | user;
                self.write(directory(number) + 8 * page, entry)?;
            }
        }
        for (code, at) in USER_ACCESSES.into_iter().zip((USER_CODE..).step_by(16)) {
            self.0.write_all_at(code, at)?;
        }
        self.write(SMI_HANDLER, u64::from_le_bytes(SMI_CODE))?;
        self.write(CPUS, (programs.len() as u64) << 32)?;
        for (cpu, (program, area)) in programs.iter().zip(areas).enumerate() {
            let layout = layout(cpu);
            for (address, value) in layout.memory() {
                self.write(address, value)?;
            }
            for root in layout.tables(4) {
                self.write(root, identity)?;
            }
            let stack = STACKS + cpu as u64 * STACK_SIZE + USER_SIDE;
            self.write(TSS + cpu as u64 * TSS_SIZE + RSP0, stack)?;
            let pages = layout.all_pages();
            for (&page, at) in pages.iter().zip((area.pages..).step_by(8)) {
                self.0.write_all_at(&content(page), page)?;
                self.write(at, page)?;
            }
            let steps: Vec<u8> = program
                .iter()
                .flat_map(|step| encode(*step))
                .flat_map(u64::to_le_bytes)
                .collect();
            self.0.write_all_at(&steps, area.steps)?;
            let work = WORK + cpu as u64 * WORK_SIZE;
            let fields = [
                area.steps,
                program.len() as u64,
                area.answers,
                area.pages,
                pages.len() as u64,
            ];
            for (field, at) in fields.into_iter().zip((work..).step_by(8)) {
                self.write(at, field)?;
            }
        }
        Ok(())
    }

    /// Waits until a CPU has done its program.
    fn wait(&self, vm: &Vm, cpu: usize) -> Result<()> {
        let work = WORK + cpu as u64 * WORK_SIZE;
        let done = wait::until(&format!("CPU {cpu} to do its program"), LIMIT, || {
            let state = vm.run_state()?;
            ensure!(state == "running", "the VM is in run state {state}");
            Ok(Some(self.read(work + DONE)?).filter(|done| *done != 0))
        })?;
        if done != 1 {
            let stack: Result<Vec<_>> = (1..5).map(|at| self.read(work + DONE + 8 * at)).collect();
            bail!(
                "CPU {cpu} got an exception; on its stack are {:#x?}",
                stack?
            );
        }
        Ok(())
    }

    fn answers(&self, area: &Area) -> Result<Vec<Observed>> {
        let mut bytes = vec![0; (area.accesses * ANSWER_SIZE) as usize];
        self.0.read_exact_at(&mut bytes, area.answers)?;
        let answers = bytes.chunks_exact(8);
        let number = |answer: &[u8]| {
            answer
                .iter()
                .rev()
                .fold(0, |all, byte| all << 8 | u64::from(*byte))
        };
        Ok(answers
            .map(|answer| Some(number(answer)).filter(|page| *page != NO_PAGE))
            .collect())
    }
}

/// A step as firmware/steps.c has it.
fn encode(step: Step) -> [u64; 4] {
    match step {
        Step::Write { address, value } => [0, address, value, 0],
        Step::Cr3(value) => [1, value, 0, 0],
        Step::Cr4(cr4) => [2, cr4.bits(), 0, 0],
        Step::Invlpg(address) => [3, address, 0, 0],
        Step::Invpcid(what) => {
            let (kind, [pcid, address]) = what.encode();
            [4, kind, pcid, address]
        }
        Step::Access(address, access) => {
            let kind = match access.kind {
                Kind::Load => 0,
                Kind::Store => 1,
                Kind::Fetch => 2,
            };
            [5, address, kind, access.user.into()]
        }
    }
}

/// What is in a page, as firmware/steps.c has it: where it is; a place for what is stored; code
/// that gives where it is, for supervisors (MOV to RAX, RET), and for user mode (UD2).
fn content(page: u64) -> Vec<u8> {
    let address = page.to_le_bytes();
    let mov = [&[0x48, 0xb8], &address[..]].concat();
    let mut content = vec![0; 48];
    content[..8].copy_from_slice(&address);
    for (at, end) in [
        (SUPERVISORS_CODE as usize, &[0xc3][..]),
        (32, &[0x0f, 0x0b]),
    ] {
        let code = [&mov[..], end].concat();
        content[at..at + code.len()].copy_from_slice(&code);
    }
    content
}

/// The firmware, compiled once in a run.
fn firmware() -> Result<PathBuf> {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let make = || compile().map_err(|error| format!("{error:#}"));
    MADE.get_or_init(make).clone().map_err(anyhow::Error::msg)
}

fn compile() -> Result<PathBuf> {
    let dir = Dir::for_test("pcid/firmware")?;
    let source = top().join("qtest/pcid/firmware");
    let out = dir.file("firmware.bin");
    let mut compiler = Command::new("cc");
    compiler.args([
        "-O2",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-ffreestanding",
        "-nostdlib",
        "-static",
    ]);
    compiler.args([
        "-fno-pic",
        "-no-pie",
        "-fno-stack-protector",
        "-fcf-protection=none",
    ]);
    // Interrupted at any moment, by page faults, with SSE switched off.
    compiler.args([
        "-mno-red-zone",
        "-mgeneral-regs-only",
        "-fno-asynchronous-unwind-tables",
    ]);
    compiler.args(["-Wl,--oformat=binary", "-Wl,--build-id=none"]);
    compiler.arg("-Wl,-T").arg(source.join("link.ld"));
    compiler.arg("-o").arg(&out);
    compiler.args([source.join("start.S"), source.join("steps.c")]);
    let done = compiler.output().context("cc")?;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "cc: {}: {said}", done.status);
    Ok(out)
}
