//! The steps of R-PHONE, from a cell as somebody typed it to the digits of an international number.

use super::phone::Kind;
use super::phone_problem::PhoneProblem;
use super::text::is_invisible;
use rlibphonenumber::{PhoneNumber, ValidationError};

/// Steps 1 to 8: the digits of the international form, without `+`.
pub(super) fn international_digits(raw: &str) -> Result<String, PhoneProblem> {
    international(&stripped(&folded(raw))?)
}

/// Step 1: one digit, one space, one dash; nothing invisible.
pub(super) fn folded(raw: &str) -> String {
    /// The zeros of Unicode's decimal digits, as spreadsheets and phones write them.
    #[rustfmt::skip]
    const ZEROS: &[u32] = &[
        0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0,
        0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50,
        0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec,
        0x1d7f6,
    ];
    let digit = |c: char| ZEROS.iter().find_map(|zero| char::from_digit(u32::from(c).checked_sub(*zero)?, 10));
    raw.chars()
        .filter(|c| !is_invisible(*c))
        .map(|c| match c {
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => '-',
            _ if c.is_whitespace() => ' ',
            _ if c.is_ascii() => c,
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
            _ => digit(c).unwrap_or(c),
        })
        .collect()
}

/// Steps 2 to 6: the number alone, or why there is none.
fn stripped(text: &str) -> Result<String, PhoneProblem> {
    let mut text = text.trim();
    if let Some(inner) = text.strip_prefix("=\"").and_then(|t| t.strip_suffix('"')) {
        text = inner.trim();
    }
    text = text.trim_matches(['"', '\'', '\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}', ' ']);
    if text.get(..4).is_some_and(|t| t.eq_ignore_ascii_case("tel:")) {
        text = text.get(4..).unwrap_or_default().trim();
    }
    let nothing = [
        "", "-", "--", "n/a", "na", "n.a.", "none", "nil", "null", "unknown", "tbc", "no phone", "no number",
        "no mobile", "?",
    ];
    if nothing.contains(&text.to_lowercase().as_str()) {
        return Err(PhoneProblem::Empty);
    }
    if text.starts_with('#') && !text.bytes().any(|b| b.is_ascii_digit()) {
        return Err(PhoneProblem::Empty); // #N/A, #REF!
    }
    let fraction = |rest: &str| rest.len() >= 9 && rest.bytes().all(|b| b.is_ascii_digit());
    if is_scientific(text) || text.strip_prefix("0.").is_some_and(fraction) {
        return Err(PhoneProblem::ScientificNotation);
    }
    if let Some((whole, zeros)) = text.split_once('.')
        && whole.len() >= 7
        && whole.trim_start_matches('+').bytes().all(|b| b.is_ascii_digit() || b == b' ')
        && (1..=2).contains(&zeros.len())
        && zeros.bytes().all(|b| b == b'0')
    {
        text = whole;
    }
    let count = |piece: &str| piece.bytes().filter(u8::is_ascii_digit).count();
    let digits = count(text);
    let lower = text.to_lowercase();
    let pieces = lower.replace(" or ", "/").replace(" and ", "/");
    let whole_numbers = pieces.split(['/', ',', ';', '&', '|', '\\', '-']).filter(|piece| count(piece) >= 9).count();
    if text.contains('#') || text.contains(",,") || text.contains(";ext") || has_named_extension(&lower) {
        return Err(PhoneProblem::HasExtension);
    }
    if whole_numbers > 1
        || (digits >= 18 && text.contains(' '))
        || text.split('+').filter(|piece| count(piece) >= 9).count() > 1
    {
        return Err(PhoneProblem::MultipleNumbers);
    }
    if !text.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | '(' | ')' | '-' | '.' | '/' | ' ')) {
        return Err(PhoneProblem::InvalidCharacters);
    }
    Ok(text.to_owned())
}

/// `4.4770E+11`, also with a comma or a small e, and where all digits are there.
fn is_scientific(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return false };
    let digits = |t: &str| t.chars().all(|c| c.is_ascii_digit());
    let mantissa = mantissa.trim().trim_start_matches(['+', '-']).replacen([',', '.'], "", 1);
    let exponent = exponent.trim().trim_start_matches(['+', '-']);
    !mantissa.is_empty() && !exponent.is_empty() && exponent.len() <= 3 && digits(&mantissa) && digits(exponent)
}

