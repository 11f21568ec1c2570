// SPDX-License-Identifier: GPL-2.0-or-later
//! Filters beside libusbredirparser's.

use proptest::collection::vec;
use proptest::prelude::*;
use usbredir::{Filter, FilterError, Interface, Rule, Verdict, MAX_RULES};

use crate::packets::rules;
use crate::parser;

#[test]
fn a_text_is_read() {
    let any = Rule {
        class: None,
        vendor: None,
        product: None,
        version: None,
        allow: false,
    };
    let filter = Filter::parse("0x08:0x46f4:1:-1:1|-1:-1:-1:-1:0", ':');
    let storage = Rule {
        class: Some(8),
        vendor: Some(0x46f4),
        product: Some(1),
        allow: true,
        ..any
    };
    assert_eq!(filter, Ok(Filter::new(vec![storage, any])));
    let filter = filter.expect("a filter");
    assert_eq!(filter.to_string(), "0x08,0x46f4,0x0001,-1,1|-1,-1,-1,-1,0");
    let disk = [Interface {
        class: 8,
        ..Interface::default()
    }];
    assert_eq!(filter.check(0, 0x46f4, 1, 0x100, &disk), Verdict::Allowed);
    assert_eq!(filter.check(0, 0x46f4, 2, 0x100, &disk), Verdict::Denied);
    assert_eq!(Filter::default().check(0, 1, 1, 1, &disk), Verdict::NoRule);
}

#[test]
fn each_fault_is_named() {
    let cases = [
        ("1,2,3,4", FilterError::Fields(1)),
        ("1,2,3,4,1|1,2,3,4,5,6", FilterError::Fields(2)),
        (
            "x,2,3,4,1",
            FilterError::NotANumber {
                rule: 1,
                text: "x".into(),
            },
        ),
        (
            "1,2,3,4,1z",
            FilterError::NotANumber {
                rule: 1,
                text: "1z".into(),
            },
        ),
        (
            "256,2,3,4,1",
            FilterError::Range {
                rule: 1,
                value: 256,
                most: 255,
            },
        ),
        (
            "1,65536,3,4,1",
            FilterError::Range {
                rule: 1,
                value: 65536,
                most: 65535,
            },
        ),
        (
            "1,-2,3,4,1",
            FilterError::Range {
                rule: 1,
                value: -2,
                most: 65535,
            },
        ),
    ];
    for (text, error) in cases {
        assert_eq!(Filter::parse(text, ','), Err(error), "{text}");
    }
    let many = vec!["-1,-1,-1,-1,1"; MAX_RULES];
    assert!(Filter::parse(&many.join("|"), ',').is_ok());
    assert_eq!(
        Filter::parse(&(many.join("|") + "|1,1,1,1,1"), ','),
        Err(FilterError::TooMany)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_reference_reads_the_same(text in "[-+0-9xXa-f, |]{0,40}|([-0-9a-fx]{1,6},?){1,11}") {
        let ours = Filter::parse(&text, ',').ok().map(|filter| filter.to_string());
        prop_assert_eq!(ours, parser::filter_text(&text), "{}", text);
    }

    #[test]
    fn the_reference_decides_the_same(
        rules in rules(),
        class in prop_oneof![Just(0), Just(0xef), Just(3), any::<u8>()],
        ids in any::<[u16; 3]>(),
        interfaces in vec((prop_oneof![Just(3), 0..5u8], 0..2u8, 0..2u8), 0..4),
        same in any::<[bool; 4]>(),
    ) {
        // Rules that often match.
        let rules: Vec<Rule> = rules
            .into_iter()
            .enumerate()
            .map(|(i, rule)| Rule {
                class: rule.class.map(|it| if same[i % 4] { class } else { it % 5 }),
                vendor: rule.vendor.map(|it| if same[0] { ids[0] } else { it }),
                product: rule.product.map(|it| if same[1] { ids[1] } else { it }),
                version: rule.version.map(|it| if same[2] { ids[2] } else { it }),
                ..rule
            })
            .collect();
        let interfaces: Vec<Interface> = interfaces
            .into_iter()
            .map(|(class, subclass, protocol)| Interface { number: 0, class, subclass, protocol })
            .collect();
        let filter = Filter::new(rules);
        let ours = filter.check(class, ids[0], ids[1], ids[2], &interfaces);
        prop_assert_eq!(ours, parser::filter_check(&filter, class, ids, &interfaces));
    }
}
