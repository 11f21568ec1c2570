// SPDX-License-Identifier: GPL-2.0-or-later
//! vhost-user devices with memory-isolation=on in real guests: good back-ends,
//! and one that attacks. Each file registers its own tests.

mod away;
mod backend;
mod bare;
mod blk;
mod blocked;
mod contact;
mod devices;
mod driver;
mod endings;
mod hostile;
mod iommu;
mod killed;
mod large;
mod lost;
mod migration;
mod own_bar;
mod pairs;
mod plugged;
mod random;
mod replies;
mod rig;
mod sound;
mod starts;
mod suspend;
mod vtd;

fn main() -> std::process::ExitCode {
    let code = annex_qtest::trial::main();
    rig::quit_all();
    code
}
