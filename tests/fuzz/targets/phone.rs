//! Any cell that could stand in a column of numbers: what is taken is one number that is read the same again, and what is
//! shown of it gives nobody away.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringround::domain::phone::{Phone, PhoneRules, mask};

fuzz_target!(|cell: &str| {
    let rules = PhoneRules { allow_test: true, ..PhoneRules::default() };
    match Phone::parse(cell, &rules) {
        Ok(phone) => {
            let digits = phone.e164().strip_prefix('+').expect("E.164 begins with a plus");
            assert!((8..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()), "{digits}");
            assert_eq!(Phone::parse(phone.e164(), &rules).expect("its own form"), phone);
            assert_eq!(Phone::from_e164(phone.e164()).as_ref(), Some(&phone));
            assert_eq!(Phone::parse(&phone.national(), &rules).ok().as_ref(), Some(&phone), "as people write it");
            let shown = phone.masked().chars().filter(char::is_ascii_digit).count();
            assert!(shown <= 6, "{}", phone.masked());
        }
        Err(problem) => assert!(!problem.code().is_empty() && !problem.advice().is_empty()),
    }
    let _ = mask(cell);
});
