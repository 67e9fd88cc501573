//! What an SMS makes of a text: its alphabet, its parts, and the twins that typographic characters have in GSM-7.
//!
//! Part sizes, alphabets and the rules R-PART and R-SMS-CLEAN: 3GPP TS 23.038 (alphabets) and 23.040 (joined parts).
//! National shift tables are left out on purpose: senders hardly use them, so an Urdu text is priced as UCS-2.

use super::words::words;
use std::collections::BTreeMap;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

words! {
    /// The alphabet of a text.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Encoding {
        /// Septets: 160 alone, 153 in each joined part.
        Gsm7 = "gsm7",
        /// 16-bit units: 70 alone, 67 in each joined part.
        Ucs2 = "ucs2",
    }
}

impl Encoding {
    /// (units in a text of one part, units in each of several).
    fn room(self) -> (usize, usize) {
        match self {
            Self::Gsm7 => (160, 153),
            Self::Ucs2 => (70, 67),
        }
    }
}

/// What a text costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Its alphabet.
    pub encoding: Encoding,
    /// Septets or 16-bit units.
    pub units: usize,
    /// SMS parts; 0 for an empty text.
    pub parts: usize,
}

/// The default alphabet beyond ASCII.
const GSM_BEYOND_ASCII: &str = "£¥èéùìòÇØøÅåΔΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà";
/// ASCII that costs two septets (the extension table); `€` does too.
const GSM_EXTENSION: &str = "^{}\\[]~|€\u{c}";

/// Septets of a character; none where it is outside both tables.
fn septets(c: char) -> Option<usize> {
    match c {
        _ if GSM_EXTENSION.contains(c) => Some(2),
        '\n' | '\r' | ' '..='_' | 'a'..='z' => Some(1), // the grave accent is the one printable ASCII that is out
        _ if !c.is_ascii() && GSM_BEYOND_ASCII.contains(c) => Some(1),
        _ => None,
    }
}

/// True if every character is in the GSM-7 tables.
pub fn is_gsm(text: &str) -> bool {
    text.chars().all(|c| septets(c).is_some())
}

/// Alphabet, units and parts (R-PART): greedy, and neither an escape pair nor a surrogate pair is ever cut.
pub fn measure(text: &str) -> Size {
    let encoding = if is_gsm(text) { Encoding::Gsm7 } else { Encoding::Ucs2 };
    let cost = |c: char| match encoding {
        Encoding::Gsm7 => septets(c).unwrap_or(1),
        Encoding::Ucs2 => c.len_utf16(),
    };
    let (alone, joined) = encoding.room();
    let units = text.chars().map(cost).sum();
    let parts = match units {
        0 => 0,
        _ if units <= alone => 1,
        _ => {
            let (mut parts, mut filled) = (1, 0);
            for c in text.chars() {
                if filled + cost(c) > joined {
                    parts += 1;
                    filled = 0;
                }
                filled += cost(c);
            }
            parts
        }
    };
    Size { encoding, units, parts }
}

/// The characters that turn a text to UCS-2, each once, with how often it stands there, in order of code.
pub fn forces_ucs2(text: &str) -> BTreeMap<char, usize> {
    let mut found = BTreeMap::new();
    for c in text.chars().filter(|c| septets(*c).is_none()) {
        *found.entry(c).or_default() += 1;
    }
    found
}

/// R-SMS-CLEAN: line ends become LF; typographic characters become their GSM-7 twins, but only if that makes the whole
/// text GSM-7. Otherwise the text stays as written: joiners carry meaning in Urdu, NFC splits letters in Punjabi.
/// Accents are folded only where `fold_accents` asks for it, and only if that makes the text GSM-7.
pub fn clean(text: &str, fold_accents: bool) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    if is_gsm(&text) {
        return text;
    }
    let candidate = with_twins(&text);
    if is_gsm(&candidate) {
        return candidate;
    }
    if fold_accents {
        let folded: String = candidate.chars().flat_map(without_accent).collect();
        if is_gsm(&folded) {
            return folded;
        }
    }
    text
}

