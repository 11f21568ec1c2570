// SPDX-License-Identifier: GPL-2.0-or-later
//! Texts as the two sides have them. A client's is UTF-16, its lines end with CR LF, and a zero ends
//! it (CF_UNICODETEXT); the guest's is UTF-8, with LF.

use thiserror::Error;

/// Bytes of a text in UTF-8. A million, since QEMU's channel to the guest's agent drops a message
/// of more than 1 MiB and says nothing of it to the guest.
pub const MAX_TEXT: usize = 1_000_000;
/// Bytes of the largest text in UTF-16 that may be a text of [`MAX_TEXT`]: nothing but ends of
/// lines.
pub const MAX_UTF16: usize = 4 * MAX_TEXT + 2;

/// A text is longer than [`MAX_TEXT`].
#[derive(Debug, Error, PartialEq, Eq)]
#[error("a text of more than {MAX_TEXT} bytes")]
pub struct TooLong;

/// A client's text for the guest. What is no UTF-16 becomes U+FFFD. A text may lack its zero.
///
/// # Errors
///
/// It is too long.
pub fn from_client(data: &[u8]) -> Result<String, TooLong> {
    let units = data
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .take_while(|&unit| unit != 0);
    let mut characters = char::decode_utf16(units)
        .map(|decoded| decoded.unwrap_or(char::REPLACEMENT_CHARACTER))
        .peekable();
    let mut text = String::new();
    while let Some(character) = characters.next() {
        if character == '\r' && characters.peek() == Some(&'\n') {
            continue;
        }
        text.push(character);
        if text.len() > MAX_TEXT {
            return Err(TooLong);
        }
    }
    Ok(text)
}

/// A text of the guest's as QEMU has it. What is no UTF-8 becomes U+FFFD, and a zero ends it: a
/// client would see no more.
///
/// # Errors
///
/// It is too long.
pub fn from_guest(data: &[u8]) -> Result<String, TooLong> {
    if data.len() > MAX_TEXT {
        return Err(TooLong);
    }
    let text = data.split(|&byte| byte == 0).next().unwrap_or_default();
    Ok(String::from_utf8_lossy(text).into_owned())
}

/// A text for a client. A line that ends with CR LF already stays as it is.
pub fn to_client(text: &str) -> Vec<u8> {
    let mut data = Vec::with_capacity(2 * text.len() + 2);
    let mut last = '\0';
    for character in text.chars() {
        if character == '\n' && last != '\r' {
            data.extend(u16::to_le_bytes('\r' as u16));
        }
        let mut units = [0; 2];
        for unit in character.encode_utf16(&mut units) {
            data.extend(unit.to_le_bytes());
        }
        last = character;
    }
    data.extend([0, 0]);
    data
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn utf16(units: &[u16]) -> Vec<u8> {
        units.iter().flat_map(|unit| unit.to_le_bytes()).collect()
    }

    #[test]
    fn ends_of_lines() {
        for (guest, client) in [
            ("", "\0"),
            ("a\nb\n", "a\r\nb\r\n\0"),
            ("\n\n", "\r\n\r\n\0"),
            ("a\rb", "a\rb\0"),
            ("\u{1f600}\u{e4}\n", "\u{1f600}\u{e4}\r\n\0"),
        ] {
            let units: Vec<u16> = client.encode_utf16().collect();
            assert_eq!(to_client(guest), utf16(&units), "{guest:?}");
            assert_eq!(from_client(&utf16(&units)).unwrap(), guest);
        }
        // A guest may have a text of Windows'.
        assert_eq!(to_client("a\r\nb"), to_client("a\nb"));
    }

    #[test]
    fn what_is_no_text() {
        let a = u16::from(b'a');
        assert_eq!(from_client(&[]).unwrap(), "");
        assert_eq!(from_client(&utf16(&[a, a])).unwrap(), "aa", "no zero");
        assert_eq!(from_client(&[b'a', 0, b'b']).unwrap(), "a", "half a unit");
        assert_eq!(from_client(&utf16(&[a, 0, a])).unwrap(), "a");
        for lone in [0xd800, 0xdbff, 0xdc00, 0xdfff] {
            let text = from_client(&utf16(&[a, lone, a, 0])).unwrap();
            assert_eq!(text, "a\u{fffd}a", "{lone:#x}");
        }
        assert_eq!(from_client(&utf16(&[0xd800])).unwrap(), "\u{fffd}");
        assert_eq!(from_guest(b"a\0b").unwrap(), "a");
        assert_eq!(from_guest(b"a\xff\xc3").unwrap(), "a\u{fffd}\u{fffd}");
    }

    #[test]
    fn texts_up_to_the_bound() {
        let text = "\n".repeat(MAX_TEXT);
        let data = to_client(&text);
        assert_eq!(data.len(), MAX_UTF16);
        assert_eq!(from_client(&data).unwrap(), text);
        assert_eq!(from_guest(text.as_bytes()).unwrap(), text);
        let longer = to_client(&format!("{text}a"));
        assert_eq!(from_client(&longer), Err(TooLong));
        assert_eq!(from_guest(&[b'a'; MAX_TEXT + 1]), Err(TooLong));
        // Fewer units than bytes: each takes three.
        let wide = to_client(&"\u{20ac}".repeat(MAX_TEXT / 3 + 1));
        assert_eq!(from_client(&wide), Err(TooLong));
    }

    proptest! {
        #[test]
        fn a_text_comes_back(text in "[^\0\r]{0,200}") {
            prop_assert_eq!(from_client(&to_client(&text)).unwrap(), text);
        }

        #[test]
        fn anything_is_some_text(data: Vec<u8>) {
            let text = from_client(&data).unwrap();
            prop_assert!(!text.contains('\0'));
            prop_assert!(!from_guest(&data).unwrap().contains('\0'));
        }
    }
}
