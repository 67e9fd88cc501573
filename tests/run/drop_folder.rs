//! The drop folder, and a spreadsheet that travels through the running service row by row.

use super::service::Installation;
use super::sink::{Manner, Sink};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

#[test]
fn a_file_laid_into_the_drop_folder_is_imported_and_reported_on() {
    let sink = Sink::start(Manner::Accept);
    let installation = Installation::new(&sink);
    let folder = installation.path().join("drop");
    fs::create_dir(&folder).unwrap();
    let settings = installation.path().join("config/ringround.toml");
    let text = fs::read_to_string(&settings).unwrap();
    let drop = format!("\n[drop]\nfolder = \"{}\"\nby = \"office\"\ndry_run = false\n", folder.display());
    fs::write(&settings, text + &drop).unwrap();
    let mut service = installation.start();

    let secret = installation.path().join("api-key");
    symlink(&secret, folder.join("link.csv")).unwrap();
    fs::write(folder.join("a.csv.part"), "phone\n07700 900301\n").unwrap();
    fs::write(folder.join("b.zip"), b"PK\x03\x04 no workbook").unwrap();
    let rows = "phone,name,consent source,consent date,wording\n07700 900302,A,form,17/11/2021,1\n12,=B,,,\n";
    fs::write(folder.join("a.csv"), rows).unwrap();
    service.until_log("a file of the drop folder was imported: 1  new, with proof of consent, 1  refused");
    service.until_log("a file of the drop folder was refused");
    assert!(folder.join("done/a.csv").exists() && !folder.join("a.csv").exists());
    assert!(folder.join("refused/b.zip").exists() && folder.join("a.csv.part").exists());
    let report = fs::read_to_string(folder.join("a.csv.report.txt")).unwrap();
    assert!(report.contains("row 3, column phone:") && report.contains("a.csv: 2 rows"), "{report}");
    assert!(fs::read_to_string(folder.join("b.zip.report.txt")).unwrap().contains("hint: "));
    let refused = folder.join("a.csv.refused.csv");
    assert!(fs::read_to_string(&refused).unwrap().contains("\r\n12,'=B,,,,3,"));
    assert_eq!(fs::metadata(&refused).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(folder.join("link.csv").exists() && !folder.join("link.csv.report.txt").exists(), "links are not followed");

    let listed = installation.ok(&["import", "list"]);
    assert!(listed.contains("admin:office (typed by"), "{listed}");
    let shown = installation.ok(&["contacts", "show", "900302"]);
    assert!(shown.contains("list send: joined"), "{shown}");
    let said = service.said();
    assert!(!said.contains("a.csv") && !said.contains("900302"), "{said}");

    let found = |wanted: &str| {
        let output = String::from_utf8(installation.run(&["doctor"]).stdout).unwrap();
        assert!(output.lines().any(|line| line.contains("drop folder") && line.starts_with(wanted)), "{output}");
        output
    };
    found("fine");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(found("wrong").contains("everybody on this machine may add people"));
    assert_eq!(service.stop(), Some(0));
    fs::remove_dir_all(&folder).unwrap();
    assert!(found("wrong").contains("No such file"));
}

#[test]
fn rows_travel_through_the_running_service_and_its_memory_stays_where_it_is() {
    let sink = Sink::start(Manner::Accept);
    let installation = Installation::new(&sink);
    let service = installation.start();
    let most = || {
        let status = fs::read_to_string(format!("/proc/{}/status", service.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    };
    let before = most();
    let good = |n: usize| format!("07700 900{n:03},{},form,17/11/2021,1\n", "x".repeat(400));
    let bad = |n: usize| format!("no number {n},{},,,\n", "x".repeat(400));
    let rows: String = (400..999).map(good).chain((0..20_000).map(bad)).collect();
    let file = installation.path().join("big.csv");
    fs::write(&file, format!("phone,name,consent source,consent date,wording\n{rows}")).unwrap();
    let output = installation.run(&["import", "big.csv", "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (output.status.code(), &told["counts"]["new"], &told["counts"]["refused"]),
        (Some(3), &599.into(), &20_000.into())
    );
    assert_eq!(told["problems"].as_array().unwrap().len(), 100, "the rest are in the file");
    let handed_back = fs::read_to_string(installation.path().join("big.csv.refused.csv")).unwrap();
    assert_eq!(handed_back.lines().count(), 20_001);
    assert!(most() < before + 16, "{before} MiB, then {}", most());
    let undone = installation.ok(&["import", "undo", &told["import"].to_string()]);
    assert!(undone.contains("599 are as before"), "{undone}");
    assert_eq!(service.stop(), Some(0));
}
