//! Where a database is, apart from what opens it.

use std::fmt::Write as _;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// A database's URL without its password, which may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DatabasePlace(String);

impl DatabasePlace {
    /// Takes the password out of a URL. `None`: it is none of PostgreSQL's, or has a password where it would be shown.
    pub(super) fn of(url: &str) -> Option<(Self, Option<SecretString>)> {
        let url = url.trim();
        let scheme = SCHEMES.into_iter().find(|scheme| url.starts_with(scheme))?;
        let rest = &url[scheme.len()..];
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if path.len() < 2 || path.contains('@') || path.to_ascii_lowercase().contains("password=") {
            return None;
        }
        let Some((who, hosts)) = authority.rsplit_once('@') else { return Some((Self(url.to_owned()), None)) };
        let (user, password) = who.split_once(':').map_or((who, None), |(user, password)| (user, Some(password)));
        let password = password.filter(|password| !password.is_empty()).map(SecretString::from);
        Some((Self(format!("{scheme}{user}@{hosts}{path}")), password))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The URL that opens it.
    pub(super) fn with(&self, password: Option<&SecretString>) -> SecretString {
        let Some(password) = password else { return self.0.as_str().into() };
        // Both are there: `of` made it so.
        let Some((before, hosts)) = self.0.split_once('@') else { return self.0.as_str().into() };
        let url = Zeroizing::new(format!("{before}:{}@{hosts}", password.expose_secret()));
        url.as_str().into()
    }
}

/// A password as it stands in a URL.
pub(super) fn encoded(password: &SecretString) -> SecretString {
    let mut text = Zeroizing::new(String::new());
    for byte in password.expose_secret().bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text.as_str().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_taken_out_and_put_back() {
        for (url, shown, password) in [
            ("postgres://ada:pw@db.example/atthene", "postgres://ada@db.example/atthene", Some("pw")),
            (
                "postgresql://ada:p%40w@a,b:5433/x?sslmode=require",
                "postgresql://ada@a,b:5433/x?sslmode=require",
                Some("p%40w"),
            ),
            ("postgres://ada@db/x", "postgres://ada@db/x", None),
            ("postgres://db/x", "postgres://db/x", None),
            ("postgres://ada:@db/x", "postgres://ada@db/x", None),
        ] {
            let (place, found) = DatabasePlace::of(url).expect("a URL");
            assert_eq!(place.as_str(), shown);
            assert_eq!(found.as_ref().map(ExposeSecret::expose_secret), password);
            let whole = place.with(found.as_ref());
            let expected = if password.is_some() { url } else { shown };
            assert_eq!(whole.expose_secret(), expected);
        }
        for odd in [
            "",
            "mysql://a:b@c/d",
            "postgres://a:b@c",
            "postgres://c/d?password=b",
            "host=c password=b",
            "postgres://a:b/c@d/e",
        ] {
            assert!(DatabasePlace::of(odd).is_none(), "{odd}");
        }
    }

    #[test]
    fn a_password_of_any_letters_stands_in_a_url() {
        assert_eq!(encoded(&"a@b:c/ü".into()).expose_secret(), "a%40b%3Ac%2F%C3%BC");
    }
}