/// `… ext 12`, `… x12`, `… extension 12`
fn has_named_extension(lower: &str) -> bool {
    ["extension", "extn", "ext", "x"].iter().any(|word| {
        lower.split_once(word).is_some_and(|(before, after)| {
            let number = before.bytes().filter(u8::is_ascii_digit).count() >= 7;
            let after = after.trim_start_matches(['.', ':', ' ']);
            number && !after.is_empty() && after.bytes().all(|b| b.is_ascii_digit())
        })
    })
}

/// Fifteen (E.164), and what some put before them.
const MOST_DIGITS: usize = 20;

/// Steps 7 and 8: the digits of the international form.
fn international(text: &str) -> Result<String, PhoneProblem> {
    let compact: String = text.chars().filter(|c| c.is_ascii_digit() || matches!(c, '+' | '(' | ')')).collect();
    // The (0) behind a country code says "dial 0 at home": it is no part of the number.
    let compact = match compact.find("(0)") {
        Some(at) if at > 0 => compact.replacen("(0)", "", 1),
        _ => compact,
    };
    let compact = compact.replace(['(', ')'], "");
    if compact.matches('+').count() > 1 {
        return Err(PhoneProblem::InvalidCharacters);
    }
    let (before, digits) = compact.split_once('+').unwrap_or(("", &compact));
    let mut plus = compact.contains('+');
    if !before.bytes().all(|b| b == b'0') {
        return Err(PhoneProblem::InvalidCharacters); // a + in the middle
    }
    if digits.len() > MOST_DIGITS {
        return Err(PhoneProblem::TooLong);
    }
    let mut digits = digits;
    if let Some(rest) = digits.strip_prefix("00") {
        (digits, plus) = (rest.trim_start_matches('0'), true);
    } else if plus && digits.starts_with('0') {
        plus = false; // +07…
    }
    if !plus && digits.starts_with("044") && digits.len() >= 12 {
        (digits, plus) = (&digits[1..], true); // 0447…
    }
    if digits.is_empty() {
        return Err(PhoneProblem::TooShort);
    }
    let british = |national: &str| match national.trim_start_matches('0') {
        "" => Err(PhoneProblem::TooShort),
        rest => Ok(format!("44{rest}")),
    };
    if let Some(national) = digits.strip_prefix("44").filter(|_| plus || digits.len() >= 11) {
        british(national)
    } else if plus {
        Ok(digits.to_owned())
    } else if digits.starts_with('0') || digits.len() <= 10 {
        british(digits)
    } else {
        Err(PhoneProblem::CountryCodeMissing)
    }
}

pub(super) fn why_invalid(number: &PhoneNumber) -> PhoneProblem {
    let national = number.get_national_significant_number();
    if number.country_code == 44 && national.starts_with('7') && national.len() < 10 {
        return PhoneProblem::TooShort;
    }
    match number.is_possible_with_reason() {
        Err(ValidationError::TooShort) => PhoneProblem::TooShort,
        Err(ValidationError::TooLong) => PhoneProblem::TooLong,
        _ if national.len() <= 6 => PhoneProblem::TooShort,
        _ => PhoneProblem::NotInPlan,
    }
}

/// Ofcom's numbers for film and test, by kind. Source: ofcom.org.uk, "numbers for use in TV and radio drama programmes".
pub(super) fn drama_kind(e164: &str) -> Option<Kind> {
    const CITIES: &[&str] = &["113", "114", "115", "116", "117", "118", "121", "131", "141", "151", "161"];
    const LANDLINES: &[&str] = &["1632960", "2079460", "1914980", "1914960", "2896496", "2890180", "2920180"];
    let national = e164.strip_prefix("+44").filter(|n| n.len() == 10)?;
    let begins = |prefixes: &[&str]| prefixes.iter().any(|p| national.starts_with(p));
    let in_a_city = CITIES.iter().any(|code| national.strip_prefix(code).is_some_and(|rest| rest.starts_with("4960")));
    if begins(&["7700900"]) {
        Some(Kind::Mobile)
    } else if begins(LANDLINES) || in_a_city {
        Some(Kind::Landline)
    } else if begins(&["8081570", "3069990"]) {
        Some(Kind::Other)
    } else {
        begins(&["9098790"]).then_some(Kind::PremiumRate)
    }
}
