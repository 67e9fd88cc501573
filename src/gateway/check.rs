//! What is wrong with a profile beyond its syntax, and what a deployment still has to say before it can be used.

use super::answer::{ErrorClass, Rule};
use super::callback::{Kind, On};
use super::look_up::By;
use super::profile::{Carrier, Characters, Class, Profile, place};
use super::request::{Account, Call, Method};
use super::value::{Piece, Slot, Value};
use crate::domain::problem::{Place, Problem, did_you_mean};
use secrecy::ExposeSecret;
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;

/// Characters of our reference: lower-case letters and digits.
const OUR_REFERENCE: usize = 24;

const IN_SEND: &[Slot] = &[
    Slot::To,
    Slot::Text,
    Slot::Reference,
    Slot::Validity,
    Slot::ValidUntil,
    Slot::CallbackUrl,
    Slot::Alphabet,
    Slot::Parts,
    Slot::Now,
];
const IN_CALLBACK_URL: &[Slot] = &[Slot::Reference];
const IN_LOOK_UP: &[Slot] = &[Slot::To, Slot::Reference, Slot::SubmittedAt, Slot::Now];
const IN_BALANCE: &[Slot] = &[Slot::Now];
const IN_POLL: &[Slot] = &[Slot::Cursor, Slot::Now];

/// Collects problems of one profile.
struct Check<'p> {
    profile: &'p Profile,
    problems: Vec<Problem>,
    used: BTreeSet<&'p str>,
}

impl<'p> Check<'p> {
    fn error(&mut self, code: &'static str, at: Place, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem::error(code, at, message, hint));
    }

    fn name(&mut self, name: &'p Spanned<String>, secret: bool) {
        let declared = if secret { &self.profile.secrets } else { &self.profile.settings };
        self.used.insert(name.get_ref());
        if !declared.keys().any(|known| known.get_ref() == name.get_ref()) {
            let hint = did_you_mean(name.get_ref(), declared.keys().map(|known| known.get_ref().as_str()));
            let (kind, table) = if secret { ("secret", "secrets") } else { ("setting", "settings") };
            let message = format!("the {kind} {} is not declared under [{table}.…]", name.get_ref());
            self.error("profile.unknown_name", place(name), message, hint);
        }
    }

    fn value(&mut self, value: &'p Value, slots: &[Slot], escapes: bool) {
        for piece in value.pieces() {
            self.piece(piece, slots, escapes);
        }
    }

    fn piece(&mut self, piece: &'p Piece, slots: &[Slot], escapes: bool) {
        let kinds = [piece.slot.is_some(), piece.setting.is_some(), piece.secret.is_some(), piece.verbatim.is_some()];
        let at = piece.slot.as_ref().map(place);
        let at =
            at.or_else(|| [&piece.setting, &piece.secret, &piece.verbatim].into_iter().flatten().map(place).next());
        let at = at.unwrap_or_else(|| place(&self.profile.schema));
        if kinds.iter().filter(|kind| **kind).count() != 1 {
            let hint = "write { slot = \"to\" }, { setting = \"sender\" } or { secret = \"password\" }";
            self.error("profile.value", at, "a value is exactly one of slot, setting, secret, verbatim", hint);
        }
        if let Some(setting) = &piece.setting {
            self.name(setting, false);
        }
        if let Some(secret) = &piece.secret {
            self.name(secret, true);
        }
        if piece.verbatim.is_some() && !escapes {
            let hint = "write it as a plain text: it is encoded where it stands";
            self.error("profile.value", at, "verbatim is only for the query of callback_url", hint);
        }
        let Some(slot) = &piece.slot else { return };
        if !slots.contains(slot.get_ref()) {
            let message = format!("the slot {:?} has no value here", slot.get_ref()).to_lowercase();
            self.error("profile.slot", at, message, "docs/gateways.md lists the slots of each request");
        }
        let alphabet = piece.gsm7.is_some() || piece.ucs2.is_some();
        if alphabet != (*slot.get_ref() == Slot::Alphabet) {
            let hint = "write { slot = \"alphabet\", gsm7 = 0, ucs2 = 2 }; what is left out leaves the field out";
            self.error("profile.value", at, "gsm7 and ucs2 go with the slot alphabet, and it with them", hint);
        }
        if *slot.get_ref() == Slot::Validity && self.profile.validity.is_none() {
            let hint = "add [validity] with unit, min and max, or leave the field out";
            self.error("profile.validity", at, "there is no [validity] that says in which unit", hint);
        }
        if *slot.get_ref() == Slot::CallbackUrl && self.profile.callback_url.is_none() {
            let hint = "add [callback_url] with path and query";
            self.error("profile.callback_url", at, "there is no [callback_url] that says what it is", hint);
        }
    }

