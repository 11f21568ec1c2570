# SPDX-License-Identifier: GPL-2.0-or-later
"""The Rust that packages want, beside the one that we promise."""


def number(version):
    """A version as numbers that compare; one that is cut short is padded."""
    parts = [int(part) for part in version.split('.')]
    return tuple(parts + [0] * (3 - len(parts)))


def too_new(packages, promised):
    """Sentences about the packages that want more than `promised`."""
    return [f"{package['name']} {package['version']} wants Rust {package['rust_version']}"
            for package in packages
            if number(package.get('rust_version') or '0') > number(promised)]
