# SPDX-License-Identifier: GPL-2.0-or-later
"""The stages of `make check`: what each runs, and what it needs before.

A stage is a function that writes to standard output and gives an exit status.
Two stages in one lane are never run at the same time; those in the lane `alone`
only while nothing else is, since they watch the clock.
"""

import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from . import programs, tiers

TOP = Path(__file__).resolve().parent.parent.parent
BUILD = TOP / 'build'
# A workspace of its own, for a newer Rust: minutes of compilation.
RDP = TOP / 'daemons/rdp'


@dataclass(frozen=True)
class Stage:
    """A stage; `form` is how it reports (see results.py), None if it only
    prepares and has no tests."""

    name: str
    what: str
    run: Callable
    lane: str
    form: str | None = None
    needs: tuple = ()
    # Only `make check-all` has it.
    full: bool = False


STAGES = {}


def stage(what, **details):
    """Make a stage of the function below."""
    def register(function):
        name = function.__name__.replace('_', '-')
        STAGES[name] = Stage(name, what, function, **details)
        return function
    return register


def call(*command, folder=TOP, **environment):
    """Run a command, with more variables in its environment."""
    return subprocess.run([str(word) for word in command], cwd=folder, check=False,
                          env=os.environ | environment).returncode


def guest_programs():
    """The names of the guest tests' programs: Cargo's `[[test]]` below qtest/."""
    manifests = [tomllib.loads(path.read_text()) for path in sorted(TOP.glob('qtest/*/Cargo.toml'))]
    return [test['name'] for manifest in manifests for test in manifest.get('test', [])]


def crate_programs():
    """The names of the crates' and daemons' test programs, which Cargo finds in
    tests/ by itself."""
    files = [*TOP.glob('rust/*/tests/*'), *TOP.glob('daemons/*/tests/*')]
    return sorted({path.stem for path in files
                   if path.suffix == '.rs' or (path / 'main.rs').exists()})


def cargo_test(programs, *more):
    """Run test programs that the stage `rust` has compiled. Whatever names packages
    would have Cargo choose features anew, and compile dependencies again."""
    return call('cargo', 'test', '--locked', '--no-fail-fast', *more,
                *(word for name in programs for word in ('--test', name)))


def script(name, *arguments):
    """Run one of scripts/."""
    return call(TOP / 'scripts' / name, *arguments)


# What the others need.

@stage("Debian's packages and the toolchain", lane='setup')
def packages():
    return script('deps')


@stage('QEMU, and the series on it', lane='qemu', needs=('packages',))
def base():
    return script('base') or script('series', 'apply')


@stage('the guests', lane='setup', needs=('packages',))
def images():
    return script('guest') or script('guest-rtc')


@stage("other projects' back-ends", lane='cargo', needs=('packages',), full=True)
def backends():
    return script('backends')


# Without QEMU.

@stage('rustfmt', lane='cargo', form='plain', needs=('packages',))
def format():  # pylint: disable=redefined-builtin
    return call('cargo', 'fmt', '--all', '--check') or \
        call('cargo', 'fmt', '--all', '--check', folder=RDP)


@stage('clippy, warnings are errors', lane='cargo', form='plain', needs=('packages',))
def lint():
    return call('cargo', 'clippy', '--locked', '--workspace', '--all-targets',
                '--', '-D', 'warnings')


@stage('clippy of daemons/rdp, likewise', lane='cargo', form='plain', needs=('packages',),
       full=True)
def rdp_lint():
    return call('cargo', 'clippy', '--locked', '--workspace', '--all-targets',
                '--', '-D', 'warnings', folder=RDP)


@stage('Rust: programs and tests, compiled', lane='cargo', needs=('packages',))
def rust():
    return call('cargo', 'build', '--locked', '--lib', '--bins', '--tests')


@stage('include/ is what rust/qemu-annex gives', lane='cargo', form='plain', needs=('rust',))
def header():
    return call(BUILD / 'cargo/debug/header', '--check')


@stage("the crates' own tests, the daemons' and the harness's", lane='cargo',
       form='libtest', needs=('rust',))
def crates():
    return cargo_test(crate_programs(), '--lib', '--bins')


@stage("examples in the crates' docs", lane='cargo', form='libtest', needs=('rust',), full=True)
def doc_tests():
    return call('cargo', 'test', '--locked', '--no-fail-fast', '--doc')


