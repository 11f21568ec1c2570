// SPDX-License-Identifier: GPL-2.0-or-later
//! Moving without reading: SPACE, LOCATE, REWIND.

use crate::operation::{Operation, Outcome, Stop};
use crate::port::Port;
use crate::tape::{Go, Position, TapeCore};

/// Where a motion ends: in front of which object, what is left of it, and why.
type End = (u64, u64, Stop);

impl TapeCore {
    pub(super) async fn motion(&mut self, port: &Port, operation: Operation) -> Go<Outcome> {
        if operation != Operation::Rewind {
            self.arrive(port).await?;
        }
        let here = self.position.object;
        let (object, left, stop) = match operation {
            Operation::Rewind | Operation::LocateMark(0) => (0, 0, Stop::Done),
            Operation::SpaceMarks(0) | Operation::SpaceSequentialMarks(0) => (here, 0, Stop::Done),
            Operation::SpaceRecords(n) if n < 0 => self.records_back(n.unsigned_abs()),
            Operation::SpaceRecords(n) => self.records_on(port, n.unsigned_abs()).await?,
            Operation::SpaceMarks(n) if n < 0 => self.marks_back(n.unsigned_abs()),
            Operation::SpaceMarks(n) => {
                let passed = self.position.marks;
                self.behind_mark(port, passed, n.unsigned_abs()).await?
            }
            Operation::SpaceSequentialMarks(n) if n < 0 => self.run_back(n.unsigned_abs()),
            Operation::SpaceSequentialMarks(n) => self.run_on(port, n.unsigned_abs()).await?,
            Operation::SpaceEnd => {
                while self.scan_moving(port).await? {}
                (self.index.end().objects, 0, Stop::Done)
            }
            Operation::Locate(object) => {
                while self.index.end().objects < object && self.scan_moving(port).await? {}
                let end = self.index.end().objects;
                match object.checked_sub(end) {
                    None | Some(0) => (object, 0, Stop::Done),
                    Some(left) => (end, left, Stop::End),
                }
            }
            Operation::LocateMark(mark) => self.behind_mark(port, 0, mark).await?,
            _ => unreachable!("the other operations have gone elsewhere"),
        };
        if let (false, Some(found)) = (self.trusted, self.index.find(object)) {
            self.check_header(port, found).await?;
        }
        let marks = self.index.place(object).marks;
        self.position = Position { object, marks };
        Ok(Outcome::Moved { left, stop })
    }

    async fn records_on(&mut self, port: &Port, count: u64) -> Go<End> {
        let Position { object, marks } = self.position;
        let target = object.saturating_add(count);
        let end = loop {
            let end = self.index.end();
            if end.objects >= target || end.marks > marks || !self.scan_moving(port).await? {
                break self.index.end().objects;
            }
        };
        Ok(match self.index.find_mark(marks) {
            Some(mark) if mark < target => (mark + 1, target - mark, Stop::Mark),
            _ if end >= target => (target, 0, Stop::Done),
            _ => (end, target - end, Stop::End),
        })
    }

    fn records_back(&self, count: u64) -> End {
        let Position { object, marks } = self.position;
        let target = object.checked_sub(count);
        let mark = marks.checked_sub(1).and_then(|m| self.index.find_mark(m));
        match (mark, target) {
            (Some(mark), target) if target.is_none_or(|target| mark >= target) => {
                (mark, count - (object - mark - 1), Stop::Mark)
            }
            (_, Some(target)) => (target, 0, Stop::Done),
            (_, None) => (0, count - object, Stop::Beginning),
        }
    }

    /// Behind the `count`th mark after `passed` marks.
    async fn behind_mark(&mut self, port: &Port, passed: u64, count: u64) -> Go<End> {
        let wanted = passed.saturating_add(count - 1);
        while self.index.end().marks <= wanted && self.scan_moving(port).await? {}
        let end = self.index.end();
        Ok(match self.index.find_mark(wanted) {
            Some(mark) => (mark + 1, 0, Stop::Done),
            None => (end.objects, wanted - end.marks + 1, Stop::End),
        })
    }

    fn marks_back(&self, count: u64) -> End {
        match self.position.marks.checked_sub(count) {
            Some(mark) => {
                let mark = self.index.find_mark(mark);
                (mark.expect("it is before the position"), 0, Stop::Done)
            }
            None => (0, count - self.position.marks, Stop::Beginning),
        }
    }

    /// Behind the next `count` marks with nothing between them.
    async fn run_on(&mut self, port: &Port, count: u64) -> Go<End> {
        let mut first = self.position.marks;
        loop {
            let last = first.saturating_add(count - 1);
            while self.index.end().marks <= last {
                if !self.scan_moving(port).await? {
                    return Ok((self.index.end().objects, count, Stop::End));
                }
            }
            if let Some(end) = self.run_of_marks(first, last) {
                return Ok((end + 1, 0, Stop::Done));
            }
            first += 1;
        }
    }

    /// In front of the last `count` marks before the position with nothing
    /// between them.
    fn run_back(&self, count: u64) -> End {
        let more = count - 1;
        let run = |last| Some(self.run_of_marks(last - more, last)? - more);
        match (more..self.position.marks).rev().find_map(run) {
            Some(object) => (object, 0, Stop::Done),
            None => (0, count, Stop::Beginning),
        }
    }

    /// The object number of mark `last`, if `first` to `last` are neighbours.
    fn run_of_marks(&self, first: u64, last: u64) -> Option<u64> {
        let end = self.index.find_mark(last)?;
        (end - self.index.find_mark(first)? == last - first).then_some(end)
    }
}
