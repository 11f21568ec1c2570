// SPDX-License-Identifier: GPL-2.0-or-later
//! A client that has vanished without a word: its network did, or its power. TCP notices it by
//! itself, once it is told how long to wait (tcp(7)).

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::net::sockopt;

/// How long a peer's machine may be silent, and how it is asked whether it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Seconds until the first probe of a peer that owes nothing.
    idle: u32,
    /// Seconds between probes.
    interval: u32,
    /// Seconds until it has gone: since it was heard last, or since what it hasn't acknowledged
    /// was sent.
    limit: u32,
}

impl Silence {
    /// A peer has gone after so many seconds, at least two; it is asked during the last half of
    /// them.
    ///
    /// # Panics
    ///
    /// Within less no probe could be answered.
    pub const fn of(limit: u32) -> Self {
        assert!(limit >= 2, "too short for a probe and its answer");
        let interval = if limit < 6 { 1 } else { limit / 6 };
        // Linux looks at the limit when it would probe, and nowhere between.
        let idle = limit - limit / 2 / interval * interval;
        Self {
            idle,
            interval,
            limit,
        }
    }

    /// Has a connection's peer watched. When it has gone, whoever reads or writes is told
    /// `ETIMEDOUT`.
    ///
    /// # Errors
    ///
    /// It is no TCP socket.
    pub fn watch(self, stream: impl AsFd) -> io::Result<()> {
        let seconds = |count: u32| Duration::from_secs(count.into());
        sockopt::set_socket_keepalive(&stream, true)?;
        sockopt::set_tcp_keepidle(&stream, seconds(self.idle))?;
        sockopt::set_tcp_keepintvl(&stream, seconds(self.interval))?;
        // Of no consequence beside the next one, where that is known.
        sockopt::set_tcp_keepcnt(&stream, self.probes())?;
        sockopt::set_tcp_user_timeout(&stream, self.limit * 1000)?;
        Ok(())
    }

    const fn probes(self) -> u32 {
        (self.limit - self.idle) / self.interval
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::net::{TcpListener, TcpStream};

    use socket2::{SockFilter, SockRef};

    use super::*;

    /// When Linux gives up a peer that is silent from second 0 on and owes nothing, and when it
    /// probes: tcp_keepalive_timer() in net/ipv4/tcp_timer.c, with a time limit.
    fn given_up(silence: Silence) -> (u32, Vec<u32>) {
        let mut probes = Vec::new();
        let mut now = silence.idle;
        while now < silence.limit || probes.is_empty() {
            probes.push(now);
            now += silence.interval;
        }
        (now, probes)
    }

    #[test]
    fn the_limit_is_when_a_peer_is_given_up() {
        for limit in 2..=600 {
            let silence = Silence::of(limit);
            let (end, probes) = given_up(silence);
            assert_eq!(end, limit, "{silence:?}");
            assert_eq!(probes.len(), silence.probes() as usize, "{silence:?}");
            assert!(probes[0] * 2 >= limit, "{silence:?} asks early");
            assert!(probes.len() <= 5, "{silence:?} asks often");
        }
        assert_eq!(given_up(Silence::of(18)), (18, vec![9, 12, 15]));
    }

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (listener.accept().unwrap().0, client)
    }

    #[test]
    fn a_socket_is_told_all_of_it() {
        let (server, _client) = pair();
        Silence::of(18).watch(&server).unwrap();
        let seconds = Duration::from_secs;
        assert!(sockopt::socket_keepalive(&server).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&server).unwrap(), seconds(9));
        assert_eq!(sockopt::tcp_keepintvl(&server).unwrap(), seconds(3));
        assert_eq!(sockopt::tcp_keepcnt(&server).unwrap(), 3);
        assert_eq!(sockopt::tcp_user_timeout(&server).unwrap(), 18_000);
    }

    /// From now on the peer's machine takes no packet of this connection, and so answers none.
    fn vanish(client: &TcpStream) {
        const BPF_RET: u16 = 6;
        let nothing = SockFilter::new(BPF_RET, 0, 0, 0);
        SockRef::from(client).attach_filter(&[nothing]).unwrap();
    }

    /// By the kernel that runs this, with the shortest limit that there is.
    #[test]
    fn a_peer_that_vanishes_has_gone() {
        // One that owes nothing, and one that hasn't acknowledged what it was sent.
        for sent in [&b""[..], b"a picture"] {
            let (mut server, client) = pair();
            Silence::of(2).watch(&server).unwrap();
            vanish(&client);
            server.write_all(sent).unwrap();
            let error = server.read(&mut [0]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
        }
    }
}
