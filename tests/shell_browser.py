"""Signs in without a display: opens an address, fills and sends the forms of the pages that
follow, and stops at the page that a sign-in ends with. Standard library only."""

import html.parser
import http.cookiejar
import sys
import urllib.error
import urllib.parse
import urllib.request


class Forms(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.forms = []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form":
            self.forms.append({"action": attributes.get("action", ""), "fields": {}})
        elif tag == "input" and self.forms and attributes.get("name"):
            self.forms[-1]["fields"][attributes["name"]] = attributes.get("value") or ""


def main():
    url, person = sys.argv[1:]
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    )
    page = opener.open(url, timeout=20)
    for _ in range(10):
        text, at = page.read().decode(), page.geturl()
        if "/oauth/ended/" in at or "/callback" in urllib.parse.urlparse(at).path and "/oauth/microsoft-" in at:
            print(at)
            return
        forms = Forms()
        forms.feed(text)
        # A picker has one form a person; other pages have one form.
        form = next((one for one in forms.forms if one["fields"].get("email") == person), forms.forms[0])
        fields = form["fields"]
        for name in ("login", "password"):
            if name in fields:
                fields[name] = person
        target = urllib.parse.urljoin(at, form["action"])
        page = opener.open(target, urllib.parse.urlencode(fields).encode(), timeout=20)
    sys.exit("the sign-in never ended")


main()
