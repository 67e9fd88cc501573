//! Which column of a sheet is which, whatever people call them.

use strsim::damerau_levenshtein;
use unicode_normalization::UnicodeNormalization;

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
    OptedOut,
}

impl Column {
    /// Its own name: what `--map` takes, and what a suggestion names.
    fn name(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Name => "name",
            Self::Language => "language",
            Self::Internet => "internet",
            Self::Tags => "tags",
            Self::Source => "consent source",
            Self::Date => "consent date",
            Self::Wording => "wording",
            Self::OptedOut => "opted out",
        }
    }

    const ALL: [Self; 9] = [
        Self::Phone,
        Self::Name,
        Self::Language,
        Self::Internet,
        Self::Tags,
        Self::Source,
        Self::Date,
        Self::Wording,
        Self::OptedOut,
    ];
}

/// Headings people write, folded: lower case, letters and digits only.
const HEADINGS: [(Column, &[&str]); 9] = [
    (
        Column::Phone,
        &[
            "phone", "phonenumber", "phoneno", "phonenr", "mobile", "mobilenumber", "mobileno", "mobilephone",
            "mobilephonenumber", "mobiletel", "mob", "mobno", "cell", "cellphone", "cellnumber", "tel", "telno",
            "telephone", "telephonenumber", "telephoneno", "telnumber", "number", "contactnumber", "contactno",
            "contacttelephone", "contactphone", "contactmobile", "parentmobile", "parentphone", "parentphonenumber",
            "parentcontactnumber", "parentmobilenumber", "carermobile", "motherphone", "mothermobile", "textnumber",
            "parentcarermobile", "parentcarerphone", "parentcarernumber", "contacttel", "mobilephoneno", "textno",
            "sms", "smsnumber", "msisdn", "phone1", "mobile1", "telephone1", "whatsapp",
        ],
    ),
    (
        Column::Name,
        &[
            "name", "fullname", "parent", "parentname", "parentcarer", "parentorcarer", "parentcarername",
            "parentsname", "carer", "carername", "contactname", "contact", "guardian", "guardianname", "firstname",
            "forename", "knownas", "callthem",
        ],
    ),
    (
        Column::Language,
        &["language", "preferredlanguage", "languages", "lang", "homelanguage", "firstlanguage", "mothertongue"],
    ),
    (
        Column::Internet,
        &[
            "internet", "hasinternet", "internetaccess", "online", "accesstointernet", "accesstotheinternet",
            "internetathome", "canuseinternet", "web",
        ],
    ),
    (Column::Tags, &["tags", "tag", "groups", "group", "labels", "label", "category", "categories"]),
    (
        Column::Source,
        &["consentsource", "source", "sourceofconsent", "consentgiven", "consentby", "howconsented", "consentmethod"],
    ),
    (
        Column::Date,
        &["consentdate", "dateofconsent", "date", "consentedon", "dateconsented", "consentgivenon", "optindate"],
    ),
    (
        Column::OptedOut,
        &[
            "optedout", "optout", "optedoutof", "unsubscribed", "unsubscribe", "donotcontact", "donottext",
            "nocontact", "stop", "stopped", "withdrawn", "consentwithdrawn", "left",
        ],
    ),
    (Column::Wording, &["wording", "consentwording", "wordingversion", "consentversion", "versionofwording"]),
];

/// Our own columns in what we hand back: they say something to people, and nothing to us.
const OURS: [&str; 4] = ["row", "problem", "whattodo", "standing"];

