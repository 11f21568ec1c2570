// SPDX-License-Identifier: GPL-2.0-or-later
//! A machine whose firmware (firmware/) does a program's steps: no kernel, and
//! RAM that is a file, into which programs are written before it starts.
//!
//! ```text
//! 0x1_0000    the firmware's page tables: the lower 4 GiB, as they are
//! 0x2_0000    stacks
//! 0x3_0000    CPUs started, CPUs wanted; from 0x3_0100 on what each does, 64 bytes
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
use tlb_model::entry::{LARGE, PRESENT, WRITABLE};
use tlb_model::testing::{Layout, Observed, Step};

const MIB: u64 = 1 << 20;

const BOOT_TABLES: u64 = 0x1_0000;
const CPUS_WANTED: u64 = 0x3_0004;
const WORK: u64 = 0x3_0100;
const WORK_SIZE: u64 = 64;
/// Within a CPU's work.
const DONE: u64 = 24;
const LAYOUTS: u64 = 4 * MIB;
const STEPS: u64 = 32 * MIB;
const STEP_SIZE: u64 = 32;
const ANSWER_SIZE: u64 = 8;

/// The answer of a read that made a page fault.
const NO_PAGE: u64 = u64::MAX;

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
    /// when they are done, with what each read came to.
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
    /// Waits until the programs are done, and gives what each read came to.
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

/// Where a CPU's steps and answers are.
struct Area {
    steps: u64,
    answers: u64,
    reads: u64,
}

impl Area {
    fn end(&self) -> u64 {
        self.answers + self.reads * ANSWER_SIZE
    }
}

fn areas(programs: &[Vec<Step>]) -> Vec<Area> {
    let mut next = STEPS;
    let mut place = |program: &Vec<Step>| {
        let reads = program.iter().filter(|step| matches!(step, Step::Read(_)));
        let area = Area {
            steps: next,
            answers: next + program.len() as u64 * STEP_SIZE,
            reads: reads.count() as u64,
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
        let identity = (BOOT_TABLES + 0x1000) | PRESENT | WRITABLE;
        self.write(BOOT_TABLES, identity)?;
        for number in 0..4 {
            let entry = directory(number) | PRESENT | WRITABLE;
            self.write(BOOT_TABLES + 0x1000 + 8 * number, entry)?;
            for page in 0..512 {
                let entry = (number << 30 | page << 21) | PRESENT | WRITABLE | LARGE;
                self.write(directory(number) + 8 * page, entry)?;
            }
        }
        self.write(CPUS_WANTED, programs.len() as u64)?;
        for (cpu, (program, area)) in programs.iter().zip(areas).enumerate() {
            let layout = layout(cpu);
            for (address, value) in layout.memory() {
                self.write(address, value)?;
            }
            for root in layout.tables(4) {
                self.write(root, identity)?;
            }
            // What is read from a page is where it is.
            for page in layout.all_pages() {
                self.write(page, page)?;
            }
            let steps: Vec<u8> = program
                .iter()
                .flat_map(|step| encode(*step))
                .flat_map(u64::to_le_bytes)
                .collect();
            self.0.write_all_at(&steps, area.steps)?;
            let work = WORK + cpu as u64 * WORK_SIZE;
            let fields = [area.steps, program.len() as u64, area.answers];
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
        let mut bytes = vec![0; (area.reads * ANSWER_SIZE) as usize];
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
        Step::Read(address) => [5, address, 0, 0],
    }
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
