//! JSON with text that is none: one mail of a stranger must not make a whole page unreadable.

use serde_json::Value;

/// The value; broken UTF-8 and halves of UTF-16's pairs, where nothing else is wrong, are read as `�`.
pub(super) fn parsed(json: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice(json).or_else(|_| serde_json::from_str(&whole_pairs(&String::from_utf8_lossy(json))))
}

fn whole_pairs(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let length = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => 12,
            (Some(0xd800..0xe000), _) => {
                out.push(char::REPLACEMENT_CHARACTER);
                rest = &escape[6..];
                continue;
            }
            (Some(_), _) => 6,
            // The one that it escapes; what is no JSON is told by whoever reads it.
            (None, _) => escape.char_indices().nth(2).map_or(escape.len(), |(at, _)| at),
        };
        out.push_str(&escape[..length]);
        rest = &escape[length..];
    }
    out + rest
}

/// The unit of UTF-16 that an escape at the beginning stands for.
fn unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn broken_text_costs_itself_only() {
        let read = |json: &[u8]| parsed(json).expect("JSON");
        assert_eq!(read(b"{\"a\":\"x\xffy\",\"b\":\"z\"}"), json!({ "a": "x\u{fffd}y", "b": "z" }));
        assert_eq!(
            read(br#"["\ud83d","\udd80\ud83d\ud83d\udc4d","\\ud83d"]"#),
            json!(["\u{fffd}", "\u{fffd}\u{fffd}👍", "\\ud83d"])
        );
        assert!(parsed(b"[\"\\").is_err() && parsed(b"[\"\\u12").is_err() && parsed(b"").is_err());
    }

    proptest! {
        #[test]
        fn nothing_makes_it_fail(text in "(\\\\|u|d83d|dc4d|\"|ä|x){0,40}") {
            let _ = parsed(text.as_bytes());
            let _ = parsed(format!("\"{text}\"").as_bytes());
        }
    }
}
