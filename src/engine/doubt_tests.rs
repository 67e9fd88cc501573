#![allow(clippy::unwrap_used)]
use super::*;
use crate::domain::phone::Phone;

const SETTLE: SignedDuration = SignedDuration::from_secs(60);
const BY_REFERENCE: Means = Means { repeats_refused: None, question: Question::ByReference };
const BY_RECIPIENT: Means = Means { repeats_refused: None, question: Question::ByRecipient };
const NOBODY: Means = Means { repeats_refused: None, question: Question::Nobody };

fn start() -> Timestamp {
    "2022-01-24T12:00:00Z".parse().unwrap()
}

fn after(minutes: i64) -> Timestamp {
    start() + SignedDuration::from_mins(minutes)
}

/// In doubt since noon, of use until the next day.
fn doubt() -> Doubt {
    Doubt {
        id: 7,
        since: start(),
        handed_at: start(),
        contact: 3,
        to: Phone::from_e164("+447700900101").unwrap(),
        of: Some(("survey".into(), "opening".into())),
        text: "The survey is open".into(),
        absent: 0,
        ask_at: start() + SETTLE,
        first_at: start(),
        may_resend: false,
        not_after: after(24 * 60),
        revoked: false,
    }
}

fn terms(means: Means) -> Terms {
    Terms { means, settle: SETTLE, report_within: SignedDuration::from_hours(72) }
}

fn refuses_repeats(hours: i64, question: Question) -> Means {
    Means { repeats_refused: Some(SignedDuration::from_hours(hours)), question }
}

fn no_question(doubt: &Doubt, means: Means, now: Timestamp) -> Option<Decision> {
    unasked(doubt, &terms(means), now, &mut Ids::new(1..9))
}

fn answered(doubt: &Doubt, answer: &LookUp, means: Means, now: Timestamp) -> Decision {
    resolve(doubt, answer, &terms(means), now, &mut Ids::new(1..9))
}

fn moved(decision: &Decision) -> &MessageMove {
    let Some(Change::MessageMoved(moved)) = decision.0.first() else { panic!("{decision:?}") };
    assert_eq!((moved.id, moved.from), (7, State::InDoubt));
    assert_eq!(moved.asked, Some(start() + SETTLE), "it holds for this very doubt only");
    moved
}

/// (absent, seconds until it is asked again)
fn asked_again(decision: &Decision, now: Timestamp) -> (i64, i64) {
    let [Change::DoubtAsked { message: 7, asked, absent, again_at }] = decision.0[..] else { panic!("{decision:?}") };
    assert_eq!(asked, start() + SETTLE);
    (absent, again_at.duration_since(now).as_secs())
}

#[test]
fn class_a_sends_again_under_the_same_id_while_repeats_are_refused() {
    let means = refuses_repeats(24, Question::ByReference);
    let again = no_question(&doubt(), means, after(1)).unwrap();
    assert_eq!(again.0.len(), 1, "nobody decided anything: no event");
    assert_eq!((moved(&again).to, moved(&again).next_at), (State::Queued, Some(after(1))));
    assert_eq!(moved(&again).repeat_until, Some(after(12 * 60)), "half of the 24 hours");
    assert!(!moved(&again).by_policy);
    // Counted from when it was first handed over, not from this doubt.
    let old = Doubt { first_at: start() - SignedDuration::from_hours(12), ..doubt() };
    assert_eq!(no_question(&old, means, after(1)), None, "asked: the gateway may have forgotten");
    assert_eq!(no_question(&doubt(), means, after(12 * 60)), None, "half-open");
    let mute = refuses_repeats(24, Question::Nobody);
    assert_eq!(
        moved(&no_question(&old, mute, after(1)).unwrap()).to,
        State::Unresolved,
        "nobody to ask: as in class D"
    );
}

#[test]
fn class_a_does_not_send_again_past_the_deadline() {
    let late = Doubt { not_after: after(1), ..doubt() };
    assert_eq!(no_question(&late, refuses_repeats(24, Question::ByReference), after(1)), None);
}

/// Nothing goes out again to somebody who has left; what became of it is found out all the same.
#[test]
fn whoever_has_left_is_not_sent_it_again() {
    let left = Doubt { revoked: true, may_resend: true, ..doubt() };
    assert_eq!(no_question(&left, refuses_repeats(24, Question::ByReference), after(1)), None, "asked instead");
    let mute = no_question(&left, refuses_repeats(24, Question::Nobody), after(1)).unwrap();
    assert_eq!(moved(&mute).to, State::Unresolved, "neither the window nor the step's policy");
    let found = answered(&left, &LookUp::Found { gateway_id: "g".into() }, BY_REFERENCE, after(1));
    assert_eq!(moved(&found).to, State::Accepted);
}

