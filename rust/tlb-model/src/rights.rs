// SPDX-License-Identifier: GPL-2.0-or-later
//! Accesses, and what entries of page tables allow of them (SDM volume 3, 4.6).

/// What is done with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Data is read.
    Load,
    /// Data is written.
    Store,
    /// An instruction is fetched.
    Fetch,
}

/// An access. CR0.WP and EFER.NXE are set, CR4.SMAP is clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Access {
    /// What is done.
    pub kind: Kind,
    /// Whether in user mode.
    pub user: bool,
}

impl Access {
    /// A supervisor's read.
    pub const READ: Self = Self {
        kind: Kind::Load,
        user: false,
    };
    /// All six.
    pub const ALL: [Self; 6] = [
        Self::READ,
        Self::of(Kind::Store, false),
        Self::of(Kind::Fetch, false),
        Self::of(Kind::Load, true),
        Self::of(Kind::Store, true),
        Self::of(Kind::Fetch, true),
    ];

    /// An access of that kind.
    pub const fn of(kind: Kind, user: bool) -> Self {
        Self { kind, user }
    }
}

/// What an entry allows, or all entries on the way to a page together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rights {
    /// Bit 1.
    pub write: bool,
    /// Bit 2: user mode may use it.
    pub user: bool,
    /// Bit 63 is clear.
    pub execute: bool,
}

impl Rights {
    /// Before the first entry.
    pub const ALL: Self = Self {
        write: true,
        user: true,
        execute: true,
    };

    /// What both allow.
    pub fn and(self, other: Self) -> Self {
        Self {
            write: self.write && other.write,
            user: self.user && other.user,
            execute: self.execute && other.execute,
        }
    }

    /// Whether an access is allowed. With `smep` a supervisor doesn't execute a user's page.
    pub fn allow(self, access: Access, smep: bool) -> bool {
        let kind = match access.kind {
            Kind::Load => true,
            Kind::Store => self.write,
            Kind::Fetch => self.execute && (access.user || !(smep && self.user)),
        };
        kind && (self.user || !access.user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is allowed of [`Access::ALL`].
    fn allowed(rights: Rights, smep: bool) -> [bool; 6] {
        Access::ALL.map(|access| rights.allow(access, smep))
    }

    #[test]
    fn accesses_are_allowed_by_bits() {
        let supervisor = Rights {
            user: false,
            ..Rights::ALL
        };
        let read_only = Rights {
            write: false,
            ..Rights::ALL
        };
        let data = Rights {
            execute: false,
            ..Rights::ALL
        };
        for (rights, without, with) in [
            (Rights::ALL, [1, 1, 1, 1, 1, 1], [1, 1, 0, 1, 1, 1]),
            (supervisor, [1, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0]),
            (read_only, [1, 0, 1, 1, 0, 1], [1, 0, 0, 1, 0, 1]),
            (data, [1, 1, 0, 1, 1, 0], [1, 1, 0, 1, 1, 0]),
            (
                supervisor.and(read_only).and(data),
                [1, 0, 0, 0, 0, 0],
                [1, 0, 0, 0, 0, 0],
            ),
        ] {
            assert_eq!(allowed(rights, false).map(u8::from), without, "{rights:?}");
            assert_eq!(allowed(rights, true).map(u8::from), with, "{rights:?}");
        }
    }
}
