// SPDX-License-Identifier: GPL-2.0-or-later
//! QEMU's own view of a CPU: `qom-get` of its `feature-words`.
//!
//! ```json
//! [{"cpuid-input-eax": 7, "cpuid-input-ecx": 0, "cpuid-register": "EBX", "features": 564069289}]
//! ```
//!
//! Registers that QEMU has no features in aren't there, and read as 0.

use serde::Deserialize;

use cpuid_data::{Register, Registers};

use crate::dump::{Answers, Dump, DumpError};

/// QAPI's X86CPUFeatureWordInfo.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Word {
    cpuid_input_eax: u32,
    cpuid_input_ecx: Option<u32>,
    cpuid_register: Name,
    features: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Name {
    Eax,
    Ebx,
    Ecx,
    Edx,
    // Which no leaf answers in.
    Esp,
    Ebp,
    Esi,
    Edi,
}

/// With QMP's frame around it, or without.
#[derive(Deserialize)]
#[serde(untagged)]
enum Message {
    Words(Vec<Word>),
    Answer {
        #[serde(rename = "return")]
        words: Vec<Word>,
    },
}

pub fn parse(input: &str) -> Result<Dump, DumpError> {
    let message = serde_json::from_str(input).map_err(|error| {
        DumpError::Json(if error.is_syntax() || error.is_eof() {
            error.to_string()
        } else {
            format!("this JSON isn't a CPU's feature-words as qom-get gives them ({error})")
        })
    })?;
    let (Message::Words(words) | Message::Answer { words }) = message;
    let mut answers = Answers::new();
    for word in words {
        let place = (word.cpuid_input_eax, word.cpuid_input_ecx.unwrap_or(0));
        let register = match word.cpuid_register {
            Name::Eax => Register::Eax,
            Name::Ebx => Register::Ebx,
            Name::Ecx => Register::Ecx,
            Name::Edx => Register::Edx,
            Name::Esp | Name::Ebp | Name::Esi | Name::Edi => {
                let what = "a leaf answers in EAX, EBX, ECX and EDX only";
                return Err(DumpError::Json(what.into()));
            }
        };
        let registers: &mut Registers = answers.entry(place).or_default();
        *registers.get_mut(register) = word.features;
    }
    Ok(Dump {
        cpus: vec![(String::new(), answers)],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: &str = r#"[
        {"cpuid-register": "ECX", "cpuid-input-eax": 1, "features": 131072},
        {"cpuid-register": "EDX", "cpuid-input-eax": 1, "features": 8192},
        {"cpuid-input-ecx": 0, "cpuid-register": "EBX", "cpuid-input-eax": 7, "features": 1024}
    ]"#;

    #[test]
    fn words_are_put_together() {
        let dump = parse(WORDS).unwrap();
        assert_eq!(parse(&format!("{{\"return\": {WORDS}}}")).unwrap(), dump);
        let answers = &dump.cpus[0].1;
        assert_eq!(
            answers[&(1, 0)],
            Registers {
                ecx: 1 << 17,
                edx: 1 << 13,
                ..Registers::default()
            }
        );
        assert_eq!(answers[&(7, 0)].ebx, 1 << 10);
    }

    #[test]
    fn other_json_is_refused() {
        for (input, fault) in [
            ("[{", "line 1"),
            ("{\"error\": {}}", "feature-words"),
            (
                "[{\"cpuid-register\": \"RAX\", \"cpuid-input-eax\": 1, \"features\": 1}]",
                "feature-words",
            ),
            (
                "[{\"cpuid-register\": \"ESP\", \"cpuid-input-eax\": 1, \"features\": 1}]",
                "EAX, EBX",
            ),
            (
                "[{\"cpuid-register\": \"EAX\", \"cpuid-input-eax\": 1, \"features\": 4294967296}]",
                "feature-words",
            ),
        ] {
            let error = parse(input).unwrap_err().to_string();
            assert!(error.contains(fault), "{input}: {error}");
        }
    }
}
