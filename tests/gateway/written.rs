//! What people get wrong in a profile, or leave out of an account, is said with its place and what to do.

use super::fixtures::all;
use ringround::domain::doubt::{Means, Question};
use ringround::domain::problem::{Problem, Severity};
use ringround::gateway::{Class, Profile, SHIPPED};

fn source(name: &str) -> &'static str {
    SHIPPED.into_iter().find(|(shipped, _)| *shipped == name).unwrap().1
}

/// The profile with one thing changed, and the only or first problem of it: (line, text at the place, problem).
fn changed(name: &str, from: &str, to: &str) -> (usize, String, Problem) {
    let source = source(name);
    assert!(source.contains(from), "{from}");
    let source = source.replacen(from, to, 1);
    let (profile, problems) = Profile::parse(&source);
    let problem = problems.into_iter().find(|p| p.severity == Severity::Error).expect("an error");
    assert!(profile.is_none());
    let place = problem.place.unwrap();
    let line = source[..place.start].matches('\n').count() + 1;
    (line, source[place.start..place.end].to_owned(), problem)
}

#[test]
fn a_typo_is_pointed_at_and_the_right_word_is_named() {
    let cases = [
        ("twilio", "settle_seconds", "setle_seconds", "setle_seconds", "did you mean settle_seconds?"),
        ("twilio", "{ slot = \"text\" }", "{ slot = \"txet\" }", "\"txet\"", "did you mean text?"),
        ("twilio", "class = \"opted_out\"", "class = \"optedout\"", "\"optedout\"", "did you mean opted_out?"),
        ("twilio", "state = \"delivered\"", "state = \"deliverd\"", "\"deliverd\"", "did you mean delivered?"),
        ("twilio", "user = { setting = \"user\"", "user = { setting = \"usr\"", "\"usr\"", "did you mean user?"),
        (
            "twilio", "password = { secret = \"password\"", "password = { secret = \"pasword\"", "\"pasword\"",
            "did you mean password?",
        ),
        ("twilio", "key = \"auth_token\"", "key = \"auth_tokn\"", "\"auth_tokn\"", "did you mean auth_token?"),
        ("twilio", "class = \"C\"", "class = \"E\"", "\"E\"", "known here: A, B, C, D"),
        ("twilio", "\"sorted_form\"]", "\"sortedform\"]", "\"sortedform\"", "did you mean sorted_form?"),
        ("kannel", "unit = \"minutes\"", "unit = \"minuts\"", "\"minuts\"", "did you mean minutes?"),
        (
            "kannel", "carrier = \"callback_url\"", "carrier = \"callback\"", "\"callback\"",
            "did you mean callback_url?",
        ),
    ];
    for (name, from, to, at, hint) in cases {
        let (_, place, problem) = changed(name, from, to);
        assert_eq!(place, at, "{to}: {problem:?}");
        assert_eq!(problem.hint, hint, "{to}");
    }
}

#[test]
fn what_cannot_work_is_refused() {
    let cases = [
        ("kannel", "unit = \"minutes\"\n", "", "missing field `unit`"),
        (
            "kannel",
            "[validity]\nunit = \"minutes\"\nmin = 1\nmax = 10080\n",
            "",
            "there is no [validity] that says in which unit",
        ),
        ("kannel", "validity = { slot = \"validity\" }\n", "", "the validity is declared, but not sent"),
        (
            "kannel",
            "[callbacks.verify.secret_path]\nsecret = \"callback\"\n",
            "",
            "nothing proves who sends these callbacks",
        ),
        ("kannel", "ref = { slot = \"reference\" }\n", "", "the reference is declared, but carried nowhere"),
        ("kannel", "text = { slot = \"text\" }", "", "the text is not sent"),
        ("kannel", "report_hours = 72", "report_hours = 1000", "report_hours is out of range"),
        ("kannel", "class = \"D\"", "class = \"A\"", "nothing in this profile bears its class out"),
        ("kannel", "class = \"D\"", "class = \"B\"", "nothing in this profile bears its class out"),
        ("kannel", "http://127.0.0.1:13013", "http://kannel.example.org", "texts would travel in the clear"),
        ("kannel", "gsm7 = 0, ucs2 = 2", "", "gsm7 and ucs2 go with the slot alphabet, and it with them"),
        ("kannel", "to = { slot = \"to\" }\n", "to = { slot = \"cursor\" }\n", "the slot cursor has no value here"),
        ("kannel", "'^Not routable\\.", "'^Not routable(", "this regular expression does not compile: unclosed group"),
        ("kannel", "status = 202", "status = 20200", "an HTTP status is a number from 100 to 599"),
        (
            "kannel",
            "said = { verbatim = \"%A\" }",
            "said = { verbatim = \"%A\", slot = \"reference\" }",
            "a value is exactly one of slot, setting, secret, verbatim",
        ),
        ("kannel", "schema = 1", "schema = 2", "this profile is of another format"),
        ("kannel", "state = { query = \"state\" }\n", "", "this callback does not say where its state stands"),
        (
            "kannel",
            "body = { query = \"text\", charset = { query = \"charset\" } }",
            "",
            "this callback does not say where its body stands",
        ),
        (
            "smsgate",
            "max_length = 36",
            "max_length = 20",
            "our reference has 24 letters and digits: it does not fit in there",
        ),
        ("smsgate", "class = \"duplicate\"", "class = \"unclear\"", "nothing in this profile bears its class out"),
        ("smsgate", "\"/ttl\"", "\"ttl\"", "ttl is no JSON pointer: it begins with /"),
        (
            "gov-uk-notify",
            "class = \"credentials\"\n",
            "class = \"credentials\"\nwait = { seconds = 1 }\n",
            "only throttled and temporary can wait",
        ),
        ("gov-uk-notify", "wait = { midnight_utc = true }", "wait = {}", "this wait says nothing"),
        ("telnyx", "\"/v2/balance\"", "[\"/v2/balance/\", { slot = \"to\" }]", "the slot to has no value here"),
        (
            "telnyx",
            ", when = { json = \"/data/record_type\", is = \"balance\" }",
            "",
            "every answer would be a balance",
        ),
        ("gov-uk-notify", "refusal = \"invalid\"", "refusal = \"credit\"", "a report can't say this of number or text"),
    ];
    for (name, from, to, message) in cases {
        let (_, _, problem) = changed(name, from, to);
        assert_eq!(problem.message, message, "{name}: {from} → {to}: {problem:?}");
        assert!(!problem.hint.is_empty());
    }
}

