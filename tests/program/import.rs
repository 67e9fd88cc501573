//! Spreadsheets as they come: workbooks, damage, what is handed back, ids that can be undone.

use crate::{Said, installation, ringround};
use rust_xlsxwriter::{Format, Workbook};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn report(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{}{}", said.out, said.err))
}

/// A sheet as a school office keeps it: numbers that Excel took for numbers, a day, a filtered row, a second sheet.
fn workbook(path: &Path) {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet().set_name("Parents").unwrap();
    for (column, heading) in
        ["Mobile", "Parent name", "Internet", "Consent date", "Source", "Wording"].iter().enumerate()
    {
        sheet.write(0, u16::try_from(column).unwrap(), *heading).unwrap();
    }
    let day = Format::new().set_num_format("dd/mm/yyyy");
    let numbers = [7_700_900_201.0, 447_700_900_202.0, 7_700_900_203.0, 4_477_009.0];
    for (at, number) in numbers.into_iter().enumerate() {
        let row = u32::try_from(at).unwrap() + 1;
        sheet.write(row, 0, number).unwrap();
        sheet.write(row, 1, format!("Parent {row}")).unwrap();
        sheet.write(row, 2, row == 1).unwrap();
        sheet.write_with_format(row, 3, 44_517.0, &day).unwrap();
        sheet.write(row, 4, "form").unwrap().write(row, 5, 2021).unwrap();
    }
    sheet.set_row_hidden(3).unwrap();
    book.add_worksheet().set_name("Notes").unwrap().write(0, 0, "nothing of use").unwrap();
    let hidden = book.add_worksheet().set_name("Old").unwrap();
    hidden.write(0, 0, "old").unwrap();
    hidden.set_hidden(true);
    book.save(path).unwrap();
}

#[test]
fn a_workbook_is_read_as_excel_shows_it() {
    let folder = installation();
    workbook(&folder.path().join("parents.xlsx"));
    let several = ringround(folder.path(), &["import", "parents.xlsx"]);
    assert_eq!(several.code, 1);
    assert!(several.err.contains("\"Parents\", \"Notes\"") && !several.err.contains("Old"), "{}", several.err);
    let wrong = ringround(folder.path(), &["import", "parents.xlsx", "--sheet", "Parrots"]);
    assert!(wrong.err.contains("--sheet with one of \"Parents\", \"Notes\""), "{}", wrong.err);

    let said = ringround(folder.path(), &["import", "parents.xlsx", "--sheet", "parents", "--json"]);
    let told = report(&said);
    assert_eq!((said.code, &told["counts"]["new"], &told["counts"]["refused"]), (3, &2.into(), &1.into()), "{told}");
    assert_eq!((&told["rows"], &told["hidden"], &told["sheet"]), (&3.into(), &1.into(), &"Parents".into()));
    assert_eq!((&told["problems"][0]["place"], &told["problems"][0]["row"]), (&"Parents!A5".into(), &5.into()));
    let listed = ringround(folder.path(), &["contacts", "list", "--reveal"]).out;
    assert!(listed.contains("+447700900201") && listed.contains("+447700900202"), "{listed}");
    assert!(!listed.contains("900203"), "a filtered row is left out: {listed}");
    let shown = ringround(folder.path(), &["contacts", "show", "900201", "--reveal"]).out;
    assert!(
        shown.contains("wording 2021") && shown.contains("form, 2021-11-17") && shown.contains("internet yes"),
        "{shown}"
    );
}

fn ods(path: &Path, content: &str) {
    let mut zip = zip::ZipWriter::new(fs::File::create(path).unwrap());
    let plain = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, text) in [
        ("mimetype", "application/vnd.oasis.opendocument.spreadsheet"),
        ("META-INF/manifest.xml", "<manifest:manifest xmlns:manifest=\"m\"/>"),
        ("content.xml", content),
    ] {
        zip.start_file(name, plain).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap();
}

