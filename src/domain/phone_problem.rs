//! Why something is not a number we can text, by name (R-PHONE), and what to do about it.

use thiserror::Error;

/// Why a cell holds no number we can text. The names are those of R-PHONE.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant's sentence is its documentation")]
pub enum PhoneProblem {
    #[error("there is no number")]
    Empty,
    #[error("the spreadsheet program shortened this number: its last digits are gone")]
    ScientificNotation,
    #[error("there are two numbers in one cell")]
    MultipleNumbers,
    #[error("this is a number with an extension or a dial-in code, not a phone")]
    HasExtension,
    #[error("there is something in this number that is no digit")]
    InvalidCharacters,
    #[error("this number is too long for a British one and names no country")]
    CountryCodeMissing,
    #[error("this number has too few digits")]
    TooShort,
    #[error("this number has too many digits")]
    TooLong,
    #[error("there is no such number")]
    NotInPlan,
    #[error("this is a landline: it cannot read texts")]
    Landline,
    #[error("this is a 070 number, which looks like a mobile phone and is none")]
    PersonalNumber,
    #[error("this is a pager")]
    Pager,
    #[error("this is a number that is dear to ring")]
    PremiumRate,
    #[error("this is not a mobile number")]
    NotMobile,
    #[error("numbers of this country are not allowed")]
    CountryNotAllowed,
    #[error("this number is reserved for film and test: nobody has it")]
    ReservedForDrama,
}

impl PhoneProblem {
    /// Stable name.
    pub fn code(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::ScientificNotation => "scientific_notation",
            Self::MultipleNumbers => "multiple_numbers",
            Self::HasExtension => "has_extension",
            Self::InvalidCharacters => "invalid_characters",
            Self::CountryCodeMissing => "country_code_missing",
            Self::TooShort => "too_short",
            Self::TooLong => "too_long",
            Self::NotInPlan => "not_in_plan",
            Self::Landline => "landline",
            Self::PersonalNumber => "personal_number",
            Self::Pager => "pager",
            Self::PremiumRate => "premium_rate",
            Self::NotMobile => "not_mobile",
            Self::CountryNotAllowed => "country_not_allowed",
            Self::ReservedForDrama => "reserved_for_drama",
        }
    }

    /// What to do about it.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Empty => "ask for a mobile number, or leave the row out",
            Self::ScientificNotation => "format the column as Text and type the number again",
            Self::MultipleNumbers => "give each number a row of its own",
            Self::HasExtension => "give the mobile number alone",
            Self::InvalidCharacters => "look for a letter O in place of a zero, or for words beside the number",
            Self::CountryCodeMissing => "write it with + and its country code",
            Self::TooShort | Self::TooLong => "count the digits: 07 and nine more",
            Self::NotInPlan => "look at it again: a digit is wrong",
            Self::Landline | Self::NotMobile => "ask for a mobile number, or ring this one",
            Self::PersonalNumber | Self::Pager | Self::PremiumRate => "ask for a mobile number that begins with 07",
            Self::CountryNotAllowed => "add the country to numbers.countries, or leave the row out",
            Self::ReservedForDrama => "use a real number; to try things out set numbers.allow_test = true",
        }
    }
}
