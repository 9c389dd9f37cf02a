//! Bodies as newsletters and long threads have them, made when they are asked for: each mail's own, and always the same.

use std::fmt::Write as _;

const WORDS: [&str; 24] = [
    "offer", "invoice", "meeting", "quarter", "delivery", "please", "review", "Grüße", "the", "and", "attached",
    "figures", "für", "customer", "order", "payment", "team", "schedule", "tomorrow", "contract", "reply", "thanks",
    "update", "€",
];

/// A sequence that looks like chance (Knuth's MMIX), the same for each mail every time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % most
    }

    fn words(&mut self, to: &mut String, count: usize) {
        for _ in 0..count {
            to.push_str(WORDS[self.below(WORDS.len())]);
            to.push(' ');
        }
    }
}

/// HTML of at least so many bytes: nested tables, styles, images as data, comments, scripts, text.
pub(super) fn html(mail: usize, bytes: usize) -> String {
    let mut chance = Chance(mail as u64);
    let mut html = String::with_capacity(bytes + 8 * 1024);
    html.push_str("<!DOCTYPE html>\r\n<html><head><title>Newsletter</title><style type=\"text/css\">\r\n");
    for rule in 0..100 {
        let _ = write!(html, ".c{rule} > td {{ padding: {}px; font-family: \"Segoe UI\"; }}\r\n", chance.below(40));
    }
    let _ = write!(html, "</style></head><body><p>The words of mail {mail}.</p>");
    while html.len() < bytes {
        match chance.below(12) {
            0 => image(&mut html, &mut chance),
            1 => script(&mut html, &mut chance),
            2 => comment(&mut html, &mut chance),
            3..=6 => table(&mut html, &mut chance),
            _ => paragraph(&mut html, &mut chance),
        }
    }
    html.push_str("</body></html>");
    html
}

fn image(html: &mut String, chance: &mut Chance) {
    const DIGITS: &str = "iVBORw0KGgoAAAANSUhEUgAABAAAAAQACAYAAAB/HSuDAAAgAElEQVR4nOzdeZxkdXX//9f73uqepWFmg";
    html.push_str("<img alt=\"\" src=\"data:image/png;base64,");
    for _ in 0..5 + chance.below(50) {
        let at = chance.below(DIGITS.len());
        html.push_str(&DIGITS[at..]);
        html.push_str(&DIGITS[..at]);
    }
    html.push_str("==\">");
}

fn script(html: &mut String, chance: &mut Chance) {
    let _ = write!(html, "<script>if (a < {} && \"</b>\") {{ document.write('<p>", chance.below(99));
    chance.words(html, 20);
    html.push_str("<\\/p>') }</script>");
}

fn comment(html: &mut String, chance: &mut Chance) {
    html.push_str("<!--[if mso]><table><tr><td>");
    chance.words(html, 30);
    html.push_str("</td></tr></table><![endif]-->");
}

fn table(html: &mut String, chance: &mut Chance) {
    let depth = 1 + chance.below(12);
    for _ in 0..depth {
        let _ = write!(
            html,
            "<table width=\"100%\" style='border: 0; width: {}px; background: url(\"x>y\")'><tr class=\"c{}\"><td>&nbsp;",
            chance.below(900),
            chance.below(100)
        );
    }
    chance.words(html, 12);
    html.push_str(&"</td><td>&mdash;</td></tr></table>".repeat(depth));
}

fn paragraph(html: &mut String, chance: &mut Chance) {
    let _ = write!(html, "<p style=\"margin:0;color:#{:06x}\">", chance.below(0xff_ffff));
    let count = 20 + chance.below(60);
    chance.words(html, count);
    html.push_str("<a href=\"https://news.example/?a=1&amp;b=2\"><b>more</b></a> &lt;&#8364;&gt;</p>\r\n");
}
