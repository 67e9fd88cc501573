//! A sheet, read to its end as `import` reads it.

use jiff::civil::date;
use ringround::app::sheet::{Input, Reading, Sheet, Stated};
use ringround::domain::phone::PhoneRules;
use std::io::Cursor;

/// No row comes twice or before an earlier one, every problem is named, and no value is shown as it stands.
pub fn read(bytes: &[u8]) {
    let rules = PhoneRules { allow_test: true, ..PhoneRules::default() };
    let stated = Stated::default();
    let Ok(mut sheet) = Sheet::open(Input::Memory(Cursor::new(bytes.to_vec())), None) else { return };
    let map = [("Column 1".to_owned(), "phone".to_owned())];
    let began = Reading::begin(&mut sheet, &[], &rules, &stated, date(2022, 1, 17));
    let reading = match began {
        Ok(reading) => reading,
        Err(error) => {
            assert!(!error.hint().is_empty());
            let Ok(mut again) = Sheet::open(Input::Memory(Cursor::new(bytes.to_vec())), None) else { return };
            let _ = Reading::begin(&mut again, &map, &rules, &stated, date(2022, 1, 17));
            return;
        }
    };
    let mut last = 0;
    while let Ok(Some(raw)) = sheet.next_row() {
        assert!(raw.line > last, "row {} after row {last}", raw.line);
        last = raw.line;
        match reading.row(&sheet, &raw) {
            Ok(draft) => assert_eq!(draft.line, raw.line),
            Err(problems) => {
                assert!(!problems.is_empty());
                for problem in problems {
                    assert!(problem.line == raw.line && !problem.place.is_empty() && !problem.advice.is_empty());
                    let mut run = 0;
                    for c in problem.value.chars() {
                        run = if c.is_ascii_digit() { run + 1 } else { 0 };
                        assert!(run <= 8 || problem.column != "phone", "{}: {}", problem.code, problem.value);
                    }
                }
            }
        }
    }
}
