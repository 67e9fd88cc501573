//! A contact: a phone number and what is known of its owner. One number is one contact, however many
//! children or spreadsheet rows stand behind it. Consent is not here: it is per list, in [`super::consent`].

use super::consent::Standing;
use super::ids::Id;
use super::phone::Phone;
use jiff::civil::Date;
use std::fmt;

/// Can its owner open a link? Decides which door of a step they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Internet {
    /// Gets the link.
    Yes,
    /// Never gets only a link.
    No,
    /// Gets the link, and the words that say how to ask for the phone number instead.
    Unknown,
}

impl Internet {
    /// The word kept in the store and shown to people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }

    /// Reads a cell or an argument: yes/y/true/1/web, no/n/false/0/phone, unknown/?.
    pub fn parse(word: &str) -> Option<Self> {
        match word.trim().to_lowercase().as_str() {
            "yes" | "y" | "true" | "1" | "web" => Some(Self::Yes),
            "no" | "n" | "false" | "0" | "phone" | "none" => Some(Self::No),
            "unknown" | "?" | "don't know" | "not known" => Some(Self::Unknown),
            _ => None,
        }
    }
}

impl fmt::Display for Internet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A contact as the store holds it.
#[derive(Clone, PartialEq, Eq)]
pub struct Contact {
    /// Row id.
    pub id: Id,
    /// The number; the only key people know.
    pub phone: Phone,
    /// What to call its owner, where known.
    pub name: Option<String>,
    /// BCP 47 language tag, lower case (`en`, `ur`); none: the campaign's fallback.
    pub language: Option<String>,
    /// Which door.
    pub internet: Internet,
    /// Free tags, sorted, without duplicates.
    pub tags: Vec<String>,
    /// Why a person must look before anything is sent (a text that may mean "stop"), if so.
    pub held_for: Option<String>,
}

// By hand: a name must not reach a log through `{:?}`.
impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Contact({}, {:?}, internet {})", self.id, self.phone, self.internet)
    }
}

impl Contact {
    /// A contact about whom only the number is known.
    pub fn unknown(id: Id, phone: Phone) -> Self {
        Self { id, phone, name: None, language: None, internet: Internet::Unknown, tags: Vec::new(), held_for: None }
    }
}

/// A contact as the audience of a step sees it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The contact.
    pub contact: Contact,
    /// How it stands to the campaign's list.
    pub standing: Standing,
    /// The number must not be texted.
    pub suppressed: bool,
    /// Said DONE to this campaign.
    pub done: bool,
}

/// What a cell of a spreadsheet asks for: a blank keeps what is known, `-` clears it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit<T> {
    /// Blank, or no such column.
    Keep,
    /// `-`
    Clear,
    /// Anything else, understood.
    Set(T),
}

impl<T: Clone> Edit<T> {
    /// The value after the edit.
    pub fn apply(&self, old: Option<T>) -> Option<T> {
        match self {
            Self::Keep => old,
            Self::Clear => None,
            Self::Set(new) => Some(new.clone()),
        }
    }
}

/// Where, when and under which wording somebody agreed, as an admin states it. Without all three a row is pending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// For example "paper form, autumn review".
    pub source: String,
    /// The day it was given.
    pub date: Date,
    /// Which version of the wording was shown.
    pub wording: String,
}

/// One good row of a spreadsheet.
#[derive(Clone, PartialEq, Eq)]
pub struct ContactDraft {
    /// Row number as a spreadsheet program counts (the heading is row 1).
    pub line: u64,
    /// The number, already normalised.
    pub phone: Phone,
    /// Name cell.
    pub name: Edit<String>,
    /// Language cell.
    pub language: Edit<String>,
    /// Internet cell.
    pub internet: Edit<Internet>,
    /// Tags cell, `;` inside.
    pub tags: Edit<Vec<String>>,
    /// Consent stated in the row or on the command line, where complete.
    pub permission: Option<Permission>,
}
