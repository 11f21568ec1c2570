#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Check what the library shows: annex_* and nothing else, all of it in the
header, all of it called by the C tests, and nothing of bitcode left in.

Usage: symbols.py HEADERS-FOLDER LIBRARY OBJECTS...
"""

import re
import subprocess
import sys
from pathlib import Path


def tool(*command):
    return subprocess.run(command, check=True, text=True,
                          stdout=subprocess.PIPE).stdout


def symbols(library, *which):
    """The names that nm lists; lines that end in a colon name members."""
    lines = tool('nm', '--format=just-symbols', *which, library).split('\n')
    return {name for name in lines if name and not name.endswith(':')}


def main():
    folder, library, *callers = sys.argv[1:]
    headers = ''.join(header.read_text() for header in sorted(Path(folder).rglob('*.h')))
    exported = symbols(library, '--extern-only', '--defined-only')
    called = set().union(*(symbols(c, '--undefined-only') for c in callers))
    text = re.sub(r'/\*.*?\*/|//[^\n]*', '', headers, flags=re.S)
    declared = set(re.findall(r'(\w+)\([^*]', text)) - {'defined'}
    types = set(re.findall(r'^(?:} |typedef .*\(\*|typedef struct \w+ )(\w+)',
                           text, flags=re.M))
    constants = set(re.findall(r'^\s+([A-Z]\w+) = |#define (\w+)', text,
                               flags=re.M))
    constants = {name for pair in constants for name in pair
                 if name and not re.fullmatch('QEMU_ANNEX_(.*_)?H', name)}
    foreign = {name for name in exported if not name.startswith('annex_')}
    sections = tool('readelf', '--sections', '--wide', library)

    tests = [
        ('something is exported', exported, bool(exported)),
        ('only annex_* is global', foreign, not foreign),
        ('the headers declare what is exported, and no more',
         declared ^ exported, declared == exported),
        ('types are Annex*', types,
         types and all(t.startswith('Annex') for t in types)),
        ('constants are ANNEX_*', constants,
         constants and all(c.startswith('ANNEX_') for c in constants)),
        ('C tests call every function', exported - called,
         exported <= called),
        ('the tables that unwinding needs are there', set(),
         '.eh_frame' in sections and '.gcc_except_table' in sections),
        ('no bitcode is left for linker plugins to choke on', set(),
         '.llvmbc' not in sections),
        ('no section groups are left for the linker to fold', set(),
         ' GROUP ' not in sections),
    ]
    print(f'1..{len(tests)}')
    for number, (what, seen, good) in enumerate(tests, 1):
        print(f'{"ok" if good else "not ok"} {number} - {what}')
        if not good:
            print('# see:', ', '.join(sorted(seen)))
    return 0 if all(good for _, _, good in tests) else 1


if __name__ == '__main__':
    sys.exit(main())
