// SPDX-License-Identifier: GPL-2.0-or-later
//! vhost-user devices with memory-isolation=on in real guests: good back-ends,
//! and one that attacks. Each file registers its own tests.

mod backend;
mod blk;
mod blocked;
mod contact;
mod descriptors;
mod device_start;
mod devices;
mod floods;
mod habits;
mod hostile;
mod iommu;
mod large;
mod loss;
mod migration;
mod mute;
mod odd_rings;
mod own_bar;
mod pairs;
mod random;
mod reconnect;
mod replies;
mod rig;
mod saved;
mod scrub;
mod sigkill;
mod slow;
mod sound;
mod stall;
mod suspend;
mod threads;
mod vtd;

fn main() -> std::process::ExitCode {
    let code = annex_qtest::trial::main();
    rig::quit_all();
    code
}
