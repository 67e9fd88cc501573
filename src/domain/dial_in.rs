//! A dial-in: a meeting that any telephone can join. Read from what people paste from an invitation (R-DIALIN), said to
//! parents as plain steps.
//!
//! Pauses (`,,`) are never sent: phones link the wrong digits of such a string. Two IDs that differ are refused, because
//! whichever we chose, some parents would ring into an empty room.

use super::phone::{Kind, Phone};
use super::phone_reading::folded;
use thiserror::Error;

/// A number to ring and what to key there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialIn {
    number: Phone,
    conference_id: Option<String>,
    passcode: Option<String>,
}

/// Why a pasted invitation is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DialInProblem {
    /// There is no number in it that can be rung.
    #[error("there is no telephone number in this dial-in")]
    NoNumber,
    /// Its two forms name different conference IDs.
    #[error("the conference IDs in this dial-in differ")]
    IdMismatch {
        /// The number, which is not in dispute.
        number: Phone,
    },
    /// Its two forms name different passcodes.
    #[error("the passcodes in this dial-in differ")]
    PasscodeMismatch {
        /// The number, which is not in dispute.
        number: Phone,
    },
}

impl DialInProblem {
    /// Stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoNumber => "no_number",
            Self::IdMismatch { .. } => "id_mismatch",
            Self::PasscodeMismatch { .. } => "passcode_mismatch",
        }
    }

    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::NoNumber => "paste the whole line from the invitation, for example +44 20 7946 0018,,123456789#",
            Self::IdMismatch { .. } | Self::PasscodeMismatch { .. } => {
                "copy the invitation again, ring the number yourself, and keep the one that works"
            }
        }
    }
}

/// Worth a word, not a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialInWarning {
    /// No conference ID.
    NoId,
    /// 084, 087, 09, 070: not in anybody's bundle.
    CostlyNumber,
}

/// Words before the ID, as invitations write them; those of the telephone conference itself come first: a Teams
/// invitation also has a "meeting ID" for the web, which no telephone asks for.
const PHONE_ID_LABELS: &[&str] = &["phone conference id", "conference id", "conference code"];
const ID_LABELS: &[&str] = &[
    "meeting id", "meeting number", "access code", "webinar id", "id", "use code", "code", "key in", "key", "enter",
    "press",
];
const PASSCODE_LABELS: &[&str] = &["numeric passcode", "passcode", "password", "security code", "participant pin"];
/// Meet calls its conference ID a PIN.
const PIN_LABELS: &[&str] = &["pin"];

impl DialIn {
    /// Reads one or several pasted lines.
    pub fn parse(pasted: &str) -> Result<Self, DialInProblem> {
        let lines: Vec<String> = pasted.lines().map(|line| folded(line).to_lowercase()).collect();
        let found =
            lines.iter().enumerate().find_map(|(at, line)| number_in(line).map(|(number, rest)| (at, number, rest)));
        let Some((at, number, rest)) = found else { return Err(DialInProblem::NoNumber) };
        let (mut ids, mut web_ids, mut passcodes, mut pins) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (i, line) in lines.iter().enumerate() {
            let another = number_in(line).filter(|_| i != at).map(|(_, rest)| rest);
            let text = if i == at { &rest } else { another.as_ref().unwrap_or(line) };
            if i == at || another.is_some() {
                let mut keyed = keyed_after(text).into_iter();
                ids.extend(keyed.next());
                passcodes.extend(keyed.next());
            }
            ids.extend(labelled(text, PHONE_ID_LABELS));
            web_ids.extend(labelled(text, ID_LABELS));
            passcodes.extend(labelled(text, PASSCODE_LABELS));
            pins.extend(labelled(text, PIN_LABELS));
        }
        let teams = lines.iter().any(|line| !labelled(line, PHONE_ID_LABELS).is_empty());
        if teams {
            passcodes.clear(); // for the web, too
        } else {
            ids.extend(web_ids.into_iter().filter(|id| !passcodes.contains(id)));
        }
        if ids.is_empty() {
            ids.append(&mut pins);
        } else {
            passcodes.append(&mut pins);
        }
        passcodes.retain(|code| !ids.contains(code));
        let first = |codes: &[String]| codes.first().cloned();
        let differ = |codes: &[String]| codes.iter().any(|code| Some(code) != codes.first());
        if differ(&ids) {
            return Err(DialInProblem::IdMismatch { number });
        }
        if differ(&passcodes) {
            return Err(DialInProblem::PasscodeMismatch { number });
        }
        Ok(Self { number, conference_id: first(&ids), passcode: first(&passcodes) })
    }

