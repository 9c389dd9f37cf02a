//! Answers of Graph, cut while they arrive: what nobody is told is not held. A mail may have a megabyte of body and
//! thousands of recipients, and a page 25 of these.

/// Bytes of one string, as JSON writes them: of a longer one this much is read, and [`CUT`] says so.
const LONGEST: usize = 256 * 1024;
/// The same inside of such a list as below: a name, or an answer to a post.
const LONGEST_IN_LIST: usize = 8 * 1024;
/// Elements of a list inside of a row: the others are counted, and no more.
const ELEMENTS: usize = 30;
/// Bytes that are left in the end.
const KEPT: usize = 8 * 1024 * 1024;
/// What can be read lies no deeper: serde's own limit.
const DEEPEST: usize = 128;

/// Ends a string of which there was more. No text has it.
pub(super) const CUT: char = '\0';

/// Which lists may lose elements.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lists {
    /// None: a person is to see them all.
    Whole,
    /// Those of one thing: its recipients.
    Cut,
    /// The same of each row, and no row.
    CutInRows,
}

impl Lists {
    /// How many lists stand around an element that may go, its own among them.
    fn from(self) -> usize {
        match self {
            Self::Whole => usize::MAX,
            Self::Cut => 1,
            Self::CutInRows => 2,
        }
    }
}

#[derive(Clone, Copy)]
struct Level {
    is_list: bool,
    commas: usize,
}

/// Reads JSON byte by byte. It checks nothing: what is no JSON stays none.
pub(super) struct Shortener {
    lists: Lists,
    levels: Vec<Level>,
    lists_around: usize,
    /// How deep the list lies whose element is left out.
    left_out: Option<usize>,
    string: Option<InString>,
}

struct InString {
    longest: usize,
    length: usize,
    /// Bytes of an escape that are still to come.
    escaped: u8,
    is_cut: bool,
}

impl Shortener {
    pub(super) fn new(lists: Lists) -> Self {
        Self { lists, levels: Vec::new(), lists_around: 0, left_out: None, string: None }
    }

    /// Takes the next bytes; `false`: this is more than an answer can be.
    pub(super) fn take(&mut self, part: &[u8], kept: &mut Vec<u8>) -> bool {
        let mut rest = part;
        while let Some((byte, behind)) = rest.split_first() {
            let plain = self.plain(rest, kept);
            if plain > 0 {
                rest = &rest[plain..];
                continue;
            }
            if self.string.is_some() {
                self.in_string(*byte, kept);
            } else {
                self.between(*byte, kept);
            }
            rest = behind;
        }
        kept.len() <= KEPT
    }

    /// Takes what stands before the next quote or escape of a string at once, since bodies are long: how much that was.
    fn plain(&mut self, rest: &[u8], kept: &mut Vec<u8>) -> usize {
        let Some(string) = self.string.as_mut().filter(|string| string.escaped == 0) else { return 0 };
        let is_dropped = string.is_cut || self.left_out.is_some();
        // Where it is cut is looked at byte by byte.
        let most = if is_dropped { rest.len() } else { rest.len().min(string.longest.saturating_sub(string.length)) };
        let run = rest[..most].iter().position(|byte| matches!(byte, b'"' | b'\\')).unwrap_or(most);
        string.length += run;
        if !is_dropped {
            kept.extend_from_slice(&rest[..run]);
        }
        run
    }

    fn in_cut_list(&self) -> bool {
        self.lists_around >= self.lists.from()
    }

    fn in_string(&mut self, byte: u8, kept: &mut Vec<u8>) {
        let Some(string) = &mut self.string else { return };
        string.length += 1;
        let begins_char = string.escaped == 0 && byte & 0b1100_0000 != 0b1000_0000;
        if begins_char && byte != b'"' && string.length > string.longest {
            string.is_cut = true;
        }
        let ends = string.escaped == 0 && byte == b'"';
        string.escaped = match (string.escaped, byte) {
            (0, b'\\') => 1,
            (1, b'u') => 4,
            (left, _) => left.saturating_sub(1),
        };
        let is_cut = string.is_cut;
        if ends {
            self.string = None;
        }
        if self.left_out.is_none() && (ends || !is_cut) {
            if ends && is_cut {
                kept.extend_from_slice(b"\\u0000");
            }
            kept.push(byte);
        }
    }

