// SPDX-License-Identifier: GPL-2.0-or-later
//! `make demo`: one snapshot of a running Linux guest, loaded eagerly and on
//! demand, with both times; and sixteen guests from another one.

mod sixteen;

use std::process::ExitCode;
use std::time::Duration;

use annex_qtest::kept::{Fill, Kept};
use annex_qtest::measure::{self, Timings};
use annex_qtest::snapshot::Mode;
use anyhow::Result;

const RAM_MIB: u64 = 4096;
const DATA_MIB: u64 = 3072;

fn main() -> ExitCode {
    match demo() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error:#}\ndemo: QEMU's log and the console's are in build/demo");
            ExitCode::FAILURE
        }
    }
}

fn demo() -> Result<()> {
    println!("\nA Linux guest is started twice from the same snapshot: first eagerly, as QEMU");
    println!("always could, then on demand, as the annex can.\n");
    println!("1. The snapshot (made once, kept in build/demo)");
    let kept = Kept::get("demo", RAM_MIB, Fill::Mib(DATA_MIB), &|step| {
        println!("   {step}")
    })?;

    println!("2. Loading it eagerly: all of RAM is read, then the guest runs ...");
    let eager = measure::load(&kept, &kept.path, Mode::Eager, 1)?;
    println!("   the guest showed life after {}", seconds(eager.to_life));

    println!("3. Loading it on demand: the guest runs, RAM follows ...");
    let on_demand = measure::load(&kept, &kept.path, Mode::OnDemand, 2)?;
    println!(
        "   the guest showed life after {}\n",
        seconds(on_demand.to_life)
    );

    report(&kept, &eager, &on_demand);
    sixteen::demo()
}

fn report(kept: &Kept, eager: &Timings, on_demand: &Timings) {
    let row = |what: &str, of: fn(&Timings) -> Duration| {
        let (eager, on_demand) = (of(eager), of(on_demand));
        println!(
            "   {what:<28}{:>10}{:>14}",
            seconds(eager),
            seconds(on_demand)
        );
    };
    println!("   {:<28}{:>10}{:>14}", "", "eager", "on demand");
    row("the VM runs after", |timings| timings.to_run);
    row("the guest shows life after", |timings| timings.to_life);
    row("all of RAM is there after", |timings| {
        timings.to_loaded.expect("both load all by themselves")
    });
    let times = eager.to_run.as_secs_f64() / on_demand.to_run.as_secs_f64();
    println!("\n   On demand, the VM ran {times:.0} times sooner.");
    println!(
        "   Both times it was the guest that was saved: its nonce {} lives in RAM only,",
        kept.nonce
    );
    println!("   and its counter went on from {}.\n", kept.counter);
}

fn seconds(duration: Duration) -> String {
    format!("{:.3} s", duration.as_secs_f64())
}
