// SPDX-License-Identifier: GPL-2.0-or-later
//! The errors that are told apart. All else is an [`anyhow::Error`].

use std::time::Duration;

/// QEMU wouldn't start, or is gone: nothing was learned about what was tested.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct MachineFailure(pub String);

/// What was waited for didn't come.
#[derive(Debug, thiserror::Error)]
#[error("waited {waited:.1?} for {what}")]
pub struct TimedOut {
    /// Completes the sentence "waited for ...".
    pub what: String,
    /// How long.
    pub waited: Duration,
}

/// QEMU answered a QMP command with an error.
#[derive(Debug, thiserror::Error)]
#[error("{command}: {description}")]
pub struct QmpError {
    /// The command refused.
    pub command: String,
    /// QEMU's own words.
    pub description: String,
}

/// This test can't be run here, and why. Reported as ignored, never as passed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Skip(pub String);

/// The description in QEMU's refusal; an error if `result` isn't one.
pub fn refusal<T>(result: anyhow::Result<T>) -> anyhow::Result<String> {
    match result {
        Ok(_) => anyhow::bail!("QEMU agreed to what it should have refused"),
        Err(error) => Ok(error.downcast::<QmpError>()?.description),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_neither_consent_nor_a_dead_machine() {
        let error = QmpError {
            command: "c".into(),
            description: "no, because".into(),
        };
        assert_eq!(refusal::<()>(Err(error.into())).unwrap(), "no, because");
        assert!(refusal(Ok(())).is_err());
        let dead = refusal::<()>(Err(MachineFailure("died".into()).into())).unwrap_err();
        assert!(dead.is::<MachineFailure>());
    }
}