    fn call(&mut self, call: &'p Call, slots: &[Slot]) {
        for value in call.values() {
            self.value(value, slots, false);
        }
        let at = place(&self.profile.schema);
        let bodies = usize::from(!call.form.is_empty()) + usize::from(!call.json.is_empty());
        if bodies > 1 || bodies == 1 && call.method == Method::Get {
            let hint = "use query with GET, and either form or json with POST";
            self.error("profile.body", at, "a request has one body, and a GET has none", hint);
        }
        if let Some(pointer) = call.json.keys().find(|pointer| !pointer.starts_with('/')) {
            let hint = format!("write \"/{pointer}\"");
            self.error("profile.pointer", at, format!("{pointer} is no JSON pointer: it begins with /"), hint);
        }
    }

    fn uses(&self, slot: Slot) -> bool {
        slot_in(self.profile.send.values(), slot)
    }

    fn reference(&mut self) {
        let reference = &self.profile.reference;
        let at = place(reference);
        let reference = reference.get_ref();
        if reference.max_length.is_some_and(|most| most < OUR_REFERENCE) || reference.characters == Characters::Digits {
            let hint = "use carrier = \"callback_url\", or \"none\" where the provider has none of these";
            let message = format!("our reference has {OUR_REFERENCE} letters and digits: it does not fit in there");
            self.error("profile.reference", at, message, hint);
        }
        let carried = match reference.carrier {
            Carrier::OwnId | Carrier::Field => self.uses(Slot::Reference),
            Carrier::CallbackUrl => {
                let there = self
                    .profile
                    .callback_url
                    .as_ref()
                    .is_some_and(|url| slot_in(url.query.values().chain([&url.path]), Slot::Reference));
                there && self.uses(Slot::CallbackUrl)
            }
            Carrier::None => true,
        };
        if !carried {
            let hint = "put { slot = \"reference\" } in a field of [send], or in [callback_url] and that in [send]";
            self.error("profile.reference", at, "the reference is declared, but carried nowhere", hint);
        }
    }

    fn class(&mut self) {
        let profile = self.profile;
        let by = profile.look_up.as_ref().map(|rules| *rules.by.get_ref());
        let duplicate = |rule: &Rule| *rule.class.get_ref() == ErrorClass::Duplicate;
        let refuses_repeats = profile.answer.rules.iter().any(duplicate);
        let (holds, hint) = match profile.class() {
            Class::A => (
                profile.names_by_reference() && refuses_repeats && profile.repeats_refused_hours.is_some(),
                "class A needs reference.carrier = \"own_id\", an answer rule with class = \"duplicate\", and repeats_refused_hours",
            ),
            Class::B => (by == Some(By::Reference), "class B needs [look_up] with by = \"reference\""),
            Class::C => (by == Some(By::Recipient), "class C needs [look_up] with by = \"recipient\""),
            Class::D => (true, ""),
        };
        if !holds {
            self.error("profile.class", profile.class_place(), "nothing in this profile bears its class out", hint);
        }
        if let Some(hours) = profile.repeats_refused_hours.as_ref().filter(|_| profile.class() != Class::A) {
            let hint = "leave it out, or say class = \"A\" where a test against the provider has shown it";
            let message = "repeats_refused_hours is of use in class A only";
            self.problems.push(Problem::warning("profile.unused", place(hours), message, hint));
        }
    }

    fn answer(&mut self) {
        let at = place(&self.profile.schema);
        if self.profile.answer.accepted.is_empty() {
            let hint = "add [[answer.accepted]] with status and when";
            self.error("profile.answer", at, "nothing says when a text is accepted", hint);
        }
        for rule in &self.profile.answer.rules {
            let class = *rule.class.get_ref();
            if rule.status.0.is_empty() && rule.when.0.is_empty() {
                let hint = "add status or when: what no rule knows is unclear anyway";
                self.error("profile.rule", place(&rule.class), "this rule holds for every answer", hint);
            }
            if let Some(wait) = &rule.wait {
                let said = wait.get_ref();
                if !matches!(class, ErrorClass::Throttled | ErrorClass::Temporary) {
                    let hint = "leave wait out, or use class = \"throttled\"";
                    self.error("profile.rule", place(wait), "only throttled and temporary can wait", hint);
                } else if said.seconds.is_none() && said.from.is_none() && !said.midnight_utc {
                    let hint = "write wait = { seconds = 60 }, { from = { header = \"retry-after\" } } or { midnight_utc = true }";
                    self.error("profile.rule", place(wait), "this wait says nothing", hint);
                }
            }
        }
    }

