//! Which redirects Entra takes. It decides by the URI whether a client is public (no secret may be sent) or
//! confidential (one must be).

use atthene_core::integrations::{Field, Redirect};

/// The most characters of a redirect URI, and those that Entra has no room for.
const LONGEST: usize = 256;
const REFUSED: [char; 8] = ['!', '$', '\'', '(', ')', ',', ';', '*'];

pub(in crate::providers) fn redirect(redirect: &Redirect, has_secret: bool) -> Result<(), (Field, &'static str)> {
    match redirect {
        Redirect::DeepLink if has_secret => Err((
            Field::Redirect,
            "can't be the deep link: Microsoft refuses a client secret there. Choose loopback, or remove the secret",
        )),
        Redirect::Page { url } if url.len() > LONGEST || url.contains(REFUSED) => {
            Err((Field::Page, "is longer than 256 characters or holds one of ! $ ' ( ) , ; * which Microsoft refuses"))
        }
        Redirect::Page { .. } if !has_secret => Err((
            Field::Redirect,
            "can't be your own page without a client secret: Microsoft registers it under Web, which needs one",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_goes_with_a_page_and_not_with_the_deep_link() {
        let page = |url: &str| Redirect::Page { url: url.to_owned() };
        let field = |way: &Redirect, has_secret| redirect(way, has_secret).map_err(|(field, _)| field);
        assert_eq!(field(&Redirect::DeepLink, true), Err(Field::Redirect));
        assert_eq!(field(&Redirect::DeepLink, false), Ok(()));
        assert_eq!(field(&page("https://a.example/cb.html"), false), Err(Field::Redirect));
        assert_eq!(field(&page("https://a.example/cb.html"), true), Ok(()));
        assert_eq!(field(&page("https://a.example/(x)"), true), Err(Field::Page));
        assert_eq!(field(&Redirect::Loopback, true), Ok(()));
        assert_eq!(field(&Redirect::Loopback, false), Ok(()));
    }
}
