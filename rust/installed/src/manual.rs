// SPDX-License-Identifier: GPL-2.0-or-later
//! Manual pages.

use std::collections::BTreeSet;

use clap::Command;

/// Checks that a manual page, in the man macros, has every long option of a command and of its
/// subcommands, by each of its names, and that no other stands in bold.
pub fn check_manual(page: &str, command: &Command) {
    let mut known = BTreeSet::new();
    add_options(&mut known, command);
    let told = bold_options(page);
    // clap adds these two by itself, to each of the commands.
    let other = |name: &&String| !["help", "version"].contains(&name.as_str());
    let [told, known] =
        [&told, &known].map(|names| names.iter().filter(other).collect::<BTreeSet<_>>());
    assert_eq!(told, known, "in the manual page, and in the command");
}

fn add_options(names: &mut BTreeSet<String>, command: &Command) {
    for argument in command.get_arguments() {
        let long = argument.get_long_and_visible_aliases();
        names.extend(long.into_iter().flatten().map(str::to_owned));
        let hidden = argument.get_all_aliases();
        names.extend(hidden.into_iter().flatten().map(str::to_owned));
    }
    for command in command.get_subcommands() {
        add_options(names, command);
    }
}

/// Every --word in bold.
fn bold_options(page: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in page.lines().filter(|line| line.starts_with(".B")) {
        for part in line.split("\\-\\-").skip(1) {
            let option = part.replace("\\-", "-");
            let of_name = |c: char| c.is_ascii_lowercase() || c == '-';
            let end = option.find(|c| !of_name(c)).unwrap_or(option.len());
            found.insert(option[..end].to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Arg, Command};

    const PAGE: &str = ".TP\n.BI \"\\-s, \\-\\-socket\\-path \" SOCKET\n\
        .BR \\-\\-no\\-alarm \", \" \\-\\-no\\-offer\\-alarm\nas other programs' \\-\\-else\n";

    fn command() -> Command {
        let alarm = Arg::new("alarm").long("no-alarm").alias("no-offer-alarm");
        let path = Arg::new("path").long("socket-path");
        Command::new("x")
            .arg(alarm)
            .subcommand(Command::new("y").arg(path))
    }

    #[test]
    fn a_page_with_all_options_fits() {
        check_manual(PAGE, &command());
    }

    #[test]
    #[should_panic(expected = "in the manual page")]
    fn one_that_lacks_a_name_does_not() {
        check_manual(&PAGE.replace("offer", "other"), &command());
    }

    #[test]
    #[should_panic(expected = "in the manual page")]
    fn nor_one_that_has_too_many() {
        check_manual(&format!("{PAGE}.B \\-\\-more\n"), &command());
    }
}
