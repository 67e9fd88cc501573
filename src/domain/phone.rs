//! A phone number: read from whatever people paste (R-PHONE), kept as E.164, shown masked.
//!
//! Letters are never translated to digits and a country is never guessed: a wrong guess texts a stranger about a child.
//! What the plan says of a number comes from libphonenumber's metadata; the cleaning before it is ours.

use super::phone_reading::{drama_kind, international_digits, why_invalid};
use super::words::words;
use rlibphonenumber::{PHONE_NUMBER_UTIL, ParseError, PhoneNumber, PhoneNumberFormat, PhoneNumberType};
use std::fmt;

pub use super::phone_problem::PhoneProblem;

/// A phone number. Its `Debug` and [`Phone::masked`] hide it; only the store and the wire see [`Phone::e164`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phone(String);

/// Which numbers may be contacts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneRules {
    /// Numbers reserved for film and test belong to nobody; true only for trying out.
    pub allow_test: bool,
    /// Landlines (some networks read texts aloud).
    pub allow_landline: bool,
    /// ISO 3166 codes. Guernsey, Jersey and Man count as their own.
    pub countries: Vec<String>,
}

impl Default for PhoneRules {
    fn default() -> Self {
        let countries = ["GB", "GG", "JE", "IM"].map(str::to_owned).to_vec();
        Self { allow_test: false, allow_landline: false, countries }
    }
}

words! {
    /// What kind of line a number is.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Kind {
        /// A mobile phone.
        Mobile = "mobile",
        /// A landline.
        Landline = "landline",
        /// North America does not tell the two apart.
        LandlineOrMobile = "landline_or_mobile",
        /// Any other that can be rung: 03, 0800…
        Other = "other",
        /// Dear to ring: 084, 087, 09.
        PremiumRate = "premium_rate",
        /// 070.
        PersonalNumber = "personal_number",
        /// 076.
        Pager = "pager",
    }
}

impl Phone {
    /// A number that may be a contact, from anything that people write.
    pub fn parse(raw: &str, rules: &PhoneRules) -> Result<Self, PhoneProblem> {
        let phone = Self::callable(raw)?;
        match phone.kind() {
            Kind::Mobile | Kind::LandlineOrMobile => {}
            Kind::Landline if rules.allow_landline => {}
            Kind::Landline => return Err(PhoneProblem::Landline),
            Kind::PersonalNumber => return Err(PhoneProblem::PersonalNumber),
            Kind::Pager => return Err(PhoneProblem::Pager),
            Kind::PremiumRate => return Err(PhoneProblem::PremiumRate),
            Kind::Other => return Err(PhoneProblem::NotMobile),
        }
        if !rules.countries.contains(&phone.region()) {
            return Err(PhoneProblem::CountryNotAllowed);
        }
        if phone.is_test() && !rules.allow_test {
            return Err(PhoneProblem::ReservedForDrama);
        }
        Ok(phone)
    }

    /// Any number that can be rung, of any kind and country: for helplines and dial-ins.
    pub fn callable(raw: &str) -> Result<Self, PhoneProblem> {
        let phone = Self(format!("+{}", international_digits(raw)?));
        if drama_kind(&phone.0).is_some() {
            return Ok(phone); // in no plan of libphonenumber's, or called valid: either way nobody has it
        }
        let number = PHONE_NUMBER_UTIL.parse(&phone.0, None).map_err(|e| match e {
            ParseError::TooLongNsn => PhoneProblem::TooLong,
            ParseError::TooShortNsn | ParseError::TooShortAfterIdd => PhoneProblem::TooShort,
            ParseError::InvalidCountryCode | ParseError::NotANumber(_) => PhoneProblem::NotInPlan,
        })?;
        if !number.is_valid() {
            return Err(why_invalid(&number));
        }
        Ok(phone)
    }

    /// A number that was kept as E.164.
    pub fn from_e164(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('+')?;
        let fine =
            (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        fine.then(|| Self(text.to_owned()))
    }

    /// `+447700900123`: for the store and the wire, and where a person asked to see it.
    pub fn e164(&self) -> &str {
        &self.0
    }

    /// As people in Britain dial it: `07700 900123`; foreign numbers with `+`.
    pub fn national(&self) -> String {
        let format =
            if self.0.starts_with("+44") { PhoneNumberFormat::National } else { PhoneNumberFormat::International };
        self.number().map_or_else(|| self.0.clone(), |n| n.format_as(format).into_owned())
    }

    /// For people who need not see it: `+44•••••••123`.
    pub fn masked(&self) -> String {
        let prefix = if self.0.starts_with("+44") { 3 } else { 2 };
        let dots = "•".repeat(self.0.len().saturating_sub(prefix + 3));
        format!(
            "{}{dots}{}",
            self.0.get(..prefix).unwrap_or_default(),
            self.0.get(self.0.len() - 3..).unwrap_or_default()
        )
    }

    /// Reserved for film and test: nobody has it.
    pub fn is_test(&self) -> bool {
        drama_kind(&self.0).is_some()
    }

    /// ISO 3166 code of its country or island; empty where the plan knows none.
    pub fn region(&self) -> String {
        if self.is_test() {
            return "GB".to_owned();
        }
        self.number().and_then(|n| n.get_region_code()).map(|r| r.as_region_str().to_string()).unwrap_or_default()
    }

    /// What kind of line it is.
    pub fn kind(&self) -> Kind {
        if let Some(kind) = drama_kind(&self.0) {
            return kind;
        }
        match self.number().map(|n| n.get_type()) {
            Some(PhoneNumberType::Mobile) => Kind::Mobile,
            Some(PhoneNumberType::FixedLine) => Kind::Landline,
            Some(PhoneNumberType::FixedLineOrMobile) => Kind::LandlineOrMobile,
            Some(PhoneNumberType::PremiumRate | PhoneNumberType::SharedCost) => Kind::PremiumRate,
            Some(PhoneNumberType::PersonalNumber) => Kind::PersonalNumber,
            Some(PhoneNumberType::Pager) => Kind::Pager,
            _ => Kind::Other,
        }
    }

    fn number(&self) -> Option<PhoneNumber> {
        PHONE_NUMBER_UTIL.parse(&self.0, None).ok()
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

/// Any text with its digits hidden but for the last three, and its words left out: fit for a report.
pub fn mask(raw: &str) -> String {
    let digits = raw.chars().filter(|c| c.is_numeric()).count();
    let mut seen = 0;
    let mut out = String::new();
    let characters: Vec<char> = raw.chars().collect();
    let is_word = |at: usize| {
        let run = |range: &mut dyn Iterator<Item = usize>| range.take_while(|i| characters[*i].is_alphabetic()).count();
        run(&mut (at..characters.len())) + run(&mut (0..at).rev()) > 2
    };
    for (at, c) in characters.iter().enumerate() {
        if c.is_numeric() {
            seen += 1;
            out.push(if seen + 3 > digits { *c } else { '•' });
        } else if c.is_alphabetic() && is_word(at) {
            if !out.ends_with('…') {
                out.push('…');
            }
        } else {
            out.push(*c);
        }
    }
    out
}

#[cfg(test)]
#[path = "phone_tests.rs"]
mod tests;
