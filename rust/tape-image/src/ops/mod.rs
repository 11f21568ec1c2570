// SPDX-License-Identifier: GPL-2.0-or-later
//! A tape's operations.

mod load;
mod motion;
mod read;
mod salvage;
mod save;
mod scan;
mod sync;
mod write;

use core::future::Future;

use crate::error::Error;
use crate::machine::Operate;
use crate::operation::{Operation, Outcome};
use crate::port::Port;
use crate::tape::{Buffered, Go, Halt, Manner, TapeCore};

impl Operate for TapeCore {
    type Operation = Operation;
    type Outcome = Result<Outcome, Error>;

    #[inline]
    fn operate(
        &mut self,
        port: &Port,
        operation: Operation,
    ) -> impl Future<Output = Result<Outcome, Error>> + Send {
        self.operate_at(port, operation, 0)
    }
}

impl TapeCore {
    /// Carries out an operation whose data begins at `data` in the caller's.
    pub async fn operate_at(
        &mut self,
        port: &Port,
        operation: Operation,
        data: usize,
    ) -> Result<Outcome, Error> {
        if !self.loaded && !matches!(operation, Operation::Load) {
            return Err(Error::NotLoaded);
        }
        self.buffered = Buffered::Window { offset: 0, len: 0 };
        if self.commit.is_some() && port.has_loss() {
            return Err(self.retreat(port).await);
        }
        self.manner = Manner {
            data,
            ..Manner::default()
        };
        loop {
            // A layer less for what comes most often, and is polled twice.
            let done = match operation {
                Operation::Write { length } => self.write_record(port, length).await,
                _ => self.carry_out(port, operation).await,
            };
            match done {
                Ok(outcome) => return Ok(outcome),
                Err(Halt::Again) => {}
                Err(Halt::Failed(error)) => return Err(error),
                Err(Halt::Lost) => return Err(self.retreat(port).await),
            }
        }
    }

    #[inline]
    async fn carry_out(&mut self, port: &Port, operation: Operation) -> Go<Outcome> {
        let interruptible = !matches!(operation, Operation::Sync | Operation::Unload);
        match operation {
            Operation::WriteMarks(count) => return self.write_marks(port, count).await,
            Operation::Erase => return self.erase(port).await,
            Operation::Load => {}
            _ if self.commit.is_none() => {}
            _ => {
                self.sync(port).await?;
                self.manner.interruptible = interruptible;
                self.heed(port)?;
            }
        }
        self.manner.interruptible = interruptible;
        match operation {
            Operation::Sync => Ok(Outcome::Done),
            Operation::Unload => self.save(port).await,
            Operation::Load => self.load(port).await,
            Operation::Read { limit } => match self.read_here(limit) {
                Some(outcome) => Ok(outcome),
                None => self.read_forward(port, limit).await,
            },
            Operation::ReadReverse { limit } => self.read_reverse(port, limit).await,
            Operation::Reread { skip, limit } => self.reread(port, skip, limit).await,
            motion => self.motion(port, motion).await,
        }
    }
}
