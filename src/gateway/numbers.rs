//! Phone numbers as providers write them: with a plus, without, or as dialled at home.

/// How a provider writes numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Form {
    /// `+447700900123`
    #[default]
    E164,
    /// `447700900123`
    Digits,
    /// `07700900123`
    National,
}

/// Writes an E.164 number in a provider's form.
pub(super) fn write(e164: &str, form: Form) -> Result<String, String> {
    let digits = e164.strip_prefix('+').filter(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()));
    let Some(digits) = digits else { return Err("the recipient is not a full international number".to_owned()) };
    match form {
        Form::E164 => Ok(e164.to_owned()),
        Form::Digits => Ok(digits.to_owned()),
        Form::National => match digits.strip_prefix("44") {
            Some(rest) => Ok(format!("0{rest}")),
            None => Err("this gateway takes numbers of the United Kingdom only".to_owned()),
        },
    }
}

/// Reads what a provider wrote, into E.164 where that is possible; short codes and names stay as they are.
/// `(+44)7700…`, a plus lost to form decoding (`" 44…"`) and `0044…` have been seen.
pub(super) fn read(raw: &str, form: Form) -> String {
    let kept: String = raw.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.' | '\u{a0}')).collect();
    let digits = kept.strip_prefix('+').unwrap_or(&kept);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return raw.to_owned();
    }
    if kept.starts_with('+') {
        return kept;
    }
    if let Some(rest) = digits.strip_prefix("00") {
        return format!("+{rest}");
    }
    match digits.strip_prefix('0') {
        Some(rest) if rest.len() >= 9 => format!("+44{rest}"),
        None if digits.len() >= 10 && form != Form::National => format!("+{digits}"),
        _ => raw.to_owned(),
    }
}

/// Two spellings of one number.
pub(super) fn same(a: &str, b: &str, form: Form) -> bool {
    read(a, form) == read(b, form)
}

/// All digits but the last three hidden.
pub(super) fn hide(number: &str) -> String {
    let shown_from = number.len().saturating_sub(3);
    let hidden = |(at, c): (usize, char)| if c.is_ascii_digit() && at < shown_from { '•' } else { c };
    number.char_indices().map(hidden).collect()
}

/// Words of a provider, fit for a log: no control characters, no numbers of phones, at most 200 characters.
pub(super) fn quiet(words: &str) -> String {
    let characters: Vec<char> = words.chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let in_number = |c: char| c.is_ascii_digit() || matches!(c, ' ' | '-' | '(' | ')');
    let mut out = String::new();
    let mut at = 0;
    while at < characters.len() {
        let run = characters[at..].iter().take_while(|c| in_number(**c)).count();
        let run_of = &characters[at..at + run];
        let digits = run_of.iter().filter(|c| c.is_ascii_digit()).count();
        if digits >= 9 {
            let mut seen = 0;
            for c in run_of {
                seen += usize::from(c.is_ascii_digit());
                out.push(if c.is_ascii_digit() && seen + 3 <= digits { '•' } else { *c });
            }
        } else {
            out.extend(run_of);
        }
        at += run;
        out.extend(characters.get(at));
        at += 1;
    }
    out.trim().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_are_written_and_read_in_every_form() {
        for (form, written) in
            [(Form::E164, "+447700900123"), (Form::Digits, "447700900123"), (Form::National, "07700900123")]
        {
            assert_eq!(write("+447700900123", form).unwrap(), written);
            assert_eq!(read(written, form), "+447700900123");
        }
        for odd in ["(+44)7700900123", " 447700900123", "00447700900123", "+44 7700 900123", "07700 900123"] {
            assert_eq!(read(odd, Form::Digits), "+447700900123", "{odd}");
        }
        for kept in ["60006", "COUNCIL", "", "+", "١٢٣"] {
            assert_eq!(read(kept, Form::Digits), kept);
        }
        assert!(write("+33123456789", Form::National).is_err());
        assert!(write("07700900123", Form::E164).is_err());
    }

    #[test]
    fn words_keep_codes_and_lose_numbers() {
        assert_eq!(quiet("21211: '+447700900123' is\nnot valid"), "21211: '+•••••••••123' is not valid");
        assert_eq!(quiet("to 07700 900 123"), "to ••••• ••• 123");
    }
}
