// SPDX-License-Identifier: GPL-2.0-or-later
//! The daemon as a process, under its system call filter: the socket, front-ends in turn, alarms
//! with real timers, state, and what front-ends shouldn't do.

mod front_end;

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;

use front_end::{readable, until, Daemon, FrontEnd, BINARY};
use vhost::vhost_user::message::{
    VhostTransferStateDirection as Direction, VhostTransferStatePhase as Phase,
    VhostUserConfigFlags,
};
use vhost::vhost_user::VhostUserFrontend;
use vhost_device_rtc::testing::counter_message;

const MS: u64 = 1_000_000;
const DAY: u64 = 86_400_000 * MS;
/// The order of clocks in these tests.
const CLOCKS: &[&str] = &["--clock", "utc,monotonic,smeared=utc-sls"];

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn the_socket_is_removed_at_the_end() {
    for signal in ["-TERM", "-INT"] {
        let folder = folder();
        let mut daemon = Daemon::start(folder.path(), &[]);
        let front = FrontEnd::started(&daemon.socket);
        daemon.signal(signal);
        assert!(daemon.ended().success(), "{}", daemon.log());
        assert!(!daemon.socket.exists());
        drop(front);
    }
}

#[test]
fn only_a_socket_that_nobody_listens_on_is_replaced() {
    let folder = folder();
    let mut first = Daemon::start(folder.path(), &[]);
    let refused = |arguments: &[&str]| {
        let out = Command::new(BINARY).args(arguments).output().unwrap();
        assert!(!out.status.success());
        String::from_utf8(out.stderr).unwrap()
    };
    let path = first.socket.to_str().unwrap().to_string();
    assert!(refused(&["-s", &path]).contains("somebody listens"));
    first.signal("-KILL");
    first.ended();
    assert!(first.socket.exists());
    let second = Daemon::start(folder.path(), &[]);
    FrontEnd::started(&second.socket).read(0);
    let file = folder.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    assert!(refused(&["-s", file.to_str().unwrap()]).contains("isn't a socket"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    assert!(refused(&[]).contains("--socket-path"));
    assert!(refused(&["--socket-fd", "77"]).contains("descriptor 77"));
    assert!(refused(&["--socket-fd", "0"]).contains("descriptor 0"));
}

#[test]
fn a_socket_is_handed_over() {
    let by_argument = "exec \"$0\" --socket-fd 3";
    let by_systemd = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\"";
    for script in [by_argument, by_systemd] {
        let folder = folder();
        let socket = folder.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let mut command = Command::new("sh");
        // Its standard input is what the shell makes descriptor 3 of.
        command.args(["-c", &format!("exec 3<&0 </dev/null; {script}"), BINARY]);
        let mut daemon = Daemon::run_with_input(command, socket, listener);
        FrontEnd::started(&daemon.socket).read(0);
        daemon.signal("-TERM");
        assert!(daemon.ended().success(), "{}", daemon.log());
        assert!(daemon.socket.exists(), "the file is its maker's");
    }
}

#[test]
fn clocks_are_offered_in_order_and_read_in_order() {
    let folder = folder();
    let daemon = Daemon::start(folder.path(), CLOCKS);
    let mut front = FrontEnd::started(&daemon.socket);
    assert_eq!(front.ask(0x1000, &[], 16)[8..10], [3, 0]);
    let kinds = [[0, 0, 1], [2, 0, 1], [3, 2, 1]];
    for (id, kind) in (0..).zip(kinds) {
        let cap = front.ask(0x1001, &[id, 0, 0, 0, 0, 0, 0, 0], 16);
        assert_eq!(cap[8..11], kind);
        let mut last = 0;
        for _ in 0..100 {
            let now = front.read(id);
            assert!(now >= last);
            last = now;
        }
    }
    assert_eq!(
        front.ask(0x1001, &[3, 0, 0, 0, 0, 0, 0, 0], 16)[0],
        3,
        "ENODEV"
    );
    assert!(front.requests.called(10_000));
}

#[test]
fn tai_comes_from_a_list() {
    let folder = folder();
    let list = folder.path().join("list");
    std::fs::write(&list, "#@ 9000000000\n2272060800 10\n2287785600 11\n").unwrap();
    let arguments = [
        "--leap-seconds",
        list.to_str().unwrap(),
        "--clock",
        "utc,tai",
    ];
    let daemon = Daemon::start(folder.path(), &arguments);
    let mut front = FrontEnd::started(&daemon.socket);
    let (before, tai, after) = (front.read(0), front.read(1), front.read(0));
    // The kernel's own offset goes first where it is set.
    let offset = match vhost_device_rtc::sys::kernel().tai as u64 {
        kernel @ 10.. => kernel,
        _ => 11,
    };
    let second = 1000 * MS;
    assert!((before..=after).contains(&(tai - offset * second)));
    std::fs::write(&list, "#@ 3000000000\n2272060800 10\n").unwrap();
    if offset == 11 {
        let out = Command::new(BINARY)
            .args(["-s", "/nowhere/socket"])
            .args(arguments)
            .output();
        let stderr = String::from_utf8(out.unwrap().stderr).unwrap();
        assert!(
            stderr.contains("nowhere") || stderr.contains("TAI isn't known"),
            "{stderr}"
        );
    }
}

#[test]
fn many_front_ends_in_turn_leave_nothing() {
    let folder = folder();
    let daemon = Daemon::start(folder.path(), &[]);
    let mut sizes = Vec::new();
    for _ in 0..100 {
        let mut front = FrontEnd::started(&daemon.socket);
        front.read(0);
        sizes.push(daemon.size());
    }
    assert!(sizes.iter().all(|size| *size == sizes[0]), "{sizes:?}");
}

#[test]
fn every_kick_and_call_counts_with_event_indices() {
    let folder = folder();
    let daemon = Daemon::start(folder.path(), &[]);
    for _ in 0..5 {
        let mut front = FrontEnd::with_events(&daemon.socket);
        for _ in 0..1000 {
            front.read_by_events();
        }
    }
}

#[test]
fn a_daemon_that_was_killed_is_replaced_under_a_running_guest() {
    let folder = folder();
    let mut daemon = Daemon::start(folder.path(), CLOCKS);
    let mut front = FrontEnd::started(&daemon.socket);
    for _ in 0..3 {
        front.read(0);
        daemon.signal("-KILL");
        daemon.ended();
        // A request that is made while nobody is there.
        let request = [0, 0x10, 0, 0, 0, 0, 0, 0];
        let at = front.requests.driver.request(&request, &[8], &[16], false);
        front.requests.kick();
        daemon = Daemon::start(folder.path(), CLOCKS);
        front = front.again(&daemon.socket);
        let mut used = None;
        until("its answer", || {
            used = front.requests.driver.used();
            used.is_some()
        });
        assert_eq!(used.unwrap().1, 16);
        assert_eq!(front.requests.driver.rooms(&at)[8], 3);
        for _ in 0..20 {
            front.read(1);
        }
        assert_eq!(
            front.requests.driver.used(),
            None,
            "one answer for each request"
        );
    }
}

#[test]
fn what_front_ends_shouldnt_do() {
    let folder = folder();
    let daemon = Daemon::start(folder.path(), &[]);
    for garbage in [
        &b""[..],
        b"x",
        &[0xff; 12],
        &[0; 4096],
        &[1, 0, 0, 0, 1, 0, 0, 0, 0xff, 0xff],
    ] {
        let mut stream = UnixStream::connect(&daemon.socket).unwrap();
        // It may hang up before all of it is written.
        let _ = stream.write_all(garbage);
    }
    // One that goes in the middle of everything.
    let mut front = FrontEnd::started(&daemon.socket);
    front.set_alarm(1, u64::MAX, true);
    front.offer();
    drop(front);
    FrontEnd::started(&daemon.socket).read(0);
}

#[test]
fn alarms_go_off() {
    let folder = folder();
    let daemon = Daemon::start(folder.path(), CLOCKS);
    let mut front = FrontEnd::started(&daemon.socket);
    for clock in 0..3 {
        let at = front.offer();
        let now = front.read(clock);
        front.set_alarm(clock, now + 50 * MS, true);
        assert_eq!(front.notified(&at), clock);
        assert!(front.read(clock) >= now + 50 * MS, "early");
        // One that is set in the past, and one that is disabled in time.
        let at = front.offer();
        front.set_alarm(clock, now, true);
        assert_eq!(front.notified(&at), clock);
        let at = front.offer();
        let now = front.read(clock);
        front.set_alarm(clock, now + 100 * MS, true);
        front.set_alarm(clock, now + 100 * MS, false);
        until("its time", || front.read(clock) > now + 150 * MS);
        front.set_alarm((clock + 1) % 3, 1, true);
        assert_eq!(front.notified(&at), (clock + 1) % 3, "not the disabled one");
        front.set_alarm((clock + 1) % 3, 1, false);
    }
    assert!(front.alarms.called(10_000));
}

#[test]
fn an_alarm_waits_for_its_queue_and_says_so() {
    let folder = folder();
    let daemon = Daemon::start(folder.path(), CLOCKS);
    let mut front = FrontEnd::started(&daemon.socket);
    let now = front.read(1);
    front.set_alarm(1, now + 300 * MS, true);
    assert!(!readable(&front.alarms.error, 0));
    let bases = [front.stop(0), front.stop(1)];
    assert!(
        readable(&front.alarms.error, 60_000),
        "nobody can wake the guest"
    );
    front.start(0, bases[0]);
    front.start(1, bases[1]);
    let at = front.offer();
    assert_eq!(front.notified(&at), 1);
    let spare = front.offer();
    front.set_alarm(0, 1, true);
    assert_eq!(front.notified(&spare), 0, "once, so the next is another's");
}

#[test]
fn a_reset_disables_alarms_and_keeps_their_times() {
    let folder = folder();
    let daemon = Daemon::start(folder.path(), CLOCKS);
    let mut front = FrontEnd::started(&daemon.socket);
    front.set_alarm(0, 1, true);
    front.set_alarm(1, u64::MAX, true);
    let bases = [front.stop(0), front.stop(1)];
    front.wire.reset_device().unwrap();
    front.renegotiate();
    front.start(0, bases[0]);
    front.start(1, bases[1]);
    assert_eq!(front.alarm(0), (1, false));
    assert_eq!(front.alarm(1), (u64::MAX, false));
    let at = front.offer();
    front.set_alarm(2, 1, true);
    assert_eq!(front.notified(&at), 2, "not the one from before");
}

#[test]
fn alarms_outlive_a_connection_but_not_their_guest() {
    let folder = folder();
    let daemon = Daemon::start(folder.path(), CLOCKS);
    let mut front = FrontEnd::started(&daemon.socket);
    let time = front.read(0) + DAY;
    front.set_alarm(0, time, true);
    let base = front.stop(0);
    drop(front);
    // The same guest: its queue goes on where it was.
    let mut front = FrontEnd::connect(&daemon.socket);
    front.requests.driver.begin_at(base);
    front.start(0, base);
    assert_eq!(front.alarm(0), (time, true));
    drop(front);
    // The same, behind a front-end that tells of its guests and begins queues at 0.
    let mut front = FrontEnd::connect(&daemon.socket);
    let flags = VhostUserConfigFlags::empty();
    front
        .wire
        .set_config(0, flags, &counter_message(0xff, 0, 0, 0, 0))
        .unwrap();
    front.start(0, 0);
    assert_eq!(front.alarm(0), (time, true));
    drop(front);
    // Another guest, by a reset before it begins.
    let mut front = FrontEnd::connect(&daemon.socket);
    front.wire.reset_device().unwrap();
    front.renegotiate();
    front.requests.driver.begin_at(base);
    front.start(0, base);
    assert_eq!(front.alarm(0), (0, false));
    front.set_alarm(0, time, true);
    drop(front);
    // Another guest, by its queue.
    assert_eq!(FrontEnd::started(&daemon.socket).alarm(0), (0, false));
}

#[test]
fn the_guests_counter() {
    let folder = folder();
    let daemon = Daemon::start(folder.path(), CLOCKS);
    let mut front = FrontEnd::started(&daemon.socket);
    let flags = VhostUserConfigFlags::empty();
    let ask = |front: &mut FrontEnd| front.ask(2, &[0, 0, 1, 0, 0, 0, 0, 0], 24);
    let cap = |front: &mut FrontEnd| front.ask(0x1002, &[0, 0, 1, 0, 0, 0, 0, 0], 16)[8];
    assert_eq!((cap(&mut front), ask(&mut front)[0]), (0, 2));
    let message = counter_message(1, 1, 1, 2, 1000);
    front.wire.set_config(0, flags, &message).unwrap();
    assert_eq!(
        front.wire.get_config(0, 40, flags, &[0; 40]).unwrap().1,
        message
    );
    let Some(before) = vhost_device_rtc::sys::counter() else {
        assert_eq!((cap(&mut front), ask(&mut front)[0]), (0, 2));
        return;
    };
    assert_eq!(cap(&mut front), 1);
    let answer = ask(&mut front);
    let after = vhost_device_rtc::sys::counter().unwrap();
    assert_eq!(answer[0], 0);
    let counter = u64::from_le_bytes(answer[16..].try_into().unwrap());
    assert!((before + 1000..=after + 1000).contains(&counter));
    front
        .wire
        .set_config(0, flags, &counter_message(1, 0, 0, 1, 0))
        .unwrap();
    assert_eq!(
        (cap(&mut front), ask(&mut front)[0]),
        (1, 5),
        "the machine stands still"
    );
    front
        .wire
        .set_config(0, flags, &counter_message(1, 1, 64, 1, 0))
        .unwrap_err();
    until("the reason", || daemon.log().contains("a shift of 64"));
}

fn pipe() -> (File, File) {
    let (from, to) = rustix::pipe::pipe().unwrap();
    (from.into(), to.into())
}

/// Fetch the device's state.
fn save(front: &FrontEnd) -> Vec<u8> {
    let (mut from, to) = pipe();
    let phase = Phase::STOPPED;
    front
        .wire
        .set_device_state_fd(Direction::SAVE, phase, to.into())
        .unwrap();
    let mut state = Vec::new();
    from.read_to_end(&mut state).unwrap();
    front.wire.check_device_state().unwrap();
    state
}

fn load(front: &FrontEnd, state: &[u8]) -> bool {
    let (from, mut to) = pipe();
    let phase = Phase::STOPPED;
    front
        .wire
        .set_device_state_fd(Direction::LOAD, phase, from.into())
        .unwrap();
    to.write_all(state).unwrap();
    drop(to);
    front.wire.check_device_state().is_ok()
}

#[test]
fn alarms_go_to_another_host() {
    let (here, there) = (folder(), folder());
    let daemon = Daemon::start(here.path(), CLOCKS);
    let mut front = FrontEnd::started(&daemon.socket);
    let monotonic = front.read(1);
    let time = front.read(0) + 300 * MS;
    front.set_alarm(0, time, true);
    front.set_alarm(1, 1, true);
    front.stop(0);
    front.stop(1);
    let state = save(&front);
    let other = Daemon::start(there.path(), CLOCKS);
    let mut front = FrontEnd::connect(&other.socket);
    assert!(!load(&front, &state[..state.len() - 1]));
    // More than a pipe holds is read before anybody asks.
    let mut longer = state.clone();
    longer.resize(3 << 20, 0);
    assert!(!load(&front, &longer));
    assert!(load(&front, &state), "{}", other.log());
    front.start(0, 0);
    front.start(1, 0);
    let (first, second) = (front.offer(), front.offer());
    assert_eq!(front.notified(&first), 1, "what was due there");
    assert_eq!(front.notified(&second), 0, "what went off here");
    assert!(front.read(0) >= time && front.read(1) >= monotonic);
    let another = folder();
    let another = Daemon::start(another.path(), &["--clock", "utc"]);
    assert!(!load(&FrontEnd::connect(&another.socket), &state));
    assert!(
        another.log().contains("this daemon offers 1"),
        "{}",
        another.log()
    );
}

#[test]
fn no_alarms_where_none_are_wanted() {
    let folder = folder();
    let daemon = Daemon::start(folder.path(), &["--no-alarm"]);
    let mut front = FrontEnd::connect_to(&daemon.socket, 1);
    front.start(0, 0);
    assert_eq!(front.ask(0x1003, &[0; 8], 24)[0], 3, "ENODEV");
    assert_eq!(front.ask(0x1001, &[0; 8], 16)[10], 0);
    assert_eq!(front.wire.get_queue_num().unwrap(), 1);
}

#[test]
fn it_runs_without_privileges() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: this is no root who could give up privileges");
        return;
    }
    let folder = folder();
    let socket = folder.path().join("socket");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(folder.path(), open).unwrap();
    // Below a home that others can't enter, the program itself can't be run.
    let binary = folder.path().join("daemon");
    std::fs::copy(BINARY, &binary).unwrap();
    let mut command = Command::new("setpriv");
    command.args([
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--bounding-set=-all",
    ]);
    command.arg(binary).arg("-s").arg(&socket);
    let daemon = Daemon::run(command, socket);
    FrontEnd::started(&daemon.socket).read(0);
}