    /// The number to ring.
    pub fn number(&self) -> &Phone {
        &self.number
    }

    /// The ID to key, digits only.
    pub fn conference_id(&self) -> Option<&str> {
        self.conference_id.as_deref()
    }

    /// The passcode to key, digits only, leading zeros kept.
    pub fn passcode(&self) -> Option<&str> {
        self.passcode.as_deref()
    }

    /// What a parent has to do, in plain words. The number stands first and alone, so that phones link only it.
    pub fn steps(&self) -> String {
        let mut steps = format!("Ring {}.", self.number.national());
        if let Some(id) = &self.conference_id {
            steps.push_str(&format!(" When asked, key {id} then press # (hash)."));
        }
        if let Some(passcode) = &self.passcode {
            steps.push_str(&format!(" Then key passcode {passcode} and #."));
        }
        steps
    }

    /// What an admin should look at.
    pub fn warnings(&self) -> Vec<DialInWarning> {
        let costly = matches!(self.number.kind(), Kind::PremiumRate | Kind::PersonalNumber);
        let no_id = self.conference_id.is_none().then_some(DialInWarning::NoId);
        no_id.into_iter().chain(costly.then_some(DialInWarning::CostlyNumber)).collect()
    }
}

/// The first run of digits in a line that is a telephone number, and what stands behind it.
fn number_in(line: &str) -> Option<(Phone, String)> {
    let part = |c: char| c.is_ascii_digit() || matches!(c, '+' | ' ' | '-' | '.' | '(' | ')' | '/');
    let mut from = 0;
    while let Some(start) = line[from..].find(|c: char| c.is_ascii_digit() || matches!(c, '+' | '(')).map(|i| from + i)
    {
        let end = line[start..].find(|c| !part(c)).map_or(line.len(), |i| start + i);
        let run = line[start..end].trim_end_matches([' ', '(', '+', '-', '.']);
        let digits = run.bytes().filter(u8::is_ascii_digit).count();
        let an_id = line[end..].starts_with('#') && !run.contains('+'); // "917 500 335#" is keyed, not rung
        if digits >= 9
            && !an_id
            && let Ok(number) = Phone::callable(run)
        {
            return Some((number, line[end..].to_owned()));
        }
        from = end.max(start + 1);
        while !line.is_char_boundary(from) {
            from += 1;
        }
    }
    None
}

/// What is keyed after the number: `,,917500335#`, `p917500335#`, `,,85775884256#,,,,*010383#`, ` then 917 500 335#`.
fn keyed_after(rest: &str) -> Vec<String> {
    let pause = |c: char| matches!(c, ',' | ';' | 'p' | 'w' | '*' | '#' | ' ' | 'x');
    if rest.trim_start().starts_with([',', ';', 'p', 'w', 'x'])
        && rest.trim_start_matches(pause).starts_with(|c: char| c.is_ascii_digit())
    {
        let end = rest.find(|c: char| !pause(c) && !c.is_ascii_digit() && c != '-').unwrap_or(rest.len());
        return rest[..end]
            .split(['#', ',', ';', 'p', 'w', '*'])
            .map(digits_of)
            .filter(|code| code.len() >= 3)
            .collect();
    }
    let hashed = rest.match_indices('#').map(|(at, _)| {
        let before = &rest[..at];
        let start = before
            .rfind(|c: char| !c.is_ascii_digit() && !matches!(c, ' ' | '-'))
            .map_or(0, |i| i + before[i..].chars().next().map_or(1, char::len_utf8));
        digits_of(&before[start..])
    });
    hashed.filter(|code| code.len() >= 3).take(1).collect()
}

