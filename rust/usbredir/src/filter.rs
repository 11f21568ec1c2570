// SPDX-License-Identifier: GPL-2.0-or-later
//! Which devices are admitted: the rules of usbredir's filters.
//!
//! ```text
//! CLASS,VENDOR,PRODUCT,VERSION,ALLOW|CLASS,...     0x08,-1,-1,-1,1|-1,-1,-1,-1,0
//! ```
//!
//! Numbers are decimal, hexadecimal (0x) or octal (0); -1 is any; ALLOW is 0 or not. The first
//! rule that matches counts, and a device that none matches isn't admitted. QEMU's options have
//! colons for the commas.

use std::fmt;

use crate::Interface;

/// The most rules of a filter.
pub const MAX_RULES: usize = 4096;

/// One rule. `None` matches any value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The class of the device or an interface.
    pub class: Option<u8>,
    /// idVendor.
    pub vendor: Option<u16>,
    /// idProduct.
    pub product: Option<u16>,
    /// bcdDevice.
    pub version: Option<u16>,
    /// Whether what matches is admitted.
    pub allow: bool,
}

/// Rules, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    rules: Vec<Rule>,
}

/// What is wrong with a filter's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// It isn't UTF-8.
    #[error("it isn't text")]
    NotText,
    /// A rule doesn't have five fields.
    #[error("rule {0} doesn't have five fields")]
    Fields(usize),
    /// A field isn't a number.
    #[error("rule {rule}: {text:?} isn't a number")]
    NotANumber {
        /// Which rule, from 1.
        rule: usize,
        /// The field.
        text: String,
    },
    /// A number is out of its range.
    #[error("rule {rule}: {value} isn't between -1 and {most}")]
    Range {
        /// Which rule, from 1.
        rule: usize,
        /// The number.
        value: i64,
        /// The largest that may be.
        most: i64,
    },
    /// There are more than [`MAX_RULES`].
    #[error("more than 4096 rules")]
    TooMany,
}

/// What a filter says of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is admitted.
    Allowed,
    /// A rule refuses it.
    Denied,
    /// No rule is about the device or one of its interfaces, so it isn't admitted.
    NoRule,
}

impl Filter {
    /// The rules of a text whose fields are separated by `separator`. Empty rules are ignored.
    ///
    /// # Errors
    ///
    /// What is wrong with the text.
    pub fn parse(text: &str, separator: char) -> Result<Filter, FilterError> {
        let mut rules = Vec::new();
        for rule in text.split('|').filter(|rule| !rule.is_empty()) {
            if rules.len() == MAX_RULES {
                return Err(FilterError::TooMany);
            }
            rules.push(parse_rule(rule, separator, rules.len() + 1)?);
        }
        Ok(Filter { rules })
    }

    /// A filter of these rules.
    pub fn new(rules: Vec<Rule>) -> Filter {
        Filter { rules }
    }

    /// Its rules.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether a device is admitted, and each of its interfaces.
    ///
    /// The device's own class isn't asked about if it says nothing (0x00, 0xef: it is in the
    /// interfaces). Nor is an interface of class HID that is no boot device, such as the volume
    /// buttons of a headset, if there are others that are asked about.
    pub fn check(
        &self,
        class: u8,
        vendor: u16,
        product: u16,
        version: u16,
        interfaces: &[Interface],
    ) -> Verdict {
        let ask = |class| self.first_match(class, vendor, product, version);
        let device = (!matches!(class, 0x00 | 0xef)).then_some(class);
        let is_minor = |interface: &&Interface| {
            (interface.class, interface.subclass, interface.protocol) == (0x03, 0, 0)
        };
        let minor = interfaces.len() > 1 && !interfaces.iter().all(|one| is_minor(&one));
        device
            .into_iter()
            .chain(
                interfaces
                    .iter()
                    .filter(|interface| !(minor && is_minor(interface)))
                    .map(|interface| interface.class),
            )
            .map(ask)
            .find(|verdict| *verdict != Verdict::Allowed)
            .unwrap_or(Verdict::Allowed)
    }

    fn first_match(&self, class: u8, vendor: u16, product: u16, version: u16) -> Verdict {
        let rule = self.rules.iter().find(|rule| {
            rule.class.is_none_or(|it| it == class)
                && rule.vendor.is_none_or(|it| it == vendor)
                && rule.product.is_none_or(|it| it == product)
                && rule.version.is_none_or(|it| it == version)
        });
        match rule {
            Some(rule) if rule.allow => Verdict::Allowed,
            Some(_) => Verdict::Denied,
            None => Verdict::NoRule,
        }
    }
}

impl fmt::Display for Filter {
    /// As the protocol has it, with commas.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, rule) in self.rules.iter().enumerate() {
            if i > 0 {
                f.write_str("|")?;
            }
            match rule.class {
                Some(class) => write!(f, "{class:#04x}")?,
                None => f.write_str("-1")?,
            }
            for id in [rule.vendor, rule.product, rule.version] {
                match id {
                    Some(id) => write!(f, ",{id:#06x}")?,
                    None => f.write_str(",-1")?,
                }
            }
            write!(f, ",{}", u8::from(rule.allow))?;
        }
        Ok(())
    }
}

fn parse_rule(text: &str, separator: char, rule: usize) -> Result<Rule, FilterError> {
    let fields: Vec<&str> = text
        .split(separator)
        .filter(|field| !field.is_empty())
        .collect();
    let [class, vendor, product, version, allow] = fields[..] else {
        return Err(FilterError::Fields(rule));
    };
    let any_or = |text: &str, most: i64| {
        let value = number(text).ok_or_else(|| FilterError::NotANumber {
            rule,
            text: text.to_owned(),
        })?;
        match value {
            -1 => Ok(None),
            0.. if value <= most => Ok(Some(value)),
            _ => Err(FilterError::Range { rule, value, most }),
        }
    };
    let id = |text| any_or(text, 0xffff).map(|value| value.map(|value| value as u16));
    Ok(Rule {
        class: any_or(class, 0xff)?.map(|value| value as u8),
        vendor: id(vendor)?,
        product: id(product)?,
        version: id(version)?,
        allow: number(allow).ok_or_else(|| FilterError::NotANumber {
            rule,
            text: allow.to_owned(),
        })? != 0,
    })
}

/// A number as C's strtol() reads it with base 0, and nothing behind it.
fn number(text: &str) -> Option<i64> {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let hex = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"));
    let (digits, base) = match hex {
        Some(digits) => (digits, 16),
        None if digits.len() > 1 && digits.starts_with('0') => (&digits[1..], 8),
        None => (digits, 10),
    };
    // from_str_radix() would take another sign.
    if !digits.starts_with(|first: char| first.is_ascii_hexdigit()) {
        return None;
    }
    let value = i64::from(u32::from_str_radix(digits, base).ok()?);
    Some(if negative { -value } else { value })
}
