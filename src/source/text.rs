//! Bytes of a file as text.

/// Text in UTF-8, or in UTF-16 where a byte order mark says so: Windows PowerShell's `>` writes that, and kubectl reads it
/// (`k8s.io/cli-runtime/pkg/resource/visitor.go`: `FileVisitor.Visit`).
///
/// # Errors
/// Where the bytes are no text: what they are instead, and the first byte that shows it.
pub fn decode(bytes: Vec<u8>) -> Result<String, String> {
    match bytes.as_slice() {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes, "little-endian"),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes, "big-endian"),
        [0x1f, 0x8b, ..] => Err("it is compressed; unpack it: `gunzip -c FILE | kubectl mtls check -f -`".to_owned()),
        _ => utf8(bytes),
    }
}

fn utf8(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| {
        format!("it is not UTF-8 text (byte {} is not part of a character)", error.utf8_error().valid_up_to())
    })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16, order: &str) -> Result<String, String> {
    let pairs = bytes.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return Err(format!("it is not UTF-16 text ({order}, but its last character is cut off)"));
    }
    let units = pairs.filter_map(|pair| <[u8; 2]>::try_from(pair).ok()).map(unit);
    let mut text = String::with_capacity(bytes.len());
    for (place, character) in char::decode_utf16(units).enumerate() {
        match character {
            Ok(character) => text.push(character),
            Err(_) => return Err(format!("it is not UTF-16 text ({order}; character {place} is half of a pair)")),
        }
    }
    Ok(text)
}