/// The codes behind the labels: each label counts at its longest form, and only as a whole word.
fn labelled(line: &str, labels: &[&str]) -> Vec<String> {
    let mut codes = Vec::new();
    for label in labels {
        for (at, _) in line.match_indices(label) {
            let word = !line[..at].ends_with(|c: char| c.is_alphanumeric());
            let after = line[at + label.len()..].trim_start();
            // "Meeting number (access code): 2374 123 4567"
            let after = after.strip_prefix('(').and_then(|rest| rest.split_once(')')).map_or(after, |(_, rest)| rest);
            let after = after.trim_start_matches([':', ' ', '=', '.', '-', '*']);
            let after = after.strip_prefix("is ").unwrap_or(after);
            let end = after.find(|c: char| !c.is_ascii_digit() && !matches!(c, ' ' | '-')).unwrap_or(after.len());
            let code = digits_of(&after[..end]);
            if word && code.len() >= 3 && !codes.contains(&code) {
                codes.push(code);
            }
        }
    }
    codes
}

fn digits_of(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(text: &str) -> (String, Option<String>, Option<String>) {
        let dial_in = DialIn::parse(text).unwrap();
        (dial_in.number.e164().to_owned(), dial_in.conference_id, dial_in.passcode)
    }

    #[test]
    fn invitations_as_they_are_pasted() {
        let london = |id: &str| ("+442034436311".to_owned(), Some(id.to_owned()), None);
        for pasted in [
            "+44 20 3443 6311,,917500335# United Kingdom, London",
            "Or call in (audio only)\n+44 20 3443 6311,,917500335#\nPhone Conference ID: 917 500 335#",
            "Ring 020 3443 6311 and key 917 500 335#",
            "Dial-in number: 020 3443 6311\nConference ID 917-500-335",
            "tel:+442034436311,,917500335#",
            "020 3443 6311 p917500335#",
        ] {
            assert_eq!(parse(pasted), london("917500335"), "{pasted}");
        }
        let zoom = parse("+12532158782,,85775884256#,,,,*010383# US (Tacoma)");
        assert_eq!((zoom.1.as_deref(), zoom.2.as_deref()), (Some("85775884256"), Some("010383")));
        let labelled = parse("Dial +44 330 088 5830\nMeeting ID: 857 7588 4256\nPasscode: 010383");
        assert_eq!((labelled.1.as_deref(), labelled.2.as_deref()), (Some("85775884256"), Some("010383")));
        assert_eq!(parse("(US) +1 413-648-4559 PIN: 934959535#").1.as_deref(), Some("934959535"));
        assert_eq!(parse("020 3443 6311").1, None);
        let ours = "Ring 020 3443 6311. When asked, key 917500335 then press # (hash).";
        assert_eq!(parse(ours).1.as_deref(), Some("917500335"), "what we tell parents we can read");
        let webex = "Meeting number (access code): 2374 123 4567\nMeeting password: 0123\n+44-20-3443-6311";
        assert_eq!((parse(webex).1.as_deref(), parse(webex).2.as_deref()), (Some("23741234567"), Some("0123")));
        let teams = "Meeting ID: 312 456 789 01\nPasscode: Ab3dEf\n+44 20 3443 6311,,917500335#\nPhone conference ID: 917 500 335#";
        assert_eq!((parse(teams).1.as_deref(), parse(teams).2.as_deref()), (Some("917500335"), None));
    }

    #[test]
    fn what_cannot_be_trusted_is_refused() {
        let two = DialIn::parse("+44 20 3443 6311,,917500335#\nPhone Conference ID: 917 500 336#").unwrap_err();
        assert_eq!(two.code(), "id_mismatch");
        let lines = DialIn::parse("+44 20 3443 6311,,917500335#\n+44 20 3443 6311,,917500336#").unwrap_err();
        assert_eq!(lines.code(), "id_mismatch");
        assert_eq!(DialIn::parse("Phone Conference ID: 917 500 335#").unwrap_err(), DialInProblem::NoNumber);
        assert_eq!(DialIn::parse("").unwrap_err(), DialInProblem::NoNumber);
        assert_eq!(DialIn::parse("Call us – ¡olé! 12").unwrap_err(), DialInProblem::NoNumber);
        assert_eq!(
            DialIn::parse("0871 200 1234").unwrap().warnings(),
            [DialInWarning::NoId, DialInWarning::CostlyNumber]
        );
    }

    #[test]
    fn the_steps_are_plain() {
        let dial_in = DialIn::parse("+44 20 3443 6311,,917500335#").unwrap();
        assert_eq!(dial_in.steps(), "Ring 020 3443 6311. When asked, key 917500335 then press # (hash).");
    }
}
