// SPDX-License-Identifier: GPL-2.0-or-later
//! Waiting, with a name and an end.

use std::time::{Duration, Instant};

use crate::error::TimedOut;

/// How often a condition that nobody signals is looked at.
const POLL: Duration = Duration::from_millis(2);

/// Asks `probe` until it has something. `what` completes "waited for ...".
pub fn until<T>(
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = probe()? {
            return Ok(value);
        }
        let waited = start.elapsed();
        if waited >= limit {
            return Err(TimedOut {
                what: what.into(),
                waited,
            }
            .into());
        }
        std::thread::sleep(POLL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_it_waited_for() {
        let error = until::<()>("the moon", Duration::from_millis(5), || Ok(None)).unwrap_err();
        assert!(error.to_string().ends_with("for the moon"), "{error}");
    }

    #[test]
    fn an_error_ends_the_waiting() {
        let limit = Duration::from_secs(60);
        let error = until::<()>("x", limit, || anyhow::bail!("gone")).unwrap_err();
        assert_eq!(error.to_string(), "gone");
    }
}
