// SPDX-License-Identifier: GPL-2.0-or-later
//! No image ends the process or hangs: the fuzz targets' functions over their
//! seeds, over random bytes and over damaged images.

use crate::support::build::{aws, simh};
use proptest::prelude::*;
use tape_image::driver::Drive;
use tape_image::exercise;
use tape_image::{Config, Operation, Outcome};

fn each_seed(target: &str, what: impl Fn(&[u8])) {
    let seeds = format!("{}/fuzz/seeds/{target}", env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for entry in std::fs::read_dir(seeds).expect("the seeds' folder") {
        what(&std::fs::read(entry.expect("an entry").path()).expect("a seed"));
        count += 1;
    }
    assert!(count >= 6, "{count} seeds");
}

#[test]
fn the_seeds() {
    each_seed("image", exercise::image);
    each_seed("header", exercise::header);
}

fn whole() -> Vec<u8> {
    let mut drive = Drive::load(Vec::new(), Config::new(0)).expect("blank");
    for length in [1, 80, 80, 81, 3000] {
        assert_eq!(drive.write(&vec![5; length]), Ok(Outcome::Done));
        assert_eq!(drive.run(Operation::WriteMarks(1)), Ok(Outcome::Done));
    }
    assert_eq!(drive.run(Operation::Unload), Ok(Outcome::Done));
    drive.medium
}

fn image() -> impl Strategy<Value = Vec<u8>> {
    let object = prop_oneof![
        (any::<u32>(), prop::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(word, data)| { simh(word & 0xf000_0000 | data.len() as u32, &data) }),
        any::<u32>().prop_map(|word| word.to_le_bytes().to_vec()),
        prop_oneof![Just(0u32), Just(!0), Just(!1), Just(0xfffe_ffff)]
            .prop_map(|word| word.to_le_bytes().to_vec()),
        (
            0..9u16,
            any::<u8>(),
            prop::collection::vec(any::<u8>(), 0..9)
        )
            .prop_map(|(previous, flags, data)| aws(previous, flags, &data)),
    ];
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        prop::collection::vec(object, 0..20).prop_map(|objects| objects.concat()),
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4).prop_map(|hits| {
            let mut image = whole();
            for (at, byte) in hits {
                let at = at.index(image.len());
                image[at] = byte;
            }
            image
        }),
    ]
}

proptest! {
    #[test]
    fn any_image(
        operations in prop::collection::vec(any::<u8>(), 0..24),
        image in image(),
    ) {
        let count = operations.len() as u8;
        exercise::image(&[&[count][..], &operations, &image].concat());
    }
}