#[test]
fn the_line_is_right() {
    let line = source("telnyx").lines().position(|line| line.starts_with("max_parts")).unwrap() + 1;
    let (found, place, problem) = changed("telnyx", "max_parts", "max_prats");
    assert_eq!((found, place.as_str()), (line, "max_prats"), "{problem:?}");
}

#[test]
fn what_is_asked_for_and_not_used_is_said() {
    let source = format!("{}\n[settings.colour]\nabout = \"nobody uses it\"\n", source("kannel"));
    let (profile, problems) = Profile::parse(&source);
    assert!(profile.is_some());
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].severity, Severity::Warning);
    assert_eq!(problems[0].message, "colour is asked for, but used nowhere");
}

#[test]
fn an_account_hears_what_it_lacks() {
    for (name, profile, cases, account) in all() {
        let empty = ringround::gateway::Account::default();
        assert!(profile.check_account(&empty).len() >= 2, "{name}");
        let mut misspelt = cases.account.account();
        misspelt.settings.insert("sendr".to_owned(), "x".to_owned());
        let said = profile.check_account(&misspelt);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with(&format!("{name} takes no setting sendr: ")), "{said:?}");
        let mut clear = account;
        clear.base_url = Some("http://gateway.example.org".to_owned());
        assert!(profile.check_account(&clear)[0].starts_with("base_url must begin with https://"));
        for missing in cases.account.secrets.keys() {
            let mut lacking = cases.account.account();
            lacking.secrets.remove(missing);
            let said = profile.check_account(&lacking);
            assert!(said[0].starts_with(&format!("the secret {missing} is missing: ")), "{name}: {said:?}");
        }
        for secret in cases.account.secrets.values().flatten() {
            let said = profile.check_account(&misspelt).join("\n");
            assert!(!said.contains(secret));
        }
    }
}

#[test]
fn a_provider_with_an_underscore_rule_says_so() {
    let (_, profile, cases, _) = all().into_iter().find(|(name, ..)| *name == "twilio").unwrap();
    let mut account = cases.account.account();
    account.callback_url = Some("https://sms_host.example.org/hooks".to_owned());
    assert_eq!(
        profile.check_account(&account),
        ["this gateway refuses a callback_url with an underscore in its host name"]
    );
    account.callback_url = None;
    assert_eq!(profile.check_account(&account), ["callback_url is missing: without it no report finds its text"]);
    account = cases.account.account();
    account.settings.remove("sender");
    assert_eq!(profile.check_account(&account), ["one of the settings sender, messaging_service is needed"]);
}

#[test]
fn classes_are_what_was_found() {
    let classes: Vec<_> = all().into_iter().map(|(name, profile, ..)| (name, profile.class())).collect();
    let expected = [
        ("gov-uk-notify", Class::B),
        ("kannel", Class::D),
        ("smsgate", Class::A),
        ("telnyx", Class::D),
        ("twilio", Class::C),
    ];
    assert_eq!(classes, expected);
    let without_class = source("smsgate").replacen("class = \"A\"", "", 1);
    let (lowest, said) = Profile::parse(&without_class);
    let lowest = lowest.unwrap();
    assert_eq!(lowest.class(), Class::D, "the default is the lowest");
    assert_eq!(said[0].message, "repeats_refused_hours is of use in class A only");
    let nothing = Means { repeats_refused: None, question: Question::Nobody };
    assert_eq!(lowest.means(), nothing, "what a profile can do beyond its class is not relied on");
    let means: Vec<_> = all().into_iter().map(|(_, profile, ..)| profile.means()).collect();
    let day = Some(jiff::SignedDuration::from_hours(24));
    let by = |repeats_refused, question| Means { repeats_refused, question };
    assert_eq!(
        means,
        [
            by(None, Question::ByReference),
            nothing,
            by(day, Question::ByReference),
            nothing,
            by(None, Question::ByRecipient)
        ]
    );
}

#[test]
fn the_profile_in_the_documentation_is_one() {
    let page = include_str!("../../docs/gateways.md");
    let example = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let (profile, problems) = Profile::parse(example);
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(profile.unwrap().name, "example");
}
