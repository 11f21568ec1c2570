// SPDX-License-Identifier: GPL-2.0-or-later
//! From a new device to one that the guest sees.

use std::collections::BTreeMap;

use usbredir::{Endpoint, Interface, Packet, Status, TransferType, Verdict, ENDPOINTS};

use super::device::{Pending, Selected, Stage};
use super::{Event, Failure, Slot};
use crate::descriptor::{self, Configuration, CONFIGURATION_LENGTH, DEVICE_LENGTH};
use crate::high_speed;
use crate::urb::{Buffer, Completion, Outcome, Request, SelectedInterface};

impl Slot {
    /// Asks for what the stage needs.
    pub(super) fn set_up(&mut self) {
        let Some(device) = &self.device else {
            return;
        };
        let request = match device.stage {
            Stage::Descriptor => get_descriptor(descriptor::DEVICE, 0, DEVICE_LENGTH as u16),
            Stage::ConfigurationLength(index) => get_descriptor(
                descriptor::CONFIGURATION,
                index,
                CONFIGURATION_LENGTH as u16,
            ),
            // Asked for by what came before, which knows the length.
            Stage::Configuration(_) => return,
            Stage::Selecting => Request::SelectConfiguration {
                descriptor: device.configurations.first().map(|it| it.bytes.clone()),
            },
            Stage::Waiting => return self.connect(),
            Stage::Connected => return,
        };
        self.request(Pending::Setup, request);
    }

    /// Goes on with the answer to what the stage asked for.
    pub(super) fn set_up_with(&mut self, completion: Completion) {
        if !completion.status.is_success() {
            return self.fail(Failure::Setup(completion.status));
        }
        if let Err(failure) = self.next_stage(completion.outcome) {
            self.fail(failure);
        }
    }

    fn next_stage(&mut self, outcome: Outcome) -> Result<(), Failure> {
        let Some(device) = &mut self.device else {
            return Ok(());
        };
        match (device.stage, outcome) {
            (Stage::Descriptor, Outcome::Data(bytes)) => {
                device.descriptor = Some(descriptor::Device::parse(&bytes)?);
                device.is_super_speed = high_speed::is_super_speed(&bytes);
                device.stage = Stage::ConfigurationLength(0);
            }
            (Stage::ConfigurationLength(index), Outcome::Data(bytes)) => {
                let length = Configuration::total_length(&bytes)?;
                device.stage = Stage::Configuration(index);
                let request = get_descriptor(descriptor::CONFIGURATION, index, length);
                self.request(Pending::Setup, request);
                return Ok(());
            }
            (Stage::Configuration(index), Outcome::Data(bytes)) => {
                let mut shown = bytes.clone();
                if device.is_super_speed {
                    high_speed::show(&mut shown);
                }
                let mut configuration = Configuration::parse(shown, device.speed)?;
                // The client gets its own one back.
                configuration.bytes = bytes;
                device.configurations.push(configuration);
                let count = device.descriptor.map_or(0, |it| it.configurations);
                let next = index + 1;
                device.stage = match next < count.min(descriptor::MAX_CONFIGURATIONS) {
                    true => Stage::ConfigurationLength(next),
                    false => Stage::Selecting,
                };
            }
            (Stage::Selecting, Outcome::Selected(interfaces)) => {
                device.stage = Stage::Waiting;
                if !self.select(0, &interfaces) {
                    return Err(Failure::Answers);
                }
            }
            _ => return Err(Failure::Answers),
        }
        self.set_up();
        Ok(())
    }

    /// Takes a configuration for selected, with alternate settings 0. False if the client didn't
    /// tell all of its endpoints.
    pub(super) fn select(&mut self, index: usize, interfaces: &[SelectedInterface]) -> bool {
        let Some(device) = &mut self.device else {
            return false;
        };
        let numbers: Vec<u8> = device.configurations[index].interfaces().collect();
        device.selected = Some(Selected {
            index,
            alts: BTreeMap::new(),
            pipes: [None; ENDPOINTS],
        });
        numbers.into_iter().all(|number| {
            let setting = device.configurations[index].setting(number, 0);
            setting.is_none() || device.open(number, 0, interfaces)
        })
    }

    /// Shows the device to the guest if both are ready, and the filters admit it.
    pub(super) fn connect(&mut self) {
        let Some(device) = &mut self.device else {
            return;
        };
        let (Stage::Waiting, Some(descriptor), Some(_)) =
            (device.stage, device.descriptor, self.connection.peer())
        else {
            return;
        };
        let verdict = self.verdict();
        if verdict != Verdict::Allowed {
            return self.fail(Failure::Filter(verdict));
        }
        let Some(device) = &mut self.device else {
            return;
        };
        device.stage = Stage::Connected;
        let speed = device.speed;
        self.tell_interfaces();
        self.send(
            0,
            Packet::DeviceConnect {
                speed,
                class: descriptor.class,
                subclass: descriptor.subclass,
                protocol: descriptor.protocol,
                vendor: descriptor.vendor,
                product: descriptor.product,
                version: descriptor.version,
            },
        );
        let (vendor, product) = (descriptor.vendor, descriptor.product);
        self.events.push_back(Event::Plugged { vendor, product });
    }

