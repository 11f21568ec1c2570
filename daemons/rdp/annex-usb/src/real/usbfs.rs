// SPDX-License-Identifier: GPL-2.0-or-later
//! A device's node as Linux has it (linux/usbdevice_fs.h), and URBs: all that is unsafe about them.
//!
//! The kernel copies a URB and its data when it is submitted, and keeps their addresses. It writes
//! there what came of it when the URB is reaped, and at no other time.

#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::ffi::{c_int, c_uchar, c_uint, c_void};
use std::fs::File;
use std::io;
use std::path::Path;
use std::ptr;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::ioctl::{ioctl, opcode, Getter, Ioctl, IoctlOutput, Opcode, Setter};
use tokio::io::unix::AsyncFd;
use tokio::io::Interest;

/// The most packets of a URB, as Linux has it.
pub const MAX_PACKETS: usize = 128;
/// Bytes of a setup packet.
const SETUP: usize = 8;
/// The bit of bEndpointAddress and bmRequestType for data to the host.
const IN: u8 = 0x80;

/// USBDEVFS_URB_ISO_ASAP.
const ASAP: c_uint = 2;

const SETINTERFACE: Opcode = opcode::read::<[c_uint; 2]>(b'U', 4);
const SUBMITURB: Opcode = opcode::read::<Header>(b'U', 10);
const DISCARDURB: Opcode = opcode::none(b'U', 11);
const REAPURBNDELAY: Opcode = opcode::write::<*mut c_void>(b'U', 13);
const CLAIMINTERFACE: Opcode = opcode::read::<c_uint>(b'U', 15);
const CLEAR_HALT: Opcode = opcode::read::<c_uint>(b'U', 21);

/// USBDEVFS_URB_TYPE_*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Isochronous = 0,
    Interrupt = 1,
    Control = 2,
    Bulk = 3,
}

/// struct usbdevfs_urb.
#[repr(C)]
struct Header {
    kind: c_uchar,
    endpoint: c_uchar,
    status: c_int,
    flags: c_uint,
    buffer: *mut u8,
    buffer_length: c_int,
    actual_length: c_int,
    start_frame: c_int,
    packets: c_int,
    error_count: c_int,
    signal: c_uint,
    context: *mut c_void,
}

/// struct usbdevfs_iso_packet_desc.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Packet {
    length: c_uint,
    actual_length: c_uint,
    status: c_int,
}

/// What the kernel is told the address of. It looks at as many packets as the header says.
#[repr(C)]
struct Block {
    header: Header,
    packets: [Packet; MAX_PACKETS],
}

struct Memory {
    block: Block,
    data: Vec<u8>,
}

/// A URB that isn't submitted.
pub struct Urb(Box<Memory>);

// SAFETY: its pointer is to its own data, and is followed by the kernel only.
unsafe impl Send for Urb {}

impl Urb {
    /// A bulk or an interrupt transfer: of these bytes, or of room for so many.
    pub fn transfer(kind: Kind, endpoint: u8, data: Vec<u8>) -> Urb {
        Urb::new(kind, endpoint, data)
    }

    /// A control transfer.
    pub fn control(setup: [u8; SETUP], data: &[u8]) -> Urb {
        Urb::new(Kind::Control, 0, [&setup[..], data].concat())
    }

    /// Packets of these lengths, one behind the other in `data`. None if they don't fill it, or if
    /// Linux doesn't take so many.
    pub fn isochronous(endpoint: u8, lengths: &[u16], data: Vec<u8>) -> Option<Urb> {
        let total: usize = lengths.iter().map(|it| usize::from(*it)).sum();
        if !(1..=MAX_PACKETS).contains(&lengths.len()) || total != data.len() {
            return None;
        }
        let mut urb = Urb::new(Kind::Isochronous, endpoint, data);
        let block = &mut urb.0.block;
        block.header.flags = ASAP;
        block.header.packets = lengths.len() as c_int;
        for (packet, length) in block.packets.iter_mut().zip(lengths) {
            packet.length = (*length).into();
        }
        Some(urb)
    }

