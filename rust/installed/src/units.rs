// SPDX-License-Identifier: GPL-2.0-or-later
//! systemd's units.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// Units as they are installed, in a folder of their own.
pub struct Units {
    folder: TempDir,
    names: Vec<String>,
}

impl Units {
    /// Makes each unit of a template: `units` has the template's path and the unit's name. In
    /// templates `@bindir@` becomes the folder of `program`, which must be there, and each first
    /// of `words` its second.
    pub fn of(program: &str, units: &[(String, &str)], words: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let programs = Path::new(program).parent().expect("a program in a folder");
        for (template, name) in units {
            let mut text = fs::read_to_string(template)
                .unwrap_or_else(|error| panic!("{template}: {error}"))
                .replace("@bindir@", &programs.display().to_string())
                // Nothing is installed that could have such a page.
                .replace("man:", "https://");
            for (word, value) in words {
                text = text.replace(word, value);
            }
            fs::write(folder.path().join(name), text).expect("the unit's copy");
        }
        let names = units.iter().map(|(_, name)| (*name).to_owned()).collect();
        Self { folder, names }
    }

    /// Checks that systemd takes them, and has nothing to say of lines with `word` in them.
    pub fn check_taken(&self, word: &str) {
        let mut arguments = vec!["verify", "--man=no"];
        arguments.extend(self.names.iter().map(String::as_str));
        let out = self.analyze(&arguments);
        let said = String::from_utf8_lossy(&out.stderr);
        let ours = said.lines().any(|line| line.contains(word));
        assert!(out.status.success() && !ours, "{said}");
    }

    /// Checks that systemd finds the first of them exposed by at most `tenths` of 10.
    pub fn check_confined(&self, tenths: u32) {
        let (threshold, unit) = (
            format!("--threshold={tenths}"),
            format!("./{}", self.names[0]),
        );
        let arguments = [
            "security",
            "--no-pager",
            "--offline=true",
            &threshold,
            &unit,
        ];
        let out = self.analyze(&arguments);
        assert!(
            out.status.success(),
            "{}{}",
            String::from_utf8_lossy(&out.stderr),
            String::from_utf8_lossy(&out.stdout)
        );
    }

    /// What systemd-analyze, 250 or newer, says.
    fn analyze(&self, arguments: &[&str]) -> Output {
        let folder = self.folder.path();
        Command::new("systemd-analyze")
            .args(arguments)
            .current_dir(folder)
            .env("SYSTEMD_UNIT_PATH", format!("{}:", folder.display()))
            .output()
            .expect("no systemd-analyze, which Debian's package systemd has")
    }
}