#[test]
fn class_b_believes_absence_when_told_twice() {
    assert_eq!(no_question(&doubt(), BY_REFERENCE, after(1)), None);
    let first = answered(&doubt(), &LookUp::Absent, BY_REFERENCE, after(1));
    assert_eq!(asked_again(&first, after(1)), (1, 30));
    let twice = Doubt { absent: 1, ..doubt() };
    let absent = answered(&twice, &LookUp::Absent, BY_REFERENCE, after(2));
    assert_eq!((moved(&absent).to, moved(&absent).next_at), (State::Queued, Some(after(2))));
    assert_eq!((moved(&absent).repeat_until, moved(&absent).by_policy), (None, false));
    let found = answered(&twice, &LookUp::Found { gateway_id: "g".into() }, BY_REFERENCE, after(2));
    assert_eq!((moved(&found).to, moved(&found).gateway_id.as_deref()), (State::Accepted, Some("g")));
    assert_eq!(moved(&found).next_at, Some(after(2 + 72 * 60)), "closed if no report comes");
    // What does not answer in between neither counts nor takes away.
    assert_eq!(asked_again(&answered(&twice, &LookUp::Failed, BY_REFERENCE, after(2)), after(2)).0, 1);
}

#[test]
fn a_gateway_that_says_nothing_hears_ever_fewer_questions() {
    for answer in [LookUp::Unknown, LookUp::Failed] {
        let (mut now, mut waits) = (after(1), Vec::new());
        let last = loop {
            let decision = answered(&doubt(), &answer, BY_REFERENCE, now);
            let [Change::DoubtAsked { again_at, .. }] = decision.0[..] else { break decision };
            waits.push(again_at.duration_since(now).as_mins());
            now = again_at;
        };
        assert_eq!(waits[..7], [1, 2, 4, 8, 16, 32, 60]);
        assert!(waits.len() < 32, "{}", waits.len());
        assert_eq!((now, moved(&last).to), (after(24 * 60), State::Unresolved), "after a day a person decides");
        assert!(moved(&last).reason.as_deref().unwrap().ends_with("a person must decide"));
    }
}

#[test]
fn class_c_takes_one_match_and_never_absence() {
    let twice = Doubt { absent: 5, ..doubt() };
    let absent = answered(&twice, &LookUp::Absent, BY_RECIPIENT, after(3));
    assert_eq!(asked_again(&absent, after(3)), (5, 180), "absence says nothing");
    let found = answered(&doubt(), &LookUp::Found { gateway_id: "g".into() }, BY_RECIPIENT, after(1));
    assert_eq!(moved(&found).to, State::Accepted);
    let old = answered(&twice, &LookUp::Absent, BY_RECIPIENT, after(24 * 60));
    assert_eq!(moved(&old).to, State::Unresolved);
}

#[test]
fn class_d_holds_for_a_person_unless_the_step_says_otherwise() {
    let held = no_question(&doubt(), NOBODY, after(1)).unwrap();
    assert_eq!((moved(&held).to, held.0.len()), (State::Unresolved, 1));
    let resend = Doubt { may_resend: true, ..doubt() };
    let again = no_question(&resend, NOBODY, after(1)).unwrap();
    assert_eq!((moved(&again).to, moved(&again).by_policy), (State::Queued, true));
    assert_eq!(moved(&again).repeat_until, Some(resend.not_after), "past it the first copy is in doubt, not expired");
    let [_, Change::Recorded(event)] = &again.0[..] else { panic!("{again:?}") };
    assert_eq!((event.kind, event.actor.as_str()), (EventKind::DoubtDecided, "policy:survey/opening"));
    assert_eq!((event.contact, event.campaign.as_deref()), (Some(3), Some("survey")));
    assert!(event.evidence.as_deref().unwrap().contains("in_doubt = \"resend\""));
    // A mute look-up of a gateway that should have one is no other case.
    assert_eq!(moved(&answered(&resend, &LookUp::Mute, BY_REFERENCE, after(1))).to, State::Queued);
}

#[test]
fn the_policy_never_sends_past_the_deadline() {
    let late = Doubt { may_resend: true, not_after: after(1) + WIRE_SLACK, ..doubt() };
    let decision = no_question(&late, NOBODY, after(1)).unwrap();
    assert_eq!((moved(&decision).to, decision.0.len()), (State::Unresolved, 1));
    assert!(moved(&decision).reason.as_deref().unwrap().contains("deadline"));
}

