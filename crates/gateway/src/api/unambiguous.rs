//! JSON that everybody reads alike: no object names a field twice. Of two, one reader takes the first, and another one
//! the last, so a person would be shown what is not sent.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Whether this is JSON that can be read in one way only. Names that differ by the case of their letters count as one:
/// some readers take them so; what only a lenient reader takes for JSON is none.
pub(super) fn is_unambiguous(text: &str) -> bool {
    serde_json::from_str::<Once>(text).is_ok()
}

/// A value whose objects name each field once.
struct Once;

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Once;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without a name that stands twice")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Once, A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(name.to_lowercase()) {
                return Err(A::Error::custom("a name stands twice"));
            }
            map.next_value::<Once>()?;
        }
        Ok(Once)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Once, A::Error> {
        while all.next_element::<Once>()?.is_some() {}
        Ok(Once)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_str<E>(self, _: &str) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_unit<E>(self) -> Result<Once, E> {
        Ok(Once)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_a_field_twice_is_read_in_two_ways() {
        for plain in ["1", "null", r#"{"a":1,"b":{"a":[{"a":null},{"a":true}]}}"#, "[1.5,-2,\"a\"]"] {
            assert!(is_unambiguous(plain), "{plain}");
        }
        for odd in [
            "",
            "text",
            "{",
            "\u{feff}{}",
            "{'a':1}",
            "{\"a\":1,}",
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"A":2}"#,
            r#"[{"b":{"a":1,"\u0061":2}}]"#,
        ] {
            assert!(!is_unambiguous(odd), "{odd}");
        }
    }
}
