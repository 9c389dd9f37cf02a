//! The one rule for paths on their way to the agent runtime and to Graph: what could be read as leaving
//! the part of the server that is ours is refused, everything else passes as it was written.

use std::borrow::Cow;

/// How often a path may be decoded on its way: by a proxy in between, and by the server itself.
const DECODINGS: usize = 2;

/// Whether no reading of this path climbs above where it begins.
///
/// Servers and proxies disagree on what separates segments (encoded slashes, backslashes), on what a
/// segment is (`..;x` is `..` for some), on when it is decoded, and on whether empty segments count. So
/// segments are split in each of these ways, and in each of them a segment that anybody reads as `..`
/// climbs (RFC 3986, 5.2.4 and 6.2.2).
pub(crate) fn stays(path: &str) -> bool {
    // Nearly every path: there is nothing to read in two ways.
    if !path.bytes().any(|byte| matches!(byte, b'%' | b'\\')) && !path.contains("..") {
        return true;
    }
    let mut split_as = path.as_bytes().to_vec();
    for decoded in 0..=DECODINGS {
        let slash: fn(&u8) -> bool = |byte| *byte == b'/';
        let any: fn(&u8) -> bool = |byte| matches!(byte, b'/' | b'\\');
        if climbs(&split_as, slash, DECODINGS - decoded) || climbs(&split_as, any, DECODINGS - decoded) {
            return false;
        }
        split_as = decode(&split_as).into_owned();
    }
    true
}

fn climbs(path: &[u8], separator: fn(&u8) -> bool, decodings_left: usize) -> bool {
    let mut depth = 0_usize;
    for segment in path.split(separator) {
        match read(segment, decodings_left) {
            Segment::Nothing => {}
            Segment::Down => depth += 1,
            Segment::Up if depth == 0 => return true,
            Segment::Up => depth -= 1,
        }
    }
    false
}

enum Segment {
    Nothing,
    Down,
    Up,
}

/// The reading of a segment that climbs the most.
fn read(segment: &[u8], decodings: usize) -> Segment {
    let mut text = Cow::Borrowed(segment);
    for _ in 0..=decodings {
        // Parameters of a segment, and characters that some readers drop.
        let name: Vec<u8> = text
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default()
            .iter()
            .copied()
            .filter(|byte| !byte.is_ascii_control() && *byte != b' ')
            .collect();
        match name.as_slice() {
            b".." => return Segment::Up,
            b"" | b"." => return Segment::Nothing,
            _ => {}
        }
        text = Cow::Owned(decode(&text).into_owned());
    }
    Segment::Down
}

/// Decodes once, overlong forms of dots and slashes (RFC 3629, 10) with the rest.
fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'%') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, more)) = rest.split_first() {
        match (first, more) {
            (b'%', [high, low, after @ ..]) if let (Some(high), Some(low)) = (digit(*high), digit(*low)) => {
                out.push(high << 4 | low);
                rest = after;
            }
            _ => {
                out.push(first);
                rest = more;
            }
        }
        for (overlong, plain) in [(&b"\xc0\xae"[..], b'.'), (b"\xc0\xaf", b'/'), (b"\xc1\x9c", b'\\')] {
            if out.ends_with(overlong) {
                out.truncate(out.len() - overlong.len());
                out.push(plain);
            }
        }
    }
    Cow::Owned(out)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_any_server_could_read_as_leaving_is_refused() {
        for path in [
            "..",
            "../admin",
            "echo/../../admin",
            "./../admin",
            "echo//../../admin",
            "echo/./../../admin",
            "%2e%2e/admin",
            ".%2E/admin",
            "..%2fadmin",
            "echo%2f..%2f..%2fadmin",
            "..\\admin",
            "..%5cadmin",
            "%252e%252e/admin",
            "%252e%252e%252fadmin",
            "..%252fadmin",
            // Dots are decoded and the slash is not: the first segment is one.
            "a%2fb/%2e%2e/%2e%2e/admin",
            "..;/admin",
            "..;v=1/admin",
            "%2e%2e%3b/admin",
            "echo/..;x/..;x",
            ".%00./admin",
            "..%00/admin",
            ".%09./admin",
            "..%20/admin",
            "%c0%ae%c0%ae/admin",
            "..%c0%afadmin",
            "..%c1%9cadmin",
            "%25c0%25ae%25c0%25ae/admin",
            "echo/%2e%2e%5c%2e%2e%5cadmin",
        ] {
            assert!(!stays(path), "{path}");
        }
    }

    #[test]
    fn what_stays_passes_however_odd() {
        for path in [
            "",
            "echo",
            "echo/",
            "a/../b",
            "a/b/../../c",
            "a//b",
            "a/%2e/b",
            "files/Rabatt%20100%25.xlsx:/content",
            "me/messages/AAMkAG%3D%3D",
            "users/x%23EXT%23@contoso.com",
            "chats/19%3Aabc%40thread.tacv2/messages",
            "a%2Fb",
            "a/b%2F..%2Fc",
            "...",
            "..x/y",
            "x../y",
            "100%",
            "%",
            "%zz",
            "%C3%9C",
            "a;b=c/d",
            "v1.0/me/",
            "drive/root:/a%252e.txt:/content",
        ] {
            assert!(stays(path), "{path}");
        }
    }

    /// What a server does that decodes as often as `decodings`, takes a backslash for a slash or not,
    /// and merges slashes or not.
    fn climbs_for_a_server(path: &str, decodings: usize, backslash: bool, merges: bool) -> bool {
        let mut text = path.as_bytes().to_vec();
        for _ in 0..decodings {
            text = decode(&text).into_owned();
        }
        let mut depth = 0_i32;
        for segment in text.split(|byte| *byte == b'/' || (backslash && *byte == b'\\')) {
            match segment {
                b".." => depth -= 1,
                b"." => {}
                b"" if merges => {}
                _ => depth += 1,
            }
            if depth < 0 {
                return true;
            }
        }
        false
    }

    proptest! {
        #[test]
        fn no_server_is_led_out_by_what_passes(
            parts in prop::collection::vec(
                prop::sample::select(vec!["a", "..", ".", "/", "//", "%2e", "%2E.", "%2f", "\\", "%5c", "%25", "2e", "%252e", "%252f", ";", "x"]),
                0..12,
            )
        ) {
            let path = parts.concat();
            if stays(&path) {
                for decodings in 0..=2 {
                    for (backslash, merges) in [(false, true), (true, true)] {
                        prop_assert!(!climbs_for_a_server(&path, decodings, backslash, merges), "{path}");
                    }
                }
            }
        }

        #[test]
        fn any_bytes_are_read(path in "\\PC{0,60}") {
            let _ = stays(&path);
        }
    }
}
