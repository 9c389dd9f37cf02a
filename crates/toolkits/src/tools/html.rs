//! HTML of strangers as plain text. One pass from left to right that builds no tree, so that nothing hostile makes it
//! slow, deep or large: parsers that follow the standard are quadratic for nested elements, and worse for formatting.

/// In bytes; more is not read, and no client of Graph's leaves more.
const LARGEST: usize = 256 * 1024;

/// Stands where more is than was read.
pub(super) const GOES_ON: &str = "[This text goes on, but is too long to be read here.]";

/// Between two of these stands an empty line, between the others a new one.
const PARAGRAPHS: [&str; 11] = ["p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote"];
const LINES: [&str; 17] = [
    "br", "div", "tr", "li", "hr", "dt", "dd", "pre", "section", "article", "header", "footer", "address", "form",
    "main", "nav", "body",
];
/// Their content is no text.
const SKIPPED: [&str; 4] = ["script", "style", "title", "template"];

/// What is read of it; where it goes on, that is said at the end.
pub(super) fn plain_text(html: &str) -> String {
    let read = &html[..html.floor_char_boundary(LARGEST)];
    let mut out = PlainText::default();
    let mut rest = read;
    while let Some(at) = rest.find('<') {
        out.text(&rest[..at]);
        rest = markup(&rest[at..], &mut out);
    }
    out.text(rest);
    let mut text = out.text;
    text.truncate(text.trim_end().len());
    if read.len() < html.len() {
        text.push('\n');
        text.push_str(GOES_ON);
    }
    text
}

#[derive(Default)]
struct PlainText {
    text: String,
    /// A space that is written where something follows on this line.
    space: bool,
    /// Open elements that keep their white space.
    kept: u32,
}

impl PlainText {
    fn text(&mut self, raw: &str) {
        let mut rest = raw;
        while let Some(at) = rest.find('&') {
            self.words(&rest[..at]);
            let (c, length) = entity(&rest[at..]);
            self.words(c.encode_utf8(&mut [0; 4]));
            rest = &rest[at + length..];
        }
        self.words(rest);
    }

    fn words(&mut self, text: &str) {
        for c in text.chars() {
            if self.kept > 0 {
                self.text.push(c);
            } else if c.is_whitespace() {
                self.space = true;
            } else {
                if self.space && !self.text.is_empty() && !self.text.ends_with('\n') {
                    self.text.push(' ');
                }
                self.space = false;
                self.text.push(c);
            }
        }
    }

    /// How many ends of lines stand at the end: more than two need not be told apart, and counting all of them again
    /// and again would take long.
    fn ends(&self) -> usize {
        self.text.bytes().rev().take(2).take_while(|byte| *byte == b'\n').count()
    }

    /// So many ends of lines, counted with those that are there.
    fn lines(&mut self, count: usize) {
        self.space = false;
        if self.text.is_empty() {
            return;
        }
        (self.ends()..count).for_each(|_| self.text.push('\n'));
    }

    fn element(&mut self, name: &str, closes: bool) {
        if name == "pre" {
            self.kept = if closes { self.kept.saturating_sub(1) } else { self.kept.saturating_add(1) };
        }
        if PARAGRAPHS.contains(&name) {
            self.lines(2);
        } else if name == "br" {
            self.space = false;
            self.lines((self.ends() + 1).min(2));
        } else if LINES.contains(&name) {
            self.lines(1);
        } else if matches!(name, "td" | "th") {
            self.space = true;
        }
        if name == "li" && !closes {
            self.text.push_str("- ");
        }
    }
}

/// Reads what begins with `<`; what is left behind it.
fn markup<'a>(from: &'a str, out: &mut PlainText) -> &'a str {
    let behind = |end: &str, at: usize| from[at..].find(end).map_or("", |found| &from[at + found + end.len()..]);
    if from.starts_with("<!--") {
        return behind("-->", 2);
    }
    if from.starts_with("<!") || from.starts_with("<?") {
        return behind(">", 2);
    }
    let closes = from.starts_with("</");
    let named = &from[if closes { 2 } else { 1 }..];
    let length = named.bytes().take_while(u8::is_ascii_alphanumeric).count();
    if !named.starts_with(|c: char| c.is_ascii_alphabetic()) {
        out.text("<");
        return &from[1..];
    }
    let rest = behind_tag(&named[length..]);
    // No name that means something is longer.
    let name = if length <= 12 { named[..length].to_ascii_lowercase() } else { String::new() };
    if !closes && SKIPPED.contains(&name.as_str()) {
        return behind_content(rest, &name);
    }
    out.element(&name, closes);
    rest
}

/// Behind the `>` that ends a tag: one in a quoted value does not.
fn behind_tag(text: &str) -> &str {
    let bytes = text.as_bytes();
    let (mut at, mut value) = (0, false);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'>' => return &text[at + 1..],
            b'=' => value = true,
            b'"' | b'\'' if value => {
                let Some(end) = bytes[at + 1..].iter().position(|other| other == byte) else { return "" };
                (at, value) = (at + 1 + end, false);
            }
            byte if byte.is_ascii_whitespace() => {}
            _ => value = false,
        }
        at += 1;
    }
    ""
}