    fn new(kind: Kind, endpoint: u8, data: Vec<u8>) -> Urb {
        let header = Header {
            kind: kind as c_uchar,
            endpoint,
            status: 0,
            flags: 0,
            buffer: ptr::null_mut(),
            buffer_length: 0,
            actual_length: 0,
            start_frame: 0,
            packets: 0,
            error_count: 0,
            signal: 0,
            context: ptr::null_mut(),
        };
        let packets = [Packet::default(); MAX_PACKETS];
        let block = Block { header, packets };
        Urb(Box::new(Memory { block, data }))
    }

    /// Whether data goes to the host.
    pub fn is_in(&self) -> bool {
        let address = if self.is_control() {
            self.0.data[0]
        } else {
            self.0.block.header.endpoint
        };
        address & IN != 0
    }

    fn is_control(&self) -> bool {
        self.0.block.header.kind == Kind::Control as c_uchar
    }

    /// How it ended.
    pub fn status(&self) -> Result<(), Errno> {
        errno(self.0.block.header.status)
    }

    /// How many bytes were moved.
    pub fn moved(&self) -> usize {
        usize::try_from(self.0.block.header.actual_length).unwrap_or(0)
    }

    /// How packets ended, and how many bytes of each were moved.
    pub fn packets(&self) -> impl Iterator<Item = (Result<(), Errno>, usize)> + '_ {
        let count = usize::try_from(self.0.block.header.packets).unwrap_or(0);
        let packets = self.0.block.packets.iter().take(count);
        packets.map(|it| (errno(it.status), it.actual_length as usize))
    }

    /// Its data, without a setup packet: all that there is room for.
    pub fn into_data(mut self) -> Vec<u8> {
        if self.is_control() {
            self.0.data.drain(..SETUP);
        }
        self.0.data
    }
}

fn errno(status: c_int) -> Result<(), Errno> {
    match status {
        0 => Ok(()),
        status => Err(Errno::from_raw_os_error(status.saturating_neg())),
    }
}

/// A URB that the kernel has: memory that only a reap writes to.
struct Submitted(*mut Memory);

// SAFETY: it is as good as the URB that it was made from.
unsafe impl Send for Submitted {}

impl Submitted {
    fn block(&self) -> *mut Block {
        // SAFETY: it was a box, and is one again only when this is given up.
        unsafe { &raw mut (*self.0).block }
    }

    /// The URB again.
    ///
    /// # Safety
    ///
    /// The kernel doesn't have it any more, or is never asked for it.
    unsafe fn into_urb(self) -> Urb {
        // SAFETY: it was a box, and this is the only pointer to it.
        Urb(unsafe { Box::from_raw(self.0) })
    }
}

/// A descriptor of a device's node. When it is dropped, what is in flight ends, and interfaces are
/// nobody's again.
pub struct Node {
    file: AsyncFd<Arc<File>>,
    /// What is in flight, by its address.
    urbs: BTreeMap<usize, (u64, Submitted)>,
}

impl Node {
    /// Opens one.
    pub fn open(path: &Path) -> io::Result<Node> {
        let file = File::options().read(true).write(true).open(path)?;
        Node::of(file)
    }

    fn of(file: File) -> io::Result<Node> {
        // SAFETY: the file has one descriptor, and is closed when nobody has it any more.
        let file = unsafe {
            // Writable says that there is something to reap.
            AsyncFd::register_with_interest(Arc::new(file), Interest::WRITABLE)
        }?;
        let urbs = BTreeMap::new();
        Ok(Node { file, urbs })
    }

    /// The same descriptor, for what waits for the device.
    pub fn file(&self) -> Arc<File> {
        self.file.get_ref().clone()
    }