#[test]
fn the_policy_acts_while_it_is_still_of_use() {
    let resend = Doubt { may_resend: true, not_after: after(180), ..doubt() };
    let asked = answered(&resend, &LookUp::Unknown, BY_RECIPIENT, after(60));
    assert_eq!(asked_again(&asked, after(60)), (0, 30 * 60), "the last question comes half-way to the deadline");
    let decided = answered(&resend, &LookUp::Unknown, BY_RECIPIENT, after(90));
    assert_eq!((moved(&decided).to, moved(&decided).by_policy), (State::Queued, true));
    // Past the deadline there is nothing to hurry for: what became of it may still be found out.
    asked_again(&answered(&resend, &LookUp::Unknown, BY_RECIPIENT, after(200)), after(200));
    // Found is found, whatever the policy.
    let found = answered(&resend, &LookUp::Found { gateway_id: "g".into() }, BY_RECIPIENT, after(90));
    assert_eq!(moved(&found).to, State::Accepted);
}

fn unresolved() -> OpenDoubt {
    OpenDoubt {
        id: 7,
        state: State::Unresolved,
        contact: 3,
        to: Phone::from_e164("+447700900101").unwrap(),
        campaign: Some(("survey".into(), CampaignState::Running)),
        step: Some("opening".into()),
        standing: Some(Standing::In),
        is_reply: false,
        suppressed: false,
        since: start(),
        not_after: after(60),
        reason: None,
        text: "The survey is open".into(),
    }
}

#[test]
fn a_person_decides_and_the_ledger_says_who_and_why() {
    let ground = Ground { by: "admin:jo", how: "rang them" };
    for (verdict, to, next_at) in [
        (DoubtVerdict::Arrived, State::Accepted, Some(after(5 + 72 * 60))),
        (DoubtVerdict::SendAgain, State::Queued, Some(after(5))),
        (DoubtVerdict::Drop, State::Cancelled, None),
    ] {
        let within = SignedDuration::from_hours(72);
        let decision = decide(&unresolved(), verdict, ground, within, after(5), &mut Ids::new(1..9)).unwrap();
        let [Change::MessageMoved(moved), Change::Recorded(event)] = &decision.0[..] else { panic!("{decision:?}") };
        assert_eq!((moved.from, moved.to, moved.next_at), (State::Unresolved, to, next_at));
        let again = verdict == DoubtVerdict::SendAgain;
        assert_eq!(moved.repeat_until, again.then_some(after(60)), "past it the first copy is in doubt, not expired");
        let reason = moved.reason.as_deref().unwrap();
        assert!(reason.contains("admin:jo") && reason.contains("rang them"), "{reason}");
        assert_eq!((event.kind, event.actor.as_str()), (EventKind::DoubtDecided, "admin:jo"));
        assert_eq!((event.source.as_str(), event.campaign.as_deref()), ("rang them", Some("survey")));
    }
}

#[test]
fn what_a_person_cannot_decide() {
    use DoubtVerdict::{Arrived, Drop, SendAgain};
    let asked = OpenDoubt { state: State::InDoubt, ..unresolved() };
    let settled = OpenDoubt { state: State::Delivered, ..unresolved() };
    let left = OpenDoubt { standing: Some(Standing::Out), ..unresolved() };
    let pending = OpenDoubt { standing: Some(Standing::Pending), ..unresolved() };
    let suppressed = OpenDoubt { suppressed: true, ..unresolved() };
    let test = OpenDoubt { standing: None, suppressed: true, ..unresolved() };
    let reply = OpenDoubt { is_reply: true, ..test.clone() };
    let over = OpenDoubt { campaign: Some(("survey".into(), CampaignState::Cancelled)), ..unresolved() };
    let late = OpenDoubt { not_after: after(5), ..unresolved() };
    for (doubt, send_again, rest) in [
        (&asked, Some(Hindrance::StillAsked), Some(Hindrance::StillAsked)),
        (&settled, Some(Hindrance::Settled), Some(Hindrance::Settled)),
        (&left, Some(Hindrance::Left), None),
        (&pending, Some(Hindrance::Left), None),
        (&suppressed, Some(Hindrance::Left), None),
        (&test, Some(Hindrance::Left), None),
        (&reply, None, None),
        (&over, Some(Hindrance::CampaignOver), None),
        (&late, Some(Hindrance::TooLate), None),
        (&unresolved(), None, None),
    ] {
        assert_eq!(hindrance(doubt, SendAgain, after(5)), send_again, "{doubt:?}");
        assert_eq!(hindrance(doubt, Arrived, after(5)), rest);
        assert_eq!(hindrance(doubt, Drop, after(5)), rest);
    }
}
