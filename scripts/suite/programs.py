# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that speak TAP: run them, some at a time, with marks around what each
says and how long it took."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from . import results, tiers


@dataclass
class Program:
    """A command line, or why it isn't run."""

    name: str
    command: list
    folder: Path | None = None
    environment: dict = field(default_factory=dict)
    left_out: str | None = None
    # Whether its exit status is its only result.
    plain: bool = False


# What is under way, so that it can be stopped.
RUNNING = set()


def stop(*_):
    """Have no program outlive us: for SIGTERM."""
    for process in list(RUNNING):
        os.killpg(process.pid, signal.SIGKILL)
    os._exit(128 + signal.SIGTERM)


def run(programs, jobs=1, limit=None):
    """Run them; 1 if one failed. With several jobs each one's output is printed
    when it has ended, in one piece. `limit` is in seconds, for each."""
    failed = False
    with ThreadPoolExecutor(jobs) as pool:
        running = [pool.submit(one, program, limit, jobs > 1) for program in programs]
        for done in as_completed(running):
            failed |= done.result() != 0
    return int(failed)


def one(program, limit, apart):
    """Run a program between marks; its exit status."""
    began = results.began(program.name)
    if program.left_out:
        text = f'1..1\nok 1 - {program.name} # SKIP {program.left_out}'
        print(f'{began}\n{text}\n{results.ended(program.name, 0, 0)}', flush=True)
        return 0
    if not apart:
        print(began, flush=True)
    start = time.monotonic()
    with subprocess.Popen([str(word) for word in program.command], cwd=program.folder,
                          env=os.environ | program.environment,
                          stdin=subprocess.DEVNULL, start_new_session=True,
                          stdout=subprocess.PIPE if apart else sys.stdout,
                          stderr=subprocess.STDOUT, text=True,
                          errors='replace') as process:
        RUNNING.add(process)
        try:
            said, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            # With what it started, which may hold its output open.
            os.killpg(process.pid, signal.SIGKILL)
            said = (process.communicate()[0] or '') + f'\nBail out! not done after {limit} s'
        RUNNING.discard(process)
    ended = results.ended(program.name, process.returncode, time.monotonic() - start)
    if program.plain:
        good = 'not ok' if process.returncode else 'ok'
        said = f'{said or ""}\n1..1\n{good} 1 - {program.name}'
    # A line that was cut off mustn't hide the mark.
    print(*([began] if apart else []), said or '', ended, sep='\n', flush=True)
    return process.returncode


def meson(program, folder):
    """The tests of a Meson build directory, without Meson's own counting."""
    listed = subprocess.run([program, 'introspect', '--tests', folder], check=True,
                            text=True, stdout=subprocess.PIPE).stdout
    return [Program(test['name'], test['cmd'], test['workdir'] or folder,
                    {'MALLOC_PERTURB_': '165', **test['env']})
            for test in json.loads(listed)]


def qtests(top):
    """The lines of patches/*/qtests: command lines below tests/qtest/ of QEMU's
    build directory."""
    build = top / 'build/qemu'
    # For migration-test: under TCG firmware takes a quarter of a minute to find a disk
    # behind q35's AHCI, and half a second on pc.
    environment = {'QTEST_QEMU_MACHINE_TYPE': 'pc',
                   'QTEST_QEMU_BINARY': './qemu-system-x86_64',
                   'QTEST_QEMU_IMG': './qemu-img',
                   'QTEST_QEMU_STORAGE_DAEMON_BINARY':
                       './storage-daemon/qemu-storage-daemon'}
    return [Program(' '.join(line),
                    [*without_kvm(top / 'build/no-kvm'), f'tests/qtest/{line[0]}', *line[1:],
                     *skips(top, line), '--tap', '-k'],
                    build, environment, tiers.left_out(top, 'qtests', ' '.join(line)))
            for line in once(lines(top))]


def skips(top, line):
    """The arguments that leave out tests of a command line: GLib says that each is
    skipped by request."""
    if tiers.everything():
        return []
    within = line[line.index('-p') + 1] + '/' if '-p' in line else '/'
    tests = [pattern.removeprefix(f'{line[0]} -s ') for of, pattern, _ in tiers.listed(top)
             if of == 'qtests' and pattern.startswith(f'{line[0]} -s ')]
    return [word for test in tests if test.startswith(within) for word in ('-s', test)]


def lines(top):
    """Those lines, in words."""
    return [shlex.split(line)
            for path in sorted(top.glob('patches/*/qtests'))
            for line in path.read_text().splitlines()
            if line.strip() and not line.startswith('#')]


def once(commands):
    """The command lines whose tests no other line runs: one without `-p` runs
    all of the program's."""
    def whole(line):
        return line[:line.index('-p')] if '-p' in line else line

    return [line for number, line in enumerate(commands)
            if line not in commands[:number]
            and (whole(line) == line or whole(line) not in commands)]


def without_kvm(nothing):
    """What hides /dev/kvm: QEMU's tests take KVM where there is one, and one that
    is itself emulated is slower than TCG. They get it only if asked for."""
    if os.environ.get('ANNEX_ACCEL', 'tcg') != 'tcg' or os.getuid() != 0 \
            or not Path('/dev/kvm').is_char_device():
        return []
    nothing.touch()
    return ['unshare', '--mount', 'sh', '-c', 'mount --bind "$0" /dev/kvm && exec "$@"',
            str(nothing)]