/// Behind the end tag of an element whose content is no text.
fn behind_content<'a>(text: &'a str, name: &str) -> &'a str {
    let mut rest = text;
    while let Some(at) = rest.find("</") {
        rest = &rest[at + 2..];
        if rest.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name)) {
            return behind_tag(&rest[name.len()..]);
        }
    }
    ""
}

/// The character that a text beginning with `&` stands for, and the length of its name.
fn entity(text: &str) -> (char, usize) {
    let end = text.bytes().take(12).position(|byte| byte == b';');
    let Some(end) = end else { return ('&', 1) };
    let name = &text[1..end];
    let numbered = |digits: &str, base| {
        let number = u32::from_str_radix(digits, base).ok()?;
        Some(char::from_u32(number).filter(|_| number != 0).unwrap_or(char::REPLACEMENT_CHARACTER))
    };
    let c = match name.strip_prefix('#') {
        Some(number) => match number.strip_prefix(['x', 'X']) {
            Some(hex) => numbered(hex, 16),
            None => numbered(number, 10),
        },
        None => named(name),
    };
    c.map_or(('&', 1), |c| (c, end + 1))
}

fn named(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "copy" => '©',
        "reg" => '®',
        "trade" => '™',
        "euro" => '€',
        "pound" => '£',
        "sect" => '§',
        "deg" => '°',
        "middot" => '·',
        "bull" => '•',
        "hellip" => '…',
        "ndash" => '–',
        "mdash" => '—',
        "lsquo" => '‘',
        "rsquo" => '’',
        "sbquo" => '‚',
        "ldquo" => '“',
        "rdquo" => '”',
        "bdquo" => '„',
        "laquo" => '«',
        "raquo" => '»',
        "times" => '×',
        "rarr" => '→',
        "auml" => 'ä',
        "ouml" => 'ö',
        "uuml" => 'ü',
        "Auml" => 'Ä',
        "Ouml" => 'Ö',
        "Uuml" => 'Ü',
        "szlig" => 'ß',
        "eacute" => 'é',
        "egrave" => 'è',
        "agrave" => 'à',
        "ccedil" => 'ç',
        "ntilde" => 'ñ',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_mail_reads_as_it_looks() {
        let html = "<!DOCTYPE html><html><head><title>t</title><style>p { x: '</p>' }</style></head><body>\
            <p>Dear&nbsp;Ada,</p>\n<p>2 &lt; 3 &amp; 4 &#8364;&#x21; a<b >b</b>c &unknown; &\n</p><ul><li>one</li><li>two</li></ul>\
            <table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>x<br>y<br><br>z<!-- <p>no</p> -->\
            <a href=\"https://x/?a>b\" title='>'>link</a><script>if (a</b) {}</SCRIPT > 1 < 2 <pre>k  k\nl</pre></body>";
        let plain = plain_text(html);
        assert_eq!(
            plain,
            "Dear Ada,\n\n2 < 3 & 4 €! abc &unknown; &\n\n- one\n- two\n\na b\nc\n\nx\ny\n\nzlink 1 < 2\nk  k\nl"
        );
    }

    #[test]
    fn what_has_no_end_ends_all_the_same() {
        for html in
            ["<a href=\"x", "<!--", "<script>", "<", "</", "<!", "&", "&#;", "&#x110000;", "<p", "&#0;", "<style><"]
        {
            plain_text(html);
        }
        assert_eq!(plain_text("a <a title=it's>b</a>"), "a b");
    }

    #[test]
    fn hostile_html_is_read_in_no_time() {
        let many = 100_000;
        let formatting = (0..many).map(|n| format!("<b a={n}>")).collect::<Vec<_>>().concat();
        for html in [
            "<div>".repeat(many),
            "<div>".repeat(many) + &"</div>".repeat(many),
            formatting + &"<p>".repeat(many),
            "<table>".repeat(many),
            "<a href=\"".repeat(many),
            "<a title='x".repeat(many),
            "<!--".repeat(many),
            "<script>".repeat(many),
            "</".repeat(many),
            "<script></".repeat(many),
            "<".repeat(many * 3),
            "&".repeat(many * 3),
            "&#x1;".repeat(many),
            "<li>".repeat(many),
            "<br>".repeat(many),
            "<pre>\n".repeat(many),
            "ä".repeat(many * 3),
        ] {
            let started = Instant::now();
            let plain = plain_text(&html);
            assert!(started.elapsed() < Duration::from_secs(1), "{:.20}: {:?}", html, started.elapsed());
            assert!(plain.len() <= 2 * LARGEST, "{html:.20}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_fail(html in "(<|>|/|&|#x?|;|=|\"|'|!--|-->|script|pre|li|br| |\n|ä|\u{202e}|[a-z0-9]){0,60}") {
            plain_text(&html);
        }
    }
}
