# SPDX-License-Identifier: GPL-2.0-or-later
"""What `make check` leaves to `make check-all`: scripts/only-in-check-all."""

import os
from fnmatch import fnmatchcase

# Set to `all` where everything is run; the guest trials' harness reads it, too.
VARIABLE = 'ANNEX_TIER'


def everything():
    """Whether nothing is left out."""
    return os.environ.get(VARIABLE) == 'all'


def listed(top):
    """(stage, pattern, reason) for each line."""
    lines = (top / 'scripts/only-in-check-all').read_text().splitlines()
    entries = [line.split(maxsplit=1) for line in lines
               if line and not line.startswith('#')]
    found = []
    for stage, rest in entries:
        pattern, _, reason = rest.partition(': ')
        if not reason:
            raise ValueError(f'scripts/only-in-check-all gives no reason for {pattern}')
        found.append((stage, pattern, reason.strip()))
    return found


def left_out(top, stage, name):
    """Why `name` isn't run now, or None."""
    if everything():
        return None
    return next((f'only in make check-all: {reason}'
                 for of, pattern, reason in listed(top)
                 if of == stage and fnmatchcase(name, pattern)), None)
