// SPDX-License-Identifier: GPL-2.0-or-later
//! Processes that may ask to end with their parent, and don't end with a test.
//!
//! QEMU's `-run-with exit-with-parent=on` is PR_SET_PDEATHSIG, and the parent
//! that prctl(2) means is the thread that forked. A thread of a test program
//! ends when there is no test left for it to begin, while a machine that it
//! started may be in another test's hands.

use std::io;
use std::process::{Child, Command};
use std::sync::mpsc::{channel, Sender};
use std::sync::{LazyLock, Mutex};
use std::thread;

/// What to start, and who wants to know how that went.
type Order = (Command, Sender<io::Result<Child>>);

/// To the thread that starts everything: it lives as long as the program.
static ORDERS: LazyLock<Mutex<Sender<Order>>> = LazyLock::new(|| {
    let (orders, received) = channel::<Order>();
    thread::spawn(move || {
        for (mut command, answer) in received {
            let result = command.spawn();
            // The command holds the child's descriptors: with them open here,
            // the child's end would go unseen.
            drop(command);
            // Who asked waits for it.
            let _ = answer.send(result);
        }
    });
    Mutex::new(orders)
});

/// [`Command::spawn`] by a thread that doesn't end before the program does.
pub fn spawn(command: Command) -> io::Result<Child> {
    let (answer, answered) = channel();
    let gone = || io::Error::other("the thread that starts processes is gone");
    ORDERS
        .lock()
        .map_err(|_| gone())?
        .send((command, answer))
        .map_err(|_| gone())?;
    answered.recv().map_err(|_| gone())?
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    use std::time::Duration;

    use super::*;
    use crate::wait;

    /// Started by a thread that ends once the child has asked for its signal.
    fn by_a_thread_that_ends(
        spawn: impl FnOnce(Command) -> io::Result<Child> + Send + 'static,
    ) -> Child {
        let starter = thread::spawn(|| {
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "TERM", "sh", "-c", "echo up; exec sleep 60"]);
            command.stdout(Stdio::piped());
            let mut child = spawn(command).unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap())
                .read_line(&mut line)
                .unwrap();
            assert_eq!(line, "up\n");
            child
        });
        starter.join().unwrap()
    }

    #[test]
    fn outlives_the_thread_that_asked() {
        let mut ours = by_a_thread_that_ends(spawn);
        let mut direct = by_a_thread_that_ends(|mut command| command.spawn());
        let limit = Duration::from_secs(30);
        let ended = wait::until("the other one's end", limit, || Ok(direct.try_wait()?)).unwrap();
        assert!(!ended.success());
        assert!(ours.try_wait().unwrap().is_none(), "it ended too");
        ours.kill().unwrap();
        ours.wait().unwrap();
    }

    #[test]
    fn says_what_cannot_be_started() {
        let error = spawn(Command::new("/nonexistent/qemu")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