#[test]
fn an_ods_sheet_is_read_without_its_filtered_rows() {
    let folder = installation();
    let text = |words: &str| {
        format!("<table:table-cell office:value-type=\"string\"><text:p>{words}</text:p></table:table-cell>")
    };
    let number = "<table:table-cell office:value-type=\"float\" office:value=\"7700900211\"><text:p>7.7E9</text:p></table:table-cell>";
    let row = |attributes: &str, cells: &str| format!("<table:table-row{attributes}>{cells}</table:table-row>");
    let end = "<table:table-row table:number-rows-repeated=\"1048560\"><table:table-cell table:number-columns-repeated=\"1024\"/></table:table-row>";
    let rows = [
        row(" table:number-rows-repeated=\"2\"", "<table:table-cell/>"),
        row("", &(text("phone") + &text("name"))),
        row("", &(number.to_owned() + &text("A"))),
        row(" table:visibility=\"filter\"", &(text("07700 900212") + &text("B"))),
        row("", &(text("07700 9002") + &text("C"))),
        end.to_owned(),
    ];
    let content = |rows: &str| {
        format!(
            "<office:document-content xmlns:office=\"o\" xmlns:table=\"t\" xmlns:text=\"x\"><office:body><office:spreadsheet>\
             <table:table table:name=\"Sheet1\">{rows}</table:table></office:spreadsheet></office:body></office:document-content>"
        )
    };
    ods(&folder.path().join("p.ods"), &content(&rows.concat()));
    let told = report(&ringround(folder.path(), &["import", "p.ods", "--json"]));
    assert_eq!(
        (&told["rows"], &told["hidden"], &told["counts"]["new_pending"]),
        (&2.into(), &1.into(), &1.into()),
        "{told}"
    );
    assert_eq!(told["problems"][0]["place"], "Sheet1!A6");

    // A few bytes that would unfold to a million rows.
    let bomb = row(" table:number-rows-repeated=\"1000000\"", &text("07700 900213"));
    ods(&folder.path().join("bomb.ods"), &content(&(row("", &text("phone")) + &bomb)));
    let said = ringround(folder.path(), &["import", "bomb.ods"]);
    assert!(said.code == 1 && said.err.contains("save it as \"CSV UTF-8\""), "{}", said.err);
}

#[test]
fn what_was_refused_is_handed_back_mended_and_imported_by_itself() {
    let folder = installation();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("p.csv"), "phone,Name,note\n07700 900221,A,x\n=HYPERLINK(1),\"B, C\",+1\n1,D,\n07700 900222,E,\n")
        .unwrap();
    fs::write(path("p.csv.refused.csv"), "my own notes").unwrap();
    let foreign = ringround(folder.path(), &["import", "p.csv"]);
    assert!(foreign.code == 1 && foreign.err.contains("--report"), "{}", foreign.err);
    assert_eq!(fs::read_to_string(path("p.csv.refused.csv")).unwrap(), "my own notes");
    fs::remove_file(path("p.csv.refused.csv")).unwrap();

    assert_eq!(ringround(folder.path(), &["import", "p.csv"]).code, 3);
    let refused = fs::read_to_string(path("p.csv.refused.csv")).unwrap();
    assert_eq!(fs::metadata(path("p.csv.refused.csv")).unwrap().permissions().mode() & 0o777, 0o600);
    let lines: Vec<&str> = refused.split("\r\n").collect();
    assert_eq!(lines[0], "\u{feff}phone,Name,note,row,problem,what to do");
    assert!(lines[1].starts_with("'=HYPERLINK(1),\"B, C\",'+1,3,"), "{refused}");
    let mended = refused.replace("'=HYPERLINK(1)", "07700 900223").replace("\r\n1,", "\r\n07700900224,");
    fs::write(path("mended.csv"), mended).unwrap();
    let told = report(&ringround(folder.path(), &["import", "mended.csv", "--json"]));
    assert_eq!((&told["counts"]["new_pending"], &told["refused_file"]), (&2.into(), &Value::Null), "{told}");
    assert!(!path("mended.csv.refused.csv").exists());
    let found = ringround(folder.path(), &["contacts", "find", "b, c", "--reveal"]).out;
    assert!(found.contains("+447700900223") && !found.contains("900221"), "{found}");
    fs::write(path("p.csv"), "phone\n07700 900221\n").unwrap();
    assert_eq!(ringround(folder.path(), &["import", "p.csv"]).code, 0);
    assert!(!path("p.csv.refused.csv").exists(), "an old report does not outlive what it reports");
}

