//! SHAKE-256 over a label and parts, joined with `||`.

use super::V5Error;
use sha3::{
    Shake256,
    digest::{ExtendableOutput as _, Update as _, XofReader as _},
};

/// Most bytes of one output.
pub const MOST_BYTES: usize = 65_536;

/// The first `length` bytes of SHAKE-256 over `label || part || part …`, the bars being two bytes.
///
/// Parts are not length-prefixed, so different parts may give the same output; the original is like that.
///
/// Errors: [`V5Error::Output`].
pub fn prf(label: &[u8], parts: &[&[u8]], length: usize) -> Result<Vec<u8>, V5Error> {
    if length > MOST_BYTES {
        return Err(V5Error::Output { asked: length });
    }
    let mut hasher = Shake256::default();
    hasher.update(label);
    hasher.update(b"||");
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            hasher.update(b"||");
        }
        hasher.update(part);
    }
    let mut output = vec![0; length];
    hasher.finalize_xof().read(&mut output);
    Ok(output)
}

/// The bytes of a randomness: blanks at the ends and every `0x` are taken away, an odd number of characters gets a `0` in
/// front, and white space may stand between pairs.
///
/// Errors: [`V5Error::Randomness`].
pub fn clean(text: &str) -> Result<Vec<u8>, V5Error> {
    let wrong = || V5Error::Randomness { text: text.chars().take(80).collect() };
    let bare = text.trim().replace("0x", "").replace("0X", "");
    let even = if bare.chars().count() % 2 == 1 { format!("0{bare}") } else { bare };
    let mut bytes = Vec::with_capacity(even.len() / 2);
    let blank = |c: &char| matches!(c, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r');
    let mut characters = even.chars().filter(|c| c.is_ascii() || !c.is_whitespace()).peekable();
    loop {
        while characters.next_if(blank).is_some() {}
        let Some(high) = characters.next() else { return Ok(bytes) };
        let pair = [high, characters.next().ok_or_else(wrong)?];
        let [high, low] = pair.map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()));
        bytes.push(high.ok_or_else(wrong)? << 4 | low.ok_or_else(wrong)?);
    }
}