    fn callbacks(&mut self) {
        let Some(callbacks) = &self.profile.callbacks else { return };
        match &callbacks.verify {
            None => {
                let at = callbacks.on.first().map_or_else(|| place(&self.profile.schema), place);
                let hint = "add [callbacks.verify.…]; where the provider has nothing to offer, use secret_path";
                self.error("profile.unverified", at, "nothing proves who sends these callbacks", hint);
            }
            Some(verify) => {
                for (name, secret) in verify.names() {
                    self.name(name, secret);
                }
            }
        }
        for on in &callbacks.on {
            self.on(place(on), on.get_ref());
        }
    }

    fn on(&mut self, at: Place, on: &'p On) {
        let missing: Vec<&str> = match on.kind {
            Kind::Ignored => Vec::new(),
            Kind::Report => [
                (!on.reference.0.is_empty(), "reference"),
                (!on.state.0.is_empty(), "state"),
                (!on.states.is_empty(), "states"),
            ]
            .into_iter()
            .filter_map(|(there, name)| (!there).then_some(name))
            .collect(),
            Kind::Inbound => [(&on.gateway_id, "gateway_id"), (&on.from, "from"), (&on.body, "body")]
                .into_iter()
                .filter_map(|(readings, name)| readings.0.is_empty().then_some(name))
                .collect(),
        };
        for name in missing {
            self.error(
                "profile.callback",
                at,
                format!("this callback does not say where its {name} stands"),
                format!("add {name} = …"),
            );
        }
        for refusal in on.states.iter().filter_map(|rule| rule.refusal.as_ref()) {
            if refusal.get_ref().refusal().is_none() {
                let hint = "use invalid, unroutable, opted_out or content, or leave refusal out";
                self.error("profile.callback", place(refusal), "a report can't say this of number or text", hint);
            }
        }
    }
}

fn slot_in<'v>(values: impl Iterator<Item = &'v Value>, slot: Slot) -> bool {
    values.flat_map(Value::pieces).any(|piece| piece.slot.as_ref().is_some_and(|s| *s.get_ref() == slot))
}

