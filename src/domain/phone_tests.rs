use super::*;

fn read(raw: &str) -> Result<String, &'static str> {
    let rules = PhoneRules { allow_test: true, ..PhoneRules::default() };
    Phone::parse(raw, &rules).map(|p| p.0).map_err(PhoneProblem::code)
}

#[test]
fn whatever_people_write_becomes_one_form() {
    let written = "07700 900 123|+44 (0)7700 900123|447700900123|7700900123|7700900123.0|'07700900123|0+44(0)7700900123|\
        =\"07700900123\"|+07700900123|0447700900123|00447700900123|+004407700900123|44 07700 900123|tel:07700-900-123|\
        (07700) 900123|٠٧٧٠٠٩٠٠١٢٣|07700\u{a0}900123|+44.7700.900123|０７７００９００１２３";
    for raw in written.split('|') {
        assert_eq!(read(raw).as_deref(), Ok("+447700900123"), "{raw}");
    }
}

#[test]
fn what_is_no_number_is_named() {
    let table = "empty: |none ; scientific_notation:4,477E+11 ; multiple_numbers:07700900123 07700900456|07700900123/07700900456 ;
        has_extension:07700 900123 ext 12|07700900123x12|+44 20 3443 6311,,917500335# ; country_code_missing:923001234567 ;
        invalid_characters:079OOO23456|=+447700900123|07700+900123 ; too_short:0770090012|999|0|+|00 ; too_long:077009001234 ;
        not_in_plan:07700 212345 ; landline:01632 960001 ; personal_number:07010 123456 ; pager:07600 123456 ;
        premium_rate:0871 200 1234 ; not_mobile:0300 123 1234 ; country_not_allowed:+48 512 345 678";
    for (code, cells) in table.split(';').filter_map(|entry| entry.split_once(':')) {
        for raw in cells.split('|') {
            assert_eq!(read(raw), Err(code.trim()), "{raw}");
        }
    }
    assert_eq!(Phone::parse("07700 900123", &PhoneRules::default()), Err(PhoneProblem::ReservedForDrama));
}

#[test]
fn nobody_reads_a_number_in_a_log() {
    let phone = Phone::from_e164("+447700900123").expect("a number");
    assert_eq!(format!("{phone:?}"), "+44•••••••123");
    assert_eq!(phone.national(), "07700 900123");
    assert_eq!(mask("07700900123 (mum)"), "••••••••123 (…)");
    assert_eq!(mask("07700 9OO126"), "••••• •OO126");
    assert_eq!(mask("7.700900E+09"), "•.•••••0E+09");
}