    /// Takes an interface that no driver has.
    pub fn claim(&self, interface: u8) -> Result<(), Errno> {
        // SAFETY: it takes the address of a number.
        unsafe {
            ioctl(
                self.file.get_ref(),
                Setter::<CLAIMINTERFACE, c_uint>::new(interface.into()),
            )
        }
    }

    /// Begins a transfer, which is called `id`.
    pub fn submit(&mut self, id: u64, urb: Urb) -> Result<(), Errno> {
        let mut memory = urb.0;
        let length = memory.data.len().try_into().map_err(|_| Errno::INVAL)?;
        memory.block.header.buffer_length = length;
        memory.block.header.buffer = memory.data.as_mut_ptr();
        let submitted = Submitted(Box::into_raw(memory));
        let address = submitted.block();
        // SAFETY: the block and its data live until it has been reaped, or nothing is reaped any
        // more: `urbs` has them. A block has room for the packets it tells of, and so has the data.
        let result = unsafe { ioctl(self.file.get_ref(), Of::<SUBMITURB>(address)) };
        if let Err(error) = result {
            // SAFETY: the kernel didn't take it.
            drop(unsafe { submitted.into_urb() });
            return Err(error);
        }
        self.urbs.insert(address.addr(), (id, submitted));
        Ok(())
    }

    /// Ends what is in flight and called `id`, which is reaped all the same.
    pub fn discard(&mut self, id: u64) {
        for (_, submitted) in self.urbs.values().filter(|(it, _)| *it == id) {
            // SAFETY: the kernel compares the address with those that it has.
            let result = unsafe { ioctl(self.file.get_ref(), Of::<DISCARDURB>(submitted.block())) };
            if let Err(error) = result {
                log::debug!("a transfer that isn't discarded: {error}");
            }
        }
    }

    /// Waits until a transfer has ended, and takes it.
    pub async fn reaped(&mut self) -> io::Result<(u64, Urb)> {
        let address = loop {
            let mut ready = self.file.ready(Interest::WRITABLE).await?;
            if let Ok(result) = ready.try_io(|file| Ok(reap(file.get_ref())?)) {
                break result?;
            }
        };
        self.take(address)
    }

    /// A transfer that has ended already.
    pub fn reap_now(&mut self) -> Option<(u64, Urb)> {
        let address = reap(self.file.get_ref()).ok()?;
        self.take(address).ok()
    }

    fn take(&mut self, address: usize) -> io::Result<(u64, Urb)> {
        let (id, submitted) = self.urbs.remove(&address).ok_or(Errno::FAULT)?;
        // SAFETY: the kernel has given it back.
        Ok((id, unsafe { submitted.into_urb() }))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        for (_, submitted) in std::mem::take(&mut self.urbs).into_values() {
            // SAFETY: nothing is reaped any more.
            drop(unsafe { submitted.into_urb() });
        }
    }
}

fn reap(file: &File) -> Result<usize, Errno> {
    // SAFETY: it is given the address of a pointer, and writes to blocks that `Node` keeps.
    let block = unsafe { ioctl(file, Getter::<REAPURBNDELAY, *mut c_void>::new()) }?;
    Ok(block.addr())
}

/// Selects an alternate setting. What is in flight at the interface ends.
pub fn set_interface(file: &File, interface: u8, alt: u8) -> Result<(), Errno> {
    let both = [interface.into(), alt.into()];
    // SAFETY: it takes the address of two numbers.
    unsafe { ioctl(file, Setter::<SETINTERFACE, [c_uint; 2]>::new(both)) }
}

/// Clears an endpoint's halt on both sides.
pub fn clear_halt(file: &File, endpoint: u8) -> Result<(), Errno> {
    // SAFETY: it takes the address of a number.
    unsafe { ioctl(file, Setter::<CLEAR_HALT, c_uint>::new(endpoint.into())) }
}