    fn between(&mut self, byte: u8, kept: &mut Vec<u8>) {
        match byte {
            b'"' => {
                let longest = if self.in_cut_list() { LONGEST_IN_LIST } else { LONGEST };
                self.string = Some(InString { longest, length: 0, escaped: 0, is_cut: false });
            }
            b'[' | b'{' if self.levels.len() <= DEEPEST => {
                self.lists_around += usize::from(byte == b'[');
                self.levels.push(Level { is_list: byte == b'[', commas: 0 });
            }
            b']' | b'}' => {
                if self.left_out == Some(self.levels.len()) {
                    self.left_out = None;
                }
                let ended = self.levels.pop();
                self.lists_around -= usize::from(ended.is_some_and(|level| level.is_list));
            }
            b',' => {
                let may_go = self.in_cut_list();
                let depth = self.levels.len();
                if let Some(level) = self.levels.last_mut().filter(|level| level.is_list && may_go) {
                    level.commas += 1;
                    if level.commas >= ELEMENTS && self.left_out.is_none_or(|at| at == depth) {
                        self.left_out = Some(depth);
                        kept.extend_from_slice(b",null");
                        return;
                    }
                }
            }
            _ => {}
        }
        if self.left_out.is_none() {
            kept.push(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn shortened(json: &[u8], lists: Lists, part: usize) -> Vec<u8> {
        let (mut shortener, mut kept) = (Shortener::new(lists), Vec::new());
        assert!(json.chunks(part).all(|part| shortener.take(part, &mut kept)));
        kept
    }

    fn read(json: &Value, lists: Lists, part: usize) -> Value {
        serde_json::from_slice(&shortened(json.to_string().as_bytes(), lists, part)).expect("JSON")
    }

    #[test]
    fn a_long_string_is_cut_between_two_characters_and_says_so() {
        for char in ["x", "ä", "€", "🦀", "\"", "\\", "\n", "\u{1}"] {
            let text = char.repeat(LONGEST + 1);
            let cut = read(&json!({ "body": text, "id": "m1" }), Lists::Whole, 1_000);
            let left = cut["body"].as_str().and_then(|body| body.strip_suffix(CUT)).expect("a mark");
            assert!(text.starts_with(left) && left.len() >= LONGEST / 6 && left.len() < LONGEST + 8, "{char}");
            assert_eq!(cut["id"], "m1");
        }
        let fits = json!("x".repeat(LONGEST));
        assert_eq!(read(&fits, Lists::Whole, 7), fits);
        let name = read(&json!({ "to": ["x".repeat(LONGEST)] }), Lists::Cut, 7);
        assert_eq!(name["to"][0].as_str().map(str::len), Some(LONGEST_IN_LIST + 1));
    }

    #[test]
    fn elements_that_nobody_is_told_are_counted_and_rows_stay() {
        let to: Vec<Value> =
            (0..5_000).map(|n| json!({ "address": format!("\"],a{n}@x.y"), "more": [1, [2]] })).collect();
        let rows: Vec<Value> = (0..100).map(|n| json!({ "id": n, "to": to.clone(), "flag": [] })).collect();
        let page = read(&json!({ "value": rows, "next": "x" }), Lists::CutInRows, 999);
        let cut = page["value"].as_array().expect("rows");
        assert_eq!((cut.len(), &page["next"]), (100, &json!("x")));
        for (n, row) in cut.iter().enumerate() {
            let left = row["to"].as_array().expect("a list");
            assert_eq!(
                (left.len(), &left[..ELEMENTS], &left[ELEMENTS], &row["id"]),
                (5_000, &to[..ELEMENTS], &Value::Null, &json!(n))
            );
        }
        let one = read(&json!({ "to": to, "body": "x" }), Lists::Cut, 999);
        assert_eq!(
            (one["to"].as_array().map(Vec::len), &one["to"][4_999], &one["body"]),
            (Some(5_000), &Value::Null, &json!("x"))
        );
        assert_eq!(read(&json!({ "to": to }), Lists::Whole, 999)["to"], json!(to));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![Just(Value::Null), any::<i32>().prop_map(Value::from), any::<String>().prop_map(Value::from)];
        leaf.prop_recursive(5, 60, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..6).prop_map(|all| all.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_small_stays_as_it_is(json in any_json(), part in 1usize..50) {
            for lists in [Lists::Whole, Lists::Cut, Lists::CutInRows] {
                prop_assert_eq!(&read(&json, lists, part), &json);
            }
        }

        #[test]
        fn what_is_no_json_makes_nothing_fail(bytes in prop::collection::vec(prop::sample::select(b"[]{},:\"\\u0a ".to_vec()), 0..300)) {
            shortened(&bytes, Lists::Cut, 7);
        }
    }
}
