use super::super::{Input, RawRow, Sheet, Wrong};
use std::io::Cursor;

fn sheet(bytes: &[u8]) -> Sheet {
    Sheet::open(Input::Memory(Cursor::new(bytes.to_vec())), None).unwrap()
}

/// Rows with anything in them, heading included.
fn rows(bytes: &[u8]) -> Vec<RawRow> {
    let mut sheet = sheet(bytes);
    let mut rows: Vec<RawRow> = sheet.heading().unwrap().into_iter().collect();
    while let Some(row) = sheet.next_row().unwrap() {
        rows.push(row);
    }
    rows
}

/// `line: cell|cell`, and what is wrong.
fn told(bytes: &[u8]) -> Vec<String> {
    let wrong = |row: &RawRow| row.wrong.map_or(String::new(), |wrong| format!(" {wrong:?}"));
    rows(bytes).iter().map(|row| format!("{}: {}{}", row.line, row.cells.join("|"), wrong(row))).collect()
}

#[test]
fn rows_are_counted_as_a_spreadsheet_program_counts() {
    let text = "phone,name\r\n\r\n1,\"Ann,\r\nB\"\r\n,\r\n2,C\r\n";
    assert_eq!(told(text.as_bytes()), ["1: phone|name", "3: 1|Ann,\r\nB", "5: 2|C"]);
    assert_eq!(told(b"\n\nphone\n1"), ["3: phone", "4: 1"]);
    assert_eq!(told(b"phone\r1\r2"), ["1: phone", "2: 1", "3: 2"], "an old Mac's lines");
    assert_eq!(told(b""), [""; 0]);
}

#[test]
fn delimiters_are_found_and_a_sep_line_is_believed() {
    assert_eq!(told(b"phone;name, if any;x\n1;a, \"b;2\n"), ["1: phone|name, if any|x", "2: 1|a, \"b|2"]);
    assert_eq!(told(b"phone\tname\n1\ta,b"), ["1: phone|name", "2: 1|a,b"]);
    assert_eq!(told(b"sep=|\r\nphone|a,b,c\r\n1|2\r\n"), ["1: phone|a,b,c", "2: 1|2"]);
}

#[test]
fn a_quote_that_is_never_closed_swallows_nothing() {
    let text = "phone,name\n1,\"Ann\n2,\"Bob \"\"B\"\" C\"\n3,D\n";
    assert_eq!(told(text.as_bytes())[1..], ["2: 1|Ann Unclosed", "3: 2|Bob \"B\" C", "4: 3|D"]);
    assert_eq!(told(b"phone\n\"1\n2")[1..], ["2: 1 Unclosed", "3: 2"]);
    let long = format!("phone,note\n1,\"{}\n2,b\n", "x\n".repeat(100));
    assert_eq!(told(long.as_bytes())[1], "2: 1|x Unclosed");
    let note = format!("phone,note\n1,\"{}, and so on\"\n2,b\n", "x".repeat(5000));
    assert_eq!(told(note.as_bytes()).len(), 3, "a long note is no fault");
}

#[test]
fn every_encoding_that_excel_writes() {
    let text = "phone;name\n1;Zoë Łąki\n";
    let utf16 = |little: bool, mark: bool| -> Vec<u8> {
        let units = mark.then_some(0xfeff).into_iter().chain(text.encode_utf16());
        units.flat_map(|unit: u16| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
    };
    let expected = ["1: phone|name", "2: 1|Zoë Łąki"];
    let with_mark = format!("\u{feff}{text}").into_bytes();
    for bytes in [
        text.as_bytes().to_vec(),
        with_mark,
        utf16(true, true),
        utf16(false, true),
        utf16(true, false),
        utf16(false, false),
    ] {
        assert_eq!(told(&bytes), expected);
    }
    assert_eq!(sheet(&utf16(true, true)).encoding, Some("UTF-16LE"));
    let western = b"phone,name\n1,Zo\xeb \x80\n";
    assert_eq!((told(western)[1].as_str(), sheet(western).encoding), ("2: 1|Zoë €", Some("Windows-1252")));
    assert_eq!(told(b"phone\n1\x002\n")[1], "2: 1\u{fffd}2");
}

/// Longer than a block, so that rows, characters and CRLFs are cut by its end.
#[test]
fn where_blocks_end_makes_no_difference() {
    for shift in 0..7 {
        let mut text = format!("phone,name{}\r\n", "x".repeat(shift));
        for n in 0..8000 {
            text.push_str(&format!("{n},\"Łucja \"\"{n}\"\",\r\nb\"\r\n"));
        }
        let rows = rows(text.as_bytes());
        assert_eq!(rows.len(), 8001);
        for (n, row) in rows[1..].iter().enumerate() {
            assert_eq!((row.line, row.wrong), (n as u64 + 2, None));
            assert_eq!(row.cells, [n.to_string(), format!("Łucja \"{n}\",\r\nb")]);
        }
    }
}

#[test]
fn a_row_without_an_end_is_named_and_not_kept() {
    let text = format!("phone\n{}\n2\n", "x".repeat(3_000_000));
    let rows = rows(text.as_bytes());
    assert_eq!((rows[1].line, rows[1].wrong, rows[1].cells.len()), (2, Some(Wrong::TooLong), 0));
    assert_eq!((rows[2].line, rows[2].cells[0].as_str()), (3, "2"));
}