fn loopback(url: &str) -> bool {
    let host = url.strip_prefix("http://").filter(|rest| !rest.contains('@')).unwrap_or_default();
    ["127.0.0.1", "localhost", "[::1]"]
        .iter()
        .any(|local| host.strip_prefix(local).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/'])))
}

impl Profile {
    /// Everything that is wrong with it beyond its syntax.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut check = Check { profile: self, problems: Vec::new(), used: BTreeSet::new() };
        let start = place(&self.schema);
        if *self.schema.get_ref() != 1 {
            check.error("profile.schema", start, "this profile is of another format", "this program reads schema = 1");
        }
        for (name, value, at, low, high) in self.ranges() {
            if !(low..=high).contains(&value) {
                check.error("profile.range", at, format!("{name} is out of range"), format!("use {low} to {high}"));
            }
        }
        if let (Some(url), Some(at)) = (self.base_url(), self.base_url_place())
            && !url.starts_with("https://")
            && !loopback(url)
        {
            check.error(
                "profile.base_url", at, "texts would travel in the clear", "use https://, or http:// on 127.0.0.1",
            );
        }
        check.call(&self.send, IN_SEND);
        if let Some(url) = &self.callback_url {
            check.value(&url.path, IN_CALLBACK_URL, false);
            for value in url.query.values() {
                check.value(value, IN_CALLBACK_URL, true);
            }
        }
        if let Some(rules) = &self.look_up {
            check.call(&rules.request, IN_LOOK_UP);
        }
        if let Some(rules) = &self.balance {
            check.call(&rules.request, IN_BALANCE);
            if rules.found.when.0.is_empty() {
                let hint = "write found = { status = 200, when = { json = \"/balance\" } }";
                check.error("profile.balance", start, "every answer would be a balance", hint);
            }
        }
        if let Some(rules) = &self.poll {
            check.call(&rules.request, IN_POLL);
        }
        for name in self.any_of.iter().flatten() {
            check.name(name, false);
        }
        check.reference();
        check.class();
        check.answer();
        check.callbacks();
        for (slot, what) in [(Slot::To, "recipient"), (Slot::Text, "text")] {
            if !check.uses(slot) {
                let hint = format!("put {{ slot = \"{}\" }} in a field of [send]", format!("{slot:?}").to_lowercase());
                check.error("profile.send", start, format!("the {what} is not sent"), hint);
            }
        }
        if self.validity.is_some() && !check.uses(Slot::Validity) {
            let hint = "put { slot = \"validity\" } in a field of [send], or leave [validity] out";
            check.error("profile.validity", start, "the validity is declared, but not sent", hint);
        }
        let declared = self.settings.keys().chain(self.secrets.keys());
        for name in declared.filter(|name| !check.used.contains(name.get_ref().as_str())).collect::<Vec<_>>() {
            let message = format!("{} is asked for, but used nowhere", name.get_ref());
            check.problems.push(Problem::warning("profile.unused", place(name), message, "leave it out"));
        }
        check.problems
    }

    /// What the deployment still has to say, in sentences for a person; empty when the account can be used.
    pub fn check_account(&self, account: &Account) -> Vec<String> {
        let mut missing = Vec::new();
        let settings = account.settings.iter().map(|(name, value)| (name.as_str(), vec![value.as_str()]));
        self.check_names("setting", &self.settings, &settings.collect(), &mut missing);
        let secrets: BTreeMap<&str, Vec<&str>> = account
            .secrets
            .iter()
            .filter(|(_, keys)| !keys.is_empty())
            .map(|(name, keys)| (name.as_str(), keys.iter().map(ExposeSecret::expose_secret).collect()))
            .collect();
        self.check_names("secret", &self.secrets, &secrets, &mut missing);
        for any in &self.any_of {
            if !any.iter().any(|name| account.settings.get(name.get_ref()).is_some_and(|value| !value.is_empty())) {
                let names: Vec<&str> = any.iter().map(|name| name.get_ref().as_str()).collect();
                missing.push(format!("one of the settings {} is needed", names.join(", ")));
            }
        }
        match account.base_url.as_deref().or(self.base_url()) {
            None => missing.push("base_url is missing: this gateway has no address of its own".to_owned()),
            Some(url) if !url.starts_with("https://") && !loopback(url) => {
                missing.push("base_url must begin with https:// (http:// only on 127.0.0.1)".to_owned());
            }
            Some(_) => {}
        }
        self.check_callback_url(account, &mut missing);
        missing
    }

    fn check_names(
        &self,
        kind: &str,
        asked: &BTreeMap<Spanned<String>, super::profile::Ask>,
        given: &BTreeMap<&str, Vec<&str>>,
        missing: &mut Vec<String>,
    ) {
        for (name, ask) in asked {
            let name = name.get_ref();
            match given.get(name.as_str()).filter(|values| values.iter().any(|value| !value.is_empty())) {
                None if ask.optional => {}
                None => missing.push(format!("the {kind} {name} is missing: {}", ask.about)),
                Some(values) => {
                    let fits = |value: &&str| ask.matches.as_ref().is_none_or(|pattern| pattern.0.is_match(value));
                    if !values.iter().all(fits) {
                        missing.push(format!("the {kind} {name} does not look right: {}", ask.about));
                    }
                }
            }
        }
        for name in given.keys().filter(|name| !asked.keys().any(|known| known.get_ref() == *name)) {
            let hint = did_you_mean(name, asked.keys().map(|known| known.get_ref().as_str()));
            missing.push(format!("{} takes no {kind} {name}: {hint}", self.name));
        }
    }

    fn check_callback_url(&self, account: &Account, missing: &mut Vec<String>) {
        let Some(url) = account.callback_url.as_deref() else {
            if self.reference.get_ref().carrier == Carrier::CallbackUrl {
                missing.push("callback_url is missing: without it no report finds its text".to_owned());
            }
            return;
        };
        if !url.starts_with("https://") && !loopback(url) {
            missing.push("callback_url must begin with https:// (http:// only on 127.0.0.1)".to_owned());
        }
        let host = url.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
        if self.callback_url.as_ref().is_some_and(|rules| rules.host_without_underscore) && host.contains('_') {
            missing.push("this gateway refuses a callback_url with an underscore in its host name".to_owned());
        }
        if url.contains(['?', '#']) {
            missing.push("callback_url is an address without ? and #: ringround appends to it".to_owned());
        }
    }
}
