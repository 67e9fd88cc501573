//! What the headings and cells of a spreadsheet say, whoever wrote them.

use crate::domain::contact::Edit;
use jiff::civil::Date;
use std::collections::HashMap;

/// The columns we read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Column {
    Phone,
    Name,
    Language,
    Internet,
    Tags,
    Source,
    Date,
    Wording,
}

/// Headings people write, folded: lower case, letters and digits only.
const HEADINGS: &[(&str, Column)] = &[
    ("phone", Column::Phone),
    ("phonenumber", Column::Phone),
    ("phoneno", Column::Phone),
    ("mobile", Column::Phone),
    ("mobilenumber", Column::Phone),
    ("mobileno", Column::Phone),
    ("mobilephone", Column::Phone),
    ("tel", Column::Phone),
    ("telephone", Column::Phone),
    ("telephonenumber", Column::Phone),
    ("number", Column::Phone),
    ("contactnumber", Column::Phone),
    ("name", Column::Name),
    ("fullname", Column::Name),
    ("parent", Column::Name),
    ("parentname", Column::Name),
    ("parentcarer", Column::Name),
    ("language", Column::Language),
    ("preferredlanguage", Column::Language),
    ("internet", Column::Internet),
    ("hasinternet", Column::Internet),
    ("internetaccess", Column::Internet),
    ("online", Column::Internet),
    ("tags", Column::Tags),
    ("groups", Column::Tags),
    ("group", Column::Tags),
    ("consentsource", Column::Source),
    ("source", Column::Source),
    ("consentdate", Column::Date),
    ("dateofconsent", Column::Date),
    ("date", Column::Date),
    ("wording", Column::Wording),
    ("consentwording", Column::Wording),
    ("wordingversion", Column::Wording),
];

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

/// Which column of the sheet is which; of two with the same meaning the first counts.
pub(super) fn columns(headings: &[String]) -> HashMap<usize, Column> {
    let fold =
        |heading: &String| -> String { heading.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect() };
    let mut columns = HashMap::new();
    for (at, heading) in headings.iter().enumerate() {
        let known = HEADINGS.iter().find(|(name, _)| *name == fold(heading)).map(|(_, column)| *column);
        if let Some(column) = known.filter(|column| !columns.values().any(|c| c == column)) {
            columns.insert(at, column);
        }
    }
    columns
}

/// A cell without what surrounds it.
pub(super) fn trimmed(cell: &str) -> &str {
    cell.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}'))
}

/// Blank keeps, `-` clears, anything else must be understood.
pub fn cell_of<T>(cell: &str, read: impl Fn(&str) -> Option<T>) -> Option<Edit<T>> {
    match cell {
        "" => Some(Edit::Keep),
        "-" => Some(Edit::Clear),
        other => read(other).map(Edit::Set),
    }
}

/// The tag of a language by name or tag.
pub fn language(cell: &str) -> Option<String> {
    let folded = cell.to_lowercase();
    let named = LANGUAGES.iter().find(|(name, _)| *name == folded).map(|(_, tag)| (*tag).to_owned());
    let tag = || (folded.len() == 2 && folded.chars().all(|c| c.is_ascii_lowercase())).then(|| folded.clone());
    named.or_else(tag)
}

/// Tags, sorted, each once.
pub fn tags(cell: &str) -> Vec<String> {
    let mut tags: Vec<String> = cell.split(';').map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()).collect();
    tags.sort();
    tags.dedup();
    tags
}

/// `2022-01-17` or `17/01/2022` (day first: the files are British).
pub(super) fn read_date(cell: &str) -> Option<Date> {
    let numbers: Vec<i16> = cell.split(['-', '/', '.']).map(|n| n.parse().ok()).collect::<Option<_>>()?;
    let (year, month, day) = match numbers[..] {
        [year, month, day] if year > 31 => (year, month, day),
        [day, month, year] if year > 31 => (year, month, day),
        _ => return None,
    };
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}
