// SPDX-License-Identifier: GPL-2.0-or-later
//! Descriptors as devices have them (USB 2.0, section 9.6), as far as redirection needs them.
//! They come from a stranger: what doesn't fit is an error.

use usbredir::{Endpoint, Speed, TransferType, IN};

/// The length of a device descriptor, in bytes.
pub const DEVICE_LENGTH: usize = 18;
/// The length of a configuration descriptor's own part.
pub const CONFIGURATION_LENGTH: usize = 9;
/// The most configurations of a device that are looked at.
pub const MAX_CONFIGURATIONS: u8 = 8;

/// bDescriptorType of a device.
pub const DEVICE: u8 = 1;
/// bDescriptorType of a configuration.
pub const CONFIGURATION: u8 = 2;
const INTERFACE: u8 = 4;
/// bDescriptorType of an endpoint.
pub const ENDPOINT: u8 = 5;

/// What is wrong with a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescriptorError {
    /// It ends before its fields do.
    #[error("a descriptor is cut off")]
    Short,
    /// It is none of those that were asked for.
    #[error("a descriptor of type {0}")]
    Type(u8),
    /// More than 32 interfaces or 256 alternate settings.
    #[error("too many interfaces")]
    TooMany,
    /// An endpoint that isn't there twice, but its entry is.
    #[error("endpoint {0:#04x} can't be")]
    Endpoint(u8),
    /// The device has no configuration.
    #[error("no configuration")]
    NoConfiguration,
}

/// A device's descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// bDeviceClass.
    pub class: u8,
    /// bDeviceSubClass.
    pub subclass: u8,
    /// bDeviceProtocol.
    pub protocol: u8,
    /// idVendor.
    pub vendor: u16,
    /// idProduct.
    pub product: u16,
    /// bcdDevice.
    pub version: u16,
    /// bNumConfigurations.
    pub configurations: u8,
}

impl Device {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// It isn't one, or has no configuration.
    pub fn parse(bytes: &[u8]) -> Result<Device, DescriptorError> {
        let bytes: &[u8; DEVICE_LENGTH] = bytes.first_chunk().ok_or(DescriptorError::Short)?;
        if bytes[1] != DEVICE {
            return Err(DescriptorError::Type(bytes[1]));
        }
        if bytes[17] == 0 {
            return Err(DescriptorError::NoConfiguration);
        }
        let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        Ok(Device {
            class: bytes[4],
            subclass: bytes[5],
            protocol: bytes[6],
            vendor: word(8),
            product: word(10),
            version: word(12),
            configurations: bytes[17],
        })
    }
}

/// An alternate setting of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Number and class.
    pub interface: usbredir::Interface,
    /// bAlternateSetting.
    pub alt: u8,
    /// Its endpoints' addresses, and what is told of each.
    pub endpoints: Vec<(u8, Endpoint)>,
}

/// A configuration with all that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// bConfigurationValue.
    pub value: u8,
    /// Its descriptors as the device has them.
    pub bytes: Vec<u8>,
    /// Each alternate setting, in the device's order.
    pub settings: Vec<Setting>,
}

impl Configuration {
    /// wTotalLength of the first part of a configuration descriptor.
    ///
    /// # Errors
    ///
    /// It isn't one.
    pub fn total_length(bytes: &[u8]) -> Result<u16, DescriptorError> {
        let bytes: &[u8; CONFIGURATION_LENGTH] =
            bytes.first_chunk().ok_or(DescriptorError::Short)?;
        match bytes[1] {
            CONFIGURATION => {
                let length = u16::from_le_bytes([bytes[2], bytes[3]]);
                Ok(length.max(CONFIGURATION_LENGTH as u16))
            }
            other => Err(DescriptorError::Type(other)),
        }
    }

    /// Reads all of a configuration of a device with this speed.
    ///
    /// # Errors
    ///
    /// It isn't one, or something in it can't be.
    pub fn parse(bytes: Vec<u8>, speed: Speed) -> Result<Configuration, DescriptorError> {
        let length = usize::from(Configuration::total_length(&bytes)?);
        if bytes.len() < length {
            return Err(DescriptorError::Short);
        }
        let value = bytes[5];
        let mut settings: Vec<Setting> = Vec::new();
        let mut rest = &bytes[..length];
        while let &[size, kind, ..] = rest {
            if size < 2 {
                return Err(DescriptorError::Short);
            }
            let (one, next) = rest
                .split_at_checked(size.into())
                .ok_or(DescriptorError::Short)?;
            rest = next;
            match (kind, one) {
                (INTERFACE, &[_, _, number, alt, _, class, subclass, protocol, ..]) => {
                    if settings.len() == 256 || number >= 32 {
                        return Err(DescriptorError::TooMany);
                    }
                    let interface = usbredir::Interface {
                        number,
                        class,
                        subclass,
                        protocol,
                    };
                    settings.push(Setting {
                        interface,
                        alt,
                        endpoints: Vec::new(),
                    });
                }
                (ENDPOINT, &[_, _, address, attributes, low, high, interval, ..]) => {
                    let setting = settings
                        .last_mut()
                        .ok_or(DescriptorError::Endpoint(address))?;
                    let known = setting.endpoints.iter().any(|(it, _)| *it == address);
                    if address & 0x70 != 0 || address & 0x0f == 0 || known {
                        return Err(DescriptorError::Endpoint(address));
                    }
                    let endpoint = endpoint(
                        attributes,
                        u16::from_le_bytes([low, high]),
                        interval,
                        setting.interface.number,
                        speed,
                    );
                    setting.endpoints.push((address, endpoint));
                }
                (INTERFACE | ENDPOINT, _) => return Err(DescriptorError::Short),
                _ => (),
            }
        }
        Ok(Configuration {
            value,
            bytes,
            settings,
        })
    }

    /// An interface's alternate setting.
    pub fn setting(&self, interface: u8, alt: u8) -> Option<&Setting> {
        self.settings
            .iter()
            .find(|it| it.interface.number == interface && it.alt == alt)
    }

    /// The numbers of its interfaces, each once.
    pub fn interfaces(&self) -> impl Iterator<Item = u8> + '_ {
        self.settings.iter().enumerate().filter_map(|(i, setting)| {
            let number = setting.interface.number;
            let seen = self.settings[..i]
                .iter()
                .any(|it| it.interface.number == number);
            (!seen).then_some(number)
        })
    }
}

/// What usbredir tells of an endpoint: sizes in bytes and intervals in frames or microframes.
fn endpoint(attributes: u8, size: u16, interval: u8, interface: u8, speed: Speed) -> Endpoint {
    let kind = TransferType(attributes & 3);
    let periodic = kind == TransferType::ISO || kind == TransferType::INTERRUPT;
    let fast = speed == Speed::HIGH || speed == Speed::SUPER;
    // Bits 11 and 12: transactions beside the first in a microframe.
    let transactions = match periodic && speed == Speed::HIGH {
        true => 1 + (size >> 11 & 3).min(2),
        false => 1,
    };
    let interval = match (kind, fast) {
        (TransferType::BULK | TransferType::CONTROL, _) => interval,
        // An exponent; what doesn't fit is the slowest that can be told.
        (TransferType::ISO, _) | (_, true) => 1u8
            .checked_shl(u32::from(interval.max(1)) - 1)
            .unwrap_or(255),
        _ => interval.max(1),
    };
    Endpoint {
        kind,
        interval,
        interface,
        max_packet_size: (size & 0x7ff) * transactions,
        max_streams: 0,
    }
}

/// Whether an endpoint's data comes from the device.
pub fn is_in(endpoint: u8) -> bool {
    endpoint & IN != 0
}
