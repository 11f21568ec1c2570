// SPDX-License-Identifier: GPL-2.0-or-later
//! READ and WRITE ATTRIBUTE: medium auxiliary memory, SPC-4 6.16, 6.47. READ MEDIA
//! SERIAL NUMBER, SPC-4 6.19.

use tape_image::container::Operation as Change;
use tape_image::{Operation, Outcome};

use crate::bytes::set_length;
use crate::command::{
    commands, Call, Length::InField, Length::OutField, CHANGES, LOADS, LOADS_ALL,
};
use crate::core::Core;
use crate::sense::{Answer, Sense};
use crate::spc::attribute::{life, Memory};

commands! {
    0x8c, "READ ATTRIBUTE", InField(10, 4), LOADS_ALL,
        reply |core, call, _| Ok(with_memory(core, |memory| memory.read(call.cdb()))?),
        [0x1f 0 0 0 0xff 0 0xff 0xff 0xff 0xff 0xff 0xff 0xff 1 0];
    0x8d, "WRITE ATTRIBUTE", OutField(10, 4), CHANGES, tape write,
        [1 0 0 0 0xff 0 0xff 0 0 0xff 0xff 0xff 0xff 0 0];
    0xab / 0x01, "READ MEDIA SERIAL NUMBER", InField(6, 4), LOADS, reply media_serial_number,
        [0x1f 0 0 0 0 0xff 0xff 0xff 0xff 0 0];
}

/// The cartridge's number is the barcode that a library or host has written to its
/// memory, as LTO drives have it. In ASCII, and zeros to a multiple of four bytes;
/// none if nobody has written one.
fn media_serial_number(core: &mut Core, _: &Call, _: &[u8]) -> Answer {
    if core.view().is_none() {
        return Err(Sense::NO_MEDIUM.into());
    }
    let mut reply = vec![0; 4];
    reply.extend(life::barcode(core.slot().cartridge.attributes(0)).bytes());
    reply.resize(reply.len().next_multiple_of(4), 0);
    set_length(&mut reply, 0, 4);
    Ok(reply)
}

async fn write(core: &mut Core, call: &Call) -> Result<(), Sense> {
    core.ready().await?;
    let data = core.copy(0..call.transfer.bytes() as usize).await?;
    let attributes = with_memory(core, |memory| memory.write(call.cdb(), &data))?;
    let partition = usize::from(call.byte(7));
    let had_header = core.slot().cartridge.has_header();
    let _: Outcome = core.tape(Operation::Sync).await?;
    let set = Change::SetAttributes {
        partition,
        attributes,
    };
    let changed = core.change(set).await;
    if !had_header && core.slot().cartridge.has_header() {
        // The blank tape has moved to behind it.
        core.forget();
        core.begin_anew().await?;
    }
    changed
}

fn with_memory<T>(core: &Core, answer: impl FnOnce(Memory<'_>) -> T) -> T {
    let lists: Vec<_> = core.slot.as_ref().map_or_else(Vec::new, |slot| {
        let partitions = slot.cartridge.partitions().iter();
        partitions
            .map(|partition| &partition.attributes[..])
            .collect()
    });
    answer(Memory {
        config: &core.config,
        view: core.view().as_ref(),
        counters: &core.counters,
        lists: &lists,
    })
}
