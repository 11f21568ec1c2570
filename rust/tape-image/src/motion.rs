// SPDX-License-Identifier: GPL-2.0-or-later
//! Moving without reading: SPACE, LOCATE, REWIND.

use crate::index::Totals;
use crate::progress::Go;
use crate::tape::Tape;
use crate::{Operation, Outcome, Position, Stop};

impl Tape {
    pub(crate) fn motion(&mut self, operation: Operation) -> Go<Outcome> {
        if operation == Operation::Rewind {
            return self.go(0, 0, Stop::Done);
        }
        self.arrive()?;
        match operation {
            Operation::SpaceRecords(n) if n < 0 => self.records_back(n.unsigned_abs()),
            Operation::SpaceRecords(n) => self.records_on(n.unsigned_abs()),
            Operation::SpaceMarks(n) if n < 0 => self.marks_back(n.unsigned_abs()),
            Operation::SpaceMarks(n) => self.behind_mark(self.position.marks, n.unsigned_abs()),
            Operation::SpaceSequentialMarks(n) if n < 0 => self.run_back(n.unsigned_abs()),
            Operation::SpaceSequentialMarks(n) => self.run_on(n.unsigned_abs()),
            Operation::SpaceEnd => {
                while self.scan_moving()? {}
                self.go(self.index.end().objects, 0, Stop::Done)
            }
            Operation::Locate(object) => {
                while self.index.end().objects < object && self.scan_moving()? {}
                let end = self.index.end().objects;
                match object.checked_sub(end) {
                    None | Some(0) => self.go(object, 0, Stop::Done),
                    Some(left) => self.go(end, left, Stop::End),
                }
            }
            Operation::LocateMark(0) => self.go(0, 0, Stop::Done),
            Operation::LocateMark(mark) => self.behind_mark(0, mark),
            _ => unreachable!("the other operations have gone elsewhere"),
        }
    }

    /// Ends a motion in front of `object`.
    fn go(&mut self, object: u64, left: u64, stop: Stop) -> Go<Outcome> {
        if let (false, Some(found)) = (self.trusted, self.index.find(object)) {
            self.check_header(found)?;
        }
        let marks = self.index.place(object).marks;
        self.position = Position { object, marks };
        Ok(Outcome::Moved { left, stop })
    }

    fn records_on(&mut self, count: u64) -> Go<Outcome> {
        let Position { object, marks } = self.position;
        let target = object.saturating_add(count);
        let end = loop {
            let end = self.index.end();
            if end.objects >= target || end.marks > marks || !self.scan_moving()? {
                break self.index.end();
            }
        };
        match self.index.find_mark(marks) {
            Some(mark) if mark < target => self.go(mark + 1, target - mark, Stop::Mark),
            _ if end.objects >= target => self.go(target, 0, Stop::Done),
            _ => self.go(end.objects, target - end.objects, Stop::End),
        }
    }

    fn records_back(&mut self, count: u64) -> Go<Outcome> {
        let Position { object, marks } = self.position;
        let target = object.checked_sub(count);
        let mark = marks.checked_sub(1).and_then(|m| self.index.find_mark(m));
        match mark {
            Some(mark) if target.is_none_or(|target| mark >= target) => {
                self.go(mark, count - (object - mark - 1), Stop::Mark)
            }
            _ => match target {
                Some(target) => self.go(target, 0, Stop::Done),
                None => self.go(0, count - object, Stop::Beginning),
            },
        }
    }

    /// Behind the `count`th mark after `passed` marks.
    fn behind_mark(&mut self, passed: u64, count: u64) -> Go<Outcome> {
        let Some(more) = count.checked_sub(1) else {
            return self.go(self.position.object, 0, Stop::Done);
        };
        let wanted = passed.saturating_add(more);
        while self.index.end().marks <= wanted && self.scan_moving()? {}
        match self.index.find_mark(wanted) {
            Some(mark) => self.go(mark + 1, 0, Stop::Done),
            None => {
                let Totals { objects, marks, .. } = self.index.end();
                self.go(objects, wanted - marks + 1, Stop::End)
            }
        }
    }

    fn marks_back(&mut self, count: u64) -> Go<Outcome> {
        match self.position.marks.checked_sub(count) {
            Some(mark) => {
                let mark = self
                    .index
                    .find_mark(mark)
                    .expect("it is before the position");
                self.go(mark, 0, Stop::Done)
            }
            None => self.go(0, count - self.position.marks, Stop::Beginning),
        }
    }

    /// Behind the next `count` marks with nothing between them.
    fn run_on(&mut self, count: u64) -> Go<Outcome> {
        let Some(more) = count.checked_sub(1) else {
            return self.go(self.position.object, 0, Stop::Done);
        };
        loop {
            let first = self.position.marks + self.progress.dismissed;
            let last = first.saturating_add(more);
            while self.index.end().marks <= last {
                if !self.scan_moving()? {
                    return self.go(self.index.end().objects, count, Stop::End);
                }
            }
            if let Some(end) = self.run_of_marks(first, last) {
                return self.go(end + 1, 0, Stop::Done);
            }
            self.progress.dismissed += 1;
        }
    }

    /// In front of the last `count` marks before the position with nothing
    /// between them.
    fn run_back(&mut self, count: u64) -> Go<Outcome> {
        let Some(more) = count.checked_sub(1) else {
            return self.go(self.position.object, 0, Stop::Done);
        };
        while let Some(last) = self.position.marks.checked_sub(self.progress.dismissed + 1) {
            let Some(first) = last.checked_sub(more) else {
                break;
            };
            if let Some(end) = self.run_of_marks(first, last) {
                return self.go(end - more, 0, Stop::Done);
            }
            self.progress.dismissed += 1;
        }
        self.go(0, count, Stop::Beginning)
    }

    /// The object number of mark `last`, if `first` to `last` are neighbours.
    fn run_of_marks(&self, first: u64, last: u64) -> Option<u64> {
        let end = self.index.find_mark(last)?;
        (end - self.index.find_mark(first)? == last - first).then_some(end)
    }
}