    /// What the filters of both sides say of the device.
    pub(super) fn verdict(&self) -> Verdict {
        let Some(descriptor) = self.device.as_ref().and_then(|device| device.descriptor) else {
            return Verdict::Allowed;
        };
        let interfaces = self.interfaces();
        [&self.filter, &self.guest_filter]
            .into_iter()
            .flatten()
            .map(|filter| {
                filter.check(
                    descriptor.class,
                    descriptor.vendor,
                    descriptor.product,
                    descriptor.version,
                    &interfaces,
                )
            })
            .find(|verdict| *verdict != Verdict::Allowed)
            .unwrap_or(Verdict::Allowed)
    }

    fn interfaces(&self) -> Vec<Interface> {
        let Some(device) = &self.device else {
            return Vec::new();
        };
        let (Some(selected), Some(configuration)) = (&device.selected, device.configuration())
        else {
            return Vec::new();
        };
        let settings = selected.alts.iter().filter_map(|(number, alt)| {
            configuration
                .setting(*number, *alt)
                .map(|setting| setting.interface)
        });
        settings.take(usbredir::MAX_INTERFACES).collect()
    }

    /// Tells the guest which interfaces and endpoints there are now.
    pub(super) fn tell_interfaces(&mut self) {
        let interfaces = self.interfaces();
        let mut endpoints = Box::new([Endpoint::ABSENT; ENDPOINTS]);
        let control = Endpoint {
            kind: TransferType::CONTROL,
            max_packet_size: 64,
            ..Endpoint::ABSENT
        };
        endpoints[Endpoint::index(0)] = control;
        endpoints[Endpoint::index(usbredir::IN)] = control;
        if let Some(selected) = self
            .device
            .as_ref()
            .and_then(|device| device.selected.as_ref())
        {
            for (to, pipe) in endpoints.iter_mut().zip(selected.pipes) {
                if let Some(pipe) = pipe {
                    *to = pipe.endpoint;
                }
            }
        }
        self.send(0, Packet::InterfaceInfo { interfaces });
        self.send(0, Packet::EpInfo { endpoints });
    }

    /// Answers a SET or GET_CONFIGURATION with what is selected.
    pub(super) fn tell_configuration(&mut self, id: u64, status: Status) {
        let device = self.device.as_ref();
        let configuration = device
            .and_then(|it| it.configuration())
            .map_or(0, |it| it.value);
        self.send(
            id,
            Packet::ConfigurationStatus {
                status,
                configuration,
            },
        );
    }

    /// Answers a SET or GET_INTERFACE with what is selected.
    pub(super) fn tell_alt(&mut self, id: u64, interface: u8, status: Status) {
        let selected = self
            .device
            .as_ref()
            .and_then(|device| device.selected.as_ref());
        let alt = selected
            .and_then(|selected| selected.alts.get(&interface))
            .copied();
        let status = if alt.is_none() {
            Status::INVALID
        } else {
            status
        };
        self.send(
            id,
            Packet::AltSettingStatus {
                status,
                interface,
                alt: alt.unwrap_or(0),
            },
        );
    }

    /// Takes the answer to a SET_CONFIGURATION of the guest.
    pub(super) fn configured(&mut self, id: u64, index: Option<usize>, answer: Completion) {
        let mut status = super::status(answer.status);
        if status == Status::SUCCESS {
            let done = match (index, answer.outcome) {
                (None, _) => {
                    if let Some(device) = &mut self.device {
                        device.selected = None;
                    }
                    true
                }
                (Some(index), Outcome::Selected(interfaces)) => self.select(index, &interfaces),
                _ => false,
            };
            if !done {
                self.wrong_answer(answer.request);
                status = Status::IO_ERROR;
            }
            self.tell_interfaces();
        }
        self.tell_configuration(id, status);
    }

    /// Takes the answer to a SET_INTERFACE of the guest.
    pub(super) fn alt_selected(&mut self, id: u64, interface: u8, alt: u8, answer: Completion) {
        let mut status = super::status(answer.status);
        if status == Status::SUCCESS {
            let done = match (&mut self.device, &answer.outcome) {
                (Some(device), Outcome::Selected(told)) => device.open(interface, alt, told),
                _ => false,
            };
            if !done {
                self.wrong_answer(answer.request);
                status = Status::IO_ERROR;
            }
            self.tell_interfaces();
        }
        self.tell_alt(id, interface, status);
    }
}

/// GET_DESCRIPTOR, with room for `length` bytes.
fn get_descriptor(kind: u8, index: u8, length: u16) -> Request {
    let [low, high] = length.to_le_bytes();
    Request::Control {
        setup: [0x80, 6, index, kind, 0, 0, low, high],
        buffer: Buffer::In(length.into()),
    }
}