/// The headings of a sheet, understood.
#[derive(Clone, Debug, Default)]
pub struct Headings {
    /// As they stand there.
    pub words: Vec<String>,
    columns: Vec<(usize, Column)>,
    /// Columns that mean nothing to us, each with the name that was perhaps meant.
    pub ignored: Vec<(String, Option<&'static str>)>,
}

impl Headings {
    /// Of two columns with the same meaning the first counts. `map`: what the command line says, (heading, name).
    /// A hidden column counts only where no other one says the same.
    pub(super) fn read(
        words: Vec<String>,
        map: &[(String, String)],
        is_hidden: impl Fn(usize) -> bool,
    ) -> Result<Self, super::SheetError> {
        let mut headings = Self::default();
        for (heading, name) in map {
            let Some(at) = words.iter().position(|word| fold(word) == fold(heading)) else {
                return Err(super::SheetError::unfit(
                    format!("--map: there is no column \"{heading}\""),
                    format!("the columns are: {}", words.join(", ")),
                ));
            };
            let Some(column) = known(&fold(name)) else {
                let names = Column::ALL.map(Column::name).join(", ");
                return Err(super::SheetError::unfit(
                    format!("--map: \"{name}\" is no name of ours"),
                    format!("ours are: {names}"),
                ));
            };
            headings.columns.push((at, column));
        }
        let (hidden, seen): (Vec<_>, Vec<_>) = words.iter().enumerate().partition(|(at, _)| is_hidden(*at));
        for (at, word) in seen.into_iter().chain(hidden) {
            let folded = fold(word);
            let said = headings.columns.iter().any(|(taken, _)| *taken == at);
            match known(&folded) {
                _ if said => {}
                Some(column) if headings.at(column).is_none() => headings.columns.push((at, column)),
                _ if folded.is_empty() || OURS.contains(&folded.as_str()) => {}
                _ => headings.ignored.push((word.clone(), headings.meant(&folded))),
            }
        }
        headings.words = words;
        Ok(headings)
    }

    /// Where a column stands.
    pub(super) fn at(&self, column: Column) -> Option<usize> {
        self.columns.iter().find(|(_, c)| *c == column).map(|(at, _)| *at)
    }

    /// The column that an unknown heading nearly names, if that one is still missing.
    fn meant(&self, folded: &str) -> Option<&'static str> {
        let all = HEADINGS.iter().filter(|(column, _)| self.at(*column).is_none());
        let near = all.flat_map(|(column, names)| names.iter().map(move |name| (*column, *name)));
        let near = near.filter(|(_, name)| {
            let contains = name.len() >= 5 && folded.contains(name);
            contains || (name.len() >= 4 && damerau_levenshtein(folded, name) <= 1 + usize::from(name.len() >= 7))
        });
        near.max_by_key(|(_, name)| name.len()).map(|(column, _)| column.name())
    }
}

fn fold(heading: &str) -> String {
    heading.nfkc().collect::<String>().to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect()
}

fn known(folded: &str) -> Option<Column> {
    HEADINGS.iter().find(|(_, names)| names.contains(&folded)).map(|(column, _)| *column)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str], map: &[(&str, &str)]) -> Result<Headings, super::super::SheetError> {
        let map: Vec<(String, String)> = map.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        Headings::read(words.iter().map(|w| (*w).to_owned()).collect(), &map, |_| false)
    }

    #[test]
    fn headings_in_any_order_and_many_spellings() {
        let headings =
            read(&["Parent/Carer", "", "Mobile No.", "DATE OF CONSENT", "child", "Row", "mobile"], &[]).unwrap();
        let at = [Column::Name, Column::Phone, Column::Date, Column::Tags].map(|c| headings.at(c));
        assert_eq!(at, [Some(0), Some(2), Some(3), None]);
        assert_eq!(headings.ignored, [("child".to_owned(), None), ("mobile".to_owned(), None)]);
    }

    #[test]
    fn what_was_perhaps_meant_is_said_and_not_guessed() {
        let headings = read(&["Moblie", "Langauge", "the parent's telephone", "age"], &[]).unwrap();
        assert_eq!(headings.at(Column::Phone), None);
        let meant: Vec<_> = headings.ignored.iter().map(|(_, meant)| *meant).collect();
        assert_eq!(meant, [Some("phone"), Some("language"), Some("phone"), None]);
    }

    #[test]
    fn what_is_hidden_gives_way() {
        let words = ["phone", "mobile", "name"].map(str::to_owned).to_vec();
        let headings = Headings::read(words, &[], |at| at != 1).unwrap();
        assert_eq!((headings.at(Column::Phone), headings.at(Column::Name)), (Some(1), Some(2)));
        let decomposed = [("Ffo\u{302}n symudol", "phone")];
        assert_eq!(read(&["Ff\u{f4}n symudol"], &decomposed).unwrap().at(Column::Phone), Some(0));
    }

    #[test]
    fn the_command_line_says_which_is_which() {
        let headings = read(&["Kontakt", "phone"], &[("kontakt", "Phone")]).unwrap();
        assert_eq!(headings.at(Column::Phone), Some(0));
        for map in [[("nowhere", "phone")], [("Kontakt", "shoe size")]] {
            assert!(read(&["Kontakt"], &map).is_err());
        }
    }
}