/// The text with every typographic character replaced by its twin.
fn with_twins(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.nfc() {
        match c {
            '\u{2018}'..='\u{201b}'
            | '\u{2032}'
            | '\u{2035}'
            | '´'
            | '`'
            | '\u{2b9}'
            | '\u{2bb}'
            | '\u{2bc}'
            | '‹'
            | '›' => out.push('\''),
            '\u{201c}'..='\u{201f}' | '\u{2033}' | '\u{2036}' | '«' | '»' => out.push('"'),
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '•' => out.push('-'),
            '…' => out.push_str("..."),
            '×' => out.push('x'),
            '½' | '¼' | '¾' | '⅓' | '⅔' => {
                if out.ends_with(|last: char| last.is_ascii_digit()) {
                    out.push(' '); // 1½ is 1 1/2, never 11/2
                }
                out.push_str(match c {
                    '½' => "1/2",
                    '¼' => "1/4",
                    '¾' => "3/4",
                    '⅓' => "1/3",
                    _ => "2/3",
                });
            }
            '\u{2028}' | '\u{2029}' | '\u{85}' => out.push('\n'),
            '\n' | '\u{c}' => out.push(c),
            '\u{fb00}' => out.push_str("ff"),
            '\u{fb01}' => out.push_str("fi"),
            '\u{fb02}' => out.push_str("fl"),
            '\u{fb03}' => out.push_str("ffi"),
            '\u{fb04}' => out.push_str("ffl"),
            _ if c.is_whitespace() => out.push(' '),
            _ if is_invisible(c) => {}
            '\u{ff01}'..='\u{ff5e}' => out.extend(char::from_u32(u32::from(c) - 0xfee0)),
            _ => out.push(c),
        }
    }
    out
}

/// Zero-width, direction marks, variation selectors, fillers, soft hyphen, byte order mark: nothing to see.
pub fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{e0100}'..='\u{e01ef}'
    )
}

/// A Latin letter without its accent, where GSM-7 does not have it; anything else as it is.
fn without_accent(c: char) -> Vec<char> {
    if septets(c).is_some() {
        return vec![c];
    }
    match c {
        'ł' => vec!['l'],
        'Ł' => vec!['L'],
        'đ' | 'ð' => vec!['d'],
        'Đ' | 'Ð' => vec!['D'],
        'ħ' => vec!['h'],
        'Ħ' => vec!['H'],
        'ı' => vec!['i'],
        'œ' => vec!['o', 'e'],
        'Œ' => vec!['O', 'E'],
        'þ' => vec!['t', 'h'],
        'Þ' => vec!['T', 'h'],
        _ => {
            let base: Vec<char> = std::iter::once(c).nfd().filter(|c| !is_combining_mark(*c)).collect();
            if base.iter().all(char::is_ascii_alphabetic) { base } else { vec![c] }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(text: &str) -> (&'static str, usize, usize) {
        let size = measure(text);
        (size.encoding.as_str(), size.units, size.parts)
    }

    #[test]
    fn pairs_are_never_cut() {
        assert_eq!(size(&"€".repeat(153)), ("gsm7", 306, 3));
        assert_eq!(size(&"😀".repeat(67)), ("ucs2", 134, 3));
        assert_eq!(size(&format!("{}€{}", "a".repeat(152), "b".repeat(152))), ("gsm7", 306, 3));
        assert_eq!(size(""), ("gsm7", 0, 0));
    }

    #[test]
    fn the_alphabet_has_exactly_its_138_characters() {
        let in_table = (0..=0x2fff).filter_map(char::from_u32).filter(|c| septets(*c).is_some()).count();
        // 127 characters of the default alphabet and 10 of the extension table, form feed among them.
        assert_eq!(in_table, 127 + 10);
        for out in ['`', '\t', 'ç', 'á', 'Α', 'А', '\u{a0}', '’'] {
            assert_eq!(septets(out), None, "{out}");
        }
    }

    #[test]
    fn cleaning_is_all_or_nothing() {
        assert_eq!(clean("“Don’t” – 1½ hours…\u{a0}×2", false), "\"Don't\" - 1 1/2 hours... x2");
        assert_eq!(clean("Zoë’s", false), "Zoë’s");
        assert_eq!(clean("Zoë’s", true), "Zoe's");
        assert_eq!(clean("a\r\nb\rc’ا", true), "a\nb\nc’ا");
        assert_eq!(forces_ucs2("a’b’ë"), BTreeMap::from([('ë', 1), ('’', 2)]));
    }
}
