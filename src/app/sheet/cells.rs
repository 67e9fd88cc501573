//! What the cells of a spreadsheet say, whoever wrote them.

use crate::domain::contact::Edit;
use jiff::civil::Date;

/// Languages by name; a BCP 47 tag is taken as it is.
const LANGUAGES: &[(&str, &str)] = &[
    ("english", "en"),
    ("welsh", "cy"),
    ("polish", "pl"),
    ("urdu", "ur"),
    ("punjabi", "pa"),
    ("panjabi", "pa"),
    ("arabic", "ar"),
    ("bengali", "bn"),
    ("romanian", "ro"),
    ("somali", "so"),
    ("gujarati", "gu"),
    ("hindi", "hi"),
];

/// A cell without what surrounds it.
pub fn trimmed(cell: &str) -> &str {
    cell.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}'))
}

/// On one line, without what a terminal would obey: every run of spaces, line breaks and control characters is one space.
pub fn on_one_line(cell: &str) -> String {
    let spaced = cell.replace(|c: char| c.is_control() || c.is_whitespace(), " ");
    spaced.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// `#REF!` and its like: a formula that came to nothing.
pub fn is_error(cell: &str) -> bool {
    const ERRORS: [&str; 9] =
        ["#REF!", "#N/A", "#NAME?", "#VALUE!", "#DIV/0!", "#NULL!", "#NUM!", "#SPILL!", "#GETTING_DATA"];
    ERRORS.iter().any(|error| cell.eq_ignore_ascii_case(error))
}

/// A word for "there is none": not even what the command line says of the others holds for this row.
pub fn says_none(cell: &str) -> bool {
    const NONE: [&str; 12] = ["-", "--", "n/a", "na", "n.a.", "none", "nil", "null", "unknown", "tbc", "tba", "?"];
    NONE.contains(&cell.to_lowercase().as_str())
}

/// A word for "they did not agree".
pub fn says_no(cell: &str) -> bool {
    const NO: [&str; 14] = [
        "no", "n", "false", "0", "not", "never", "refused", "declined", "withdrawn", "withdrew", "denied", "revoked",
        "opt-out", "unsubscribed",
    ];
    let folded = cell.to_lowercase();
    let first = folded.split([' ', ',', ';', ':', '.', '(']).next().unwrap_or_default();
    NO.contains(&first) || folded.starts_with("opted out") || folded.starts_with("opt out")
}

/// Blank keeps, `-` clears, anything else must be understood.
pub fn cell_of<T>(cell: &str, read: impl Fn(&str) -> Option<T>) -> Option<Edit<T>> {
    match cell {
        "" => Some(Edit::Keep),
        "-" => Some(Edit::Clear),
        other => read(other).map(Edit::Set),
    }
}

/// The tag of a language by name or tag; of `en-GB` the first part.
pub fn language(cell: &str) -> Option<String> {
    let folded = cell.to_lowercase();
    let folded = folded.split(['-', '_']).next().unwrap_or_default().to_owned(); // en-GB
    let named = LANGUAGES.iter().find(|(name, _)| *name == folded).map(|(_, tag)| (*tag).to_owned());
    let tag = || (folded.len() == 2 && folded.chars().all(|c| c.is_ascii_lowercase())).then(|| folded.clone());
    named.or_else(tag)
}

/// Tags, sorted, each once. `-` is no tag: it clears them.
pub fn tags(cell: &str) -> Vec<String> {
    let mut tags: Vec<String> =
        cell.split(';').map(|t| t.trim().to_owned()).filter(|t| !matches!(t.as_str(), "" | "-")).collect();
    tags.sort();
    tags.dedup();
    tags
}

/// `2022-01-17`, `17/01/2022` (day first: the files are British), `17.1.22`, `17 January 2022`, `20220117`, each with a
/// time behind it or not, and the number under which a spreadsheet program keeps a day.
pub(super) fn read_date(cell: &str) -> Option<Date> {
    let cell = cell.trim_matches(['\'', '"', ' ']);
    let day = match cell.split_once('T') {
        Some((day, time)) if time.starts_with(|c: char| c.is_ascii_digit()) => day,
        _ => cell.split_once(' ').filter(|(_, time)| time.contains(':')).map_or(cell, |(day, _)| day),
    };
    if day.bytes().all(|b| b.is_ascii_digit()) {
        return match day.len() {
            8 => civil(day[..4].parse().ok()?, day[4..6].parse().ok()?, day[6..].parse().ok()?),
            5 => by_serial(day.parse().ok()?),
            _ => None,
        };
    }
    let parts: Vec<&str> = day.split(['-', '/', '.', ' ', ',']).filter(|part| !part.is_empty()).collect();
    let [first, second, third] = parts[..] else { return None };
    if let Some(month) = month(second) {
        return civil(year(third)?, month, ordinal(first)?);
    }
    if let Some(month) = month(first) {
        return civil(year(third)?, month, ordinal(second)?);
    }
    if first.len() == 4 {
        return civil(year(first)?, second.parse().ok()?, third.parse().ok()?);
    }
    civil(year(third)?, second.parse().ok()?, first.parse().ok()?)
}

fn civil(year: i16, month: i8, day: i8) -> Option<Date> {
    Date::new(year, month, day).ok().filter(|date| date.year() >= 1900)
}

/// Excel's day 1 is 1 January 1900, and it believes that 1900 had a 29 February.
fn by_serial(days: i32) -> Option<Date> {
    Date::constant(1899, 12, 30).checked_add(jiff::Span::new().days(days)).ok()
}

/// Two digits are of this century: nobody agreed to texts in the last one.
fn year(text: &str) -> Option<i16> {
    match (text.len(), text.parse().ok()?) {
        (4, year) => Some(year),
        (2, year @ 0..) => Some(2000 + year),
        _ => None,
    }
}

fn month(text: &str) -> Option<i8> {
    const MONTHS: [&str; 12] = [
        "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
        "december",
    ];
    let text = text.to_lowercase();
    if text == "sept" {
        return Some(9);
    }
    let at = MONTHS.iter().position(|month| text.len() >= 3 && month.starts_with(&text))?;
    i8::try_from(at + 1).ok()
}

fn ordinal(text: &str) -> Option<i8> {
    text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_no_consent() {
        for no in ["No", "N", "FALSE", "refused", "no - rang 3 Jan", "Opted out 2021", "withdrawn", "not given"] {
            assert!(says_no(no), "{no}");
        }
        for fine in ["Norma's form", "Notice of 3 May", "paper form", "nursery", "November review"] {
            assert!(!says_no(fine) && !says_none(fine) && !is_error(fine), "{fine}");
        }
        assert!(says_none("N/A") && says_none("?") && is_error("#n/a"));
        assert_eq!(on_one_line(" Amira\r\n\x1b[2JExample\u{a0}\t"), "Amira [2JExample");
        assert_eq!((language("en-GB"), language("UR_pk")), (Some("en".into()), Some("ur".into())));
    }

    #[test]
    fn dates_as_people_write_them() {
        let day = Some(Date::constant(2022, 1, 17));
        for said in [
            "2022-01-17", "17/01/2022", "17/1/22", "17.01.2022", "17-Jan-22", "17 January 2022", "17th Jan 2022",
            "Jan 17, 2022", "20220117", "2022-01-17T00:00:00", "2022-01-17 09:30", "17/01/2022 09:30", "44578",
        ] {
            assert_eq!(read_date(said), day, "{said}");
        }
        for wrong in
            ["01/17/2022", "2022-13-01", "yesterday", "17/01", "", "1/2/3", "31/02/2022", "99999999", "17-Xyz-22"]
        {
            assert_eq!(read_date(wrong), None, "{wrong}");
        }
        assert_eq!(read_date("3 Sept 2021"), Some(Date::constant(2021, 9, 3)));
    }
}