/// A call about a block, whose address the kernel may keep.
struct Of<const CALL: Opcode>(*mut Block);

// SAFETY: the calls that this is made for take the address of a block.
unsafe impl<const CALL: Opcode> Ioctl for Of<CALL> {
    type Output = ();

    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        CALL
    }

    fn as_ptr(&mut self) -> *mut c_void {
        self.0.cast()
    }

    unsafe fn output_from_ptr(_: IoctlOutput, _: *mut c_void) -> Result<(), Errno> {
        Ok(())
    }
}

#[cfg(test)]
impl Urb {
    /// As the kernel gives it back: its status, how many bytes were moved, and for its packets,
    /// too.
    pub fn ended(mut self, status: c_int, moved: usize, packets: &[(c_int, u32)]) -> Urb {
        let Block {
            header,
            packets: all,
        } = &mut self.0.block;
        header.status = status;
        header.actual_length = moved as c_int;
        for (packet, (status, moved)) in all.iter_mut().zip(packets) {
            (packet.status, packet.actual_length) = (*status, *moved);
        }
        self
    }

    /// Its data, as the kernel sees it.
    pub fn data(&mut self) -> &mut [u8] {
        &mut self.0.data
    }
}

#[cfg(test)]
mod tests {
    use std::mem::{offset_of, size_of};

    use super::*;

    #[test]
    #[cfg(all(target_pointer_width = "64", not(target_arch = "powerpc64")))]
    fn numbers_are_linuxs() {
        // As a C compiler has them on 64-bit machines.
        assert_eq!(SETINTERFACE, 0x8008_5504);
        assert_eq!(SUBMITURB, 0x8038_550a);
        assert_eq!(DISCARDURB, 0x550b);
        assert_eq!(REAPURBNDELAY, 0x4008_550d);
        assert_eq!(CLAIMINTERFACE, 0x8004_550f);
        assert_eq!(CLEAR_HALT, 0x8004_5515);
        assert_eq!(size_of::<Packet>(), 12);
        assert_eq!(offset_of!(Block, packets), 56);
        assert_eq!(offset_of!(Header, packets), 36);
    }

    #[test]
    fn packets_fill_their_data() {
        let ok = |lengths: &[u16], size| Urb::isochronous(1, lengths, vec![0; size]).is_some();
        assert!(ok(&[192], 192));
        assert!(ok(&[0], 0));
        assert!(ok(&[1; MAX_PACKETS], MAX_PACKETS));
        assert!(ok(&[u16::MAX; MAX_PACKETS], MAX_PACKETS * 0xffff));
        assert!(!ok(&[], 0));
        assert!(!ok(&[1; MAX_PACKETS + 1], MAX_PACKETS + 1));
        assert!(!ok(&[192, 192], 383));
        assert!(!ok(&[192, 192], 385));

        let urb = Urb::isochronous(0x83, &[3, 0, 5], vec![0; 8]).expect("good lengths");
        let Block { header, packets } = &urb.0.block;
        assert_eq!((header.kind, header.endpoint), (0, 0x83));
        assert_eq!((header.flags, header.packets), (ASAP, 3));
        let lengths = packets.map(|it| it.length);
        assert_eq!(lengths[..4], [3, 0, 5, 0]);
    }

    #[tokio::test]
    async fn a_file_that_is_no_device_takes_nothing() {
        let (_reader, writer) = io::pipe().expect("a pipe");
        let file = File::from(std::os::fd::OwnedFd::from(writer));
        let mut node = Node::of(file).expect("a descriptor");
        let urb = Urb::transfer(Kind::Bulk, 1, vec![0; 8]);
        assert_eq!(node.submit(1, urb), Err(Errno::NOTTY));
        assert!(node.urbs.is_empty());
        node.discard(1);
        assert_eq!(node.claim(0), Err(Errno::NOTTY));
        assert!(node.reaped().await.is_err());
        assert!(node.reap_now().is_none());
    }
}
