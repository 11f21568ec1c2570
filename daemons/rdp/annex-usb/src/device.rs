// SPDX-License-Identifier: GPL-2.0-or-later
//! What a device is, real or in software.

use ironrdp_rdpeusb::io::device::{
    UsbClassCodes, UsbConfigInfo, UsbConnectionSpeed, UsbDeviceDescriptorInfo, UsbDeviceLocation,
    UsbInterfaceInfo,
};
use ironrdp_rdpeusb::io::DeviceInfo;
use ironrdp_usb::BcdVersion;
use rdp_usb::descriptor::{self, Configuration, DescriptorError};
use rdp_usb::{Done, Operation, OperationId, Share, ShareLimits};
use tokio::sync::mpsc;
use usbredir::Speed;

/// A device, by the order in which devices came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub u32);

/// What is told of a device.
#[derive(Clone, Debug)]
pub struct Description {
    /// The number of its bus.
    pub bus: u8,
    /// Its address there.
    pub address: u8,
    /// The ports that lead to it.
    pub ports: Vec<u8>,
    /// Its speed.
    pub speed: Speed,
    /// The device descriptor.
    pub device: Vec<u8>,
    /// The descriptors of each configuration.
    pub configurations: Vec<Vec<u8>>,
}

impl Description {
    /// The same for ADD_DEVICE (MS-RDPEUSB 2.2.4.2).
    ///
    /// # Errors
    ///
    /// A descriptor can't be read.
    pub(crate) fn info(&self) -> Result<DeviceInfo, DescriptorError> {
        let device = descriptor::Device::parse(&self.device)?;
        let first = self
            .configurations
            .first()
            .ok_or(DescriptorError::NoConfiguration)?;
        let first = Configuration::parse(first.clone(), self.speed)?;
        let codes = |class_code, sub_class_code, protocol_code| UsbClassCodes {
            class_code,
            sub_class_code,
            protocol_code,
        };
        let interfaces = first
            .interfaces()
            .filter_map(|number| first.setting(number, 0))
            .map(|setting| {
                let it = setting.interface;
                UsbInterfaceInfo {
                    class_codes: codes(it.class, it.subclass, it.protocol),
                }
            })
            .collect();
        Ok(DeviceInfo {
            location: UsbDeviceLocation {
                bus_number: self.bus,
                address: self.address,
                port_numbers: self.ports.clone(),
            },
            descriptor: UsbDeviceDescriptorInfo {
                vendor_id: device.vendor,
                product_id: device.product,
                device_version: device.version,
                usb_version: BcdVersion::from_raw(u16::from_le_bytes([
                    self.device[2],
                    self.device[3],
                ])),
                class_codes: codes(device.class, device.subclass, device.protocol),
                num_configurations: device.configurations,
            },
            active_config: Some(UsbConfigInfo { interfaces }),
            speed: match self.speed {
                Speed::LOW => UsbConnectionSpeed::Low,
                Speed::FULL => UsbConnectionSpeed::Full,
                Speed::HIGH => UsbConnectionSpeed::High,
                Speed::SUPER => UsbConnectionSpeed::Super,
                _ => UsbConnectionSpeed::Unknown,
            },
            // No transfers without an answer are taken.
            isochronous: false,
        })
    }

    /// Its half of the redirection.
    ///
    /// # Errors
    ///
    /// A descriptor can't be read.
    pub(crate) fn share(&self) -> Result<Share, DescriptorError> {
        Share::new(
            self.speed,
            self.configurations.clone(),
            ShareLimits::default(),
        )
    }
}

/// How operations of a device have ended.
pub type Ended = mpsc::UnboundedSender<(DeviceId, OperationId, Done)>;

/// A device that is open. When it is dropped, it is given back to the machine it belongs to.
pub trait Device: Send {
    /// Begins an operation. Its end is told to the [`Ended`] that the device was opened with,
    /// but for [`Operation::Cancel`], which has none.
    fn begin(&mut self, id: OperationId, operation: Operation);
}