@stage('the tools: series, this check', lane='setup', form='unittest')
def tools():
    return call(sys.executable, '-m', 'unittest', 'discover', '--verbose',
                '--start-directory', TOP / 'scripts/tests')


@stage('paths and patches that docs name; the Rust that locked packages want',
       lane='setup', form='tap', needs=('base',))
def docs():
    return programs.run([
        programs.Program('check-docs', [TOP / 'scripts/check-docs']),
        programs.Program('check-toolchain', [TOP / 'scripts/check-toolchain'])])


@stage('licences and sources of dependencies; known vulnerabilities', lane='cargo',
       form='tap', needs=('packages',), full=True)
def dependencies():
    return programs.run([programs.Program(
        'check-dependencies', [TOP / 'scripts/check-dependencies'])])


@stage('each fuzz target for a while, from its seeds', lane='cargo', form='tap',
       needs=('packages',), full=True)
def fuzz():
    return programs.run([programs.Program('fuzz', [TOP / 'scripts/fuzz'])])


# With QEMU.

@stage('the series: applies, comes back, style, each patch compiles', lane='setup',
       form='tap', needs=('base',))
def series():
    record = ['--everything', '--record'] if tiers.everything() else []
    return programs.run([programs.Program(
        'series', [TOP / 'scripts/series', 'check', *record])])


@stage('QEMU with the annex', lane='qemu', form='plain', needs=('base',))
def build():
    return script('build')


@stage('QEMU without it', lane='qemu', form='tap', needs=('build',))
def without_annex():
    return programs.run([programs.Program(
        'check-without-annex', [TOP / 'scripts/check-without-annex'])])


@stage('the library from C', lane='setup', form='tap', needs=('build',))
def abi():
    meson, out = BUILD / 'qemu/pyvenv/bin/meson', BUILD / 'check/abi'
    if not (out / 'build.ninja').exists():
        # The library that QEMU is linked with, not another one.
        library = BUILD / 'qemu/subprojects/qemu-annex/libqemu_annex.a'
        status = call(meson, 'setup', out, TOP, f'-Dlibrary={library}',
                      '-Ddaemons=false')
        if status:
            return status
    return call('ninja', '-C', out) or programs.run(programs.meson(meson, out))


@stage("tests in QEMU's frameworks: patches/*/qtests", lane='alone', form='tap',
       needs=('build',))
def qtests():
    return programs.run(programs.qtests(TOP), jobs=2, limit=1200)


@stage("system tests in QEMU's tests/tcg: patches/pcid", lane='alone', form='tap',
       needs=('build',))
def tcg():
    return programs.run([programs.Program('pcid-tests', [TOP / 'scripts/pcid-tests'])])


@stage('single flushes taken out of QEMU: each is noticed by a test', lane='alone',
       form='tap', needs=('build',), full=True)
def mutants():
    return programs.run([programs.Program('pcid-mutants', [TOP / 'scripts/pcid-mutants'])])


@stage('QEMU with TCG plugins, and what they are told of accesses by contexts', lane='alone',
       form='tap', needs=('build',), full=True)
def plugins():
    return programs.run([programs.Program('check-plugins', [TOP / 'scripts/check-plugins'])])


@stage('guests, booted by qtest/', lane='alone', form='libtest',
       needs=('build', 'images', 'rust', 'backends'))
def guest():
    return cargo_test(guest_programs())


@stage('annex-rdp and what it is made of, with QEMU and RDP clients', lane='alone',
       form='libtest', needs=('build', 'images'), full=True)
def rdp():
    return call('cargo', 'build', '--locked', '--lib', '--bins', '--tests', folder=RDP) or \
        call('cargo', 'test', '--locked', '--no-fail-fast', '--lib', '--bins', '--tests',
             folder=RDP)


@stage('the benches, a row of each table; in make check-all every case',
       lane='alone', form='tap',
       needs=('build', 'images', 'rust', 'backends'))
def bench():
    size = '--smoke' if tiers.everything() else '--row'
    names = ['snapshot', 'tape', 'isolation', 'rtc', 'pcid']
    if tiers.everything():
        # Of a workspace that only check-all compiles: see the stage rdp.
        names += ['rdp', 'rdp-usb']
    return programs.run([
        programs.Program(name, [TOP / 'scripts/bench', name, size], plain=True)
        for name in names])
