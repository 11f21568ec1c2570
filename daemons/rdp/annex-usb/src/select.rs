// SPDX-License-Identifier: GPL-2.0-or-later
//! Which devices a user has named: `VVVV:PPPP`, `BUS-PORT.PORT`, or `serial=TEXT`.

use std::fmt;
use std::str::FromStr;

use nusb::DeviceInfo;

/// A way to name devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// idVendor and idProduct: all devices of a kind.
    Id(u16, u16),
    /// A bus and the ports that lead to a device, as Linux names it below /sys/bus/usb/devices.
    Path(u8, Vec<u8>),
    /// A serial number.
    Serial(String),
}

/// A name that can't be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither VENDOR:PRODUCT in hexadecimal, nor BUS-PORT, nor serial=TEXT")]
pub struct SelectorError(String);

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Selector, SelectorError> {
        let error = || SelectorError(text.to_owned());
        if let Some(serial) = text.strip_prefix("serial=") {
            let valid = !serial.is_empty();
            return valid
                .then(|| Selector::Serial(serial.to_owned()))
                .ok_or_else(error);
        }
        let hex = |text: &str| {
            let digits =
                (1..=4).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_hexdigit());
            digits.then(|| u16::from_str_radix(text, 16).ok()).flatten()
        };
        let decimal = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
            digits.then(|| text.parse::<u8>().ok()).flatten()
        };
        if let Some((vendor, product)) = text.split_once(':') {
            let (vendor, product) = hex(vendor).zip(hex(product)).ok_or_else(error)?;
            return Ok(Selector::Id(vendor, product));
        }
        let (bus, ports) = text.split_once('-').ok_or_else(error)?;
        let ports = ports.split('.').map(decimal).collect::<Option<Vec<u8>>>();
        let (bus, ports) = decimal(bus).zip(ports).ok_or_else(error)?;
        Ok(Selector::Path(bus, ports))
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Selector::Id(vendor, product) => write!(f, "{vendor:04x}:{product:04x}"),
            Selector::Path(bus, ports) => f.write_str(&path(*bus, ports)),
            Selector::Serial(serial) => write!(f, "serial={serial}"),
        }
    }
}

/// A device's place as Linux writes it.
pub fn path(bus: u8, ports: &[u8]) -> String {
    let ports: Vec<String> = ports.iter().map(u8::to_string).collect();
    format!("{bus}-{}", ports.join("."))
}

impl Selector {
    /// Whether a device is named by it. Hubs never are: they aren't a device to share.
    pub fn names(&self, info: &DeviceInfo) -> bool {
        const HUB: u8 = 9;
        info.class() != HUB
            && match self {
                Selector::Id(vendor, product) => {
                    (info.vendor_id(), info.product_id()) == (*vendor, *product)
                }
                Selector::Path(bus, ports) => {
                    info.busnum() == *bus && info.port_chain() == &ports[..]
                }
                Selector::Serial(serial) => info.serial_number() == Some(serial),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written() {
        let cases = [
            ("46f4:0001", Some(Selector::Id(0x46f4, 1))),
            ("46F4:1", Some(Selector::Id(0x46f4, 1))),
            ("1-4.2", Some(Selector::Path(1, vec![4, 2]))),
            ("serial=A-1:2", Some(Selector::Serial("A-1:2".to_owned()))),
            ("46f4", None),
            ("46f4:00010", None),
            ("46f4:+1", None),
            ("-46f4:1", None),
            ("1-", None),
            ("1-4.", None),
            ("256-1", None),
            ("serial=", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let read = text.parse::<Selector>();
            assert_eq!(read.clone().ok(), expected, "{text}");
            if let Ok(read) = read {
                assert_eq!(read.to_string().parse(), Ok(read), "{text}");
            }
        }
    }
}
