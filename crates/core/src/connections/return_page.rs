//! The page that a company puts on its own https address, where Microsoft wants one: it
//! passes the answer of a sign-in on to the app's own scheme, and nothing else.

use std::path::Path;

use crate::error::Error;
use crate::identity::{IDENTIFIER, PRODUCT_NAME};
use crate::integrations::IntegrationId;

/// The name it is saved under, unless the admin chooses another.
pub const RETURN_PAGE_FILE: &str = "atthene-callback.html";

/// Passes on what an answer consists of, each once, and takes it out of the address bar. The
/// scheme is read off the link, so that this text is the same in every build.
const SCRIPT: &str = "const go=document.getElementById('go'),from=new URLSearchParams(location.search),to=new URLSearchParams();\
for(const name of['code','state','iss','error','error_description']){const all=from.getAll(name);if(all.length===1)to.set(name,all[0])}\
if(to.has('state')){history.replaceState(null,'',location.pathname);go.href=go.protocol+'//oauth/'+go.dataset.integration+'/callback?'+to;location.href=go.href}";

/// Of [`SCRIPT`], for the page's own policy: no other script runs there.
const SCRIPT_HASH: &str = "sha256-duyOnZsXEkckvkIHcRuSi70rW5dAkSFvjD7EwEc7EYQ=";

/// The page of this integration, ready to be put on a web server. Static, with nothing from elsewhere.
pub fn return_page(integration: &IntegrationId) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"robots\" content=\"noindex\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src '{SCRIPT_HASH}'; \
         style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n\
         <title>{PRODUCT_NAME}</title>\n\
         <style>:root{{color-scheme:light dark}}body{{font:16px/1.5 system-ui,sans-serif;max-width:28rem;margin:18vh auto;\
         padding:0 1.5rem}}h1{{font-size:1.4rem}}</style>\n\
         <h1>Back to {PRODUCT_NAME}</h1>\n<p>Your browser asks whether to open the app. If it does not, use this link:</p>\n\
         <p><a id=\"go\" data-integration=\"{}\" href=\"{IDENTIFIER}://open\">Open {PRODUCT_NAME}</a></p>\n\
         <script>{SCRIPT}</script>\n</html>\n",
        integration.as_str()
    )
}

/// Saves the page of this integration.
pub fn write_return_page(path: &Path, integration: &IntegrationId) -> Result<(), Error> {
    std::fs::write(path, return_page(integration))
        .map_err(|error| Error::ReturnPage { path: path.to_owned(), reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_page_runs_this_script_and_no_other() {
        let hash = format!("sha256-{}", STANDARD.encode(Sha256::digest(SCRIPT)));
        assert_eq!(SCRIPT_HASH, hash);
        let page = return_page(&IntegrationId::generate(crate::provider::Provider::Microsoft));
        assert_eq!(page.matches("<script").count(), 1);
        assert!(!page.contains("http:") && !page.contains("https:"), "something is fetched from elsewhere");
    }
}