#[test]
fn headings_are_suggested_and_said() {
    let folder = installation();
    fs::write(folder.path().join("p.csv"), "Kontakt;Langauge;Shoe size\n07700 900231;ur;40\n07700 900231;ur;41\n")
        .unwrap();
    let said = ringround(folder.path(), &["import", "p.csv"]);
    assert!(said.code == 1 && said.err.contains("there are: Kontakt, Langauge, Shoe size"), "{}", said.err);
    let mapped = ["import", "p.csv", "--map", "kontakt=phone", "--pending", "refuse"];
    let said = ringround(folder.path(), &mapped);
    assert!(
        said.out.contains("column Langauge: not read; if it is the language: --map \"Langauge=language\""),
        "{}",
        said.out
    );
    assert!(said.code == 3 && said.out.contains("does not prove that they agreed"), "{}", said.out);
    let told = report(&ringround(folder.path(), &["import", "p.csv", "--map", "Kontakt=phone", "--json"]));
    assert_eq!((&told["counts"]["new_pending"], &told["counts"]["duplicate"]), (&1.into(), &1.into()), "{told}");
}

#[test]
fn an_import_is_listed_and_undone() {
    let folder = installation();
    let heading = "phone,name,consent source,consent date,wording\n";
    let rows = format!("{heading}07700 900241,A,form,17 Nov 2021,1\n07700 900242,B,form,17/11/21,1\n");
    fs::write(folder.path().join("p.csv"), rows).unwrap();
    let told = report(&ringround(folder.path(), &["import", "p.csv", "--as", "Mary", "--json"]));
    let id = told["import"].to_string();
    let listed = report(&ringround(folder.path(), &["import", "list", "--json"]));
    assert_eq!((listed["id"].to_string(), &listed["file"], &listed["added"]), (id.clone(), &"p.csv".into(), &2.into()));
    assert!(listed["by"].as_str().unwrap().starts_with("admin:Mary (typed by "), "{listed}");
    let left = ["contacts", "leave", "07700 900242", "--how", "rang on 12 January", "--as", "Mary"];
    assert_eq!(ringround(folder.path(), &left).code, 0);
    let undone = report(&ringround(folder.path(), &["import", "undo", &id, "--json"]));
    assert_eq!((&undone["touched"], &undone["put_back"]), (&2.into(), &1.into()));
    let shown = ringround(folder.path(), &["contacts", "list"]).out;
    assert!(shown.contains("not yet agreed") && shown.contains("left"), "{shown}");
    assert_eq!(ringround(folder.path(), &["import", "undo", &id]).code, 1, "once");
    let missing = ringround(folder.path(), &["import", "undo", "77777"]);
    assert!(missing.err.contains("import list"), "{}", missing.err);
    let ledger = ringround(folder.path(), &["contacts", "show", "900242"]).out;
    assert!(ledger.contains("by admin:Mary (typed by") && ledger.contains("(rang on 12 January)"), "{ledger}");
}

/// Memory stays where it is, whatever the size of the file; and so it does with all of its rows refused.
#[test]
fn memory_does_not_grow_with_the_file() {
    let folder = installation();
    let most = |name: &str, rows: usize| {
        let good = |n: usize| format!("07700 900{:03},Parent,form,2021-11-17,1\n", n % 1000);
        let row = |n: usize| {
            if n.is_multiple_of(50) { good(n) } else { format!("n/a,{},form,2021-11-17,1\n", "x".repeat(100)) }
        };
        let text: String = (0..rows).map(row).collect();
        fs::write(folder.path().join(name), format!("phone,name,consent source,consent date,wording\n{text}")).unwrap();
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_ringround"))
            .args(["import", name])
            .current_dir(folder.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let (never, wait) = std::sync::mpsc::channel::<()>();
        let mut most = 0;
        while child.try_wait().unwrap().is_none() {
            let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            most = line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(most);
            let _ = wait.recv_timeout(std::time::Duration::from_millis(5));
        }
        drop(never);
        most / 1024
    };
    let (small, large) = (most("small.csv", 1000), most("large.csv", 200_000));
    assert!(large < 64 && large < small + 12, "{small} MiB, {large} MiB");
}
