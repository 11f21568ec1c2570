// SPDX-License-Identifier: GPL-2.0-or-later
//! The requests that the back-end has, by the head of their descriptors.

use std::collections::VecDeque;

use crate::room::Place;

/// A request that the device has.
#[derive(Debug)]
pub(crate) struct Loan<T> {
    /// None while its owner has it back, and the back-end its copy.
    pub(crate) request: Option<T>,
    /// Where its copy is.
    pub(crate) place: Box<Place>,
    /// Bytes that the back-end may write.
    pub(crate) writable: u32,
    /// Where the status ends in them; 0 if they have none.
    pub(crate) status_end: u32,
    /// In which order requests were lent.
    number: u64,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Loans<T> {
    by_head: Vec<Option<Loan<T>>>,
    len: u16,
    next_number: u64,
    /// Heads of those without a request, in the order in which they were lent.
    suspended: VecDeque<u16>,
}

impl<T> Loans<T> {
    /// None yet, of a ring of so many entries.
    pub(crate) fn new(entries: u16) -> Self {
        Self {
            by_head: (0..entries).map(|_| None).collect(),
            len: 0,
            next_number: 0,
            suspended: VecDeque::new(),
        }
    }

    pub(crate) fn len(&self) -> u16 {
        self.len
    }

    /// Adds one at a head that has none.
    pub(crate) fn add(
        &mut self,
        head: u16,
        request: T,
        place: Box<Place>,
        writable: u32,
        status_end: u32,
    ) {
        self.by_head[usize::from(head)] = Some(Loan {
            request: Some(request),
            place,
            writable,
            status_end,
            number: self.next_number,
        });
        self.next_number += 1;
        self.len += 1;
    }

    /// Takes the one at a head.
    pub(crate) fn take(&mut self, head: u16) -> Option<Loan<T>> {
        let loan = self.by_head[usize::from(head)].take();
        self.len -= u16::from(loan.is_some());
        loan
    }

    /// Their heads, in the order in which they were lent.
    fn in_order(&self) -> Vec<u16> {
        let heads = (0..).zip(&self.by_head);
        let mut heads: Vec<_> = heads
            .filter_map(|(head, loan)| loan.as_ref().map(|loan| (loan.number, head)))
            .collect();
        heads.sort_unstable();
        heads.into_iter().map(|(_, head)| head).collect()
    }

    /// Takes all requests, in the order in which they were lent, and keeps the loans.
    pub(crate) fn suspend(&mut self) -> Vec<T> {
        self.suspended = self.in_order().into();
        let requests = self.suspended.iter().filter_map(|&head| {
            let loan = self.by_head[usize::from(head)].as_mut();
            loan.and_then(|loan| loan.request.take())
        });
        requests.collect()
    }

    /// How many have no request.
    pub(crate) fn suspended(&self) -> u16 {
        self.suspended.len() as u16
    }

    /// Gives the oldest that has none its request, if that may be written as far as it.
    pub(crate) fn resume(&mut self, request: T, writable: u64) -> Result<(), T> {
        let oldest = self.suspended.front();
        let loan = oldest.and_then(|&head| self.by_head[usize::from(head)].as_mut());
        match loan {
            Some(loan) if u64::from(loan.writable) == writable => {
                loan.request = Some(request);
                self.suspended.pop_front();
                Ok(())
            }
            _ => Err(request),
        }
    }

    /// Takes all of them, with what requests there are left: heads and places.
    pub(crate) fn drain(&mut self) -> Vec<(u16, Box<Place>)> {
        self.suspended.clear();
        self.len = 0;
        let heads = (0..).zip(&mut self.by_head);
        heads
            .filter_map(|(head, loan)| loan.take().map(|loan| (head, loan.place)))
            .collect()
    }
}
