// SPDX-License-Identifier: GPL-2.0-or-later
//! Both ends, and what moves between them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use annex_usb::client::{Client, Event};
use annex_usb::device::DeviceId;
use annex_usb::testing::description;
use ironrdp_dvc::{DrdynvcClient, DrdynvcServer};
use ironrdp_svc::{SvcMessage, SvcProcessor};
use rdp_usb::testing::{Device, Guest};
use rdp_usb::{Done, Operation, OperationId, UsbdStatus};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use urbdrc::{Config, Messages, Usb};
use usbredir::Packet;

/// A device in software, and what it isn't ready for.
struct Software {
    device: Box<dyn Device + Send>,
    waiting: Vec<(OperationId, Operation)>,
}

/// A server with guests, a client with devices, and what is on its way between them.
pub struct Ends {
    pub guests: Vec<Guest>,
    streams: Vec<UnixStream>,
    links: Vec<JoinHandle<()>>,
    usb: Usb,
    server: DrdynvcServer,
    messages: Messages,
    pub client: Client,
    drdynvc: DrdynvcClient,
    devices: BTreeMap<DeviceId, Software>,
    next: u32,
    pub events: Vec<Event>,
    to_client: VecDeque<Vec<u8>>,
    to_server: VecDeque<Vec<u8>>,
}

fn bytes(messages: Vec<SvcMessage>) -> impl Iterator<Item = Vec<u8>> {
    messages
        .into_iter()
        .map(|message| message.encode_unframed_pdu().expect("a message"))
}

impl Ends {
    /// A server with so many `usb-redir`s, and a client without devices.
    pub async fn new(config: Config, links: usize) -> Ends {
        let usb = Usb::new(config);
        let mut ends = Ends {
            guests: Vec::new(),
            streams: Vec::new(),
            links: Vec::new(),
            server: DrdynvcServer::new(),
            messages: usb.session().1,
            usb,
            client: Client::new().0,
            drdynvc: DrdynvcClient::new(),
            devices: BTreeMap::new(),
            next: 1,
            events: Vec::new(),
            to_client: VecDeque::new(),
            to_server: VecDeque::new(),
        };
        for number in 0..links {
            let (here, there) = UnixStream::pair().expect("a pair");
            let link = ends.usb.add(&format!("usb{number}"));
            ends.links.push(tokio::spawn(async move {
                link.run(there).await.expect("a stream");
            }));
            ends.guests.push(Guest::new());
            ends.streams.push(here);
        }
        ends.connect().await;
        ends
    }

    /// A session begins, after the one before has ended.
    pub async fn connect(&mut self) {
        let (channel, messages) = self.usb.session();
        self.server = DrdynvcServer::new().with_dynamic_channel(channel);
        self.messages = messages;
        let (client, listener) = Client::new();
        self.client = client;
        self.drdynvc = DrdynvcClient::new().with_listener(listener);
        self.devices.clear();
        self.to_client.clear();
        self.to_server.clear();
        let first = self.server.start().expect("the beginning");
        self.to_client.extend(bytes(first));
        self.settle().await;
    }

    /// The client's process is gone, without a word.
    pub async fn kill_client(&mut self) {
        self.devices.clear();
        self.drdynvc = DrdynvcClient::new();
        self.to_client.clear();
        self.to_server.clear();
        // The session notices, and ends.
        self.server = DrdynvcServer::new();
        self.settle().await;
    }

    /// The client has a device.
    pub async fn plug(&mut self, device: impl Device + Send + 'static) -> DeviceId {
        let id = DeviceId(self.next);
        self.next += 1;
        let description = description(&device);
        let (device, waiting) = (Box::new(device), Vec::new());
        self.devices.insert(id, Software { device, waiting });
        self.client.add(id, description).expect("good descriptors");
        self.settle().await;
        id
    }

    pub async fn unplug(&mut self, id: DeviceId) {
        self.devices.remove(&id);
        let messages = self.client.remove(id, &mut self.drdynvc);
        self.to_server.extend(bytes(messages));
        self.settle().await;
    }

    /// Lets things move until nothing does.
    pub async fn settle(&mut self) {
        let mut quiet = 0;
        while quiet < 3 {
            quiet = if self.turn().await { 0 } else { quiet + 1 };
        }
    }

    /// Lets things move once, and gives the links' tasks their turn. Whether something moved.
    pub async fn turn(&mut self) -> bool {
        let mut moved = self.between();
        moved |= self.devices();
        moved |= self.guests().await;
        if moved {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        moved
    }

    fn between(&mut self) -> bool {
        let mut moved = false;
        while let Ok(message) = self.messages.try_recv() {
            let messages = message.apply(&mut self.server).expect("a message");
            self.to_client.extend(bytes(messages));
            moved = true;
        }
        while let Some(message) = self.to_client.pop_front() {
            let answers = self.drdynvc.process(&message).expect("the client goes on");
            self.to_server.extend(bytes(answers));
            moved = true;
        }
        let messages = self.client.poll(&mut self.drdynvc).expect("messages");
        self.to_server.extend(bytes(messages));
        while let Some(message) = self.to_server.pop_front() {
            let answers = self.server.process(&message).expect("the session goes on");
            self.to_client.extend(bytes(answers));
            moved = true;
        }
        self.events
            .extend(std::iter::from_fn(|| self.client.poll_event()));
        moved
    }

    fn devices(&mut self) -> bool {
        let mut moved = false;
        while let Some((id, number, operation)) = self.client.poll_operation() {
            moved = true;
            let Some(it) = self.devices.get_mut(&id) else {
                continue;
            };
            match operation {
                Operation::Cancel(wanted) => {
                    if it.waiting.iter().any(|(number, _)| *number == wanted) {
                        it.waiting.retain(|(number, _)| *number != wanted);
                        self.client
                            .done(id, wanted, Done::with(UsbdStatus::CANCELED));
                    }
                }
                operation => it.waiting.push((number, operation)),
            }
        }
        for (id, it) in &mut self.devices {
            for (number, operation) in std::mem::take(&mut it.waiting) {
                match it.device.perform(&operation) {
                    Some(done) => {
                        self.client.done(*id, number, done);
                        moved = true;
                    }
                    None => it.waiting.push((number, operation)),
                }
            }
        }
        moved
    }

    async fn guests(&mut self) -> bool {
        let mut moved = false;
        for (guest, stream) in self.guests.iter_mut().zip(&mut self.streams) {
            let unsent = guest.connection.unsent().to_vec();
            if !unsent.is_empty() {
                stream.write_all(&unsent).await.expect("a stream");
                guest.connection.sent(unsent.len());
                moved = true;
            }
            let mut buffer = vec![0; 1 << 16];
            while let Ok(count) = stream.try_read(&mut buffer) {
                if count == 0 {
                    break;
                }
                guest.receive(&buffer[..count]);
                moved = true;
            }
        }
        moved
    }

    /// The first guest asks, and is answered.
    pub async fn ask(&mut self, packet: Packet) -> Packet {
        let id = self.guests[0].ask(packet);
        self.settle().await;
        self.guests[0].answers.remove(&id).expect("an answer")
    }
}
